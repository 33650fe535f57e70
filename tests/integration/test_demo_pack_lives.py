"""The demo's shop under the retail pack: every segment is a living one. A replay has no models, so theirs are not."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from rules.catalog import Segment, load_catalog
from rules.interpret import walk
from rules.nodes import ClusterOf, QuantileOf, ScoreOf
from stream.demo import Delivery, Shop
from stream.demo.accidents import Accidents
from stream.replay import Replay

DAY_MS = 86_400_000
SHOP = Shop(seed=3, customers=600, accidents=Accidents(broken=0.003))


@pytest.fixture(scope="module")
def month() -> list[Delivery]:
    end_ms = SHOP.opening_ms + 30 * DAY_MS
    return list(itertools.takewhile(lambda delivery: delivery.at_ms < end_ms, SHOP.deliveries()))


@pytest.fixture(scope="module")
def replayed(month: list[Delivery]) -> tuple[Counter[tuple[str, str, str]], Counter[str]]:
    """Changes counted by segment, or by tier and level, then direction and cause; rejects by reason."""
    end_ms = SHOP.opening_ms + 30 * DAY_MS
    run = Replay(load_catalog("retail"), app="demo", horizon_ms=end_ms + 3_600_000, row_budget_bytes=2**28)
    changes: Counter[tuple[str, str, str]] = Counter()
    rejects: Counter[str] = Counter()
    messages = []
    for step in run.feed([delivery.value for delivery in month]):
        messages += step.changes
        rejects.update(reject.reason for reject in step.rejects)
    for some in run.finish(end_ms):
        messages += some
    for message in messages:
        change = json.loads(message.value)
        data = change["data"]
        name = data["segment"] if "segment" in data else f"{data['tier']}={data['to']}"
        changes[name, change["type"].rsplit(".", 1)[1], data["cause"]] += 1
    return changes, rejects


def test_somebody_enters_every_segment(replayed: tuple[Counter[tuple[str, str, str]], Counter[str]]) -> None:
    changes, _ = replayed
    entered = {segment for segment, change, _ in changes if change == "entered"}
    assert entered == {
        segment.name for segment in load_catalog("retail").segments.values() if not _waits_for_models(segment)
    }


def _waits_for_models(segment: Segment) -> bool:
    reads = any(isinstance(node, ClusterOf | ScoreOf | QuantileOf) for node in walk(segment.when))
    return reads or segment.kind == "predictive"


def test_somebody_comes_to_every_level(replayed: tuple[Counter[tuple[str, str, str]], Counter[str]]) -> None:
    changes, _ = replayed
    reached = {name for name, change, _ in changes if change == "changed"}
    tiers = load_catalog("retail").tiers.values()
    assert reached == {f"{tier.name}={level}" for tier in tiers for level in tier.levels}


def test_time_alone_ends_many_memberships(replayed: tuple[Counter[tuple[str, str, str]], Counter[str]]) -> None:
    changes, _ = replayed
    by_time = {segment for segment, change, cause in changes if change == "exited" and cause == "time"}
    assert by_time >= {
        "active",
        "newcomers",
        "silent",
        "loyal",
        "cart_abandoners",
        "stuck_in_checkout",
        "reachable_by_email",
        "hot_now",
        "high_interest_low_conversion",
        "beauty_fans",
    }


def test_broken_events_get_a_reason_and_good_ones_get_through(
    month: list[Delivery], replayed: tuple[Counter[tuple[str, str, str]], Counter[str]]
) -> None:
    _, rejects = replayed
    assert set(rejects) == {"not_json", "no_user", "unknown_type", "not_a_number", "too_far_ahead", "not_object"}
    assert 0.002 < sum(rejects.values()) / len(month) < 0.004
