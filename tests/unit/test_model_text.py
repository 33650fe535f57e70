"""What is told of models, line by line."""

from __future__ import annotations

import pytest

from stream.commands import model_text


@pytest.mark.parametrize(
    ("feature", "said"),
    [("idle", "idle: from 0.5 to 1.25, in scaled units"), (None, "the model's error: from 0.5 to 1.25")],
)
def test_a_drift_is_told_with_its_units(feature: str | None, said: str) -> None:
    report = {"kind": "drift", "feature": feature, "before": 0.5, "after": 1.25}
    *_, why = model_text._report_cells(report)
    assert why == said
