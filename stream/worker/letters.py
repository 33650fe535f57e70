"""What a step publishes: changes, then a dead letter for each reject, then misplaced events on their way.

The bytes follow from the records alone (I3): whoever comes to a record again writes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from confluent_kafka import Message

from stream.engine import StepResult
from stream.engine.result import Reject
from stream.kafka_clients import headers_of
from stream.switches import CONTROL_HEADER
from stream.worker.intake import FORWARD, ID_HEADER, ORIGIN_HEADER, Intake
from stream.worker.outbox import Outgoing, outgoing
from tagstream.contracts.deadletters import build_dead_letter, dead_letter_headers, encode_dead_letter
from tagstream.contracts.positions import Position as Place
from tagstream.ids import forward_id
from tagstream.topics import EVENTS, EVENTS_DLQ, SEGMENT_CHANGES

__all__ = ["Letters"]

_OURS: Final = frozenset({CONTROL_HEADER, ORIGIN_HEADER, ID_HEADER})


class _User(msgspec.Struct):
    userId: str  # noqa: N815  # the Segment spec's spelling


_decode_user: Final = msgspec.json.Decoder(_User).decode


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes the messages of one partition's steps. topic: the events topic's name."""

    app: str
    topic: str
    partition: int

    def changes(self, result: StepResult) -> list[Outgoing]:
        """The changes, in version order of each user."""
        return [outgoing(SEGMENT_CHANGES, change.key, change.value, change.headers) for change in result.changes]

    def dead_letters(self, result: StepResult, intake: Intake) -> list[Outgoing]:
        """One for each reject, in record order."""
        return [self._dead_letter(reject, intake) for reject in result.rejects]

    def forwards(self, result: StepResult, intake: Intake) -> list[Outgoing]:
        """Misplaced events, keyed by their user, which brings them to the right partition."""
        return [self._forward(intake.messages[int(intake.places[index])]) for index in result.misplaced]

    def _dead_letter(self, reject: Reject, intake: Intake) -> Outgoing:
        place = int(intake.places[reject.index])
        message = intake.messages[place]
        letter = build_dead_letter(
            app=self.app,
            reason=reject.reason,
            detail=reject.detail,
            position=Place(self.topic, self.partition, message.offset() or 0),
            log_time_ms=int(intake.times_ms[place]),
            value=message.value(),
            key=message.key(),
            headers=headers_of(message),
        )
        # Keyed by its id: a letter that is sent again lands beside its twin.
        return outgoing(EVENTS_DLQ, letter.id.encode(), encode_dead_letter(letter), dead_letter_headers(letter))

    def _forward(self, message: Message) -> Outgoing:
        value = message.value() or b""
        offset = message.offset() or 0
        user = _decode_user(value).userId  # the engine has read it: it is there
        kept = tuple((name, text) for name, text in headers_of(message) if name not in _OURS and text is not None)
        ours = (
            (CONTROL_HEADER, FORWARD),
            (ORIGIN_HEADER, f"{self.partition}:{offset}".encode()),
            (ID_HEADER, forward_id(self.app, self.partition, offset).encode()),
        )
        return outgoing(EVENTS, user.encode(), value, kept + ours)
