"""The changes that the two examples' catalogs must bring out, computed a second time with pandas alone.

    tagstream replay examples/cdnow/events.jsonl.gz --catalog examples/cdnow/catalog.yaml \
        --until 1998-06-30T23:59:59Z --changes changes.jsonl
    python examples/confirm.py cdnow changes.jsonl

It shares nothing with Tagstream: it reads the original data, not the converted events, and says in pandas what the
catalogs say. Every change is compared: who, which segment, in or out, the exact millisecond, by an event or by time,
and how long the member had been one.

How it works. Between two moments nothing changes, where the moments of a user are the events and all times at which a
window lets an event go or a `since` reaches a limit. So it lays out all moments of all users as rows, computes every
condition for every row, and reads entries and exits off row by row.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from kafka.partitioner.default import murmur2

__all__ = ["CHANGE", "confirm_cdnow", "confirm_shop", "main", "read_changes"]

HERE = Path(__file__).resolve().parent
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CHANGE = ["user", "segment", "change", "at", "cause", "stayed"]
"""The columns of a table of changes; `at` in ms since 1970, `stayed` in ms, -1 for an entry."""


def _milliseconds(moments: pd.Series) -> pd.Series:
    return moments.astype("datetime64[ms]").astype("int64")


def _leaves(log: pd.DataFrame, window: int) -> pd.Series:
    """When each event drops out of a window: hops of a 60th of it, shifted for each user, 61 hops after its own."""
    hop = -(-window // 60)
    shift = log["hash"] % hop
    return ((log["at"] + shift) // hop + 61) * hop - shift


class Moments:
    """All moments of all users, in the order in which each user lives through them: times alone first, then events.

    log: one row an event, in order, with `user` and `at` (ms).  windows, waits: for which events and for how many ms.
    """

    def __init__(
        self,
        log: pd.DataFrame,
        windows: Sequence[tuple[pd.Series, int]],
        waits: Sequence[tuple[pd.Series, int]],
        until: int,
    ) -> None:
        hashes = {user: murmur2(user.encode()) & 0x7FFFFFFF for user in log["user"].unique()}
        self.log = log.assign(hash=log["user"].map(hashes), order=range(len(log)))
        flips = [pd.DataFrame({"user": self.log["user"], "at": _leaves(self.log, w)})[mask] for mask, w in windows]
        flips += [pd.DataFrame({"user": log["user"], "at": log["at"] + wait})[mask] for mask, wait in waits]
        by_time = pd.concat(flips).drop_duplicates().assign(event=0, order=-1)
        by_event = self.log[["user", "at", "order"]].assign(event=1)
        rows = pd.concat([by_time[by_time["at"] <= until], by_event])
        self.rows = rows.sort_values(["user", "at", "event", "order"], ignore_index=True)
        self.until = until

    def _at_events(self, values: pd.Series) -> pd.Series:
        """A column of the log, moved to the rows of its events; missing on all others."""
        return self.rows["order"].map(values.set_axis(self.log["order"]))

    def ever(self, mask: pd.Series, weight: pd.Series | int = 1) -> pd.Series:
        """The sum of `weight` over all such events so far."""
        added = self._at_events((mask * weight).astype("int64")).fillna(0).astype("int64")
        return added.groupby(self.rows["user"]).cumsum()

    def last(self, window: int, mask: pd.Series, weight: pd.Series | int = 1) -> pd.Series:
        """The sum of `weight` over such events in the window."""
        going = pd.DataFrame({"user": self.log["user"], "at": _leaves(self.log, window)})
        going["gone"] = (mask * weight).astype("int64")
        going = going.groupby(["user", "at"], as_index=False).agg({"gone": "sum"})
        gone = self.rows.merge(going, on=["user", "at"], how="left")["gone"]
        gone = gone.where(self.rows["event"] == 0, 0).fillna(0).astype("int64")
        return self.ever(mask, weight) - gone.groupby(self.rows["user"]).cumsum()

    def since(self, mask: pd.Series) -> pd.Series:
        """Milliseconds since the newest such event; missing if there is none."""
        newest = self._at_events(self.log["at"].where(mask))
        return self.rows["at"] - newest.groupby(self.rows["user"]).ffill()

    def since_first(self, mask: pd.Series) -> pd.Series:
        """Milliseconds since the oldest such event; missing if there is none."""
        moments = self._at_events(self.log["at"].where(mask))
        return self.rows["at"] - moments.groupby(self.rows["user"]).cummin().groupby(self.rows["user"]).ffill()

    def trait(self, values: pd.Series) -> pd.Series:
        """The newest value."""
        return self._at_events(values).groupby(self.rows["user"]).ffill()

    def changes(self, name: str, when: pd.Series, leave: pd.Series | None = None, stay: int = 0) -> pd.DataFrame:
        """Entries and exits of one segment. leave: what ends a membership; without it, that `when` is not so."""
        enters = when if leave is None else when & ~leave
        leaves = ~when if leave is None else leave
        found: list[tuple[str, str, str, int, str, int]] = []
        user, entered, left_before, last_at = "", -1, False, -1

        def end_of_stay(before: int, *, inclusive: bool) -> None:
            """A member whose leave condition holds goes when the stay ends, be there a row or not."""
            nonlocal entered
            end = entered + stay
            if entered >= 0 and left_before and last_at < end and (end < before or (inclusive and end == before)):
                found.append((user, name, "exited", end, "time", stay))
                entered = -1

        columns = (self.rows["user"], self.rows["at"], self.rows["event"], enters, leaves)
        for who, at, event, enter, go in zip(*(column.tolist() for column in columns), strict=True):
            if who != user:
                end_of_stay(self.until, inclusive=True)
                user, entered, left_before = who, -1, False
            end_of_stay(at, inclusive=bool(event))
            cause = "event" if event else "time"
            if entered < 0 and enter:
                found.append((user, name, "entered", at, cause, -1))
                entered = at
            elif entered >= 0 and go and at >= entered + stay:
                found.append((user, name, "exited", at, cause, at - entered))
                entered = -1
            left_before, last_at = go, at
        end_of_stay(self.until, inclusive=True)
        return pd.DataFrame(found, columns=CHANGE)


def confirm_cdnow(until: str = "1998-06-30T23:59:59Z") -> pd.DataFrame:
    """All changes of `cdnow/catalog.yaml`, from the original file."""
    names = ["user", "sample", "day", "discs", "dollars"]
    log = pd.read_csv(HERE / "cdnow" / "cdnow_sample.txt", sep=r"\s+", names=names, dtype={"user": str, "day": str})
    log = log.sort_values("day", kind="stable", ignore_index=True)
    log["at"] = _milliseconds(pd.to_datetime(log["day"], format="%Y%m%d")) + 12 * HOUR
    cents = (log["dollars"] * 100).round().astype("int64")
    each = pd.Series(data=True, index=log.index)
    waits = [(each, days * DAY) for days in (30, 120, 180, 365)]
    end = int(pd.Timestamp(until).timestamp() * 1000)
    of = Moments(log, [(each, days * DAY) for days in (90, 180, 365)], waits, end)
    orders, revenue, since = of.ever(each), of.ever(each, cents), of.since(each)
    half_year, year = of.last(180 * DAY, each), of.last(365 * DAY, each, cents)
    return pd.concat(
        [
            of.changes("one_time_buyers", (orders == 1) & (since >= 180 * DAY)),
            of.changes("quick_seconds", (orders >= 2) & (of.since_first(each) < 30 * DAY)),
            of.changes("repeaters", orders >= 2),
            of.changes("regulars", half_year >= 4, half_year < 2, stay=30 * DAY),
            of.changes("big_spenders", year >= 200_00, year < 100_00),
            of.changes("lapsing_big_spenders", (revenue >= 200_00) & (since >= 120 * DAY)),
            of.changes("collectors", of.last(90 * DAY, each, log["discs"]) >= 15),
            of.changes("small_baskets", (orders >= 3) & (revenue < 15_00 * orders)),
            of.changes("lost", since >= 365 * DAY),
        ]
    )


def confirm_shop(until: str = "2024-07-01T00:00:00Z") -> pd.DataFrame:
    """All changes of `shop/catalog.yaml`, from the original file."""
    log = pd.read_csv(HERE / "shop" / "ecom.csv.gz", parse_dates=["timestamp"]).drop_duplicates()
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    log["at"], log["user"] = _milliseconds(log["timestamp"]), log["user_id"]
    event, phone = log["event"], log["platform"] == "mobile"
    each = pd.Series(data=True, index=log.index)
    bought, added, shipping = event == "purchase", event == "add_to_cart", event == "shipping_details"
    viewed, paying = event == "product_view", event == "payment_details"
    broken, refused, asked = event == "checkout_bug", event == "payment_error", event == "support_chat"
    windows = [(shipping & phone, DAY), (paying & phone, DAY), (refused | asked, 7 * DAY)]
    windows += [(bought | viewed, 30 * DAY), (bought, 90 * DAY)]
    waits = [(shipping, 15 * MINUTE), (added, 2 * HOUR), (added, 3 * DAY), (each, 7 * DAY), (each, 21 * DAY)]
    of = Moments(log, windows, waits, int(pd.Timestamp(until).timestamp() * 1000))
    since_order = of.since(bought)

    def not_bought_since(happened: pd.Series) -> pd.Series:
        since = of.since(happened)
        return since.notna() & (since_order.isna() | (since_order > since))

    stuck = (of.last(DAY, shipping & phone) >= 1) & (of.last(DAY, paying & phone) == 0)
    refused_week, asked_week = of.last(7 * DAY, refused), of.last(7 * DAY, asked)
    bought_month, seen_month = of.last(30 * DAY, bought), of.last(30 * DAY, viewed)
    bought_quarter, since_cart = of.last(90 * DAY, bought), of.since(added)
    organic = of.trait(log["acquisition_channel"]) == "organic"
    loyal = of.trait(log["user_lifecycle"]) == "loyal"
    carts = (since_cart >= 2 * HOUR) & (since_cart < 3 * DAY) & not_bought_since(added)
    emergency = (refused_week >= 1) & (asked_week >= 1)
    looking, done_looking = (seen_month >= 12) & (bought_month == 0), (seen_month < 6) | (bought_month >= 1)
    return pd.concat(
        [
            of.changes("stuck_on_phone", stuck & (of.since(shipping) >= 15 * MINUTE)),
            of.changes("hit_by_the_bug", not_bought_since(broken)),
            of.changes("payment_refused", not_bought_since(refused)),
            of.changes("payment_emergency", emergency, refused_week == 0, stay=DAY),
            of.changes("abandoned_carts", carts),
            of.changes("looking_only", looking, done_looking),
            of.changes("repeat_buyers", bought_quarter >= 3, bought_quarter < 2, stay=7 * DAY),
            of.changes("organic_newcomers", organic & (of.since_first(each) < 7 * DAY)),
            of.changes("loyal_gone_quiet", loyal & (of.since(each) >= 21 * DAY)),
        ]
    )


def read_changes(lines: Sequence[str]) -> pd.DataFrame:
    """The changes that `tagstream replay --changes` wrote, as a table."""
    found = []
    for change in map(json.loads, lines):
        data, at = change["data"], int(pd.Timestamp(change["time"]).timestamp() * 1000 + 0.5)
        kind, stayed = change["type"].rsplit(".", 1)[1], data.get("stayed_ms", -1)
        found.append((data["user"], data["segment"], kind, at, data["cause"], stayed))
    return pd.DataFrame(found, columns=CHANGE)


CONFIRM: dict[str, Callable[[], pd.DataFrame]] = {"cdnow": confirm_cdnow, "shop": confirm_shop}


def main(arguments: Sequence[str]) -> int:
    """Compare; prints the result. 0 if every change is the same, 1 if not, 2 if called wrongly."""
    if len(arguments) != 2 or arguments[0] not in CONFIRM:
        print(f"usage: python examples/confirm.py {{{','.join(CONFIRM)}}} CHANGES.jsonl", file=sys.stderr)
        return 2
    expected = CONFIRM[arguments[0]]()
    actual = read_changes(Path(arguments[1]).read_text(encoding="utf-8").splitlines())
    both = expected.merge(actual, on=CHANGE, how="outer", indicator=True)
    differing = both[both["_merge"] != "both"]
    if len(differing) or len(expected) != len(actual):
        found_by = differing["_merge"].astype(str).map({"left_only": "pandas alone", "right_only": "replay alone"})
        print(differing.assign(_merge=found_by).to_string())
        return 1
    print(f"{len(actual):,} changes, all confirmed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
