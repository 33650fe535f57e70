"""The events that everything here is measured with: a shop's clickstream, the same for the same seed.

Users follow a Zipf distribution, so some send a large share of all events and most send few; they come in visits of
some clicks; names follow a shop's funnel; a few per cent of the timestamps are late. Every event is filled up with a
user agent to the same size, since bytes are what decoding costs. This is not the demo's shop: it is quicker to make,
and has no story.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Traffic"]

_CHUNK = 16_384
_DAY_MS = 86_400_000
_PAUSE_MS = 30_000.0

# Name, share, and the properties beside the product's own.
_FUNNEL: tuple[tuple[str, float], ...] = (
    ("page", 0.20),
    ("Product Viewed", 0.37),
    ("Product List Viewed", 0.14),
    ("Products Searched", 0.06),
    ("Product Added", 0.09),
    ("Product Added to Wishlist", 0.03),
    ("Checkout Started", 0.04),
    ("Order Completed", 0.045),
    ("identify", 0.025),
)
_CATEGORIES = ("beauty", "electronics", "gaming", "baby", "fashion", "sports", "home", "food")
_CITIES = ("Beijing", "Shanghai", "Guangzhou", "Shenzhen", "Chengdu", "Hangzhou", "Wuhan", "Xi'an")
_LEVELS = ("none", "none", "silver", "gold")
_USER_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.2 Mobile/15E148 Safari/604.1 tagstream-shop/7.31.0 "
)
_TRACK = (
    '{"messageId":"%s","type":"track","event":"%s","userId":"%s","timestamp":"%s","properties":%s,'
    '"context":{"userAgent":"'
)
_PAGE = '{"messageId":"%s","type":"page","name":"%s","userId":"%s","timestamp":"%s","context":{"userAgent":"'
_IDENTIFY = '{"messageId":"%s","type":"identify","userId":"%s","timestamp":"%s","traits":%s,"context":{"userAgent":"'
_END = '"}}'


@dataclass(frozen=True, slots=True)
class Traffic:
    """A stretch of traffic.

    events: how many.  users: how many there may be; with few events not all appear.  zipf: the exponent.
    clicks: events of a visit, on average; with 1 every event is of another user than the one before.
    start_ms, days: over what time the events spread evenly.  size: bytes of an event.
    """

    events: int
    users: int = 50_000
    zipf: float = 1.05
    clicks: float = 8.0
    seed: int = 7
    start_ms: int = 1_767_225_600_000  # 2026-01-01
    days: float = 60.0
    size: int = 336

    def values(self) -> Iterator[bytes]:
        """The events in log order, as a topic's record values or a file's lines."""
        return (value for _, _, value in self.timed())

    def timed(self) -> Iterator[tuple[str, int, bytes]]:
        """The events in log order: the user, the time at which it reaches the log (ms since 1970), the record's value.

        Nothing reaches the log before it has happened.
        """
        numbers = np.random.default_rng(self.seed)
        names = np.array([share for _, share in _FUNNEL])
        users, logged_ms = self._visits(numbers)
        goods = _goods(numbers)
        traits = [_traits(numbers) for _ in range(512)]
        for first in range(0, self.events, _CHUNK):
            chunk = slice(first, first + _CHUNK)
            kinds = numbers.choice(len(_FUNNEL), len(users[chunk]), p=names / names.sum())
            yield from self._chunk(numbers, users[chunk].tolist(), kinds.tolist(), logged_ms[chunk], goods, traits)

    def _visits(self, numbers: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Who sends an event, and when it is logged, in log order: users come, click some times, and go."""
        weights = np.arange(1, self.users + 1, dtype=np.float64) ** -self.zipf
        likelihood = np.cumsum(weights / weights.sum())
        lengths = numbers.geometric(1 / self.clicks, self.events)
        lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), self.events)) + 1]
        count = len(lengths)
        ranks = np.minimum(np.searchsorted(likelihood, numbers.random(count)), self.users - 1)
        users = np.repeat(numbers.permutation(self.users)[ranks], lengths)[: self.events]
        pauses_ms = numbers.exponential(_PAUSE_MS, len(users))
        elapsed_ms = np.cumsum(pauses_ms)
        begins = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        begins = begins[begins < self.events]
        into_visit_ms = elapsed_ms - np.repeat(elapsed_ms[begins], np.diff(begins, append=len(users)))
        arrivals_ms = np.sort(numbers.random(len(begins))) * self.days * _DAY_MS
        at_ms = np.repeat(arrivals_ms, np.diff(begins, append=len(users))) + into_visit_ms
        order = np.argsort(at_ms, kind="stable")
        # Time runs as evenly as the days have it, however late the last visits end: an even rate, in a likely order.
        even_ms = np.arange(len(users)) * (self.days * _DAY_MS / len(users))
        return users[order], self.start_ms + even_ms.astype(np.int64)

    def _timestamps(self, numbers: np.random.Generator, logged_ms: npt.NDArray[np.int64]) -> list[str]:
        """When it happened: half a second before it was logged, on average; one in fifty up to six hours before."""
        count = len(logged_ms)
        longest_ms = min(6 * 3_600_000, self.days * _DAY_MS / 10)
        before_ms = numbers.exponential(500, count)
        before_ms += np.where(numbers.random(count) < 0.02, numbers.random(count) * longest_ms, 0)
        happened = (logged_ms - before_ms.astype(np.int64)).astype("datetime64[ms]")
        return [f"{text}Z" for text in np.datetime_as_string(happened, unit="ms").tolist()]

    def _chunk(
        self,
        numbers: np.random.Generator,
        users: list[int],
        kinds: list[int],
        logged_ms: npt.NDArray[np.int64],
        goods: list[str],
        traits: list[str],
    ) -> Iterator[tuple[str, int, bytes]]:
        count = len(users)
        times = self._timestamps(numbers, logged_ms)
        ids = numbers.bytes(16 * count).hex()
        products = (numbers.pareto(1.2, count) * 20).astype(np.int64) % len(goods)
        amounts = np.round(np.exp(numbers.normal(5.0, 0.9, count)), 2).tolist()
        coupons = (numbers.random(count) < 0.25).tolist()
        columns = zip(users, kinds, times, products.tolist(), logged_ms.tolist(), strict=True)
        for i, (user, kind, time, product, at_ms) in enumerate(columns):
            name = _FUNNEL[kind][0]
            identity = ids[32 * i : 32 * i + 32]
            who = f"customer-{user:06d}"
            if name == "page":
                text = _PAGE % (identity, "Home", who, time)
            elif name == "identify":
                text = _IDENTIFY % (identity, who, time, traits[user % len(traits)])
            else:
                text = _TRACK % (identity, name, who, time, _properties(name, goods[product], amounts[i], coupons[i]))
            filling = self.size - len(text) - len(_END)
            yield who, at_ms, (text + _fill(filling) + _END).encode()


