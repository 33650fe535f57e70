"""Turn the two original data sets beside this file into events that `tagstream replay` reads.

    python examples/convert.py            # writes cdnow/events.jsonl.gz and shop/events.jsonl.gz

Needs Python alone. The output is the same bytes every time.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["cdnow_events", "main", "shop_events", "write_events"]

HERE = Path(__file__).resolve().parent

Event = dict[str, object]

SHOP_PAGES = {"home": "Home", "account_page": "Account", "review_page": "Reviews", "error_page": "Error"}
"""Steps of the shop's clickstream that are pages, and their names."""

SHOP_TRACKS = {
    "catalog": "Product List Viewed",
    "search": "Products Searched",
    "filter_results": "Product List Filtered",
    "product_view": "Product Viewed",
    "compare": "Products Compared",
    "wishlist_add": "Product Added to Wishlist",
    "promo_page": "Promotion Viewed",
    "add_to_cart": "Product Added",
    "cart": "Cart Viewed",
    "shipping_details": "Checkout Step Viewed",
    "payment_details": "Payment Info Entered",
    "payment_error": "Payment Failed",
    "checkout_bug": "Checkout Broken",
    "purchase": "Order Completed",
    "support_chat": "Support Chat Opened",
}
"""The other steps, and the Segment e-commerce event of each (or a name like them where the spec has none)."""


def cdnow_events(path: Path) -> Iterator[Event]:
    """One `Order Completed` a purchase, by date. The original has days only: each stands at noon UTC."""
    rows = [(line.split(), number) for number, line in enumerate(path.read_text().splitlines(), start=1)]
    for (customer, _, day, discs, dollars), number in sorted(rows, key=lambda row: (row[0][2], row[1])):
        yield {
            "type": "track",
            "messageId": f"cdnow-{number:04d}",
            "userId": customer,
            "timestamp": f"{day[:4]}-{day[4:6]}-{day[6:]}T12:00:00.000Z",
            "event": "Order Completed",
            "properties": {"revenue": float(dollars), "quantity": int(discs), "currency": "USD"},
        }


def shop_events(path: Path) -> Iterator[Event]:
    """One event a row, by time, and an `identify` after a user's first row and wherever the life cycle has changed.

    The id of a message comes from the row's content, so a row that stands twice in the original is one event sent
    twice. The original's times have no zone: they are taken as UTC.
    """
    with gzip.open(path, "rt", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["timestamp"])
    life_cycle: dict[str, str] = {}
    for row in rows:
        user, moment = row["user_id"], datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
        head: Event = {
            "messageId": hashlib.sha256("|".join(row.values()).encode()).hexdigest()[:12],
            "userId": user,
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        properties = {"platform": row["platform"], "session": row["session_id"]}
        if row["event"] in SHOP_PAGES:
            yield {"type": "page", **head, "name": SHOP_PAGES[row["event"]], "properties": properties}
        else:
            yield {"type": "track", **head, "event": SHOP_TRACKS[row["event"]], "properties": properties}
        if life_cycle.get(user) != row["user_lifecycle"]:
            life_cycle[user] = row["user_lifecycle"]
            traits = {
                "channel": row["acquisition_channel"],
                "cohort": row["user_cohort"],
                "life_cycle": row["user_lifecycle"],
            }
            yield {"type": "identify", **head, "messageId": f"i-{head['messageId']}", "traits": traits}


def write_events(events: Iterable[Event], path: Path) -> int:
    """Write JSON lines, gzipped without a date so that the bytes stay the same; the number of events."""
    count = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for count, event in enumerate(events, start=1):  # noqa: B007  # the last count is the result
            file.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
    return count


def main() -> None:
    """Convert both data sets."""
    for name, events in (
        ("cdnow", cdnow_events(HERE / "cdnow" / "cdnow_sample.txt")),
        ("shop", shop_events(HERE / "shop" / "ecom.csv.gz")),
    ):
        path = HERE / name / "events.jsonl.gz"
        print(f"{path.relative_to(HERE.parent)}: {write_events(events, path):,} events")


if __name__ == "__main__":
    main()
