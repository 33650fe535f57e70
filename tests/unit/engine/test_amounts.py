"""Sums as doubles: rounded once, by the kernel and by columns as by Python, which divides whole numbers exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.columns import Features, values_of
from rules.nodes import Aggregate
from stream.engine.arithmetic import amount
from stream.engine.jit import kernel

LIMIT = 9 * 10**18
UNITS = st.one_of(
    st.integers(-LIMIT, LIMIT),
    st.integers(-9 * 10**12, 9 * 10**12).map(lambda whole: whole * 10**6),
    st.builds(lambda whole, parts: whole * 10**6 + parts * 15_625, st.integers(9 * 10**9, 10**12), st.integers(0, 64)),
    st.integers(2**53 - 1_000, 2**53 + 1_000),
)


@kernel
def amount_of(units: int) -> float:
    return amount(units)


@given(UNITS)
def test_the_kernel_rounds_once(units: int) -> None:
    assert amount_of(units) == units / 10**6


@given(st.lists(UNITS, min_size=1))
def test_the_tags_of_messages_round_once(units: list[int]) -> None:
    total, count = Aggregate("sum", "A", "p"), len(units)
    features = Features(
        aggregates={total: 0},
        facts={},
        moment=np.zeros(count, np.int64),
        value=np.array(units, np.int64)[:, None],
        fact_kind=np.zeros((count, 0), np.uint8),
        fact_number=np.zeros((count, 0)),
        fact_text=np.zeros((count, 0), np.int32),
        text_of=str,
    )
    assert values_of(total, features) == [each / 10**6 for each in units]
