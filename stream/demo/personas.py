"""The kinds of customers that a shop knows: when they come, what they look at, what they buy and how they leave.

A persona is plain data. The shares are those of customers who are signed in, who buy more often than passers-by: about
one visit in six ends in an order, two thirds of the carts don't. They are pulled apart so that every persona ends up in
segments of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CATEGORIES", "PERSONAS", "Category", "Funnel", "People", "Persona", "Rhythm", "Taste"]

Weights = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """A department of the shop. Prices are lognormal: `median_price` in yuan, `spread` the σ of their logarithm."""

    name: str
    median_price: float
    spread: float
    brands: tuple[str, ...]
    goods: tuple[str, ...]


CATEGORIES: Final = (
    Category("beauty", 128.0, 0.6, ("Yunhe", "Perle", "Mori"), ("serum", "lipstick", "cleanser", "sunscreen")),
    Category("fashion", 239.0, 0.6, ("Linen&Co", "Hutong", "Aster"), ("dress", "jacket", "sneakers", "scarf")),
    Category("electronics", 699.0, 0.9, ("Voltic", "Nimbus", "Kaixin"), ("earbuds", "tablet", "camera", "charger")),
    Category("gaming", 329.0, 0.7, ("Pixelborn", "Dragonfly"), ("controller", "headset", "keyboard", "console")),
    Category("home", 189.0, 0.7, ("Mu", "Norrland", "Teahouse"), ("kettle", "lamp", "duvet", "tea set")),
    Category("sports", 219.0, 0.6, ("Peak", "Runa"), ("running shoes", "yoga mat", "racket", "bottle")),
    Category("baby", 149.0, 0.5, ("Panda", "Mianmian"), ("nappies", "formula", "stroller toy", "romper")),
    Category("books", 58.0, 0.4, ("Commercial Press", "Tidal"), ("novel", "cookbook", "atlas", "comic")),
)


def _hours(*peaks: tuple[int, float]) -> Weights:
    """24 weights with mean 1: a quiet night, a waking day, and a bump of the given height around each peak hour."""
    base = [0.15 if hour < 7 else 0.8 for hour in range(24)]
    for hour, height in peaks:
        for distance, share in ((-2, 0.25), (-1, 0.7), (0, 1.0), (1, 0.7), (2, 0.25)):
            base[(hour + distance) % 24] += height * share
    mean = sum(base) / 24
    return tuple(weight / mean for weight in base)


_EVENING: Final = _hours((12, 0.8), (20, 2.2))
_LUNCH: Final = _hours((8, 0.7), (12, 2.0), (18, 1.0))
_NIGHT: Final = _hours((23, 3.0), (1, 2.5))
_NAPS: Final = _hours((6, 1.0), (13, 1.5), (21, 2.2))
_DAYTIME: Final = _hours((10, 1.6), (14, 1.4), (21, 0.6))

_EVEN_WEEK: Final = (0.95, 0.95, 0.95, 0.95, 1.05, 1.1, 1.05)
_WEEKEND: Final = (0.7, 0.7, 0.75, 0.8, 1.1, 1.55, 1.4)
_WORKDAYS: Final = (1.2, 1.2, 1.15, 1.1, 1.05, 0.65, 0.65)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When they come. `hours`: 24 weights of local time; `weekdays`: 7 from Monday; both of mean 1."""

    sessions_per_day: float
    stay_days: float  # the mean of an exponential: how long they remain customers
    hours: Weights
    weekdays: Weights


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far a visit goes. All but `views` are probabilities."""

    views: float  # the mean number of products looked at, geometric
    adds: float  # that a viewed product goes into the cart
    checks_out: float  # that a filled cart gets to checkout
    pays: float  # that checkout ends in an order
    wishes: float  # that a viewed product goes on the wish list
    coupons: float  # that an order uses one

    def orders_per_session(self) -> float:
        """The expected number of orders of one visit."""
        some_in_cart = self.views * self.adds / (1.0 + (self.views - 1.0) * self.adds)
        return some_in_cart * self.checks_out * self.pays


@dataclass(frozen=True, slots=True)
class Taste:
    """What they like. `budget` is a factor on prices, lognormal between customers with σ `spread`."""

    budget: float
    spread: float
    focus: float  # the share of views in the favourite category
    favourites: Weights  # over `CATEGORIES`


@dataclass(frozen=True, slots=True)
class People:
    """Who they are: the share of women, age in years (mean, standard deviation), the share of visits by phone."""

    women: float
    age: float
    age_spread: float
    app: float


@dataclass(frozen=True, slots=True)
class Persona:
    """How one kind of customer behaves; `share` of all customers is of this kind."""

    name: str
    share: float
    rhythm: Rhythm
    funnel: Funnel
    taste: Taste
    people: People


# In the order of `CATEGORIES`: beauty, fashion, electronics, gaming, home, sports, baby, books.
_ALL: Final = (1.0, 1.3, 0.9, 0.5, 1.2, 0.8, 0.5, 0.8)
_COSTLY: Final = (1.5, 2.0, 2.0, 0.5, 1.0, 0.5, 0.2, 0.2)
_SCREENS: Final = (0.4, 0.6, 2.0, 3.0, 0.2, 0.3, 0.1, 1.0)
_BEAUTY: Final = (9.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_FAMILY: Final = (0.2, 0.4, 0.0, 0.0, 1.0, 0.0, 8.0, 0.5)

PERSONAS: Final = (
    Persona(
        "regular",
        0.22,
        Rhythm(0.13, 700, _EVENING, _EVEN_WEEK),
        Funnel(views=4.0, adds=0.10, checks_out=0.55, pays=0.80, wishes=0.02, coupons=0.20),
        Taste(1.0, 0.4, 0.4, _ALL),
        People(women=0.55, age=36, age_spread=11, app=0.6),
    ),
    Persona(
        "loyal",
        0.14,
        Rhythm(0.28, 1500, _LUNCH, _EVEN_WEEK),
        Funnel(views=4.5, adds=0.16, checks_out=0.65, pays=0.85, wishes=0.03, coupons=0.15),
        Taste(1.2, 0.4, 0.5, _ALL),
        People(women=0.62, age=37, age_spread=8, app=0.75),
    ),
    Persona(
        "collector",
        0.03,
        Rhythm(0.32, 2000, _EVENING, _EVEN_WEEK),
        Funnel(views=5.0, adds=0.14, checks_out=0.7, pays=0.9, wishes=0.05, coupons=0.05),
        Taste(2.6, 0.4, 0.5, _COSTLY),
        People(women=0.55, age=41, age_spread=8, app=0.7),
    ),
    Persona(
        "bargain",
        0.16,
        Rhythm(0.26, 800, _DAYTIME, _WEEKEND),
        Funnel(views=6.0, adds=0.12, checks_out=0.45, pays=0.75, wishes=0.06, coupons=0.82),
        Taste(0.6, 0.3, 0.25, _ALL),
        People(women=0.6, age=42, age_spread=13, app=0.7),
    ),
    Persona(
        "browser",
        0.14,
        Rhythm(0.34, 400, _EVENING, _WEEKEND),
        Funnel(views=8.0, adds=0.015, checks_out=0.15, pays=0.5, wishes=0.05, coupons=0.3),
        Taste(1.3, 0.5, 0.45, _ALL),
        People(women=0.58, age=29, age_spread=9, app=0.8),
    ),
    Persona(
        "hesitant",
        0.08,
        Rhythm(0.24, 600, _LUNCH, _WORKDAYS),
        Funnel(views=4.5, adds=0.26, checks_out=0.22, pays=0.45, wishes=0.04, coupons=0.4),
        Taste(1.1, 0.4, 0.4, _ALL),
        People(women=0.5, age=34, age_spread=10, app=0.65),
    ),
    Persona(
        "night_owl",
        0.07,
        Rhythm(0.3, 700, _NIGHT, _EVEN_WEEK),
        Funnel(views=6.0, adds=0.08, checks_out=0.5, pays=0.75, wishes=0.04, coupons=0.25),
        Taste(0.9, 0.5, 0.7, _SCREENS),
        People(women=0.35, age=25, age_spread=5, app=0.85),
    ),
    Persona(
        "beauty_fan",
        0.07,
        Rhythm(0.28, 900, _EVENING, _EVEN_WEEK),
        Funnel(views=5.5, adds=0.12, checks_out=0.55, pays=0.8, wishes=0.06, coupons=0.35),
        Taste(1.1, 0.4, 0.85, _BEAUTY),
        People(women=0.92, age=28, age_spread=7, app=0.85),
    ),
    Persona(
        "parent",
        0.06,
        Rhythm(0.26, 600, _NAPS, _WORKDAYS),
        Funnel(views=4.0, adds=0.16, checks_out=0.65, pays=0.85, wishes=0.02, coupons=0.4),
        Taste(1.0, 0.3, 0.75, _FAMILY),
        People(women=0.68, age=32, age_spread=4, app=0.8),
    ),
    Persona(
        "gift_buyer",
        0.03,
        Rhythm(0.05, 1200, _DAYTIME, _WEEKEND),
        Funnel(views=5.0, adds=0.2, checks_out=0.7, pays=0.9, wishes=0.02, coupons=0.1),
        Taste(1.8, 0.5, 0.0, _ALL),
        People(women=0.4, age=48, age_spread=12, app=0.4),
    ),
)
