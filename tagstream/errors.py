"""What can go wrong in `tagstream`: one root, and an error for each thing a caller can do something about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ClientClosedError",
    "ClientConfigurationError",
    "DeliveryError",
    "InvalidEventError",
    "InvalidMessageError",
    "KafkaUnavailableError",
    "Problem",
    "SubscriptionError",
    "TagstreamClientError",
    "TopicMissingError",
]


class TagstreamClientError(Exception):
    """Root of the errors of `tagstream`. `retriable`: the same call may succeed later, with nothing changed."""

    retriable = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a message: where (a path such as `properties.revenue`), and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class InvalidMessageError(TagstreamClientError):
    """Bytes that are no message of the contract. `problems` has all of them, not the first."""

    def __init__(self, subject: str, problems: tuple[Problem, ...]) -> None:
        self.subject = subject
        self.problems = problems
        super().__init__(subject + "".join(f"\n  {problem}" for problem in problems))


class InvalidEventError(InvalidMessageError):
    """An event that the engine would reject; nothing was sent."""


class ClientConfigurationError(TagstreamClientError):
    """An argument that cannot be right, whatever Kafka says."""


class ClientClosedError(TagstreamClientError):
    """A producer or subscriber was used after `close()`."""


class KafkaUnavailableError(TagstreamClientError):
    """No broker answers at the given address, or none answered in time."""

    retriable = True


class TopicMissingError(TagstreamClientError):
    """Kafka answers, but the topic is not there."""


class SubscriptionError(TagstreamClientError):
    """Kafka refuses to hand out the changes (no rights on the topic or the group, a broker too old, …)."""


class DeliveryError(TagstreamClientError):
    """Events that did not reach Kafka for certain.

    `failed`: how many failed for good since the last `flush`; `pending`: how many were still on their way when the
    time was up (their futures tell later); `reasons`: the first few different reasons.
    """

    def __init__(self, failed: int, pending: int, reasons: tuple[str, ...]) -> None:
        self.failed = failed
        self.pending = pending
        self.reasons = reasons
        parts = []
        if failed:
            parts.append(f"{failed} event{'s' if failed != 1 else ''} could not be delivered")
        if pending:
            parts.append(f"{pending} event{'s are' if pending != 1 else ' is'} not yet delivered")
        because = f" ({'; '.join(reasons)})" if reasons else ""
        super().__init__(
            f"{' and '.join(parts)}{because}. Send them again with the same message_id: "
            "an event that did arrive is then dropped as a duplicate."
        )
