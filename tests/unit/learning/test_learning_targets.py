"""What `python -m bench.models` measures in full, smaller."""

from __future__ import annotations

import pytest

from bench.models import Figure, clusters_figures, rfm_figures


def missed(figures: list[Figure]) -> list[Figure]:
    return [each for each in figures if each.good is False]


@pytest.mark.slow
def test_clusters_agree_with_batch_k_means_stay_and_recover() -> None:
    assert missed(clusters_figures(60_000, 1)) == []


def test_rfm_scores_after_cdnow_are_those_of_pandas() -> None:
    assert missed(rfm_figures()) == []
