"""What goes wrong on the way: events that come late, come twice, or come broken. A few, as in every shop."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from stream.demo.stamps import Stamps

__all__ = ["Accidents"]

_MINUTE_MS: Final = 60_000
_YEAR_MS: Final = 366 * 86_400_000
_BREAKS: Final = ("cut", "no user", "unknown type", "text for a number", "clock a year ahead", "NaN", "null")
_TILL: Final = "till.3"


@dataclass(frozen=True, slots=True)
class Accidents:
    """Shares of all events: `late` (a phone without a network), `twice` (a client that tries again), `broken`."""

    late: float = 0.004
    twice: float = 0.003
    broken: float = 0.0006

    def delays_ms(self, draw: random.Random) -> list[int]:
        """After how many ms each copy of one event arrives: usually `[0]`."""
        chance = draw.random()
        if chance < self.late:
            return [int(draw.lognormvariate(0.0, 1.2) * 40 * _MINUTE_MS)]
        if chance < self.late + self.twice:
            return [0, 1_000 + int(draw.expovariate(1 / 30_000))]
        return [0]

    def breaks(self, draw: random.Random) -> bool:
        """Whether a broken copy of an event is sent besides."""
        return draw.random() < self.broken

    def spoil(self, draw: random.Random, stamps: Stamps, user: str, value: bytes, at_ms: int) -> tuple[str, bytes]:
        """Key and value of a broken event at `at_ms`, most of them made from a good one: what clients really send."""
        how = draw.choice(_BREAKS)
        if how == "cut":
            return user, value[: draw.randrange(2, len(value) - 2)]
        if how == "no user":
            return user, value.replace(b'"userId":', b'"anonymousId":', 1)
        if how == "unknown type":
            return user, value.replace(b'"type":"', b'"type":"x-', 1)
        if how == "clock a year ahead":
            today, next_year = stamps(at_ms)[:10].encode(), stamps(at_ms + _YEAR_MS)[:10].encode()
            return user, value.replace(b'"timestamp":"' + today, b'"timestamp":"' + next_year, 1)
        if how == "text for a number":
            head = f'{{"type":"track","messageId":"{draw.getrandbits(64):016x}","userId":"{_TILL}",'
            body = f'"timestamp":"{stamps(at_ms)}","event":"Order Completed","properties":{{"revenue":"1.299,00"}}}}'
            return _TILL, (head + body).encode()
        if how == "NaN":
            return user, value[:-1] + b',"sampleRate":NaN}'
        return user, b"null"
