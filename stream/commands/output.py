"""Results to stdout, everything else to stderr: tables, JSON and notes in one style.

Colour and boxes only where a person looks (a terminal, and no `NO_COLOR`); a pipe gets plain lines in full width.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO

__all__ = [
    "colour",
    "counted",
    "is_terminal",
    "moment",
    "note",
    "print_json",
    "print_json_line",
    "print_line",
    "print_table",
    "rejected_text",
    "span",
    "value_text",
]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at the stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colour(text: str, style: str, *, stream: IO[str] | None = None) -> str:
    """The text in a style of `_CODES` where the stream (default stdout) shows colours, else as it is."""
    if not is_terminal(stream or sys.stdout) or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def print_line(text: str = "") -> None:
    """One line of a result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line for people that is no result: progress, hints, warnings."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(value: object) -> None:
    """A whole result as one JSON document, indented."""
    print_line(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_line(value: object) -> None:
    """One of a run of results as one line of JSON, flushed: whoever reads a live stream gets it now."""
    print_line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    sys.stdout.flush()


def print_table(columns: Mapping[str, str], rows: Iterable[Sequence[object]], *, indent: int = 0) -> None:
    """Rows under headings, columns as wide as their widest cell.

    columns: heading to alignment, `<` or `>`. Wide characters (Chinese titles) count as the two columns they take.
    """
    from rich.cells import cell_len  # wide characters; rich is heavy to import for commands that print no table

    table = [tuple(str(cell) for cell in row) for row in rows]
    widths = [
        max([cell_len(heading), *(cell_len(row[place]) for row in table)]) for place, heading in enumerate(columns)
    ]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, side in zip(cells, widths, columns.values(), strict=True):
            gap = " " * (width - cell_len(cell))
            padded.append(gap + cell if side == ">" else cell + gap)
        return " " * indent + "  ".join(padded).rstrip()

    print_line(colour(line(tuple(columns)), "dim"))
    for row in table:
        print_line(line(row))


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    exact = _EPOCH + timedelta(milliseconds=milliseconds)
    return exact.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(milliseconds: int) -> str:
    """A length of time in its two largest units: `3d 4h`, `12m 5s`, `250ms`, `0s`."""
    if abs(milliseconds) < 1_000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    rest = abs(milliseconds)
    parts: list[str] = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{name}" if count else "")
        if len(parts) == 2:
            break
    return ("-" if milliseconds < 0 else "") + " ".join(part for part in parts if part)


def counted(count: int, noun: str) -> str:
    """`1 change`, `1,234 changes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rejected_text(reasons: Mapping[str, int]) -> str:
    """`3 rejected (bad_time 1, not_json 2)`: how many records are no events, by reason."""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
    return f"{sum(reasons.values()):,} rejected{f' ({listed})' if listed else ''}"


def value_text(value: object) -> str:
    """A tag's value for people: whole numbers without a fraction, what is missing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
