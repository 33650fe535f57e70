"""Last stage: transitions to messages of `segment-changes` (DESIGN, section 10), tags of a whole batch at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from rules.columns import Features, values_of
from rules.program import Program
from stream.engine import slots
from stream.engine.result import Message
from stream.engine.state import Transitions

__all__ = ["ChangeEncoder"]

_JSON = msgspec.json.Encoder()


def _json(value: object) -> str:
    return _JSON.encode(value).decode()


class ChangeEncoder:
    """Writes the changes of one partition; holds the parts of messages that do not depend on the user."""

    def __init__(self, program: Program, app: str, partition: int) -> None:
        self._program = program
        self._app = app
        self._partition = partition
        catalog = program.catalog
        source = _json(f"/tagstream/{app}/{partition}")
        self._segments = list(catalog.segments.values())
        self._tags = {name: catalog.tags[name].expression for segment in self._segments for name in segment.reads}
        self._middle = (
            f'","source":{source},"type":"tagstream.segment.exited","subject":',
            f'","source":{source},"type":"tagstream.segment.entered","subject":',
        )
        self._version = f',"catalog_version":{catalog.version},"model_versions":{{}},"tags":{{'
        self._named = [
            f',"segment":{_json(segment.name)},"kind":{_json(segment.kind)},"title":{_json(segment.title)}'
            for segment in self._segments
        ]
        self._headers = {
            (number, entered, cause): (
                ("content-type", b"application/cloudevents+json"),
                ("segment", segment.name.encode()),
                ("change", b"entered" if entered else b"exited"),
                ("cause", cause.encode()),
            )
            for number, segment in enumerate(self._segments)
            for entered in (0, 1)
            for cause in ("event", "time")
        }

    def encode(
        self,
        transitions: Transitions,
        features: Features,
        users: Sequence[str],
        incarnations: Sequence[int],
        offsets: Sequence[int],
    ) -> list[Message]:
        """Messages of the first `len(users)` transitions; `offsets` are of the records that brought them out."""
        count = len(users)
        tags = {
            name: [f'"{name}":{text}' for text in map(_json, values_of(tree, features))]
            for name, tree in self._tags.items()
        }
        reads = [[tags[name] for name in segment.reads] for segment in self._segments]
        cells = transitions.cells[:count]
        times = np.datetime_as_string(cells[:, slots.OUT_MOMENT].astype("datetime64[ms]")).tolist()
        messages = []
        for index, (user, incarnation, offset, time, segment, entered, timed, version, stayed_ms) in enumerate(
            zip(
                users,
                incarnations,
                offsets,
                times,
                cells[:, slots.OUT_SEGMENT].tolist(),
                cells[:, slots.OUT_ENTERED].tolist(),
                cells[:, slots.OUT_TIMED].tolist(),
                cells[:, slots.OUT_VERSION].tolist(),
                cells[:, slots.OUT_STAYED_MS].tolist(),
                strict=True,
            )
        ):
            cause = "time" if timed else "event"
            digest = hashlib.sha256(f"{self._app}\x1f{user}\x1f{incarnation}\x1f{version}".encode()).hexdigest()[:32]
            record = "null" if timed else f'{{"partition":{self._partition},"offset":{offset}}}'
            stayed = "" if entered else f',"stayed_ms":{stayed_ms}'
            quoted = _json(user)
            text = (
                f'{{"specversion":"1.0","id":"{digest}{self._middle[entered]}{quoted},"time":"{time}Z",'
                f'"datacontenttype":"application/json","data":{{"user":{quoted},"incarnation":{incarnation},'
                f'"version":{version},"cause":"{cause}"{self._version}'
                f"{','.join([tag[index] for tag in reads[segment]])}}},"
                f'"record":{record}{self._named[segment]}{stayed}}}}}'
            )
            messages.append(Message(user.encode(), text.encode(), self._headers[segment, entered, cause]))
        return messages
