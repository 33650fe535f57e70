"""Where the parts of a row stand: the first columns are the same in every catalog, the groups behind them start at
`state.at[GROUP]`. A is the catalog's number of aggregates, R of rings, F of facts, X of comparisons, U of units.
"""

from __future__ import annotations

# Columns of `state.cells`. Times are ms; a time that is not there is NO_TIME, a due time that never comes NEVER_MS.
MOMENT = 0  # newest moment the user was evaluated at
PHASE = 1  # murmur2(user) & 0x7fffffff, shifts the windows
INCARNATION = 2  # offset of the record that made the user exist
VERSION = 3  # number of transitions so far
DUE = 4  # least of the group NEXT
ARMED = 5  # the user's entry in the due set
ID_COUNT = 6  # message ids ever kept
SCALARS = 7

# Groups of `state.cells`: (VALUE..) are numbers of entries of `state.at`, in the order of their columns.
VALUE = 0  # A: count, units, time of the newest / oldest event, size of a set, or the day number of the date in a fact
PLACE = 1  # A: place of the value among the aggregate's cuts, -1: missing
CHANGED_AT = 2  # A: 2 x the moment at which the place last changed, plus 1 if by time alone; NO_TIME: never
HEAD = 3  # R: newest bucket a ring has moved to
NEXT = 4  # A + X + stays, 1 if there are model moments, open samples: when each may next change something
NEXT_LEAST = 5  # of each block of 64 entries of NEXT the least
ENTERED = 6  # U: moment of the last transition, either way
OPENED = 7  # open samples: when each was opened, NO_TIME: none is
FACT_TIME = 8  # F: of a trait or latest its timestamp, of a top its newest occurrence, of a score when it was computed
TOP_TIME = 9  # tops x 32: newest occurrence of each value
HOUR_TIME = 10  # hours x 24
FACT_TEXT = 11  # F: number of a string
TOP_TEXT = 12  # tops x 32: number of a string; behind FACT_TEXT, so that all strings of a row lie together
SET_VALUE = 13  # sets x 64: identities of values, those seen last first
SET_TIME = 14  # sets x 64: newest occurrence of each, NO_TIME: none
ID_HASH = 15  # 64: of the last accepted events with ids, a ring
ID_MOMENT = 16  # 64
RING = 17  # R x 61: what each bucket holds, at bucket number mod 61

# Columns of `state.flags`, and its groups.
EXISTS = 0  # 1 from the first accepted event
CHANGED = 1  # 1: differs from what was last stored
STALE = 2  # last evaluated under another version of the catalog (STALE_CATALOG), or under other snapshots only
FLAGS = 3
BIT = 18  # L: the leaves
MEMBER = 19  # U: 1 in a segment, or in some cluster; of a tier or quantile the level's number + 1
UNIT_CAUSE = 20  # U: cause of the last transition
FACT_KIND = 21  # F
TOP_KIND = 22  # tops x 32, MISSING: no value

STALE_CATALOG, STALE_MODELS = 1, 2

# Groups of `state.numbers`.
FACT_NUMBER = 23  # F: of facts that are numbers or booleans; of a cluster its id
TOP_NUMBER = 24  # tops x 32: of values that are numbers or booleans
TOP_WEIGHT = 25  # tops x 32
HOUR_WEIGHT = 26  # hours x 24, 0: none
OPEN_VALUE = 27  # the values of open samples, NaN: missing
GROUPS = 28

# Columns of a transition, before the values of its moment.
OUT_ROW = 0
OUT_EVENT = 1  # index of the event that brought it out (whatever its cause), -1: none
OUT_UNIT = 2
OUT_FROM = 3  # MEMBER before; of a cluster its id + 1
OUT_TO = 4  # MEMBER after; of a cluster its id + 1
OUT_CAUSE = 5
OUT_MOMENT = 6
OUT_VERSION = 7
OUT_STAYED_MS = 8  # since the transition before; means nothing after none
OUT_VALUES = 9

# Columns of a sample.
SAMPLE_ROW = 0
SAMPLE_MODEL = 1
SAMPLE_MOMENT = 2
SAMPLE_WHY = 3
SAMPLE_LABEL = 4  # 1: positive; means nothing of one that is no label
SAMPLE_OPENED = 5  # of a label, when the sample was opened
SAMPLE_CELLS = 6

WHY_MOMENT, WHY_EVENT, WHY_LABEL = range(3)
