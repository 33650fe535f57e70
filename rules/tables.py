"""The compiled catalog's shape: arrays that the kernel walks, and the numbers that stand for kinds in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.nodes import Kind

__all__ = ["Tables"]

# Aggregate kinds.
COUNT, SUM, NEWEST, OLDEST = 0, 1, 2, 3
NOT_YET_MS = -(2**62)
"""The time of the newest and oldest event of a user who has none."""
AGGREGATE_KINDS = {"count": COUNT, "sum": SUM, "since": NEWEST, "since_first": OLDEST}

# Leaf kinds: the first four read a user's trait (in `where`, an event's property), the others aggregates.
VALUE_NUMBER, VALUE_TEXT, VALUE_FLAG, VALUE_PRESENT, PLACE, PRESENT, COMPARISON = range(7)

# Kinds of a trait's or property's value, as decoded; of a value that is asked for, ANY is any that is not missing.
MISSING, NUMBER, TEXT, FLAG, OTHER = range(5)
ANY = -1
VALUE_KINDS = {Kind.NUMBER: NUMBER, Kind.STRING: TEXT, Kind.BOOLEAN: FLAG, Kind.ANY: ANY}

EQUAL, UNEQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST = range(6)
OPERATORS = {"==": EQUAL, "!=": UNEQUAL, "<": BELOW, "<=": AT_MOST, ">": ABOVE, ">=": AT_LEAST}

# Codes of condition programs; a code at or above 0 pushes that leaf's bit.
AND, OR, NOT, TRUE, FALSE = -1, -2, -3, -4, -5

# Codes of comparison programs. LINEAR comparisons have LOAD_AGGREGATE steps only, each with its coefficient.
LOAD_CONSTANT, LOAD_AGGREGATE, LOAD_TRAIT, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE = range(8)
ARITHMETIC = {"+": ADD, "-": SUBTRACT, "*": MULTIPLY, "/": DIVIDE}
NUMERIC, LINEAR = 0, 1

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]


class Tables(NamedTuple):
    """A catalog as arrays: A aggregates (R with rings), T traits, L leaves, X comparisons, S segments, W wheres.

    A list of lists is flat: the entries of i are `flat[start[i]:start[i + 1]]`, and `start` has one more entry.
    """

    aggregate_kind: Int8  # (A,) COUNT SUM NEWEST OLDEST
    aggregate_ring: Int32  # (A,) its ring, -1: ever
    aggregate_hop_ms: Int64  # (A,) 0: ever
    aggregate_property: Int32  # (A,) the property column of a SUM, else -1
    aggregate_where: Int32  # (A,) -1: no condition
    aggregate_key: UInt64  # (A,) what stored rows know it by
    aggregate_empty: Int64  # (A,) its value for a user without events
    aggregate_place: Int32  # (A,) the place of that, -1: missing
    ring_count: int
    cut_start: Int32  # (A + 1,)
    cut: Int64  # ascending for each aggregate
    aggregate_leaf_start: Int32
    aggregate_leaf: Int32  # leaves to set when the aggregate's place changes
    aggregate_comparison_start: Int32
    aggregate_comparison: Int32  # comparisons to look at when the aggregate changes
    trait_key: UInt64  # (T,)
    trait_leaf_start: Int32
    trait_leaf: Int32
    trait_comparison_start: Int32
    trait_comparison: Int32
    leaf_kind: Int8  # (L,)
    leaf_source: Int32  # (L,) trait or aggregate
    leaf_low: Int32  # (L,) PLACE: low <= place < high
    leaf_high: Int32  # (L,)
    leaf_operator: Int8  # (L,) PLACE: 1 turns the range round; VALUE_PRESENT: the kind asked for
    leaf_number: Float64  # (L,)
    leaf_text: Int32  # (L,)
    leaf_segment_start: Int32
    leaf_segment: Int32  # segments whose conditions read the leaf
    leaf_initial: UInt8  # (L,) the bits of a user without events
    comparison_kind: Int8  # (X,) NUMERIC LINEAR
    comparison_leaf: Int32  # (X,) the leaf it sets
    comparison_operator: Int8  # (X,)
    comparison_constant: Int64  # (X,) LINEAR: ms added to the terms before comparing with 0
    comparison_start: Int32  # (X + 1,)
    comparison_code: Int8
    comparison_argument: Int32  # aggregate or trait
    comparison_coefficient: Int64
    comparison_number: Float64
    program_start: Int32  # (2 S + 1,) `when` and `exit` of each segment
    program_code: Int32
    segment_key: UInt64  # (S,)
    segment_has_exit: UInt8  # (S,)
    segment_min_stay_ms: Int64  # (S,)
    segment_stay: Int32  # (S,) its slot among the minimum stays, -1: none
    stay_count: int
    where_start: Int32  # (W + 1,)
    where_code: Int32
    where_leaf_kind: Int8
    where_leaf_source: Int32  # property column
    where_leaf_operator: Int8
    where_leaf_number: Float64
    where_leaf_text: Int32
    event_aggregate_start: Int32  # by event id; id 0: counted events that the catalog does not name
    event_aggregate: Int32
