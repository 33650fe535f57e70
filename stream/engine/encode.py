"""Last stage: transitions to messages of `segment-changes`, tags of a whole batch at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from rules.columns import Features, values_of
from rules.program import Program
from rules.tables import Int64
from stream.engine import slots
from stream.engine.result import Message
from stream.engine.state import Transitions

__all__ = ["ChangeEncoder"]

_JSON = msgspec.json.Encoder()
_CAUSES = ("event", "time")
_NUMBERS = (int, float)


def _json(value: object) -> str:
    return _JSON.encode(value).decode()


class ChangeEncoder:
    """Writes the changes of one partition; holds the parts of messages that do not depend on the user."""

    def __init__(self, program: Program, app: str, partition: int) -> None:
        self._program = program
        self._app = app
        self._record = f'{{"partition":{partition},"offset":'
        catalog = program.catalog
        source = _json(f"/tagstream/{app}/{partition}")
        self._segments = list(catalog.segments.values())
        # By tag that some segment names: its tree, and `(S,) bool`, the segments that do.
        self._tags = {
            name: (tag.expression, np.array([name in segment.reads for segment in self._segments], np.bool_))
            for name, tag in catalog.tags.items()
            if any(name in segment.reads for segment in self._segments)
        }
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
            (number, entered, timed): (
                ("content-type", b"application/cloudevents+json"),
                ("segment", segment.name.encode()),
                ("change", b"entered" if entered else b"exited"),
                ("cause", _CAUSES[timed].encode()),
            )
            for number, segment in enumerate(self._segments)
            for entered in (0, 1)
            for timed in (0, 1)
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
        cells = transitions.cells[: len(users)]
        tags = self._tag_texts(cells[:, slots.OUT_SEGMENT], features)
        times = np.datetime_as_string(cells[:, slots.OUT_MOMENT].astype("datetime64[ms]")).tolist()
        columns = (slots.OUT_SEGMENT, slots.OUT_ENTERED, slots.OUT_TIMED, slots.OUT_VERSION, slots.OUT_STAYED_MS)
        quoted_of = {user: _json(user) for user in set(users)}
        messages = []
        for user, incarnation, offset, time, read, segment, entered, timed, version, stayed_ms in zip(
            users,
            incarnations,
            offsets,
            times,
            tags,
            *(cells[:, column].tolist() for column in columns),
            strict=True,
        ):
            digest = hashlib.sha256(f"{self._app}\x1f{user}\x1f{incarnation}\x1f{version}".encode()).hexdigest()[:32]
            quoted = quoted_of[user]
            record = "null" if timed else f"{self._record}{offset}}}"
            stayed = "" if entered else f',"stayed_ms":{stayed_ms}'
            text = (
                f'{{"specversion":"1.0","id":"{digest}{self._middle[entered]}{quoted},"time":"{time}Z",'
                f'"datacontenttype":"application/json","data":{{"user":{quoted},"incarnation":{incarnation},'
                f'"version":{version},"cause":"{_CAUSES[timed]}"{self._version}{read}}},'
                f'"record":{record}{self._named[segment]}{stayed}}}}}'
            )
            messages.append(Message(user.encode(), text.encode(), self._headers[segment, entered, timed]))
        return messages

    def _tag_texts(self, segments: Int64, features: Features) -> list[str]:
        """The members of each message's `tags`, each tag computed once for all messages whose condition names it."""
        texts = [""] * len(segments)
        for name, (tree, readers) in self._tags.items():
            among = np.flatnonzero(readers[segments])
            if not len(among):
                continue
            for index, value in zip(among.tolist(), values_of(tree, features.of(among)), strict=True):
                written = texts[index]
                texts[index] = f'{written},"{name}":{_plain(value)}' if written else f'"{name}":{_plain(value)}'
        return texts


def _plain(value: object) -> str:
    """A tag's value as JSON; a finite number's Python form is that."""
    if value is None:
        return "null"
    return repr(value) if type(value) in _NUMBERS else _json(value)
