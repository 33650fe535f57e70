"""One step of a partition, put together: what the store gets, what is published, where the partition stands then."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from stream.engine import StepResult
from stream.worker.intake import Intake, Progress
from stream.worker.letters import Letters
from stream.worker.outbox import Outbox, encode_outbox
from stream.worker.position import Committed, Position, Switch
from stream.worker.published import ReplayGuard
from stream.worker.sink import Publication
from stream.worker.store import StepWrite
from tagstream.contracts.changes import CAUSE_HEADER, CHANGE_HEADER, SEGMENT_HEADER

__all__ = ["Beside", "Step", "build_step", "committed_of", "net_members"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is computed and not yet committed.

    kind: `batch`, `due`, `walk`, `fill`, `switch`, or `note` (a switch is passed over).  intake: of a batch, else None.
    """

    partition: int
    kind: str
    position: Position
    write: StepWrite
    publication: Publication
    result: StepResult
    intake: Intake | None


@dataclass(frozen=True, slots=True)
class Beside:
    """What a step writes beside its result; see `StepWrite`."""

    filled: Sequence[tuple[str, bytes]] = ()
    unfilled: Sequence[int] = ()
    gone_sizes: Sequence[str] = ()
    gone_sets: Sequence[str] = ()


_BESIDE_NOTHING: Final = Beside()
_NOTHING: Final[Mapping[str, object]] = {}


def build_step(
    before: Position,
    result: StepResult,
    intake: Intake | None,
    *,
    letters: Letters,
    guard: ReplayGuard | None,
    published: Mapping[str, Mapping[int, int]],
    published_step: int,
    kind: str = "batch",
    moved: Mapping[str, object] = _NOTHING,
    beside: Beside = _BESIDE_NOTHING,
) -> Step:
    """Put a step together. Pure.

    moved: fields of the position that this step sets, beyond its progress.  beside: what else it writes.
    guard: set while records are processed a second time.  published: what the sink knows to be published by now.
    Raises StepTooLargeError, and PauseError where a recomputed change isn't the published one.
    """
    progress = (
        Progress(before.next_offset, before.log_time_ms, before.watermark_ms, before.origins)
        if intake is None
        else intake.progress(before, result.end)
    )
    messages = letters.changes(result)
    if guard is not None:
        messages = guard.unpublished(messages)
        result = _beyond(result, intake, guard.until.offset)
    if intake is not None:
        messages += letters.dead_letters(result, intake)
        messages += letters.forwards(result, intake)
    replaying = guard is not None and not guard.done(progress.next_offset)
    position = msgspec.structs.replace(
        before,
        step=before.step + 1,
        next_offset=progress.next_offset,
        log_time_ms=progress.log_time_ms,
        watermark_ms=progress.watermark_ms,
        origins=progress.origins,
        # While replaying it stays: after a crash the same messages have to be read again.
        published=before.published if replaying else _merged(before.published, published),
        replay_to=before.replay_to if replaying else None,
        written_step=before.step + 1,
        switch=_counted(before, result),
    )
    position = msgspec.structs.replace(position, **moved)
    write = StepWrite(
        expected_step=before.step,
        position=position.encode(),
        published_step=published_step,
        outbox=encode_outbox(Outbox(position.step, position.next_offset, messages)) if messages else b"",
        rows=result.rows,
        sizes=result.sizes,
        entered=net_members(result.entered, result.left),
        left=net_members(result.left, result.entered),
        due=result.due,
        filled=beside.filled,
        unfilled=beside.unfilled,
        gone_sizes=beside.gone_sizes,
        gone_sets=beside.gone_sets,
    )
    publication = Publication(letters.partition, messages, committed_of(position))
    return Step(letters.partition, kind, position, write, publication, result, intake)


def committed_of(position: Position) -> Committed:
    """The K that goes with a position.

    Its offset doesn't go back while records are processed a second time: what lies below has been published.
    """
    replay_to = position.replay_to
    return Committed(
        offset=max(position.next_offset, replay_to.offset if replay_to else 0),
        step=position.step,
        catalog_version=position.catalog_version,
        model_versions=position.model_versions,
    )


def net_members(joined: Mapping[str, Sequence[str]], parted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Who of those that joined is in at the end: joining and parting take turns, so the counts tell."""
    net = {}
    for segment, users in joined.items():
        others = Counter(parted.get(segment, ()))
        kept = [user for user, times in Counter(users).items() if times > others[user]] if others else list(users)
        if kept:
            net[segment] = kept
    return net


def _counted(before: Position, result: StepResult) -> Switch | None:
    """The newest switch, with the changes of this step that it brought about."""
    if before.switch is None or before.walk is None or not result.changes:
        return before.switch
    changes = {name: dict(counts) for name, counts in before.switch.changes.items()}
    cause = before.switch.kind.encode()
    for headers, times in Counter(change.headers for change in result.changes).items():
        named = dict(headers)
        if named.get(CAUSE_HEADER) == cause:
            counts = changes.setdefault(named[SEGMENT_HEADER].decode(), {})
            change = named[CHANGE_HEADER].decode()
            counts[change] = counts.get(change, 0) + times
    return msgspec.structs.replace(before.switch, changes=changes)


def _beyond(result: StepResult, intake: Intake | None, offset: int) -> StepResult:
    """The result without the rejects and misplaced events of records below the offset."""
    if intake is None:
        return result
    offsets = intake.records.offsets
    return dataclasses.replace(
        result,
        rejects=[reject for reject in result.rejects if offsets[reject.index] >= offset],
        misplaced=[index for index in result.misplaced if offsets[index] >= offset],
    )


def _merged(
    before: Mapping[str, Mapping[int, int]], newer: Mapping[str, Mapping[int, int]]
) -> dict[str, dict[int, int]]:
    """By kind and partition, the greater offset."""
    merged = {kind: dict(offsets) for kind, offsets in before.items()}
    for kind, offsets in newer.items():
        known = merged.setdefault(kind, {})
        for partition, offset in offsets.items():
            known[partition] = max(known.get(partition, 0), offset)
    return merged
