"""The demo: a shop with believable customers on the embedded stack, and what happens to them on screen."""

from __future__ import annotations

from stream.demo.shop import OPENING_MS, Delivery, Shop

__all__ = ["OPENING_MS", "Delivery", "Shop"]