def _fill(count: int) -> str:
    return _USER_AGENT[:count] if count <= len(_USER_AGENT) else _USER_AGENT.ljust(count, "x")


def _properties(name: str, product: str, amount: float, coupon: bool) -> str:
    if name == "Order Completed":
        return f'{{"revenue":{amount},"currency":"CNY","coupon":"SAVE10"}}' if coupon else f'{{"revenue":{amount}}}'
    if name == "Checkout Started":
        return f'{{"value":{amount},"currency":"CNY"}}'
    return product


def _goods(numbers: np.random.Generator) -> list[str]:
    prices = np.round(np.exp(numbers.normal(4.6, 0.8, 800)), 2)
    return [
        _json({"product_id": f"p-{i:04d}", "category": _CATEGORIES[i % len(_CATEGORIES)], "price": price})
        for i, price in enumerate(prices.tolist())
    ]


def _traits(numbers: np.random.Generator) -> str:
    def pick(choices: tuple[str, ...]) -> str:
        return choices[int(numbers.integers(len(choices)))]

    return _json(
        {
            "gender": pick(("F", "M")),
            "age": int(numbers.integers(18, 70)),
            "city": pick(_CITIES),
            "member_level": pick(_LEVELS),
            "email_opt_in": bool(numbers.random() < 0.6),
        }
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
