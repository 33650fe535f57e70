"""The errors of `stream.learning`, and what a learner says in place of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stream.errors import TagstreamError

__all__ = ["LearningError", "Refusal"]


class LearningError(TagstreamError):
    """A sample, a snapshot or a state is not what it should be; or a package for the analysis is not installed.

    `place`: where in the document, such as `features[2].scale`; empty if it is the whole.
    """

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message, remedy=remedy)
        self.place = place


@dataclass(frozen=True, slots=True)
class Refusal:
    """No snapshot is to be published now. `reason`: a sentence. `code`: one of those below, for metrics.

    `waiting` (too little was seen), `unsound` (it failed its checks), `worse` (than the one that is published).
    `quality`: the numbers that stand behind it. `snapshot`: the one refused, with `accepted` false, if there was one
    that holds together.
    """

    model: str
    code: str
    reason: str
    quality: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] | None = None
