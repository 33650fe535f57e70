"""Where the parts of a row stand: the first columns are the same in every catalog, the groups behind them start at
`state.at[GROUP]`. A is the catalog's number of aggregates, R of rings, T of traits, X of comparisons, S of segments.
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

# Groups of `state.cells`: (VALUE..) are numbers of entries of `state.at`.
VALUE = 0  # A: count, units, or time of the newest / oldest event
PLACE = 1  # A: place of the value among the aggregate's cuts, -1: missing
HEAD = 2  # R: newest bucket a ring has moved to
NEXT = 3  # A + X + stays: when each may next change something
ENTERED = 4  # S: moment of the last entry
TRAIT_TEXT = 5  # T: number of a string
TRAIT_TIME = 6  # T
ID_HASH = 7  # 64: of the last accepted events with ids, a ring
ID_MOMENT = 8  # 64
RING = 9  # R x 61: what each bucket holds, at bucket number mod 61

# Columns of `state.flags`, and its groups.
EXISTS = 0  # 1 from the first accepted event
CHANGED = 1  # 1: differs from what was last stored
FLAGS = 2
BIT = 10  # L: the leaves
MEMBER = 11  # S
TRAIT_KIND = 12  # T
GROUPS = 13

# Columns of a transition, before the values of its moment.
OUT_ROW = 0
OUT_EVENT = 1  # index of the event that brought it out (also when its cause is time), -1: none
OUT_SEGMENT = 2
OUT_ENTERED = 3  # 1 entered, 0 exited
OUT_TIMED = 4  # 1 when time alone was the cause
OUT_MOMENT = 5
OUT_VERSION = 6
OUT_STAYED_MS = 7
OUT_VALUES = 8
