"""One visit of one customer, played out: from the landing page through the funnel to an order, or not."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

from stream.demo.customers import Customer
from stream.demo.goods import Assortment, Product
from stream.demo.personas import CATEGORIES
from stream.demo.stamps import Stamps

__all__ = ["Visits"]

Sent = list[tuple[int, bytes]]

_COUPONS: Final = ("WELCOME10", "SAVE15", "DOUBLE11", "MEMBER20")
_RATES: Final = {"WELCOME10": 0.10, "SAVE15": 0.15, "DOUBLE11": 0.25, "MEMBER20": 0.20}
_BUSY: Final = 1.5  # from this season's factor on it is a sale
_DEVICES: Final = {True: {"device": {"type": "phone"}, "app": {"name": "shop"}}, False: {"device": {"type": "web"}}}


class Visits:
    """Turns visits into events: `(event's time in ms, the record's value)`, in time order."""

    def __init__(self, draw: random.Random, assortment: Assortment, stamps: Stamps) -> None:
        self._draw = draw
        self._assortment = assortment
        self._stamps = stamps
        self._encode = msgspec.json.Encoder().encode

    def sign_up(self, customer: Customer) -> Sent:
        """The account, then the profile."""
        customer.known = True
        return [
            (customer.joined_ms, self._track(customer, customer.joined_ms, "Signed Up", {"method": "phone"}, {})),
            (customer.joined_ms + 1_000, self._identify(customer, customer.joined_ms + 1_000)),
        ]

    def first_visit(self, customer: Customer) -> Sent:
        """A newcomer signs up and looks around at once."""
        signed_up = self.sign_up(customer)
        return signed_up + self.session(customer, customer.joined_ms + 20_000, 1.0)

    def past_order(self, customer: Customer, at_ms: int) -> bytes:
        """An order as an export of old orders has it."""
        draw = self._draw
        basket = [self._choose(customer) for _ in range(1 + (draw.random() < 0.3) + (draw.random() < 0.12))]
        coupon = draw.choice(_COUPONS) if draw.random() < customer.persona.funnel.coupons else None
        return self._track(customer, at_ms, "Order Completed", self._order(customer, basket, coupon), {})

    def session(self, customer: Customer, start_ms: int, season: float) -> Sent:
        """One visit. In a sale people look at more, hesitate less and use more coupons."""
        draw, funnel = self._draw, customer.persona.funnel
        sale = season >= _BUSY
        context = _DEVICES[draw.random() < customer.persona.people.app]
        at_ms = start_ms
        sent: Sent = [(at_ms, self._page(customer, at_ms, "Sale" if sale else "Home", context))]
        basket: list[Product] = []
        while True:
            at_ms += 4_000 + int(draw.expovariate(1 / 25_000))
            product = self._choose(customer)
            described = _described(product)
            if draw.random() < 0.2:
                self._add(sent, customer, at_ms - 2_000, "Product List Viewed", {"category": product.category}, context)
            self._add(sent, customer, at_ms, "Product Viewed", described, context)
            if draw.random() < funnel.adds * (1.3 if sale else 1.0):
                at_ms += 2_000 + int(draw.expovariate(1 / 10_000))
                quantity = 1 + (draw.random() < 0.12)
                basket.extend([product] * quantity)
                self._add(sent, customer, at_ms, "Product Added", {**described, "quantity": quantity}, context)
            elif draw.random() < funnel.wishes:
                at_ms += 3_000
                self._add(sent, customer, at_ms, "Product Added to Wishlist", described, context)
            if draw.random() < 1.0 / funnel.views:
                break
        if basket:
            self._check_out(sent, customer, at_ms, basket, sale=sale, context=context)
        return sent

    def _check_out(
        self, sent: Sent, customer: Customer, at_ms: int, basket: list[Product], *, sale: bool, context: dict[str, Any]
    ) -> None:
        draw, funnel = self._draw, customer.persona.funnel
        at_ms += 5_000 + int(draw.expovariate(1 / 20_000))
        value = round(sum(product.price for product in basket), 2)
        self._add(sent, customer, at_ms, "Cart Viewed", {"cart_value": value, "items": len(basket)}, context)
        if draw.random() >= funnel.checks_out * (1.2 if sale else 1.0):
            return
        at_ms += 10_000 + int(draw.expovariate(1 / 30_000))
        self._add(sent, customer, at_ms, "Checkout Started", {"value": value, "currency": "CNY"}, context)
        coupon = None
        if draw.random() < funnel.coupons + (0.25 if sale else 0.0):
            coupon = "DOUBLE11" if sale else draw.choice(_COUPONS)
            at_ms += 8_000
            self._add(sent, customer, at_ms, "Coupon Applied", {"coupon_id": coupon}, context)
        if draw.random() >= funnel.pays:
            return
        at_ms += 20_000 + int(draw.expovariate(1 / 60_000))
        self._add(sent, customer, at_ms, "Order Completed", self._order(customer, basket, coupon), context)

    def _order(self, customer: Customer, basket: list[Product], coupon: str | None) -> dict[str, Any]:
        """The order's properties. People with a larger purse take the dearer variant, so the amount scales with it."""
        subtotal = sum(product.price for product in basket) * customer.budget
        discount = round(subtotal * _RATES[coupon], 2) if coupon else 0.0
        order: dict[str, Any] = {
            "order_id": f"o{self._draw.getrandbits(40):010x}",
            "revenue": round(subtotal - discount, 2),
            "discount": discount,
            "currency": "CNY",
            "category": basket[0].category,
            "items": len(basket),
        }
        if coupon:
            order["coupon"] = coupon
        return order

    def _choose(self, customer: Customer) -> Product:
        draw = self._draw
        category = (
            customer.favourite if draw.random() < customer.persona.taste.focus else draw.randrange(len(CATEGORIES))
        )
        return self._assortment.choose(draw, category, customer.budget)

    def _add(
        self, sent: Sent, customer: Customer, at_ms: int, name: str, properties: dict[str, Any], context: dict[str, Any]
    ) -> None:
        sent.append((at_ms, self._track(customer, at_ms, name, properties, context)))

    def _track(
        self, customer: Customer, at_ms: int, name: str, properties: dict[str, Any], context: dict[str, Any]
    ) -> bytes:
        return self._encode(
            {
                "type": "track",
                "messageId": f"{self._draw.getrandbits(96):024x}",
                "userId": customer.user,
                "timestamp": self._stamps(at_ms),
                "event": name,
                "properties": properties,
                "context": context,
            }
        )

    def _page(self, customer: Customer, at_ms: int, name: str, context: dict[str, Any]) -> bytes:
        return self._encode(
            {
                "type": "page",
                "messageId": f"{self._draw.getrandbits(96):024x}",
                "userId": customer.user,
                "timestamp": self._stamps(at_ms),
                "name": name,
                "properties": {"path": f"/{name.lower()}"},
                "context": context,
            }
        )

    def _identify(self, customer: Customer, at_ms: int) -> bytes:
        return self._encode(
            {
                "type": "identify",
                "messageId": f"{self._draw.getrandbits(96):024x}",
                "userId": customer.user,
                "timestamp": self._stamps(at_ms),
                "traits": customer.traits,
            }
        )


def _described(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.product_id,
        "name": product.name,
        "category": product.category,
        "brand": product.brand,
        "price": product.price,
        "currency": "CNY",
    }
