"""More values than are kept, extremes that leave, hours and days over years: the engine equals the reference."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.engine_runs import check_in_two_batches, one_users_records
from tests.property.random_catalogs import TIMEZONES
from tests.property.random_logs import DAY_MS, GRACE_MS, HOUR_MS, START_MS, STARTS_MS
from tests.property.reference_runs import share

Documents = list[tuple[int, int, dict[str, object]]]


def _catalog(timezone: str = "UTC", **tags: str) -> str:
    """A catalog with these tags, and a segment that is entered or left at every event, so that all are told then."""
    odd = ", ".join(str(number) for number in range(1, 400, 2))
    told = " or ".join(f"has({name})" for name in tags)
    lines = ["catalog: values", "version: 1", f"timezone: {timezone}", "tags:"]
    lines += [f"  {name}: '{expression}'" for name, expression in tags.items()]
    return "\n".join([*lines, "segments:", f"  told: {{when: '(has(count()) or {told}) and count() in [{odd}]'}}", ""])


def _bought(value: object) -> dict[str, object]:
    return {"type": "track", "event": "A", "properties": {"c": value}}


@st.composite
def _documents(
    draw: st.DrawFn,
    values: st.SearchStrategy[object],
    sizes: Sequence[int],
    steps_ms: Sequence[int],
    late_ms: Sequence[int],
    start_ms: int = START_MS,
) -> Documents:
    """Events A with property c, ever later in the log, some of them late."""
    documents: Documents = []
    clock_ms = start_ms
    for _ in range(draw(st.sampled_from(sizes))):
        clock_ms += draw(st.sampled_from(steps_ms))
        t_ms = clock_ms - draw(st.sampled_from(late_ms))
        documents.append((t_ms, clock_ms + GRACE_MS, _bought(draw(values))))
    return documents


CROWD: tuple[object, ...] = (
    *(f"v{number}" for number in range(28)), *range(8), "v" * 300, "\u00e9" * 200, "", True, False, -0.0, 0.5, 1e300,
)  # fmt: skip
TOPS = _catalog(
    counts='top("A", "c")',
    seconds='top("A", "c", half_life="1s")',
    hours='top("A", "c", half_life="1h")',
    weeks='top("A", "c", half_life="26w")',
)


@share(0.3)
@given(st.data())
def test_of_more_than_32_values_the_same_are_kept(data: st.DataObject) -> None:
    few = data.draw(st.sampled_from((3, 33, len(CROWD))))
    values = st.sampled_from(CROWD[-few:])
    steps_ms, late_ms = (0, 0, 1, 500, 1_000, HOUR_MS, 30 * DAY_MS), (0, 0, 0, 1, 1_000, HOUR_MS, 2 * HOUR_MS)
    documents = data.draw(_documents(values, (10, 50, 90), steps_ms, late_ms))
    cut = data.draw(st.integers(0, len(documents)))
    check_in_two_batches(TOPS, one_users_records(documents), cut)


DISTINCTS = _catalog(
    second='distinct("A", "c", last="1s")',
    minute='distinct("A", "c", last="1m")',
    ever='distinct("A", "c")',
) + "".join(
    f"  {name}_{number}: {{when: {name} {comparison} {number}}}\n"
    for name in ("second", "minute", "ever")
    for comparison, number in ((">=", 64), (">", 62), ("<", 3), ("==", 2))
)


@share(0.15)
@given(st.data())
def test_of_more_than_64_values_those_seen_last_are_kept(data: st.DataObject) -> None:
    many = data.draw(st.sampled_from((3, 60, 66, 100)))
    documents: Documents = []
    clock_ms = START_MS
    for number in range(data.draw(st.sampled_from((0, 62, 63, 64, 65)))):  # a crowd to begin with
        documents.append((clock_ms, clock_ms + GRACE_MS, _bought(number)))
    values = st.integers(0, many) | st.sampled_from([*CROWD, None, [], {}])
    steps_ms, late_ms = (0, 0, 1, 300, 1_000, 1_037, 30_000, 61_000), (0, 0, 0, 1, 1_000, 59_000, 61_000)
    documents += data.draw(_documents(values, (5, 20, 40), steps_ms, late_ms))
    cut = data.draw(st.integers(0, len(documents)))
    check_in_two_batches(DISTINCTS, one_users_records(documents), cut)


EXTREMES = _catalog(
    least='min("A", "c", last="1m")',
    greatest='max("A", "c", last="1m")',
    average='mean("A", "c", last="1m")',
    least_ever='min("A", "c")',
    greatest_ever='max("A", "c")',
    mean_ever='mean("A", "c")',
    some='mean("A", "c", last="2m", where=property("c") > 0)',
) + "".join(
    f"  {name}_{number}: {{when: '{name} {comparison}'}}\n"
    for name in ("least", "greatest", "average", "least_ever", "greatest_ever", "mean_ever", "some")
    for number, comparison in enumerate(("> 1", "== 1.5", "<= 0.3", "!= 2", "in [0, -1, 0.000001]"))
)


@share(0.3)
@given(st.data())
def test_means_and_extremes_come_and_go_alike(data: st.DataObject) -> None:
    amounts = st.sampled_from((0, 1, 1, 1.5, 2, -1, 0.3, 0.1, 0.2, 1e-6, 5e-7, 1.5e-6, 999_999_999_999, -9e11, None))
    steps_ms, late_ms = (0, 0, 1_000, 10_000, 30_000, 61_000), (0, 0, 0, 1_000, 59_000, 61_000, 130_000)
    documents = data.draw(_documents(amounts, (3, 15, 30), steps_ms, late_ms))
    cut = data.draw(st.integers(0, len(documents)))
    check_in_two_batches(EXTREMES, one_users_records(documents), cut)


def _days(timezone: str) -> str:
    days = {
        "since_it": 'days_since(latest("A", "c"))',
        "until_it": 'days_until(latest("A", "c"))',
        "since_day": 'days_since(latest("A", "c"), yearly=true)',
        "until_day": 'days_until(latest("A", "c"), yearly=true)',
    }
    conditions = ("== 0", "< 0", "<= 7", "> 364", "in [1, 3, 200]", "!= 1", ">= 100")
    segments = [
        f"  {name}_{number}: {{when: '{name} {condition}'}}\n"
        for name in days
        for number, condition in enumerate(conditions)
    ]
    more = "  whole_year: {when: 'since_day + until_day == 365'}\n"
    more += '  mixed: {when: \'until_day * count("A", last="1d") > 30\'}\n'
    return _catalog(timezone, hour="top_hour()", lately='top_hour(half_life="1d")', **days) + "".join(segments) + more


DATES: tuple[object, ...] = (
    "2024-02-29", "2000-02-29", "1999-12-31T23:59:59Z", "2023-11-14", "2023-11-15 late", "2006-10-29", "2024-03-31",
    "1990-11-03", "2030-01-01", "0001-01-01", "9999-12-31", "2023-02-29", "none", None, 5,
)  # fmt: skip


@share(0.15)
@given(st.data())
def test_hours_and_days_of_every_zone_begin_and_end_alike(data: st.DataObject) -> None:
    text = _days(data.draw(st.sampled_from(TIMEZONES)))
    steps_ms, late_ms = (0, HOUR_MS, 5 * HOUR_MS, DAY_MS - 1, 40 * DAY_MS), (0, 0, HOUR_MS, 100 * DAY_MS)
    start_ms = data.draw(st.sampled_from(STARTS_MS))
    documents = data.draw(_documents(st.sampled_from(DATES), (1, 3, 6), steps_ms, late_ms, start_ms))
    cut = data.draw(st.integers(0, len(documents)))
    check_in_two_batches(text, one_users_records(documents), cut, days=data.draw(st.sampled_from((1, 30, 500))))


@pytest.mark.parametrize("length", [3, 70])
def test_a_chain_of_segments_and_tiers_turns_at_one_moment(length: int) -> None:
    segments = [
        f'  s{number}: {{when: in_segment(s{number - 1}) and not level(g{number - 1}) == "off"}}'
        for number in range(length, 0, -1)
    ]
    first = "  s0: {when: 'count(last=\"1m\") in [1, 3]'}"
    tiers = [f"  g{number}: {{levels: {{on_it: in_segment(s{number}), off: always}}}}" for number in range(length + 1)]
    lines = ["catalog: chain", "version: 1", "segments:", *segments, first, "tiers:", *tiers]
    documents: Documents = [(t_ms, t_ms, _bought(1)) for t_ms in range(START_MS, START_MS + 150_000, 29_000)]
    check_in_two_batches("\n".join(lines), one_users_records(documents), 2)
