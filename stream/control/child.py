"""A control process as the child of another."""

from __future__ import annotations

from typing import Final

from stream.child import Child
from stream.control.pace import Pace
from stream.control.process import SYSTEM_CLOCK, work_line
from stream.embedded import Addresses
from stream.settings import Settings

__all__ = ["ControlChild"]

_STOP_S: Final = 20.0


class ControlChild(Child):
    """Once it is told of a clock, it works."""

    def __init__(
        self, settings: Settings, addresses: Addresses, *, pace: Pace | None = None, keeps_log: bool = False
    ) -> None:
        super().__init__(
            "stream.control.process",
            work_line(settings, addresses, pace),
            name="The control process",
            stop_s=_STOP_S,
            keeps_log=keeps_log,
        )

    def start(self) -> None:
        """Let it work by the machine's clock."""
        self.tell(SYSTEM_CLOCK.encode() + b"\n")
