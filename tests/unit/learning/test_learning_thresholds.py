from __future__ import annotations

import numpy as np
import pytest

from stream.learning import LearningError, suggest_thresholds, suggested_catalog

DAY_MS = 86_400_000


def test_the_threshold_that_decides_is_found_and_written_as_people_would() -> None:
    generator = np.random.default_rng(1)
    values = np.stack([generator.uniform(0, 60 * DAY_MS, 2_000), generator.poisson(3, 2_000).astype(float)], axis=1)
    labels = (values[:, 0] > 30.1 * DAY_MS) & (generator.random(2_000) < 0.9)
    values[:50, 0] = np.nan
    first = suggest_thresholds(("since", "orders"), (True, False), values, labels, depth=1)[0]
    assert first.condition == 'since > "30d"'
    assert first.rate == pytest.approx(0.9, abs=0.03)
    assert first.lift > 1.5
    assert suggested_catalog([first], "leavers") == (
        "segments:\n  leavers_1:\n"
        f"    title: {first.share:.0%} of users, {first.rate:.0%} of them with the goal, "
        f"{first.lift:.1f} times as many as of all\n"
        "    kind: predictive\n    when: 'since > \"30d\"'\n"
    )


def test_without_labels_of_both_kinds_nothing_is_suggested() -> None:
    with pytest.raises(LearningError):
        suggest_thresholds(("x",), (False,), np.zeros((200, 1)), np.ones(200, dtype=bool))
