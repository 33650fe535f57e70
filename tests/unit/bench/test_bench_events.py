from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import numpy as np

from bench.events import Traffic
from stream.engine.decode import DecodePlan, Decoder
from stream.engine.result import Records
from stream.engine.timestamps import parse_timestamps

TRAFFIC = Traffic(20_000, users=5_000)


def test_the_same_seed_gives_the_same_events() -> None:
    assert list(TRAFFIC.values()) == list(TRAFFIC.values())
    assert list(Traffic(100, seed=1).values()) != list(Traffic(100, seed=2).values())


def test_every_event_is_of_the_same_size_and_taken_by_the_decoder() -> None:
    values = list(TRAFFIC.values())
    assert len(values) == TRAFFIC.events
    assert {len(value) for value in values} == {TRAFFIC.size}
    count = len(values)
    zeros = np.zeros(count, np.int64)
    records = Records(list(values), zeros, zeros, np.full(count, 2**60), np.zeros(count, np.bool_))
    plan = DecodePlan(
        {"Order Completed": 1}, ("revenue", "price"), {0: frozenset({1}), 1: frozenset({0})}, {}, ("age",)
    )
    decoded = Decoder(plan).decode(records)
    assert decoded.rejects == []
    assert len(set(decoded.columns.id_hash.tolist())) == count
    assert (decoded.columns.trait_start[-1] > 0).item() is True


def test_events_are_logged_in_order_at_an_even_rate_and_after_they_happened() -> None:
    logged = [at_ms for _, at_ms, _ in TRAFFIC.timed()]
    spacing_ms = TRAFFIC.days * 86_400_000 / TRAFFIC.events
    assert all(abs(later - earlier - spacing_ms) <= 1 for earlier, later in pairwise(logged))
    happened = parse_timestamps([msgspec.json.decode(value)["timestamp"] for value in TRAFFIC.values()])
    assert (happened <= np.array(logged)).all()
    assert (happened < np.array(logged) - 60_000).mean() < 0.05


def test_users_follow_a_zipf_distribution() -> None:
    counts = Counter(user for user, _, _ in Traffic(50_000, users=5_000, clicks=1).timed())
    weights = np.arange(1, 5_001) ** -1.05
    shares = np.array([count for _, count in counts.most_common(50)]) / 50_000
    expected = (weights / weights.sum())[:50]
    assert np.abs(shares / expected - 1).max() < 0.25
