from __future__ import annotations

import random

import pytest

from rules.history import hash_of_user
from rules.windows import bucket_of, hop_of
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

BODY = """
tags:
  lately: 'distinct("View", "item", last="6d")'
  ever: 'distinct("View", "item")'
segments:
  few: {when: 'distinct("View", "item", last="6d") >= 3'}
  many: {when: 'distinct("View", "item", last="6d") >= 64'}
"""


def inside(time_ms: int, now_ms: int) -> bool:
    hop_ms = hop_of(6 * DAY_MS)
    phase_ms = hash_of_user("ann") % hop_ms
    return bucket_of(now_ms, hop_ms, phase_ms) - bucket_of(time_ms, hop_ms, phase_ms) <= 60


@pytest.mark.parametrize("values", [5, 70, 300])
def test_different_values_are_counted_exactly_up_to_sixty_four(values: int) -> None:
    draw = random.Random(values)
    kept = KeptEngine(catalog_of(BODY))
    newest: dict[object, int] = {}
    now_ms = NOON_MS
    for number in range(260):
        now_ms += draw.choice([0, 1, 60_000, 3_600_000, DAY_MS // 3])
        time_ms = now_ms - draw.choice([0, 0, 0, 5, DAY_MS, 5 * DAY_MS])
        value = draw.choice([f"v{draw.randrange(values)}", draw.randrange(values) / 2, True, False])
        newest[type(value), value] = max(time_ms, newest.get((type(value), value), 0))
        kept.event(time_ms, "View", item=value, watermark_ms=now_ms)
        if number % 25 == 0:
            kept.restart()
            kept.load(["ann"])
        profile = kept.engine.profiles(["ann"])[0]
        count = sum(inside(time_ms, now_ms) for time_ms in newest.values())
        assert profile.tags == {"lately": min(64, count), "ever": min(64, len(newest))}
        assert profile.segments == [name for name, limit in (("few", 3), ("many", 64)) if count >= limit]
    left_ms = 0
    kept.told()
    while kept.due_ms:
        looked_ms = kept.due_ms["ann"]  # of the due set, which may be early
        kept.look(looked_ms)
        left_ms = looked_ms if "-few@time" in kept.told() else left_ms
    assert sum(inside(time_ms, left_ms) for time_ms in newest.values()) < 3
    assert sum(inside(time_ms, left_ms - 1) for time_ms in newest.values()) >= 3


def test_of_one_value_only_type_and_content_matter() -> None:
    kept = KeptEngine(catalog_of(BODY))
    for item in (1, 1.0, True, "1", "1.0", "true", 0, False, -0.0, "x" * 300, "x" * 256, None, [1], {"a": 1}):
        kept.event(NOON_MS, "View", item=item)
    assert kept.engine.profiles(["ann"])[0].tags["ever"] == 8
