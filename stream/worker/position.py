"""Where a partition stands: the record under the key `position`, and what the consumer group's offset says.

Both name a step. The step number leads the stored record as 16 hex digits, so that the Redis scripts compare and raise
it without parsing JSON or trusting a double with 64 bits; equal width makes the digits' order the numbers' order.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stream.worker.errors import PauseError

__all__ = [
    "CATALOG",
    "MODEL",
    "OFFSET_METADATA_LIMIT",
    "STEPS_PER_OWNER",
    "Backfill",
    "Committed",
    "Position",
    "Switch",
    "Walk",
    "decode_position",
]

STEPS_PER_OWNER: Final = 2**32
"""Taking a partition raises its step to the next multiple of this, so no two owners ever use one number."""

OFFSET_METADATA_LIMIT: Final = 4096
"""Apache Kafka's default `offset.metadata.max.bytes`."""


CATALOG: Final = "catalog"
MODEL: Final = "model"
"""Kinds of switches; also the causes of the changes that they bring about."""


class Walk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of the background visit of all rows after a switch.

    bucket: the next bucket of rows.  filled: backfilled rows lie beside the rows, until the walk has passed them.
    """

    bucket: int
    filled: bool = False


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest switch, of the catalog or of a model.

    previous: the version of the catalog before the one that runs; None: it is the first.
    watermark_ms: W at the switch record, at which rows are brought over.
    changes: by segment, tier or model, how many entered, exited or changed because of it, so far.
    kind: `catalog` or `model`.  model: the model's name.  catalog_changes: of the newest switch of the catalog, where
    this one is of a model.
    """

    previous: int | None
    watermark_ms: int
    changes: dict[str, dict[str, int]] = {}
    kind: str = CATALOG
    model: str | None = None
    catalog_changes: dict[str, dict[str, int]] = {}

    @property
    def changes_by_catalog(self) -> dict[str, dict[str, int]]:
        """What the newest switch of the catalog brought about, as `changes`."""
        return self.changes if self.kind == CATALOG else self.catalog_changes


class Backfill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the log has been read again for what a version that was published, and is to come, reads anew.

    version, base: of the catalog that is to come, and of the one before it.
    next_offset: of the events log; None if there is nothing to fill.  log_time_ms, origins: as in `Position`.
    start_offset, start_ms: where the log began, and the log time there (None: nothing has been read yet).
    caught_up: it has come as far as the partition at least once.
    """

    version: int
    base: int
    next_offset: int | None = None
    log_time_ms: int = 0
    origins: dict[int, int] = {}
    start_offset: int = 0
    start_ms: int | None = None
    caught_up: bool = False


class Committed(msgspec.Struct, frozen=True):
    """K: the group's committed offset, and from its metadata the step and the versions.

    step: None where the metadata is missing (the embedded broker keeps none).
    """

    offset: int
    step: int | None = None
    catalog_version: int | None = None
    model_versions: dict[str, int] = {}

    def metadata(self) -> str:
        """The text to commit beside the offset."""
        record = {
            "step": f"{self.step or 0:016x}",
            "catalog": self.catalog_version,
            "models": self.model_versions,
        }
        return msgspec.json.encode(record).decode()

    @classmethod
    def parse(cls, offset: int, metadata: str | None) -> Committed:
        """K as it was read. Metadata that this program didn't write counts as none."""
        try:
            record = _decode_metadata(metadata or "")
            return cls(offset, int(record.step, 16), record.catalog, record.models)
        except (msgspec.DecodeError, ValueError):
            return cls(offset)


class _Metadata(msgspec.Struct):
    step: str
    catalog: int | None
    models: dict[str, int]


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """What of a position the scripts never look into."""

    next_offset: int
    log_time_ms: int
    watermark_ms: int
    catalog: str
    catalog_version: int
    model_versions: dict[str, int]
    walk: Walk | None
    partition_count: int
    topic_id: str
    origins: dict[int, int]
    published: dict[str, dict[int, int]]
    written_step: int = 0
    switch: Switch | None = None
    backfill: Backfill | None = None
    warming: dict[str, int] = {}
    models_waiting: dict[str, int] = {}


class Position(_Body, frozen=True, kw_only=True):
    """R: where a partition stands. A step replaces it as a whole.

    step: number of the step that wrote it; grows, with gaps.
    next_offset: of the events log.  log_time_ms: the greatest log time so far.  watermark_ms: W; never goes back.
    catalog, catalog_version, model_versions, walk: what the rows are evaluated with.
    partition_count, topic_id: of the events topic when the partition was first taken; an empty id is not checked.
    origins: by origin partition the highest origin offset of the events forwarded from there.
    published: by topic (its kind) and partition, the offset after the last message known to be published from here.
    written_step: of the newest step that was committed; `step` leads it after a taking. No row has a newer one.
    switch, walk: the newest switch, and the visit of all rows that follows it, until it is done.
    backfill: what is being prepared for the next one.
    warming: by aggregate (`key_text`), from when on it is whole, in ms of log time (`NEVER_MS`: never), where the log
    no longer reached back far enough when it was filled.
    models_waiting: by model, the newest version that was switched to, where it isn't the one in force: it is of no use
    to the catalog that runs.
    replay_to: the K that Redis was found behind, until it has been passed.
    """

    step: int
    replay_to: Committed | None = None

    @property
    def models_stamp(self) -> int:
        """What rows say of the models that they were evaluated with: it grows with each switch of one."""
        return sum(self.model_versions.values())

    @property
    def taken_over(self) -> int | None:
        """The version of the catalog that stale rows are of, while the walk of a switch of the catalog goes on."""
        switch = self.switch
        return switch.previous if self.walk is not None and switch is not None and switch.kind == CATALOG else None

    def encode(self) -> bytes:
        """The stored record: step, mark, body; one line each."""
        return f"{self.step:016x}\n".encode() + self.encode_mark(self.replay_to) + b"\n" + self.encode_body()

    def encode_body(self) -> bytes:
        """The last line: all but step and mark."""
        return msgspec.json.encode({name: getattr(self, name) for name in _Body.__struct_fields__})

    @staticmethod
    def encode_mark(replay_to: Committed | None) -> bytes:
        """The second line."""
        return b"" if replay_to is None else msgspec.json.encode(replay_to)


# Made at import, in one thread: msgspec 0.22 crashes if two threads are the first to decode a struct.
_decode_metadata: Final = msgspec.json.Decoder(_Metadata).decode
_decode_mark: Final = msgspec.json.Decoder(Committed).decode
_decode_body: Final = msgspec.json.Decoder(_Body).decode


def decode_position(stored: bytes, partition: int) -> Position:
    """The position of a partition from its stored record. Raises PauseError if it is none."""
    try:
        step, mark, body = stored.split(b"\n", 2)
        return Position(
            step=int(step, 16),
            replay_to=_decode_mark(mark) if mark else None,
            **msgspec.structs.asdict(_decode_body(body)),
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise PauseError(
            "position_unreadable",
            f"The position of partition {partition} in Redis can't be read: {error}.",
            remedy="Another program or a newer version wrote it: give this app its own Redis database, or upgrade.",
        ) from error
