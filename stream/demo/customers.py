"""Who the customers are: names, traits, habits. Grows day by day as new ones sign up."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.demo.personas import CATEGORIES, PERSONAS, Persona

__all__ = ["DAY_MS", "Customer", "Population"]

DAY_MS: Final = 86_400_000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FAMILY_NAMES: Final = _words("Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo")
_WOMEN: Final = _words("Fang Na Min Jing Xiuying Li Yan Juan Xia Yu Mei Xin Yun Lan Qing Hui Ting Ying Xue Rui")
_MEN: Final = _words("Wei Qiang Lei Jun Yong Jie Tao Ming Chao Gang Ping Hao Peng Bo Kai Long Feng Yi Zhen Heng")
_CITIES: Final = _words(
    "Shanghai Beijing Guangzhou Shenzhen Chengdu Hangzhou Wuhan Xi'an Nanjing Chongqing Suzhou Qingdao Kunming Harbin"
)
_CITY_WEIGHTS: Final = (14, 12, 8, 9, 8, 8, 6, 5, 6, 6, 6, 4, 4, 4)
_LEVELS: Final = ("none", "silver", "gold", "platinum")
_LEVEL_WEIGHTS: Final = {"loyal": (5, 30, 45, 20), "collector": (0, 10, 40, 50), "browser": (70, 25, 5, 0)}
_USUAL_LEVELS: Final = (35, 45, 17, 3)
_PAST_DAYS: Final = 900
_AFTERGLOW: Final = 0.01  # the share of their sessions that those who left still have: some come back by themselves


@dataclass(slots=True)
class Customer:
    """One customer. Times in ms since 1970; `left_ms` is when the habit ends, not a goodbye."""

    user: str
    persona: Persona
    joined_ms: int
    left_ms: int
    favourite: int
    budget: float
    traits: dict[str, object]
    known: bool = False


@dataclass(slots=True)
class Population:
    """All customers, and as arrays what deciding on their sessions needs (all of shape `(n_customers,)`)."""

    seed: int
    customers: list[Customer] = field(default_factory=list)
    persona: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    joined_ms: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    left_ms: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    pace: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    _draw: random.Random = field(init=False)
    _serial: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._draw = random.Random(f"{self.seed}/customers")
        self._serial = itertools.count(1)

    def settle(self, count: int, opens_ms: int) -> None:
        """The customers that a shop has when the demo opens: joined over the past years, some of them gone again."""
        arrivals = sorted(opens_ms - int(self._draw.random() ** 1.4 * _PAST_DAYS * DAY_MS) for _ in range(count))
        self._extend([self._customer(joined_ms) for joined_ms in arrivals])

    def arrive(self, count: int, day_ms: int) -> None:
        """New customers of one day, at random moments of it."""
        moments = sorted(day_ms + int(self._draw.random() * DAY_MS) for _ in range(count))
        self._extend([self._customer(joined_ms) for joined_ms in moments])

    def sessions_per_day(self, at_ms: int) -> npt.NDArray[np.float64]:
        """`(n_customers,)`: how many sessions a day each has at that moment, hours and weekdays apart."""
        here = (self.joined_ms <= at_ms) & (at_ms < self.left_ms)
        gone = at_ms >= self.left_ms
        return np.where(here, self.pace, np.where(gone, self.pace * _AFTERGLOW, 0.0))

    def _extend(self, newcomers: list[Customer]) -> None:
        self.customers.extend(newcomers)
        index = {persona.name: place for place, persona in enumerate(PERSONAS)}
        spread = [self._draw.lognormvariate(-0.08, 0.4) for _ in newcomers]
        paces = [c.persona.rhythm.sessions_per_day * s for c, s in zip(newcomers, spread, strict=True)]
        # With their types: an empty list would make floats of the whole column.
        self.persona = np.append(self.persona, np.array([index[c.persona.name] for c in newcomers], np.int64))
        self.joined_ms = np.append(self.joined_ms, np.array([c.joined_ms for c in newcomers], np.int64))
        self.left_ms = np.append(self.left_ms, np.array([c.left_ms for c in newcomers], np.int64))
        self.pace = np.append(self.pace, np.array(paces, np.float64))

    def _customer(self, joined_ms: int) -> Customer:
        draw = self._draw
        persona = draw.choices(PERSONAS, [persona.share for persona in PERSONAS])[0]
        left_ms = joined_ms + int(draw.expovariate(1 / persona.rhythm.stay_days) * DAY_MS)
        woman = draw.random() < persona.people.women
        family, given = draw.choice(_FAMILY_NAMES), draw.choice(_WOMEN if woman else _MEN)
        age = round(min(max(draw.gauss(persona.people.age, persona.people.age_spread), 16), 82))
        joined = datetime.fromtimestamp(joined_ms // 1000, tz=UTC)
        birthday = joined.date() - timedelta(days=age * 365 + draw.randrange(365) + age // 4)
        traits: dict[str, object] = {
            "first_name": given,
            "last_name": family,
            "gender": "F" if woman else "M",
            "age": age,
            "birthday": birthday.isoformat(),
            "city": draw.choices(_CITIES, _CITY_WEIGHTS)[0],
            "member_level": draw.choices(_LEVELS, _LEVEL_WEIGHTS.get(persona.name, _USUAL_LEVELS))[0],
            "email_opt_in": draw.random() < 0.62,
            "createdAt": joined.date().isoformat(),
        }
        for shy in ("age", "gender"):  # not everybody tells
            if draw.random() < 0.06:
                del traits[shy]
        return Customer(
            user=f"{given}.{family}.{next(self._serial):04d}".lower(),
            persona=persona,
            joined_ms=joined_ms,
            left_ms=left_ms,
            favourite=draw.choices(range(len(CATEGORIES)), persona.taste.favourites)[0],
            budget=persona.taste.budget * draw.lognormvariate(0.0, persona.taste.spread),
            traits=traits,
        )
