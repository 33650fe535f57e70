"""How much an explanation asks: somebody waits for it, so the same is not tried again and again."""

from __future__ import annotations

import random

import pytest

from rules.catalog import load_catalog
from rules.explain import explain
from rules.explain.prospect import Prospect
from rules.history import hash_of_user
from tests.unit.rules.explain_standings import USER, Life, Standing

START_MS = 1_760_000_000_000
HOUR_MS = 3_600_000
EVENTS = (*["Product Viewed"] * 4, "Product Added", "Order Completed", "Products Searched", "Checkout Started")
MOST_VERDICTS = 3_000
"""Some 15 µs each. Trying amounts that can't do, and the same events for each way to a goal, took up to 4,800."""


@pytest.mark.parametrize("seed", range(3, 6))
def test_a_busy_shopper_is_explained_by_each_unit_of_retail_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog("retail")
    standing = _standing_of_a_busy_shopper(Life(catalog), random.Random(seed))
    asked = [0]
    verdict = Prospect.verdict

    def counted(*arguments: object) -> object:
        asked[0] += 1
        return verdict(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Prospect, "verdict", counted)
    for unit in (*catalog.segments, *catalog.tiers):
        asked[0] = 0
        explain(catalog, standing, unit, user_hash=hash_of_user(USER), warming={}, snapshots={})
        assert asked[0] < MOST_VERDICTS, unit


def _standing_of_a_busy_shopper(life: Life, draw: random.Random) -> Standing:
    now_ms = START_MS
    life.identify(now_ms, gender="F", birthday="1990-05-05")
    for number in range(60):
        now_ms += draw.randrange(20 * HOUR_MS)
        life.track(
            now_ms,
            draw.choice(EVENTS),
            category=draw.choice(("beauty", "gaming", "baby", "food")),
            revenue=draw.randrange(50, 900),
            product_id=f"p{number % 9}",
        )
    return life.standing(now_ms + 1_000)
