"""`models:` in a catalog: what each key comes to, what may be asked of a model, and what is wrong with the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.catalog import Catalog, parse_catalog
from rules.describe import describe
from rules.errors import CatalogError, CatalogProblem
from rules.models import ALGORITHMS, Model, ModelLabel, Sampling, fits, sample_draw
from rules.nodes import ClusterOf, Compare, Kind, NumberValue, QuantileOf, ScoreOf
from rules.text import expression_text
from stream.learning import ALGORITHMS as LEARNED_ALGORITHMS

HEAD = """catalog: shop
version: 1
timezone: Asia/Shanghai
tags:
  visits: count("Page Viewed", last="30d")
  spend: sum("Bought", "price", last="90d")
  age: trait("age")
  city: trait("city")
"""
MODELS = """models:
  behaviour:
    title: {zh: 行为, en: Behaviour}
    kind: clusters
    features: [visits, spend, since(), age]
    names: {3: Night owls, 12: "Big   spenders"}
  rfm:
    kind: quantiles
    fields:
      recency: since("Bought")
      monetary: {value: spend, lower_is_better: true}
      visits: {value: visits}
  churn:
    kind: classifier
    features: {idle: since(), hour: top_hour()}
    label: {absent: any, within: 14d}
"""


def catalog(body: str = "", *, models: str = MODELS, with_lint: bool = True) -> Catalog:
    return parse_catalog(HEAD + models + body, with_lint=with_lint)


def problems(text: str) -> list[CatalogProblem]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return [problem for problem in caught.value.problems if problem.severity == "error"]


def of_model(lines: str) -> list[tuple[str, str, str | None]]:
    """What is wrong with a model of these keys: the codes, what stands at their places, and what was meant."""
    text = f"{HEAD}models:\n  m:\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    found = []
    for problem in problems(text):
        rest = text.splitlines()[problem.line - 1][problem.column - 1 :]
        found.append((str(problem.code), rest, problem.suggestion))
    return found


def condition(text: str, *, models: str = MODELS) -> Compare:
    when = catalog(f"segments:\n  s: {{when: '{text}'}}\n", models=models).segments["s"].when
    assert isinstance(when, Compare)
    return when


def flaw(text: str) -> CatalogProblem:
    """The only thing wrong with a condition."""
    (problem,) = problems(f"{HEAD}{MODELS}segments:\n  s: {{when: '{text}'}}\n")
    return problem


def test_clusters_have_their_features_names_and_defaults() -> None:
    model = catalog().models["behaviour"]

    assert (model.kind, model.algorithm, model.clusters, model.margin) == ("clusters", "kmeans", 6, 0.1)
    assert (model.title, model.titles) == ("行为 / Behaviour", {"zh": "行为", "en": "Behaviour"})
    assert [(each.name, each.kind) for each in model.features] == [
        ("visits", Kind.NUMBER),
        ("spend", Kind.NUMBER),
        ("since()", Kind.DURATION),
        ("age", Kind.NUMBER),
    ]
    assert expression_text(model.features[1].expression) == 'sum("Bought", "price", last="90d")'
    assert model.reads == ("visits", "spend", "age")
    assert model.names == {3: "Night owls", 12: "Big spenders"}
    assert (model.label, model.lower_is_better, model.timezone) == (None, (), "")
    assert model.sampling == Sampling("moments", 1.0)


def test_of_quantiles_durations_are_better_low_unless_it_is_said_otherwise() -> None:
    model = catalog().models["rfm"]

    assert (model.kind, model.algorithm, model.bins, model.title) == ("quantiles", "kll", 5, "rfm")
    assert model.fields == ("recency", "monetary", "visits")
    assert model.lower_is_better == (True, True, False)
    turned = MODELS.replace('recency: since("Bought")', 'recency: {value: since("Bought"), lower_is_better: false}')
    assert catalog(models=turned).models["rfm"].lower_is_better == (False, True, False)


def test_a_classifier_has_its_label_and_the_time_zone_that_it_goes_by() -> None:
    model = catalog().models["churn"]

    assert (model.kind, model.algorithm) == ("classifier", "logistic")
    assert model.label == ModelLabel("absent", None, 14 * 86_400_000)
    assert model.timezone == "Asia/Shanghai"
    bought = MODELS.replace("{absent: any, within: 14d}", "{event: Bought, within: 90s}")
    assert catalog(models=bought).models["churn"].label == ModelLabel("event", "Bought", 90_000)


def test_every_setting_is_read() -> None:
    lines = "algorithm: dbstream\nclusters: 9\nmargin: 0\nfeatures: [visits]\nsample: {at: events, share: 0.25}"
    text = "models:\n  m:\n    kind: clusters\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    model = catalog(models=text).models["m"]

    assert (model.algorithm, model.clusters, model.margin) == ("dbstream", 9, 0.0)
    assert model.sampling == Sampling("events", 0.25)
    assert catalog(models="models: {q: {kind: quantiles, bins: 10, fields: {a: visits}}}\n").models["q"].bins == 10


def test_the_algorithms_are_those_that_can_be_learned() -> None:
    assert ALGORITHMS == LEARNED_ALGORITHMS


def test_an_empty_section_is_no_model() -> None:
    assert parse_catalog(f"{HEAD}models:\nsegments: {{s: {{when: visits > spend + age or has(city)}}}}").models == {}


# The fingerprint


def changed(old: str, new: str, name: str) -> bool:
    assert old in HEAD + MODELS
    after = parse_catalog((HEAD + MODELS).replace(old, new)).models[name]
    return after.fingerprint != catalog().models[name].fingerprint


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('count("Page Viewed", last="30d")', 'count("Page Viewed", last="31d")', "behaviour"),
        ("[visits, spend, since(), age]", "[spend, visits, since(), age]", "behaviour"),
        ("[visits, spend, since(), age]", "[visits, spend, since()]", "behaviour"),
        ("    kind: clusters", "    kind: clusters\n    clusters: 7", "behaviour"),
        ("    kind: clusters", "    kind: clusters\n    algorithm: dbstream", "behaviour"),
        ("recency: since", "newest: since", "rfm"),
        ("    kind: quantiles", "    kind: quantiles\n    bins: 4", "rfm"),
        ("lower_is_better: true", "lower_is_better: false", "rfm"),
        ("within: 14d", "within: 15d", "churn"),
        ("absent: any", "event: any", "churn"),
        ("absent: any", "absent: Bought", "churn"),
        ("Asia/Shanghai", "Europe/Berlin", "churn"),
    ],
)
def test_another_meaning_has_another_fingerprint(old: str, new: str, name: str) -> None:
    assert changed(old, new, name)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("en: Behaviour", "en: Ways", "behaviour"),
        ("3: Night owls", "4: Night owls", "behaviour"),
        ("    kind: clusters", "    kind: clusters\n    margin: 0.5", "behaviour"),
        ("    kind: clusters", "    kind: clusters\n    sample: {share: 0.5}", "behaviour"),
        ("    kind: clusters", "    kind: clusters\n    clusters: 6", "behaviour"),
        ("[visits, spend, since(), age]", "{visits: visits, spend: spend, age: age}", "rfm"),
        ("value: spend,", 'value: \'sum("Bought", "price", last="90d")\',', "rfm"),
        ("Asia/Shanghai", "Europe/Berlin", "behaviour"),
        ("version: 1", "version: 2", "churn"),
    ],
)
def test_what_means_the_same_keeps_its_fingerprint(old: str, new: str, name: str) -> None:
    assert not changed(old, new, name)


def test_a_snapshot_fits_by_name_and_fingerprint() -> None:
    shop = catalog()
    snapshot = {"model": "rfm", "fingerprint": shop.models["rfm"].fingerprint}

    assert fits(snapshot, shop)
    assert not fits({**snapshot, "model": "churn"}, shop)
    assert not fits({**snapshot, "model": "gone"}, shop)
    assert not fits({**snapshot, "fingerprint": "0"}, shop)
    assert not fits({"model": "rfm"}, shop)


def test_samples_are_drawn_by_user_and_moment_alone() -> None:
    # splitmix64 of 0 and of 1, as its authors' C code gives them.
    assert sample_draw(0, 0) == 0xE220A8397B1DCDAF / 2**64
    assert sample_draw(0, 1) == 0x910A2DEC89025CC1 / 2**64
    drawn = [sample_draw(user, moment) for user in range(0, 2**22, 2**15) for moment in range(50)]
    assert 0.48 < sum(drawn) / len(drawn) < 0.52
    assert len(set(drawn)) == len(drawn)


# What may be asked


def test_clusters_are_compared_by_number_and_by_name() -> None:
    by_number = Compare("==", ClusterOf("behaviour"), NumberValue(3))

    assert condition("cluster(behaviour) == 3") == by_number
    assert condition('cluster(behaviour) == "Night owls"') == by_number
    assert condition('"Night owls" == cluster(behaviour)') == Compare("==", NumberValue(3), ClusterOf("behaviour"))
    assert condition('cluster(behaviour) != "Big spenders"') == Compare("!=", ClusterOf("behaviour"), NumberValue(12))
    body = """segments:
  s: {when: 'group in ["Night owls", 4]'}
  t: {when: 'group not in ["Big spenders"] or group == owls'}
