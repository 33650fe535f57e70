"""The reference's models against work done by hand: when they are asked, what they say and what they are told."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rules.catalog import Catalog, parse_catalog
from rules.explain.words import moment_utc
from rules.history import hash_of_user
from rules.models import sample_draw
from rules.reference import Outcome, Reference
from rules.reference_models import next_model_moment_ms

USER = "ann"
DAY = 86_400_000
HOUR = 3_600_000
START = 1_700_000_000_000
FAR = 2**50
CATALOG = """
catalog: shop
version: 1
tags:
  bought: count("Bought", last="1d")
models:
  ways:
    kind: clusters
    features: [bought]
    names: {2: Buyers}
  rfm:
    kind: quantiles
    bins: 3
    fields: {recency: since("Bought"), frequency: bought}
  churn:
    kind: classifier
    features: [bought]
    label: {absent: Bought, within: 10h}
segments:
  buyers: {when: cluster(ways) == "Buyers"}
  fresh: {when: "quantile(rfm, recency) == 3"}
  often: {when: "quantile(rfm, frequency) >= 2"}
  risk: {when: score(churn) > 0.5}
"""
FEATURE = {"name": "bought", "transform": "identity", "unit": 1, "centre": 0, "scale": 1, "missing": 0}


def shop(text: str = CATALOG) -> Catalog:
    return parse_catalog(text, with_lint=False)


def learned(catalog: Catalog, name: str, version: int = 1, **more: Any) -> dict[str, Any]:
    """A snapshot: cluster 1 about 0 buys and 2 about 2; one boundary at 5 h and one at 20 h; 0.5 at one buy."""
    model = catalog.models[name]
    head = {"model": name, "version": version, "kind": model.kind, "fingerprint": model.fingerprint}
    if model.kind == "clusters":
        centres = more.pop("centres", {1: 0, 2: 2})
        clusters = [{"id": number, "centre": [centre]} for number, centre in centres.items()]
        return {**head, "features": [FEATURE], "margin": more.pop("margin", 0), "clusters": clusters}
    if model.kind == "quantiles":
        fields = [
            {"name": "recency", "boundaries": [5 * HOUR, 20 * HOUR], "lower_is_better": True},
            {"name": "frequency", "boundaries": [0, 1.5], "lower_is_better": False},
        ]
        return {**head, "fields": fields}
    return {**head, "features": [FEATURE], "logistic": {"weights": [-1], "intercept": 1}}


class Told:
    """A reference that is told of one user."""

    def __init__(
        self, catalog: Catalog, *names: str, sampled: bool = False, ways: dict[str, Any] | None = None
    ) -> None:
        snapshots = {name: learned(catalog, name) for name in names} | ({} if ways is None else {"ways": ways})
        self.reference = Reference(catalog, snapshots=snapshots, sampled=sampled)
        self.offset = 0

    def event(self, at_ms: int, name: str | None = "Bought", watermark_ms: int = -1) -> Outcome:
        record = {"userId": USER, "timestamp": moment_utc(at_ms)}
        record |= {"type": "identify"} if name is None else {"type": "track", "event": name}
        outcome = self.reference.feed(json.dumps(record).encode(), self.offset, watermark_ms, FAR)
        assert outcome.reason is None
        self.offset += 1
        return outcome

    def moment(self, after_ms: int = START) -> int:
        return next_model_moment_ms(hash_of_user(USER), after_ms)


def data_of(change: dict[str, object]) -> dict[str, Any]:
    data = change["data"]
    assert isinstance(data, dict)
    return data


def brief(changes: list[dict[str, object]]) -> list[tuple[str, str, str]]:
    """What moved where to, when, by which cause."""
    found = []
    for change in changes:
        data = data_of(change)
        what = data.get("segment") or f"{data['model']} {data['from']}->{data['to']}"
        sign = {"tagstream.segment.entered": "+", "tagstream.segment.exited": "-"}.get(str(change["type"]), "")
        found.append((sign + what, str(change["time"]), data["cause"]))
    return found


def test_model_moments_come_once_a_day_at_the_users_own_time() -> None:
    user_hash = hash_of_user(USER)
    first = next_model_moment_ms(user_hash, START)
    assert START < first <= START + DAY
    assert (first + user_hash) % DAY == 0
    assert next_model_moment_ms(user_hash, first) == first + DAY
    assert next_model_moment_ms(user_hash, first - 1) == first


def test_without_snapshots_models_say_nothing() -> None:
    told = Told(shop())
    assert brief(told.event(START).changes) == []
    assert told.reference.advance(START + 5 * DAY) == []
    assert told.reference.profile(USER).clusters == {}


def test_the_first_event_brings_the_first_cluster_and_what_follows_from_it() -> None:
    catalog = shop()
    told = Told(catalog, *catalog.models)
    changes = told.event(START).changes
    time = moment_utc(START)

    # One buy is as far from 0 as from 2: the smaller number. The score is 1 / (1 + e^0).
    assert brief(changes) == [("ways None->1", time, "event"), ("+fresh", time, "event"), ("+often", time, "event")]
    assert [data_of(change)["version"] for change in changes] == [1, 2, 3]
    first = changes[0]
    assert first["type"] == "tagstream.cluster.changed"
    assert first["data"] == {
        "user": USER,
        "incarnation": 0,
        "version": 1,
        "cause": "event",
        "catalog_version": 1,
        "model_versions": {"ways": 1, "rfm": 1, "churn": 1},
        "tags": {"bought": 1.0},
        "record": {"partition": 0, "offset": 0},
        "model": "ways",
        "from": None,
        "to": 1,
        "from_name": None,
        "to_name": None,
    }
    second = told.event(START + 1).changes
    assert brief(second)[:2] == [
        ("ways 1->2", moment_utc(START + 1), "event"),
        ("+buyers", moment_utc(START + 1), "event"),
    ]
    assert (data_of(second[0])["from_name"], data_of(second[0])["to_name"]) == (None, "Buyers")
    profile = told.reference.profile(USER)
    assert (profile.clusters, profile.cluster_since_ms) == ({"ways": 2}, {"ways": START + 1})


def test_a_cluster_and_a_score_wait_for_the_model_moment() -> None:
    catalog = shop()
    told = Told(catalog, "ways", "churn")
    for _ in range(2):
        told.event(START)
    moment = told.moment(START + DAY + DAY // 60)  # the first after the buys have left their window
    changes = told.reference.advance(moment + 5 * DAY)

    time = moment_utc(moment)
    assert brief(changes) == [("ways 2->1", time, "time"), ("-buyers", time, "time"), ("+risk", time, "time")]


def test_an_event_that_is_not_counted_is_an_event_all_the_same() -> None:
    catalog = shop()
    told = Told(catalog, "ways")
    for _ in range(2):
        told.event(START)
    later = START + DAY + DAY // 30
    before_moment = later < told.moment(START + DAY + DAY // 60)
    (change,) = told.event(later, None).changes[:1]

    assert before_moment
    assert brief([change]) == [("ways 2->1", moment_utc(later), "event")]


def test_a_duplicate_asks_no_model() -> None:
    catalog = shop()
    told = Told(catalog, "ways")
    record = {"userId": USER, "type": "track", "event": "Bought", "messageId": "m", "timestamp": moment_utc(START)}
    first, second = (told.reference.feed(json.dumps(record).encode(), offset, -1, FAR) for offset in range(2))
    assert (first.duplicate, second.duplicate, second.changes) == (False, True, [])
    assert told.reference.profile(USER).version == 1


def test_a_quantile_changes_at_the_exact_moment_at_which_the_field_passes_a_boundary() -> None:
    catalog = shop()
    told = Told(catalog, "rfm")
    told.event(START)
    changes = told.reference.advance(START + 3 * DAY)

    # On the boundary the lower number of boundaries counts; a millisecond later it is passed.
    fresh, often = brief(changes)
    assert fresh == ("-fresh", moment_utc(START + 5 * HOUR + 1), "time")
    assert often[0] == "-often"
    assert DAY <= _ms(often[1]) - START <= DAY + DAY // 60


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_move_needs_the_margin() -> None:
    catalog = shop()
    told = Told(catalog, ways=learned(catalog, "ways", centres={1: 0, 2: 1.9}, margin=0.5))
    # From cluster 1 at one buy: 0.9 is not below (1 - 0.5) · 1.
    assert brief(told.event(START).changes)[0][0] == "ways None->2"
    other = Told(catalog, ways=learned(catalog, "ways", centres={1: 0, 2: 1.9}, margin=0.5))
    assert brief(other.event(START, "Seen").changes)[0][0] == "ways None->1"
    assert [what for what, *_ in brief(other.event(START + 1).changes) if what.startswith("ways")] == []


def test_a_snapshot_alone_moves_users_with_cause_model() -> None:
    catalog = shop()
    told = Told(catalog, "ways")
    told.event(START)
    second = learned(catalog, "ways", 2, centres={1: 9, 2: 1})
    changes = told.reference.switch_model(second, START + 1_000)

    time = moment_utc(START + 1_000)
    assert brief(changes) == [("ways 1->2", time, "model"), ("+buyers", time, "model")]
    assert data_of(changes[0])["model_versions"] == {"ways": 2}
    assert told.reference.switch_model(second, START + 2_000) == []
    assert told.reference.switch_model(learned(catalog, "ways", 1), START + 2_000) == []


def test_a_new_catalog_keeps_what_was_learned_alike_and_drops_the_rest() -> None:
    catalog = shop()
    told = Told(catalog, *catalog.models)
    told.event(START)
    text = CATALOG.replace("version: 1", "version: 2").replace(
        "features: [bought]\n    names: {2: Buyers}", "features: [bought, since()]\n    names: {1: Few}"
    )
    newer = shop(text.replace('== "Buyers"', "== 2"))
    changes = told.reference.switch(newer, START + 1_000)

    assert brief(changes) == [("ways 1->None", moment_utc(START + 1_000), "catalog")]
    data = data_of(changes[0])
    assert (data["model_versions"], data["tags"]) == ({"rfm": 1, "churn": 1}, {"bought": 1.0})
    assert (data["from_name"], data["to_name"]) == ("Few", None)
    assert told.reference.profile(USER).clusters == {}


def test_a_model_that_is_gone_goes_last_under_the_names_it_had() -> None:
    catalog = shop()
    told = Told(catalog, "ways")
    told.event(START)
    told.event(START)
    text = CATALOG[: CATALOG.index("  ways:")] + CATALOG[CATALOG.index("  rfm:") :]
    text = text.replace("version: 1", "version: 2").replace(
        '  buyers: {when: cluster(ways) == "Buyers"}\n', "  all: {when: has(since())}\n"
    )
    changes = told.reference.switch(shop(text), START + 1_000)

    assert [what for what, *_ in brief(changes)] == ["+all", "ways 2->None", "-buyers"]
    assert (data_of(changes[1])["from_name"], data_of(changes[1])["tags"]) == ("Buyers", {})


def test_a_snapshot_for_another_catalog_waits_for_it() -> None:
    catalog = shop()
    newer = shop(
        CATALOG.replace("version: 1", "version: 2")
        .replace("bins: 3", "bins: 3\n    title: RFM")
        .replace('last="1d"', 'last="2d"')
    )
    told = Told(catalog, "ways")
    told.event(START)
    waiting = learned(newer, "ways", 2, centres={1: 9, 2: 1})

    assert told.reference.switch_model(waiting, START + 1) == []
    assert told.reference.models.versions == {"ways": 1}
    changes = told.reference.switch(newer, START + 2)
    assert brief(changes)[0] == ("ways 1->2", moment_utc(START + 2), "catalog")
    assert told.reference.models.versions == {"ways": 2}


def test_a_snapshot_that_no_longer_fits_waits_and_comes_back_with_its_catalog() -> None:
    catalog = shop()
    other = shop(CATALOG.replace("version: 1", "version: 2").replace('last="1d"', 'last="2d"'))
    again = shop(CATALOG.replace("version: 1", "version: 3"))
    told = Told(catalog, "ways")
    told.event(START)

    assert brief(told.reference.switch(other, START + 1)) == [("ways 1->None", moment_utc(START + 1), "catalog")]
    assert brief(told.reference.switch(again, START + 2)) == [("ways None->1", moment_utc(START + 2), "catalog")]
    assert told.reference.models.versions == {"ways": 1}


def test_of_two_snapshots_that_wait_the_newer_one_stays() -> None:
    newer = shop(CATALOG.replace("version: 1", "version: 2").replace('last="1d"', 'last="2d"'))
    told = Told(shop())
    told.event(START)
    for version in (3, 2):
        assert told.reference.switch_model(learned(newer, "ways", version), START + 1) == []

    told.reference.switch(newer, START + 2)
    assert told.reference.models.versions == {"ways": 3}


# Samples


def test_a_sample_is_taken_at_each_model_moment_and_says_how_it_was_then() -> None:
    text = CATALOG.replace("    bins: 3", "    bins: 3\n    sample: {at: moments}")
    told = Told(
        shop(
            text[: text.index("  churn:")]
            + text[text.index("segments:") :].replace("  risk: {when: score(churn) > 0.5}\n", "")
        ),
        sampled=True,
    )
    told.event(START)
    assert told.reference.samples == []
    moment = told.moment()
    told.reference.advance(moment + DAY)

    found = [(each.model, each.at_ms, each.why) for each in told.reference.samples]
    assert found == [(name, at, "moment") for at in (moment, moment + DAY) for name in ("ways", "rfm")]
    rfm = told.reference.samples[1]
    assert (rfm.user, rfm.values, rfm.label, rfm.opened_ms) == (USER, (float(moment - START), 1.0), None, None)


def test_samples_at_events_are_those_of_the_share() -> None:
    text = CATALOG.replace("    names: {2: Buyers}", "    names: {2: Buyers}\n    sample: {at: events, share: 0.5}")
    told = Told(shop(text), sampled=True)
    moments = [START + 17 * number for number in range(60)]
    for at_ms in moments:
        told.event(at_ms)

    taken = [each.at_ms for each in told.reference.samples if each.model == "ways"]
    assert taken == [at_ms for at_ms in moments if sample_draw(hash_of_user(USER), at_ms) < 0.5]
    assert 15 < len(taken) < 45
    assert {each.why for each in told.reference.samples if each.model == "ways"} == {"event"}


def labelled(label: str, sampled: bool = True) -> Told:
    text = CATALOG.replace("{absent: Bought, within: 10h}", f"{label}\n    sample: {{at: events}}")
    return Told(shop(text), sampled=sampled)


def told_of_churn(told: Told) -> list[tuple[int, str, bool | None, int | None]]:
    return [
        (each.at_ms - START, each.why, each.label, None if each.opened_ms is None else each.opened_ms - START)
        for each in told.reference.samples
        if each.model == "churn"
    ]


def test_a_deadline_settles_a_label_and_the_next_sample_may_open() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    told.event(START + HOUR, "Seen")  # one is open already
    told.reference.advance(START + 11 * HOUR)
    told.event(START + 12 * HOUR, "Seen")

    assert told_of_churn(told) == [
        (0, "event", None, None),
        (10 * HOUR, "label", True, 0),
        (12 * HOUR, "event", None, None),
    ]
    assert [each.values for each in told.reference.samples if each.model == "churn"] == [(1.0,)] * 3


def test_an_event_settles_a_label_at_once_and_opens_the_next_sample() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    told.event(START + 3 * HOUR)

    assert told_of_churn(told) == [
        (0, "event", None, None),
        (3 * HOUR, "label", False, 0),
        (3 * HOUR, "event", None, None),
    ]
    assert [each.values for each in told.reference.samples if each.model == "churn"] == [(1.0,), (1.0,), (2.0,)]


def test_the_label_of_an_event_is_the_other_way_round() -> None:
    told = labelled("{event: any, within: 10h}")
    told.event(START)
    told.event(START + 3 * HOUR, None)  # an identify is counted nowhere
    told.event(START + 4 * HOUR, "Seen")
    told.reference.advance(START + DAY)

    assert told_of_churn(told) == [
        (0, "event", None, None),
        (4 * HOUR, "label", True, 0),
        (4 * HOUR, "event", None, None),
        (14 * HOUR, "label", False, 4 * HOUR),
    ]


def test_an_older_event_settles_nothing() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    told.event(START - 1)  # evaluated at START, as the newest
    assert [why for _, why, *_ in told_of_churn(told)] == ["event"]


def test_the_deadline_comes_before_the_event_of_the_same_moment() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    told.event(START + 10 * HOUR)

    assert told_of_churn(told)[1] == (10 * HOUR, "label", True, 0)


def test_a_late_event_that_comes_after_the_deadline_changes_nothing() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    told.event(START + HOUR, watermark_ms=START + 11 * HOUR)

    assert told_of_churn(told)[1] == (10 * HOUR, "label", True, 0)


def test_another_declaration_drops_the_open_sample() -> None:
    told = labelled("{absent: Bought, within: 10h}")
    told.event(START)
    newer = CATALOG.replace("version: 1", "version: 2").replace(
        "within: 10h}", "within: 11h}\n    sample: {at: events}"
    )
    told.reference.switch(shop(newer), START + 1)
    told.reference.advance(START + DAY)

    assert told_of_churn(told) == [(0, "event", None, None)]


def test_without_sampling_there_are_no_samples() -> None:
    told = labelled("{absent: Bought, within: 10h}", sampled=False)
    told.event(START)
    told.reference.advance(START + 3 * DAY)
    assert told.reference.samples == []


def test_looking_for_the_next_flip_leaves_everything_as_it_is() -> None:
    catalog = shop()
    told = Told(catalog, *catalog.models, sampled=True)
    told.event(START)
    assert told.reference.next_flip_ms(USER) == START + 5 * HOUR + 1
    assert told.reference.samples == []
    assert brief(told.reference.advance(START + 6 * HOUR))[0][0] == "-fresh"
