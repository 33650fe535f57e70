from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from rules.catalog import load_catalog
from stream.demo.labels import Labels, span_text
from stream.demo.live import LinesView, Moment, TerminalView, new_view
from stream.demo.summary import Run, print_summary
from stream.demo.tally import Moves, SeenChange, Snapshot

SHOP_MS = 1_762_862_400_000  # 2025-11-11 12:00 UTC, 20:00 in Shanghai
CARTS = SeenChange(
    at_ms=SHOP_MS,
    user="li.na.0042",
    segment="cart_abandoners",
    entered=True,
    cause="time",
    stayed_ms=None,
    tags={"since_cart": 7_200_000, "since_order": None},
)
LEFT = replace(CARTS, segment="active", entered=False, stayed_ms=9 * 86_400_000, tags={"since_seen": 604_800_000})
BOUGHT = replace(CARTS, segment="vip", cause="event", tags={"spend_365d": 12_000.5, "orders_365d": 7})
SNAPSHOT = Snapshot(
    live_s=12.0,
    sent=150_000,
    past=100_000,
    changes=9_000,
    live_changes=4_000,
    live_by_time=1_000,
    event_rate=1_986.0,
    change_rate=384.0,
    event_rates=(100.0, 3_000.0, 1_986.0),
    recent_s=(0.010, 0.020, 0.090),
    sizes={"vip": 417, "cart_abandoners": 263},
    moves={"vip": Moves(12, 3), "cart_abandoners": Moves(500, 400, 500, 300)},
    last=(BOUGHT, LEFT, CARTS),
    by_time=(LEFT, CARTS),
    dead_letters={"not_json": 29},
)
MOMENT = Moment(SNAPSHOT, now_s=100.0, shop_ms=SHOP_MS, speed=21_600.0, left_s=42.0, stage="live")


@pytest.fixture(scope="module")
def labels() -> Labels:
    return Labels(load_catalog("retail"))


def console(width: int = 120, height: int = 40, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=terminal, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 s"), (7_200_000, "2 h"), (93_600_000, "1 d 2 h"), (86_460_000, "1 d"), (90_000, "1 min 30 s")],
)
def test_spans_have_their_two_largest_units(milliseconds: int, text: str) -> None:
    assert span_text(milliseconds) == text


def test_moments_are_those_of_the_catalog_s_time_zone(labels: Labels) -> None:
    assert labels.moment(SHOP_MS) == "Tue 11 Nov 20:00"
    assert labels.moment(SHOP_MS + 120, exact=True) == "2025-11-11 20:00:00.120"


def test_tags_are_written_for_people(labels: Labels) -> None:
    assert labels.tags(CARTS) == "since_cart 2 h, since_order –"
    assert labels.tags(BOUGHT) == "spend_365d 12,000.5, orders_365d 7"


def test_the_view_suits_the_console(labels: Labels) -> None:
    assert isinstance(new_view(labels, console(terminal=True)), TerminalView)
    assert isinstance(new_view(labels, console()), LinesView)


def test_without_a_terminal_there_are_plain_lines_with_all_that_matters(labels: Labels) -> None:
    out = console()
    with LinesView(labels, out) as view:
        view.show(replace(MOMENT, left_s=None, stage="the worker works through the past", now_s=90.0))
        view.show(replace(MOMENT, now_s=94.0))
        view.show(replace(MOMENT, now_s=99.0))
    text = printed(out)
    assert "\x1b" not in text
    assert "… the worker works through the past" in text
    assert "p50 20 ms  p99 90 ms" in text
    assert "1,986 events/s" in text
    assert "Abandoned carts (2 hours): 263 members, +500 −400" in text
    assert "by time: li.na.0042 entered “Abandoned carts (2 hours)” (since_cart 2 h, since_order –)" in text


def test_a_view_says_how_far_a_stage_is(labels: Labels) -> None:
    past = replace(MOMENT, left_s=None, stage="the worker works through the past", progress="91,267 of 122,317 events")
    lines, screen = console(), console(140, 40, terminal=True)
    with LinesView(labels, lines) as view:
        view.show(past)
        view.show(replace(past, now_s=106.0))
    assert "    91,267 of 122,317 events, 9,000 changes received" in printed(lines)
    screen.print(TerminalView(labels, screen).picture(past), height=40, end="")
    assert "the worker works through the past: 91,267 of 122,317 events" in printed(screen)


def test_lines_come_every_five_seconds(labels: Labels) -> None:
    out = console()
    with LinesView(labels, out) as view:
        for tenth in range(200):
            view.show(replace(MOMENT, now_s=100.0 + tenth / 10))
    assert printed(out).count("events/s") == 3


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40), (200, 60)])
def test_the_picture_fits_the_terminal(labels: Labels, width: int, height: int) -> None:
    out = console(width, height, terminal=True)
    view = TerminalView(labels, out)
    view._pick(SNAPSHOT)
    out.print(view.picture(MOMENT), height=height, end="")
    lines = printed(out).splitlines()
    assert len(lines) == height
    assert max(cell_len(line) for line in lines) <= width
    text = "\n".join(lines)
    assert "Tue 11 Nov 20:00" in text
    assert "p50 20 ms" in text
    assert "◷ li.na.0" in text
    assert ("加购未下单" in text) == (width >= 130)


def test_of_many_changes_the_view_picks_what_a_reader_can_follow(labels: Labels) -> None:
    view = TerminalView(labels, console(terminal=True))
    many = tuple(replace(BOUGHT, user=f"u{number}") for number in range(30))
    view._pick(replace(SNAPSHOT, last=(*many, CARTS)))
    view._pick(replace(SNAPSHOT, last=(*many, CARTS)))
    assert [change.user for change in view._shown] == ["u29", "li.na.0042"]


def test_the_summary_says_what_happened_and_what_to_try_next(labels: Labels) -> None:
    out = console()
    print_summary(Run(SNAPSHOT, (0.01, 0.02, 0.09), SHOP_MS - 86_400_000, SHOP_MS, 4.0), labels, out)
    text = printed(out)
    assert "10 Nov 2025 to 11 Nov 2025: 1 d in 4 s" in text
    assert "150,000 sent: 100,000 of the shop's past, then 50,000 live, 12,500 a second" in text
    assert "9,000 received, 4,000 of them live, and 25% of these by time alone" in text
    assert "p50 20 ms, p99 90 ms (of 3 changes)" in text
    assert "29 not_json" in text
    assert "2025-11-11 20:00:00.000  li.na.0042 left “Active” after 9 d: since_seen 7 d" in text
    assert "tagstream profile li.na.0042" in text
    moved = [line for line in text.splitlines() if "Abandoned carts" in line or "VIP" in line]
    assert "Abandoned carts" in moved[0]


def test_a_run_without_any_change_has_a_summary_too(labels: Labels) -> None:
    nothing = replace(SNAPSHOT, changes=0, live_changes=0, live_by_time=0, sizes={}, moves={}, last=(), by_time=())
    out = console()
    print_summary(Run(replace(nothing, dead_letters={}), (), SHOP_MS, SHOP_MS, 0.0), labels, out)
    assert "dead letters    none" in printed(out)
