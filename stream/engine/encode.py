"""Last stage: transitions to messages of `segment-changes`, tags of a whole batch at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from rules.columns import Features, values_of
from rules.program import Program, Unit
from rules.tables import CAUSE_EVENT, CAUSES, CLUSTER, SEGMENT, TIER, Int64
from stream.engine import slots
from stream.engine.result import Message
from stream.engine.state import Transitions

__all__ = ["ChangeEncoder"]

_JSON = msgspec.json.Encoder()
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
        units = program.units
        self._forms = [unit.form for unit in units]
        self._reads = [unit.reads for unit in units]
        # By tag that some unit names: its tree, and `(U,) bool`, the units that do.
        self._tags = {name: (catalog.tags[name].expression, np.zeros(len(units), np.bool_)) for name in _read(units)}
        for number, unit in enumerate(units):
            for name in unit.reads:
                self._tags[name][1][number] = True
        source = _json(f"/tagstream/{app}/{partition}")
        kinds = {
            SEGMENT: ("segment.exited", "segment.entered"),
            TIER: ("level.changed",),
            CLUSTER: ("cluster.changed",),
        }
        middle = {
            form: [f'","source":{source},"type":"tagstream.{kind}","subject":' for kind in both]
            for form, both in kinds.items()
        }
        # By unit and whether something is entered; nobody is told of quantiles.
        self._middle = [(both[0], both[-1]) for both in (middle.get(unit.form, [""]) for unit in units)]
        versions = _json(program.model_versions)
        self._version = f',"catalog_version":{catalog.version},"model_versions":{versions},"tags":{{'
        self._named = [_about(unit) for unit in units]
        # By unit and member flag: a tier's level, of which there is none at 0.
        self._levels = [["null", *map(_json, unit.levels)] for unit in units]
        # By unit, of clusters what each that has a name is called.
        self._cluster_names = [_cluster_names(program, unit) for unit in units]
        self._headers: dict[tuple[int, bool, int], tuple[tuple[str, bytes], ...]] = {}

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
        tags = self._tag_texts(cells[:, slots.OUT_UNIT], features)
        times = np.datetime_as_string(cells[:, slots.OUT_MOMENT].astype("datetime64[ms]")).tolist()
        columns = (
            slots.OUT_UNIT,
            slots.OUT_FROM,
            slots.OUT_TO,
            slots.OUT_CAUSE,
            slots.OUT_VERSION,
            slots.OUT_STAYED_MS,
        )
        quoted_of = {user: _json(user) for user in set(users)}
        forms, levels = self._forms, self._levels
        messages = []
        for user, incarnation, offset, time, read, unit, before, after, cause, version, stayed_ms in zip(
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
            entered = after > 0
            record = f"{self._record}{offset}}}" if cause == CAUSE_EVENT else "null"
            if forms[unit] == TIER:
                rest = f',"from":{levels[unit][before]},"to":{levels[unit][after]}'
            elif forms[unit] == CLUSTER:
                rest = self._clusters(unit, before, after)
            else:
                rest = "" if entered else f',"stayed_ms":{stayed_ms}'
            text = (
                f'{{"specversion":"1.0","id":"{digest}{self._middle[unit][entered]}{quoted},"time":"{time}Z",'
                f'"datacontenttype":"application/json","data":{{"user":{quoted},"incarnation":{incarnation},'
                f'"version":{version},"cause":"{CAUSES[cause]}"{self._version}{read}}},'
                f'"record":{record}{self._named[unit]}{rest}}}}}'
            )
            headers = self._headers.get((unit, entered, cause)) or self._header(unit, entered, cause)
            messages.append(Message(user.encode(), text.encode(), headers))
        return messages

    def _clusters(self, unit: int, before: int, after: int) -> str:
        """The clusters of a change, which are ids + 1, and their names."""
        ids = ["null" if cluster == 0 else str(cluster - 1) for cluster in (before, after)]
        names = [self._cluster_names[unit].get(cluster - 1, "null") for cluster in (before, after)]
        return f',"from":{ids[0]},"to":{ids[1]},"from_name":{names[0]},"to_name":{names[1]}'

    def _header(self, unit: int, entered: bool, cause: int) -> tuple[tuple[str, bytes], ...]:
        change = b"entered" if entered else b"exited"
        if self._forms[unit] != SEGMENT:
            change = b"changed"
        headers = (
            ("content-type", b"application/cloudevents+json"),
            ("segment", self._program.units[unit].name.encode()),
            ("change", change),
            ("cause", CAUSES[cause].encode()),
        )
        self._headers[unit, entered, cause] = headers
        return headers

    def _tag_texts(self, units: Int64, features: Features) -> list[str]:
        """The members of each message's `tags`, each tag computed once for all messages whose condition names it."""
        present = np.unique(units).tolist()
        columns: dict[str, list[str]] = {}
        for name in dict.fromkeys(name for unit in present for name in self._reads[unit]):
            tree, readers = self._tags[name]
            among = np.flatnonzero(readers[units])
            column = [""] * len(units)
            for index, value in zip(among.tolist(), values_of(tree, features.of(among)), strict=True):
                column[index] = f'"{name}":{_plain(value)}'
            columns[name] = column
        of_unit = {unit: [columns[name] for name in self._reads[unit]] for unit in present}
        return [",".join([column[index] for column in of_unit[unit]]) for index, unit in enumerate(units.tolist())]


def _read(units: Sequence[Unit]) -> dict[str, None]:
    """The tags that messages carry."""
    return dict.fromkeys(name for unit in units for name in unit.reads)


def _about(unit: Unit) -> str:
    """What a message says of the unit whatever happens to the user there."""
    if unit.form == CLUSTER:
        return f',"model":{_json(unit.name)}'
    form = "tier" if unit.form == TIER else "segment"
    return f',"{form}":{_json(unit.name)},"kind":{_json(unit.kind)},"title":{_json(unit.title)}'


def _cluster_names(program: Program, unit: Unit) -> dict[int, str]:
    """The names that somebody has given to the clusters of a model, as JSON; of one that is no more, those it had."""
    catalog = program.previous if unit.retired else program.catalog
    if unit.form != CLUSTER or catalog is None:
        return {}
    return {number: _json(name) for number, name in catalog.models[unit.name].names.items()}


def _plain(value: object) -> str:
    """A tag's value as JSON; a finite number's Python form is that."""
    if value is None:
        return "null"
    return repr(value) if type(value) in _NUMBERS else _json(value)