"""
    head = HEAD.replace("tags:", "tags:\n  group: cluster(behaviour)\n  owls: '\"Night owls\"'")
    shop = parse_catalog(head + MODELS + body)
    assert expression_text(shop.segments["s"].when) == "cluster(behaviour) in [3, 4]"
    assert expression_text(shop.segments["t"].when) == "cluster(behaviour) not in [12] or cluster(behaviour) == 3"


def test_scores_and_quantiles_are_numbers() -> None:
    assert condition("score(churn) >= 0.7") == Compare(">=", ScoreOf("churn"), NumberValue(0.7))
    assert condition("quantile(rfm, recency) > 4") == Compare(">", QuantileOf("rfm", "recency"), NumberValue(4))
    assert condition("quantile(rfm, recency) > 4") == condition("quantile(rfm, recency) > 4")
    assert expression_text(condition("quantile(rfm, recency) > 4")) == "quantile(rfm, recency) > 4"


@pytest.mark.parametrize(
    ("text", "code", "suggestion", "words"),
    [
        ("score(behaviour) > 0.5", "wrong_sort", "cluster(behaviour)", "has clusters"),
        ("cluster(rfm) == 1", "wrong_sort", "quantile(rfm, recency)", "has quantiles"),
        ("quantile(churn, idle) == 1", "wrong_sort", "score(churn)", "is a classifier"),
        ("cluster(behavior) == 1", "unknown_name", "cluster(behaviour)", 'no model "behavior"'),
        ("quantile(rfn, recency) == 1", "unknown_name", "quantile(rfm, recency)", "no model"),
        ("quantile(rfm, recencie) == 1", "unknown_name", "quantile(rfm, recency)", "it has recency, monetary, visits"),
        ("score(visits) > 0.5", "wrong_sort", "visits", "a tag is read by its name alone"),
        ("score(s) > 0.5", "wrong_sort", "in_segment(s)", "s is a segment"),
        ("behaviour == 3", "wrong_sort", "cluster(behaviour)", "a model is read by cluster(behaviour)"),
        ("rfm > 3", "wrong_sort", "quantile(rfm, recency)", "rfm is a model"),
        ("in_segment(churn)", "wrong_sort", "score(churn)", "churn is a model"),
        ('level(churn) == "a"', "wrong_sort", "score(churn)", "churn is a model"),
        ('cluster(behaviour) == "Night owl"', "unknown_name", '"Night owls"', "no cluster of behaviour"),
        ('cluster(behaviour) in ["Night owls", "zzz"]', "unknown_name", None, "no cluster of behaviour"),
        ('cluster(behaviour) >= "Night owls"', "wrong_type", None, "they have no order"),
        ('score(churn) == "high"', "wrong_type", None, "a number is asked for"),
        ("score(churn)", "wrong_type", None, "a condition is asked for"),
        ("count(where=score(churn) > 0.5) > 1", "not_in_where", None, "score reads the user"),
        ("cluster(behaviour) == 0", "never_holds", None, "a whole number from 1 on"),
        ("cluster(behaviour) == 2.5", "never_holds", None, "a whole number from 1 on"),
        ("score(churn) > 1", "never_holds", None, "a number from 0 to 1"),
        ("score(churn) >= 0", "always_holds", None, "everybody who has the value"),
        ("quantile(rfm, recency) == 6", "never_holds", None, "a whole number from 1 to 5"),
        ("quantile(rfm, recency) in [1, 2, 3, 4, 5]", "always_holds", None, "a whole number from 1 to 5"),
        ("quantile(rfm, recency) > 4 and quantile(rfm, recency) < 5", "never_holds", None, "excludes"),
    ],
)
def test_what_a_model_cannot_be_asked(text: str, code: str, suggestion: str | None, words: str) -> None:
    problem = flaw(text)

    assert (str(problem.code), problem.suggestion) == (code, suggestion)
    assert words in problem.message


def test_names_are_only_for_clusters_that_have_some() -> None:
    nameless = MODELS.replace('    names: {3: Night owls, 12: "Big   spenders"}\n', "")
    (problem,) = problems(f'{HEAD}{nameless}segments:\n  s: {{when: cluster(behaviour) == "Night owls"}}\n')

    assert (str(problem.code), problem.line, problem.column) == ("unknown_name", 25, 35)
    assert 'names: {3: "Night owls"}' in problem.message


def test_without_lint_what_cannot_be_meant_passes() -> None:
    assert [*catalog("segments: {s: {when: score(churn) > 1}}", with_lint=False).segments] == ["s"]


# What is wrong with a model


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("kind: cluster\nfeatures: [visits]", [("bad_value", "cluster", "clusters")]),
        ("features: [visits]", [("missing_key", "m:", None)]),
        ("kind: clusters", [("missing_key", "kind: clusters", None)]),
        ("kind: classifier\nfeatures: [visits]", [("missing_key", "kind: classifier", None)]),
        ("kind: quantiles\nfields: {}", [("empty_value", "fields: {}", None)]),
        ("kind: clusters\nfeatures: []", [("empty_value", "features: []", None)]),
        ("kind: clusters\nfeatures:", [("empty_value", "features:", None)]),
        ("kind: clusters\nfeatures: visits", [("wrong_shape", "visits", None)]),
        ("kind: quantiles\nfields: [visits]", [("wrong_shape", "[visits]", None)]),
        ("kind: clusters\nfeatures: [[visits]]", [("wrong_shape", "[visits]]", None)]),
        ("kind: clusters\nfeatures: [visits, visits]", [("duplicate_key", "visits]", None)]),
        ("kind: clusters\nfeatures: [visit]", [("unknown_name", "visit]", "visits")]),
        ("kind: clusters\nfeatures: [city == 'A']", [("wrong_type", "city == 'A']", None)]),
        ("kind: clusters\nfeatures: [lower(city)]", [("wrong_type", "lower(city)]", None)]),
        ("kind: clusters\nfeatures: [visits > 1]", [("wrong_type", "visits > 1]", None)]),
        ("kind: clusters\nfeatures: [7]", [("bad_value", "7]", None)]),
        ("kind: clusters\nfeatures: [score(m)]", [("wrong_sort", "score(m)]", "cluster(m)")]),
        ("kind: clusters\nfeatures: [1 + cluster(m)]", [("wrong_sort", "cluster(m)]", None)]),
        ("kind: clusters\nfeatures: {Visits: visits}", [("bad_name", "Visits: visits}", "visits")]),
        ("kind: clusters\nfeatures: {sum: visits}", [("reserved_name", "sum: visits}", None)]),
        ("kind: clusters\nfields: {visits: visits}", [("unknown_key", "fields: {visits: visits}", "features")]),
        ("kind: quantiles\nfeatures: {visits: visits}", [("unknown_key", "features: {visits: visits}", "fields")]),
        ("kind: clusters\nfeatures: [visits]\nbins: 5", [("unknown_key", "bins: 5", None)]),
        ("kind: clusters\nfeatures: [visits]\ncluster: 5", [("unknown_key", "cluster: 5", "clusters")]),
        ("kind: clusters\nfeatures: [visits]\nclusters: 1", [("bad_value", "1", None)]),
        ("kind: clusters\nfeatures: [visits]\nclusters: many", [("bad_value", "many", None)]),
        ("kind: clusters\nfeatures: [visits]\nmargin: 1", [("bad_value", "1", None)]),
        ("kind: clusters\nfeatures: [visits]\nmargin: .nan", [("bad_value", ".nan", None)]),
        ("kind: clusters\nfeatures: [visits]\nclusters: .inf", [("bad_value", ".inf", None)]),
        ("kind: clusters\nfeatures: [visits]\nsample: {share: .nan}", [("bad_value", ".nan}", None)]),
        ("kind: clusters\nfeatures: [.nan]", [("not_in_language", ".nan]", None)]),
        ("kind: quantiles\nfields: {a: visits}\nbins: .nan", [("bad_value", ".nan", None)]),
        ("kind: quantiles\nfields: {a: visits}\nbins: 101", [("bad_value", "101", None)]),
        ("kind: clusters\nfeatures: [visits]\nalgorithm: kmean", [("bad_value", "kmean", "kmeans")]),
        ("kind: clusters\nfeatures: [visits]\nalgorithm: logistic", [("bad_value", "logistic", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: {0: a}", [("bad_value", "0: a}", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: {one: a}", [("bad_value", "one: a}", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: {1: a, 01: b}", [("duplicate_key", "01: b}", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: {1: a, 1: b}", [("duplicate_key", "1: b}", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: {1: a, 2: a}", [("name_taken", "a}", None)]),
        ("kind: clusters\nfeatures: [visits]\nnames: [a]", [("wrong_shape", "[a]", None)]),
        (
            "kind: classifier\nfeatures: [visits]\nlabel: {absent: any}",
            [("missing_key", "label: {absent: any}", None)],
        ),
        (
            "kind: classifier\nfeatures: [visits]\nlabel: {within: 1d}",
            [("missing_key", "{within: 1d}", None)],
        ),
        (
            "kind: classifier\nfeatures: [visits]\nlabel: {absent: A, event: B, within: 1d}",
            [("bad_value", "{absent: A, event: B, within: 1d}", None)],
        ),
        (
            "kind: classifier\nfeatures: [visits]\nlabel: {absent: any, within: 0s}",
            [("bad_duration", "0s}", "1s")],
        ),
        (
            "kind: classifier\nfeatures: [visits]\nlabel: {absence: any, within: 1d}",
            [("unknown_key", "absence: any, within: 1d}", "absent")],
        ),
        ("kind: classifier\nfeatures: [visits]\nlabel:", [("empty_value", "label:", None)]),
        ("kind: clusters\nfeatures: [visits]\nsample: {at: noon}", [("bad_value", "noon}", None)]),
        ("kind: clusters\nfeatures: [visits]\nsample: {share: 0}", [("bad_value", "0}", None)]),
        ("kind: clusters\nfeatures: [visits]\nsample: {share: 50%}", [("bad_value", "50%}", "0.5")]),
    ],
)
def test_what_is_wrong_with_a_model_is_placed(lines: str, found: list[tuple[str, str, str | None]]) -> None:
    assert of_model(lines) == found


def test_a_feature_may_not_read_memberships_through_a_tag_either() -> None:
    head = HEAD + "  inside: 1 + 0 * quantile(m, a)\n"
    (problem,) = problems(f"{head}models: {{m: {{kind: quantiles, fields: {{a: inside}}}}}}\n")

    assert str(problem.code) == "wrong_sort"
    assert "through the tag inside this reads quantile(m, a)" in problem.message


def test_a_key_of_another_kind_of_model_is_told_whose_it_is() -> None:
    text = "catalog: a\nversion: 1\nmodels: {m: {kind: quantiles, features: {a: count()}, label: {absent: any}}}\n"
    said = [problem.message.partition(", and")[0] for problem in problems(text) if problem.code == "unknown_key"]
    assert said == ["features is a key of clusters and a classifier", "label is a key of a classifier"]


def test_models_share_the_name_space_of_tags_segments_and_tiers() -> None:
    quantiles = "{kind: quantiles, fields: {a: age}}"
    found = problems(f"{HEAD}models:\n  visits: {quantiles}\n  score: {quantiles}\n")

    assert [(str(problem.code), problem.line) for problem in found] == [("name_taken", 10), ("reserved_name", 11)]


def test_a_model_that_stands_twice_is_checked_twice() -> None:
    found = problems(
        f"{HEAD}models:\n  m: {{kind: quantiles, fields: {{a: age}}}}\n  m: {{kind: quantiles, fields: {{a: agee}}}}\n"
    )

    assert [str(problem.code) for problem in found] == ["duplicate_key", "unknown_name"]


def test_at_most_a_hundred_features() -> None:
    listed = "[" + ", ".join(f"visits + {number}" for number in range(101)) + "]"
    assert of_model(f"kind: clusters\nfeatures: {listed}") == [("bad_value", listed, None)]


def test_a_condition_inside_a_feature_is_looked_at() -> None:
    where = 'count(where=property("x") > 3 and property("x") < 2)'
    (problem,) = problems(f"{HEAD}models: {{m: {{kind: quantiles, fields: {{a: '{where}'}}}}}}\n")

    assert str(problem.code) == "never_holds"


def test_a_tag_that_a_model_reads_is_used() -> None:
    body = "segments: {s: {when: has(city) and score(churn) > 0.5}}\n"
    assert catalog(body).warnings == ()


# Differences


def differences(old: str, new: str) -> list[str]:
    before, after = (parse_catalog(text, with_lint=False) for text in (old, new))
    return [
        f"{change.what} {change.name} {change.aspect}: {change.text}".replace(" :", ":")
        for change in describe(before, after).changes
    ]


def test_a_new_model_has_yet_to_learn_and_one_that_is_gone_says_nothing_more() -> None:
    with_churn = f"{HEAD}models:\n" + MODELS[MODELS.index("  churn:") :]
    without = HEAD

    (added,) = differences(without, with_churn)
    assert (
        added
        == "model churn: classifier of no event within 14d over idle: since(), hour: top_hour(): it has yet to learn"
    )
    assert differences(with_churn, without) == ["model churn: removed: what it says is missing from then on"]


def test_what_changes_of_a_model_is_told_and_whether_it_learns_anew() -> None:
    text = HEAD + MODELS
    anew = ": it learns anew, and says nothing until it has"

    assert differences(text, text.replace("within: 14d", "within: 15d")) == [
        f"model churn label: no event within 14d -> no event within 15d{anew}"
    ]
    assert differences(text, text.replace("3: Night owls", "4: Night owls")) == [
        "model behaviour names: 3: Night owls, 12: Big spenders -> 4: Night owls, 12: Big spenders"
    ]
    (tag, model) = differences(text, text.replace('last="30d"', 'last="31d"'))[:2]
    assert tag.endswith("it is read by model behaviour, model rfm")
    assert model == f"model behaviour meaning: as before -> another, through the tags that it reads{anew}"


def test_what_only_a_model_reads_is_filled_from_the_log() -> None:
    before = parse_catalog(HEAD)
    after = parse_catalog(f'{HEAD}models: {{m: {{kind: quantiles, fields: {{a: since("Bought")}}}}}}\n')

    assert describe(before, after).backfill == ('since("Bought")',)


def test_models_can_be_copied_with_other_settings() -> None:
    model = catalog().models["behaviour"]
    assert isinstance(model, Model)
    assert replace(model, margin=0.5).fingerprint == model.fingerprint
