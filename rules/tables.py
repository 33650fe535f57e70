"""The compiled catalog's shape: arrays that the kernel walks, and the numbers that stand for kinds in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.nodes import Kind

__all__ = ["Tables"]

# Aggregate kinds.
COUNT, SUM, NEWEST, OLDEST, VALUES, LEAST, GREATEST, DISTINCT, DAYS_SINCE, DAYS_UNTIL = range(10)
NOT_YET_MS = -(2**62)
"""The time of the newest and oldest event of a user who has none."""
NO_VALUE = NOT_YET_MS
"""The value of a LEAST or GREATEST of nothing, and of DAYS where there is no date: beyond every value of theirs."""
AGGREGATE_KINDS = {
    "count": COUNT,
    "sum": SUM,
    "since": NEWEST,
    "since_first": OLDEST,
    "values": VALUES,
    "min": LEAST,
    "max": GREATEST,
    "distinct": DISTINCT,
    "days_since": DAYS_SINCE,
    "days_until": DAYS_UNTIL,
}

# Fact kinds: values of a user that no ring gives. The first four and scores are stored; the others follow from what the
# user is in.
FACT_TRAIT, FACT_LATEST, FACT_TOP, FACT_HOUR, FACT_MEMBERSHIP, FACT_LEVEL, FACT_CLUSTER, FACT_SCORE, FACT_QUANTILE = (
    range(9)
)

# Forms of units. A quantile is a field of a model: a tier that nobody is told of, its levels the scores.
SEGMENT, TIER, CLUSTER, QUANTILE = range(4)

DISTINCT_VALUES = 64
"""Values that a `distinct` keeps: of more, those seen last."""

TOP_VALUES = 32
"""Values that a `top` keeps."""

DAY_HOURS = 24
"""Cells of a `top_hour`."""

# Leaf kinds: the first five read a fact (in `where`, an event's property), the others aggregates.
VALUE_NUMBER, VALUE_TEXT, VALUE_FLAG, VALUE_PRESENT, VALUE_MATCH, PLACE, PRESENT, COMPARISON = range(8)

# Kinds of a fact's or property's value, as decoded; of a value that is asked for, ANY is any that is not missing.
MISSING, NUMBER, TEXT, FLAG, OTHER = range(5)
ANY = -1
VALUE_KINDS = {Kind.NUMBER: NUMBER, Kind.STRING: TEXT, Kind.BOOLEAN: FLAG, Kind.ANY: ANY}

EQUAL, UNEQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST = range(6)
OPERATORS = {"==": EQUAL, "!=": UNEQUAL, "<": BELOW, "<=": AT_MOST, ">": ABOVE, ">=": AT_LEAST}

# Codes of condition programs; a code at or above 0 pushes that leaf's bit.
AND, OR, NOT, TRUE, FALSE = -1, -2, -3, -4, -5

# How a model's snapshot says what it says; of those without one the first that its kind may have.
NEAREST, QUANTILES, LOGISTIC, TREES = range(4)

# What settles a classifier's sample as positive, and when samples are taken.
NO_LABEL, LABEL_ABSENT, LABEL_EVENT = range(3)
NOT_SAMPLED, AT_MOMENTS, AT_EVENTS = range(3)

# Codes of comparison programs. LINEAR comparisons have LOAD_AGGREGATE steps only, each with its coefficient.
LOAD_CONSTANT, LOAD_AGGREGATE, LOAD_FACT, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE = range(8)
ARITHMETIC = {"+": ADD, "-": SUBTRACT, "*": MULTIPLY, "/": DIVIDE}
# A feature that is just an aggregate, or just a `since`, is told apart, as most are.
NUMERIC, LINEAR, AGGREGATE, TIME_SINCE = range(4)

# What brought a transition about, as rows and transitions hold it, and as messages name it.
CAUSE_EVENT, CAUSE_TIME, CAUSE_CATALOG, CAUSE_MODEL, CAUSE_BACKFILL = range(5)
CAUSES = ("event", "time", "catalog", "model", "backfill")

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]


class Tables(NamedTuple):
    """A catalog, and the snapshots in force, as arrays.

    A aggregates (R with rings), F facts, T traits, L leaves, X comparisons, U units, W wheres, M models, Q features of
    models, each expression once. Units are segments, tiers, models that make clusters, and fields of quantiles. A list
    of lists is flat: the entries of i are `flat[start[i]:start[i + 1]]`, and `start` has one more entry.
    """

    aggregate_kind: Int8  # (A,) COUNT … DAYS_UNTIL
    aggregate_ring: Int32  # (A,) its ring, -1: none (ever, or DISTINCT, NEWEST, OLDEST, DAYS)
    aggregate_hop_ms: Int64  # (A,) length of a bucket of its window, 0: ever
    aggregate_property: Int32  # (A,) the property column of SUM VALUES LEAST GREATEST DISTINCT, else -1
    aggregate_where: Int32  # (A,) -1: no condition
    aggregate_key: UInt64  # (A,) what stored rows know it by
    aggregate_empty: Int64  # (A,) its value for a user without events
    aggregate_place: Int32  # (A,) the place of that, -1: missing
    aggregate_set: Int32  # (A,) its number among the DISTINCTs, else -1
    aggregate_fact: Int32  # (A,) DAYS: the fact that holds the date, else -1
    aggregate_yearly: UInt8  # (A,) DAYS: 1 from the last or to the next day of that date in a year
    ring_count: int
    set_count: int
    cut_start: Int32  # (A + 1,)
    cut: Int64  # ascending for each aggregate
    cut_leaf_start: Int32  # by cut: leaves whose range begins or ends there, so only these differ on its two sides
    cut_leaf: Int32
    aggregate_leaf_start: Int32
    aggregate_leaf: Int32  # leaves to set when the aggregate's place changes
    aggregate_comparison_start: Int32
    aggregate_comparison: Int32  # comparisons to look at when the aggregate changes
    fact_kind: Int8  # (F,) FACT_TRAIT … FACT_QUANTILE
    fact_key: UInt64  # (F,) what stored rows know it by
    fact_source: Int32  # (F,) property column of LATEST and TOP, unit of those that follow from one, else -1
    fact_half_life_ms: Int64  # (F,) TOP and HOUR: 0 plain counts
    fact_slot: Int32  # (F,) number among the TOPs (32 entries each) or among the HOURs (24 cells each), else -1
    top_count: int
    hour_count: int
    trait_fact: Int32  # (T,) the fact of each trait, in the order of `Program.traits`, as events bring them
    fact_leaf_start: Int32
    fact_leaf: Int32
    fact_comparison_start: Int32
    fact_comparison: Int32
    fact_aggregate_start: Int32
    fact_aggregate: Int32  # DAYS that read the fact
    leaf_kind: Int8  # (L,)
    leaf_source: Int32  # (L,) fact, aggregate or comparison
    leaf_low: Int32  # (L,) PLACE: low <= place < high
    leaf_high: Int32  # (L,)
    leaf_operator: Int8  # (L,) PLACE: 1 turns the range round; VALUE_PRESENT: the kind asked for; FLAG, MATCH: 0 or 1
    leaf_number: Float64  # (L,)
    leaf_text: Int32  # (L,) VALUE_TEXT: the text's id; VALUE_MATCH: the predicate
    leaf_unit_start: Int32
    leaf_unit: Int32  # units whose conditions read the leaf, ascending
    leaf_initial: UInt8  # (L,) the bits of a user without events
    comparison_kind: Int8  # (X,) NUMERIC LINEAR
    comparison_leaf: Int32  # (X,) the leaf it sets
    comparison_operator: Int8  # (X,)
    comparison_constant: Int64  # (X + Q,) LINEAR: ms added to the terms (of a comparison, before comparing with 0)
    comparison_start: Int32  # (X + Q + 1,) the steps of comparisons, then of features
    comparison_code: Int8
    comparison_argument: Int32  # aggregate or fact
    comparison_coefficient: Int64
    comparison_number: Float64
    feature_kind: Int8  # (Q,) NUMERIC LINEAR AGGREGATE TIME_SINCE; first those that models in force are asked with
    feature_in_force_count: int  # how many those are
    program_start: Int32  # (P + 1,) `when` and `exit` of each segment, one a level of each tier or quantile
    program_code: Int32
    level_text: Int32  # (P,) text id of the level's name, 0 for programs of others than tiers
    level_key: UInt64  # (P,) what stored rows know the level by, 0 for programs of others than tiers
    level_score: Int32  # (P,) the score that a quantile's level stands for, 0 for programs of others
    unit_key: UInt64  # (U,) what stored rows know it by
    unit_form: UInt8  # (U,) SEGMENT TIER CLUSTER QUANTILE
    quantile_count: int  # units below this are quantiles
    unit_first_program: Int32  # (U + 1,)
    unit_has_exit: UInt8  # (U,)
    unit_min_stay_ms: Int64  # (U,)
    unit_stay: Int32  # (U,) its slot among the minimum stays, -1: none
    unit_fact: Int32  # (U,) the MEMBERSHIP, LEVEL, CLUSTER or QUANTILE that holds it, -1: nothing reads it
    unit_retired: UInt8  # (U,) 1: of the previous catalog only; a member leaves at once, others go to no level, cluster
    stay_unit: Int32  # the unit of each such slot
    stay_count: int
    message_aggregate_count: int  # aggregates below this are read by tags of messages: the values of a transition
    message_fact_count: int  # facts likewise
    message_aggregate_start: Int32  # by unit
    message_aggregate: Int32  # aggregates that the tags of its messages read
    message_fact_start: Int32  # by unit
    message_fact: Int32
    where_start: Int32  # (W + 1,)
    where_code: Int32
    where_leaf_kind: Int8
    where_leaf_source: Int32  # property column
    where_leaf_operator: Int8
    where_leaf_number: Float64
    where_leaf_text: Int32
    event_aggregate_start: Int32  # by event id; id 0: counted events that the catalog does not name
    event_aggregate: Int32
    event_fact_start: Int32  # by event id
    event_fact: Int32  # LATEST, TOP and HOUR that the event touches
    zone_start: Int64  # UTC ms from which each offset holds, ascending, the first far back; empty without an HOUR
    zone_offset_ms: Int64  # local time less UTC
    first_day: int  # number of the local day (days since 1970-01-01) of `day_start[0]`
    day_start: Int64  # UTC ms at which local day first_day + i begins, ascending; empty without DAYS
    model_kind: Int8  # (M,) NEAREST QUANTILES LOGISTIC TREES
    model_in_force: UInt8  # (M,) 1: a snapshot says something of each user; of QUANTILES always 0, they are units
    model_fact: Int32  # (M,) its CLUSTER or SCORE, of QUANTILES -1
    model_unit: Int32  # (M,) of NEAREST its unit, else -1
    model_margin: Float64  # (M,) NEAREST: 1 less the margin
    model_intercept: Float64  # (M,) LOGISTIC
    model_feature_start: Int32  # (M + 1,)
    model_feature: Int32  # the features of each model in its order; the next five have their entries beside these
    model_term: Int32  # the term that is scaled, -1: of a model that is not asked
    scale_centre: Float64
    scale_width: Float64
    scale_missing: Float64
    weight: Float64  # LOGISTIC
    term_feature: Int32  # of each feature that is asked for, each way in which a model takes it
    term_log: UInt8  # 1: its logarithm, of the value in units of
    term_unit: Float64
    model_cluster_start: Int32  # (M + 1,)
    model_cluster: Int64  # ids of clusters, ascending for each model
    centre: Float64  # of cluster after cluster, a number for each feature of its model
    centre_first: Int32  # (M,) where a model's centres begin
    model_tree_start: Int32  # (M + 1,)
    model_tree: Int32  # the root of each tree
    node_feature: Int32  # which of the model's features a node asks for, -1: it is a leaf
    node_value: Float64  # the greatest value that goes left, or what the leaf says
    node_left: Int32
    node_right: Int32
    model_sampled: Int8  # (M,) NOT_SAMPLED AT_MOMENTS AT_EVENTS
    model_share: Float64  # (M,) of those moments
    model_label: Int8  # (M,) NO_LABEL LABEL_ABSENT LABEL_EVENT
    model_label_event: Int32  # (M,) the event's id, -1: any that is counted
    model_within_ms: Int64  # (M,) how long a label is waited for
    model_open: Int32  # (M,) its slot among the open samples, -1: it has none
    model_key: UInt64  # (M,) what stored rows know its open sample by
    open_model: Int32  # the model of each slot
    open_first: Int32  # where the values of each slot's sample begin among those of all
    open_width: int  # how many values open samples have in all
    sampled_count: Int32  # (3,) how many models are NOT_SAMPLED, are sampled AT_MOMENTS, AT_EVENTS
    in_force_count: int  # how many of `model_in_force` are 1
    has_model_moments: int  # 1: users are looked at once a day
