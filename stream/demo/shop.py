"""A shop's traffic: what its customers send, event by event, in the order in which it reaches the log.

`Shop(seed=7).deliveries()` is endless, the same for the same arguments, and pure: it reads no clock and does no I/O.
It begins with what a shop imports on the day it starts with Tagstream, old events all at one log time: sign-ups and
profiles of the past years, orders of the past year. From then on it is traffic as it happens, and new customers come.

Two generators take turns. NumPy decides by the hour who comes (`random` would be too slow for every customer and hour),
`random` plays out each visit. Events are Segment's: `identify`, `page`, `track` with the e-commerce names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from stream.demo.accidents import Accidents
from stream.demo.customers import DAY_MS, Customer, Population
from stream.demo.goods import Assortment
from stream.demo.personas import PERSONAS
from stream.demo.stamps import Stamps
from stream.demo.visits import Visits

__all__ = ["OPENING_MS", "Delivery", "Shop"]

OPENING_MS: Final = 1_761_840_000_000
"""2025-10-31 00:00 in Shanghai (16:00 UTC the day before): the live part starts here, and the 11.11 sale is near."""

HOUR_MS: Final = 3_600_000
_ZONE_MS: Final = 8 * HOUR_MS  # Asia/Shanghai has had no daylight saving time since 1991
_HISTORY_DAYS: Final = 365
_SALES: Final = {(6, 18): 2.4, (11, 10): 1.6, (11, 11): 3.2, (11, 12): 1.3, (12, 12): 2.0}


class Delivery(NamedTuple):
    """One record as it reaches the log at `at_ms` (ms since 1970): the key and the value. Never goes back in time."""

    at_ms: int
    user: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop's size and its past.

    customers: how many there are at the opening.  newcomers_per_day: as a share of them.
    warm_days: for how many days before the opening there is traffic; the import comes at their start.
    """

    seed: int = 7
    customers: int = 5_000
    opening_ms: int = OPENING_MS
    newcomers_per_day: float = 0.006
    warm_days: int = 7
    accidents: Accidents = field(default_factory=Accidents)

    @property
    def import_ms(self) -> int:
        """The log time of the imported past."""
        return self.opening_ms - self.warm_days * DAY_MS

    def deliveries(self) -> Iterator[Delivery]:
        """Everything from the first sign-up on, without end, ordered by `at_ms`."""
        return _Traffic(self).run()


class _Traffic:
    """The state of one run of a shop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._draw = random.Random(f"{shop.seed}/traffic")
        self._numbers = np.random.default_rng(shop.seed)
        self._stamps = Stamps()
        self._population = Population(shop.seed)
        self._visits = Visits(self._draw, Assortment(shop.seed), self._stamps)
        self._hours = np.array([persona.rhythm.hours for persona in PERSONAS])
        self._weekdays = np.array([persona.rhythm.weekdays for persona in PERSONAS])
        self._orders = np.array([persona.funnel.orders_per_session() for persona in PERSONAS])
        self._pending: list[Delivery] = []

    def run(self) -> Iterator[Delivery]:
        shop = self._shop
        self._population.settle(shop.customers, shop.opening_ms)
        self._sign_ups(self._population.customers)
        for day_ms in range(shop.opening_ms - _HISTORY_DAYS * DAY_MS, shop.import_ms, DAY_MS):
            self._orders_of(day_ms)
        hour_ms = shop.import_ms
        while True:
            if hour_ms >= shop.opening_ms and (hour_ms - shop.opening_ms) % DAY_MS == 0:
                self._newcomers(hour_ms)
            self._sessions_of(hour_ms)
            hour_ms += HOUR_MS
            yield from self._arrived(hour_ms)

    def _sign_ups(self, customers: list[Customer]) -> None:
        for customer in customers:
            for at_ms, value in self._visits.sign_up(customer):
                self._pending.append(Delivery(max(at_ms, self._shop.import_ms), customer.user, value))

    def _newcomers(self, day_ms: int) -> None:
        count = int(self._numbers.poisson(self._shop.customers * self._shop.newcomers_per_day))
        known = len(self._population.customers)
        self._population.arrive(count, day_ms)
        for customer in self._population.customers[known:]:
            self._send(customer, self._visits.first_visit(customer))

    def _orders_of(self, day_ms: int) -> None:
        """Old orders, without the clicks that led to them: the shop has kept no more."""
        population = self._population
        busy = _season(day_ms + DAY_MS // 2) * self._weekdays[population.persona, _weekday(day_ms)]
        expected = population.sessions_per_day(day_ms) * busy * self._orders[population.persona]
        for place in np.repeat(np.arange(len(expected)), self._numbers.poisson(expected)).tolist():
            customer = population.customers[place]
            hour = self._draw.choices(range(24), customer.persona.rhythm.hours)[0]
            # A day begins at midnight in the shop, as the opening does.
            at_ms = day_ms + hour * HOUR_MS + self._draw.randrange(HOUR_MS)
            order = self._visits.past_order(customer, at_ms)
            self._pending.append(Delivery(self._shop.import_ms, customer.user, order))

    def _sessions_of(self, hour_ms: int) -> None:
        population = self._population
        local = hour_ms + _ZONE_MS
        weights = self._hours[:, local % DAY_MS // HOUR_MS] * self._weekdays[:, _weekday(hour_ms)]
        season = _season(hour_ms)
        expected = population.sessions_per_day(hour_ms) / 24 * weights[population.persona] * season
        for place in np.repeat(np.arange(len(expected)), self._numbers.poisson(expected)).tolist():
            customer = population.customers[place]
            start_ms = hour_ms + self._draw.randrange(HOUR_MS)
            self._send(customer, self._visits.session(customer, start_ms, season))

    def _send(self, customer: Customer, events: list[tuple[int, bytes]]) -> None:
        accidents, draw = self._shop.accidents, self._draw
        for at_ms, value in events:
            for delay_ms in accidents.delays_ms(draw):
                self._pending.append(Delivery(at_ms + delay_ms, customer.user, value))
            if accidents.breaks(draw):
                user, broken = accidents.spoil(draw, self._stamps, customer.user, value, at_ms)
                self._pending.append(Delivery(at_ms, user, broken))

    def _arrived(self, until_ms: int) -> Iterator[Delivery]:
        """Hand out what arrives before `until_ms`. The sort is stable, so what happened first stays first."""
        pending = self._pending
        pending.sort(key=itemgetter(0))
        count = len(pending)
        if pending and pending[-1].at_ms >= until_ms:
            count = next(place for place, delivery in enumerate(pending) if delivery.at_ms >= until_ms)
        yield from pending[:count]
        self._pending = pending[count:]


def _weekday(at_ms: int) -> int:
    """0 is Monday, in the shop's zone. 1970-01-01 was a Thursday."""
    return ((at_ms + _ZONE_MS) // DAY_MS + 3) % 7


def _season(at_ms: int) -> float:
    """How much busier than usual the day is: the sales that every shop in China has."""
    days = np.datetime64((at_ms + _ZONE_MS) // DAY_MS, "D").item()
    return _SALES.get((days.month, days.day), 1.0)
