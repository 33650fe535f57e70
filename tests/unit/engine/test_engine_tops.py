from __future__ import annotations

import random

import pytest

from rules.weights import Category, top_hour, top_value
from tests.unit.engine.kept_engine import DAY_MS, NOON_MS, KeptEngine, catalog_of

HALF_LIVES = {"none": None, "short": 1_000, "days": 3 * DAY_MS}


def catalog_text(half_life_ms: int | None) -> str:
    half_life = "" if half_life_ms is None else f', half_life="{half_life_ms // 1000}s"'
    hours = "" if half_life_ms is None else f'half_life="{half_life_ms // 1000}s"'
    return (
        f"tags:\n  best: 'top(\"View\", \"item\"{half_life})'\n  hour: 'top_hour({hours})'\n"
        "segments:\n  all: {when: count() >= 0}\n"
    )


@pytest.mark.parametrize("values", [3, 32, 60])
@pytest.mark.parametrize("half_life", [*HALF_LIVES])
def test_the_weightiest_value_is_the_references_after_every_event(half_life: str, values: int) -> None:
    draw = random.Random(f"{half_life}{values}")
    half_life_ms = HALF_LIVES[half_life]
    kept = KeptEngine(catalog_of(catalog_text(half_life_ms), timezone="Asia/Kolkata"))
    pool: list[Category] = [f"v{number}" for number in range(values)]
    pool[1:3] = [True, 2.0]
    occurrences: list[tuple[Category, int]] = []
    hours: list[tuple[int, int]] = []
    at_ms = NOON_MS
    for number in range(150):
        at_ms += draw.choice([0, 0, 500, 3_600_000, DAY_MS])
        time_ms = at_ms - draw.choice([0, 0, 0, 700, 2 * DAY_MS])
        value = draw.choice(pool)
        occurrences.append((value, time_ms))
        hours.append(((time_ms + 19_800_000) // 3_600_000 % 24, time_ms))
        kept.event(time_ms, "View", item=value)
        if number % 20 == 0:
            kept.restart()
            kept.load(["ann"])
        tags = kept.engine.profiles(["ann"])[0].tags
        best = top_value(occurrences, half_life_ms)
        assert (type(tags["best"]), tags["best"]) == (type(best), best)
        assert tags["hour"] == top_hour(hours, half_life_ms)


def test_what_cannot_be_weighed_is_passed_over() -> None:
    kept = KeptEngine(catalog_of(catalog_text(None)))
    for item in (None, [1], {"a": 1}):
        kept.event(NOON_MS, "View", item=item)
    kept.event(NOON_MS, "View")
    assert kept.engine.profiles(["ann"])[0].tags["best"] is None


def test_strings_of_equal_weight_are_ordered_by_code_point() -> None:
    kept = KeptEngine(catalog_of(catalog_text(None)))
    for item in ("zebra", "\U0001f600", "￿", "zeb", "é"):
        kept.event(NOON_MS, "View", item=item)
    assert kept.engine.profiles(["ann"])[0].tags["best"] == "zeb"
