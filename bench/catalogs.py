"""Large catalogs, and how long it takes to check and to compile them.

A catalog of many segments is made from a few dozen events and traits, as a marketing department's would be: thresholds
over windows of a few lengths, traits, recency; every third comparison reads a tag, one segment in four has an exit.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CatalogFigures", "catalog_text", "measure_catalog"]

_EVENTS = (
    "Product Viewed",
    "Product Added",
    "Product Added to Wishlist",
    "Products Searched",
    "Checkout Started",
    "Order Completed",
    "Order Refunded",
    "Coupon Applied",
    "Promotion Clicked",
    "Email Opened",
    "Push Opened",
    "Review Written",
)
_CATEGORIES = ("beauty", "electronics", "gaming", "baby", "fashion", "sports", "home", "food")
_CITIES = ("Beijing", "Shanghai", "Guangzhou", "Shenzhen", "Chengdu", "Hangzhou", "Wuhan")
_WINDOWS = ("1d", "7d", "14d", "30d", "90d", "365d")
_KINDS = ("demographic", "behaviour", "value", "interest")


@dataclass(frozen=True, slots=True)
class CatalogFigures:
    """Medians in seconds. check: text to a catalog without errors.  compile: a catalog to the engine's tables.

    command: the whole process `tagstream check FILE`, Python's start with it.
    """

    segments: int
    leaves: int
    check_s: float
    compile_s: float
    command_s: float


def catalog_text(segments: int = 1_000, leaves: int = 5, seed: int = 1) -> str:
    """A catalog of so many segments with so many comparisons each, of which nothing is refused."""
    draw = random.Random(seed)
    tags = {f"tag_{number}": _number(draw) for number in range(max(segments // 10, 1))}
    lines = ["catalog: large", "version: 1", "timezone: Asia/Shanghai", "tags:"]
    lines += [f"  {name}: {expression}" for name, expression in tags.items()]
    lines.append("segments:")
    for number in range(segments):
        parts = [_comparison(draw, [*tags], place) for place in range(leaves)]
        middle = max(len(parts) - 2, 1)
        condition = " and ".join(parts[:middle])
        if parts[middle:]:
            condition += f" and ({' or '.join(parts[middle:])})"
        lines += [
            f"  segment_{number}:",
            f"    title: {{zh: 人群 {number}, en: Segment {number}}}",
            f"    kind: {draw.choice(_KINDS)}",
            f"    when: '{condition}'",
        ]
        if number % 4 == 0:
            lines.append(f"    exit: 'since() >= \"{draw.randrange(400, 800)}d\"'")
    return "\n".join(lines) + "\n"


def _number(draw: random.Random) -> str:
    """A number that a threshold above 0 splits users by."""
    event, window = draw.choice(_EVENTS), draw.choice(_WINDOWS)
    match draw.randrange(4):
        case 0:
            return f'sum("{event}", "value", last="{window}")'
        case 1:
            return f'count("{event}", last="{window}", where=property("category") == "{draw.choice(_CATEGORIES)}")'
        case 2:
            return f'distinct("{event}", "category", last="{window}")'
        case _:
            return f'count("{event}", last="{window}")'


def _comparison(draw: random.Random, tags: list[str], place: int) -> str:
    """One comparison; those of one segment are about different things, so that none excludes another."""
    match place % 5:
        case 0:
            return f"{draw.choice(tags)} >= {draw.randrange(1, 60)}"
        case 1:
            event = draw.choice(_EVENTS)
            return f'count("{event}", last="{draw.choice(_WINDOWS)}") >= {draw.randrange(1, 40)}'
        case 2:
            low = draw.randrange(18, 60)
            return f'{low} <= trait("age_{place}") <= {low + draw.randrange(3, 20)}'
        case 3:
            return f'since("{draw.choice(_EVENTS)}") < "{draw.randrange(1, 90)}d"'
        case _:
            cities = '", "'.join(draw.sample(_CITIES, 3))
            return f'trait("city") in ["{cities}"]'


def measure_catalog(folder: Path, *, segments: int = 1_000, leaves: int = 5, turns: int = 5) -> CatalogFigures:
    """Check and compile such a catalog `turns` times in this process, and run the command as often."""
    from rules.catalog import parse_catalog
    from rules.program import compile_catalog

    text = catalog_text(segments, leaves)
    path = folder / "large.yaml"
    path.write_text(text, encoding="utf-8")
    checks, compilations, commands = [], [], []
    for _ in range(turns):
        start_s = time.perf_counter()
        catalog = parse_catalog(text, str(path))
        checks.append(time.perf_counter() - start_s)
        start_s = time.perf_counter()
        compile_catalog(catalog)
        compilations.append(time.perf_counter() - start_s)
        start_s = time.perf_counter()
        subprocess.run([sys.executable, "-m", "stream.cli", "check", str(path)], check=True, stdout=subprocess.DEVNULL)
        commands.append(time.perf_counter() - start_s)
    return CatalogFigures(
        segments,
        segments * leaves,
        statistics.median(checks),
        statistics.median(compilations),
        statistics.median(commands),
    )
