from __future__ import annotations

import pytest

from stream.learning.words import describe_cluster


@pytest.mark.parametrize(
    ("feature", "difference", "duration", "mean", "words"),
    [
        ("orders_90d", 0.9, False, 4.0, "orders often"),
        ("spend_last_30d", -2.0, False, 1.0, "spends very little"),
        ("top_hour", 0.9, False, 21.0, "mostly evenings"),
        ("since_order", 1.0, True, 9e9, "order long ago"),
        ("since", -1.0, True, 9e3, "last seen recently"),
        ("since_first", -1.0, True, 9e3, "new here"),
        ("glow", 1.6, False, 1.0, "very high glow"),
    ],
)
def test_a_feature_is_put_into_words(feature: str, difference: float, duration: bool, mean: float, words: str) -> None:
    distinctive = [{"feature": feature, "difference": difference}]
    assert describe_cluster(distinctive, {feature: duration}, {feature: mean}) == words


def test_a_cluster_that_nothing_sets_apart_is_like_most() -> None:
    assert describe_cluster([], {}, {}) == "like most users in everything"
