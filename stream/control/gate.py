"""When the next snapshot may be switched to: not before every partition is done with the one before.

A partition crosses a switch when it has visited all rows after the last one, and events wait for that. So two switches
one upon the other would hold up events for as long as a walk takes.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

from stream.clock import Clock
from stream.embedded import Addresses
from stream.errors import TagstreamError
from stream.settings import Settings
from stream.worker.overview import Overview, look_over, open_store

__all__ = ["SwitchGate", "is_settled"]

_LOOK_EVERY_S: Final = 1.0
_WRITTEN_WITHIN_S: Final = 5.0
_TAKEN_UP_WITHIN_S: Final = 600.0
"""A switch that no partition has taken up after so long never will be: its snapshot can't be applied."""


class SwitchGate:
    """Belongs to one thread. Closed where nobody can tell."""

    def __init__(self, settings: Settings, addresses: Addresses, clock: Clock) -> None:
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._written: dict[str, tuple[int, float]] = {}
        self._partitions = settings.partitions
        self._look_s = float("-inf")

    def wrote(self, model: str, version: int, partitions: int) -> None:
        """Switch records to this version lie in all partitions."""
        self._written[model] = version, self._clock.monotonic_s()
        self._partitions = partitions

    def unused(self) -> None:
        """Nothing is switched to after the last yes: the next who asks may pass."""
        self._look_s = float("-inf")

    def may_pass(self) -> bool:
        """Whether one snapshot may be made and switched to now. Looks at Redis once a second at the most.

        Once it has said yes it says no for a while, as the switch has to be written first; unless it hears that there
        will be none.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._look_s:
            return False
        self._look_s = now_s + _LOOK_EVERY_S
        self._written = {
            model: (version, since_s)
            for model, (version, since_s) in self._written.items()
            if now_s - since_s < _TAKEN_UP_WITHIN_S
        }
        try:
            with closing(open_store(self._settings, self._addresses, self._partitions)) as store:
                overview = look_over(store, self._partitions)
        except TagstreamError:
            return False
        if not is_settled(overview, {model: version for model, (version, _) in self._written.items()}):
            return False
        self._look_s = now_s + _WRITTEN_WITHIN_S
        return True


def is_settled(overview: Overview, written: dict[str, int]) -> bool:
    """Whether no partition that a worker has is still at a switch, and all of them have taken up these versions.

    Those that are paused are not waited for. Where no worker is alive there are no samples either.
    """
    return all(
        each.position is not None
        and each.position.walk is None
        and all(
            max(each.position.model_versions.get(model, 0), each.position.models_waiting.get(model, 0)) >= version
            for model, version in written.items()
        )
        for each in overview.partitions
        if each.owner is not None and each.pause is None
    )
