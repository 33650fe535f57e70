from __future__ import annotations

import numpy as np

from stream.learning.matching import match_centres


def test_centres_are_matched_so_that_all_together_move_least() -> None:
    old = np.array([[0.0], [10.0], [20.0]])
    match = match_centres([1, 2, 5], old, np.array([[21.0], [1.0], [12.0]]), 6)
    assert (match.ids, match.births, match.deaths, match.next_id) == ((5, 1, 2), (), (), 6)


def test_one_that_has_gone_too_far_is_dead_and_another_is_born() -> None:
    match = match_centres([1, 2], np.array([[0.0], [4.0]]), np.array([[0.1], [40.0]]), 3)
    assert (match.ids, match.births, match.deaths, match.next_id) == ((1, 3), (3,), (2,), 4)


def test_one_more_and_one_less_keep_the_others() -> None:
    old = np.array([[0.0], [10.0]])
    assert match_centres([1, 2], old, np.array([[0.0], [5.0], [10.0]]), 3).ids == (1, 3, 2)
    assert match_centres([1, 2], old, np.array([[9.0]]), 3).deaths == (1,)
    assert match_centres([7], np.array([[0.0]]), np.array([[1.0]]), 8).ids == (7,)
