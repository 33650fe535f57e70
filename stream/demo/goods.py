"""What the shop sells: a seeded assortment, and the choice of a product by a customer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from stream.demo.personas import CATEGORIES

__all__ = ["Assortment", "Product"]

_GOODS_PER_CATEGORY: Final = 60
_POPULARITY: Final = 2.0  # the exponent that makes a few products the most looked at


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `price` in yuan."""

    product_id: str
    name: str
    category: str
    brand: str
    price: float


class Assortment:
    """All products by category, the popular ones first. The same for the same seed."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(f"{seed}/goods")
        self._shelves: list[list[Product]] = []
        for number, category in enumerate(CATEGORIES):
            shelf = []
            for place in range(_GOODS_PER_CATEGORY):
                brand, what = draw.choice(category.brands), draw.choice(category.goods)
                price = category.median_price * draw.lognormvariate(0.0, category.spread)
                shelf.append(
                    Product(
                        product_id=f"{category.name[:3].upper()}-{number + 1}{place:03d}",
                        name=f"{brand} {what}",
                        category=category.name,
                        brand=brand,
                        price=max(round(price) - 0.1, 9.9),
                    )
                )
            self._shelves.append(shelf)

    def choose(self, draw: random.Random, category: int, budget: float) -> Product:
        """A product of the category: of two that catch the eye, popular ones mostly, the one that suits the budget."""
        shelf = self._shelves[category]
        first = shelf[int(draw.random() ** _POPULARITY * len(shelf))]
        second = shelf[int(draw.random() ** _POPULARITY * len(shelf))]
        return max(first, second, key=_price) if budget > 1.0 else min(first, second, key=_price)


def _price(product: Product) -> float:
    return product.price
