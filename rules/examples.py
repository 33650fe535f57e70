"""The section `tests:` of a catalog: examples of one user's events, and what is expected of the user then.

Everything in it is checked against the catalog: names of tags, segments, tiers and levels, types of values, times.
Nothing is run here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from collections.abc import Mapping as ReadMapping
from dataclasses import dataclass

from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.durations import DurationError, parse_duration
from rules.errors import ProblemCode, clip
from rules.keys import correct_keys
from rules.moments import MomentError, format_moment, parse_moment
from rules.nodes import Kind, Level, Node
from rules.place import REFUSED
from rules.remarks import KIND_NAMES
from rules.scalars import ScalarError, value_of
from rules.suggest import Suggester

__all__ = ["Example", "Known", "read_examples"]

EVENT_TYPES = ("track", "identify", "page", "screen", "alias", "group")
_EXAMPLE_KEYS = ("events", "at", "expect")
_EXPECT_KEYS = ("tags", "segments", "in", "not_in", "levels")
_EVENT_KEYS = (
    *("at", "type", "event", "properties", "traits", "userId", "messageId", "name", "context", "anonymousId"),
    *("previousId", "groupId", "category", "channel", "integrations", "sentAt", "receivedAt", "originalTimestamp"),
)
_USER = "user"
_MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Example:
    """A test inside the catalog: one user's events, and what is expected of the user at a time.

    `events` are JSON records in the order of the file, as `replay` takes them, all of `user`; `at_ms` is not before the
    newest. Expected are: the values of `tags` (numbers, strings, booleans; durations in ms; None for missing), exactly
    the `segments` (None: nothing is said), being `inside` and `outside` of some, and the `levels` of tiers.
    """

    name: str
    user: str
    events: tuple[bytes, ...]
    at_ms: int
    tags: dict[str, object]
    segments: tuple[str, ...] | None
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    levels: dict[str, str]
    place: tuple[str, int]
    """File and line (1-based)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What examples may name: tags with what they are (None: broken), segments, tiers with their levels."""

    tags: ReadMapping[str, tuple[Node, Kind] | None]
    segments: Collection[str]
    tiers: ReadMapping[str, Collection[str]]
    timezone: str


def read_examples(document: Document, value: Value | None, known: Known, suggester: Suggester) -> tuple[Example, ...]:
    """The examples that are right; what is wrong goes to the document. `value` is what stands under `tests:`."""
    if value is None or (isinstance(value, Scalar) and value.is_null):
        return ()
    if not isinstance(value, Mapping):
        document.report(
            value.start, ProblemCode.WRONG_SHAPE, "tests is a mapping of names to examples", "", "a mapping"
        )
        return ()
    examples = (_Reader(document, known, suggester, value.keys[name], item) for name, item in value.values.items())
    return tuple(example for reader in examples if (example := reader.read()) is not None)


class _Reader:
    """One example."""

    def __init__(self, document: Document, known: Known, suggester: Suggester, key: Scalar, value: Value) -> None:
        self._document = document
        self._known = known
        self._suggester = suggester
        self._key = key
        self._value = value
        self._name = clip(key.text)
        self._is_right = True
        self._user: str | None = None

    def read(self) -> Example | None:
        """The example, or None if anything in it is wrong."""
        if len(self._key.text) > _MAX_NAME_CHARACTERS:
            message = f"the name of a test has at most {_MAX_NAME_CHARACTERS} characters"
            self._report(self._key, ProblemCode.BAD_NAME, message, self._name, "a shorter name")
        value = self._value
        if not isinstance(value, Mapping):
            self._report(value, ProblemCode.WRONG_SHAPE, f"the test {self._name} is a mapping", "", "events and expect")
            return None
        self._correct_keys(value, _EXAMPLE_KEYS)
        events = [*self._events(value.values.get("events"))]
        newest_ms = max((at_ms for _, at_ms in events), default=0)
        at_ms = self._moment(value.values["at"], newest_ms) if "at" in value.values else newest_ms
        if at_ms < newest_ms:
            message = f"the test looks before its newest event, which is at {format_moment(newest_ms)}"
            self._report(value.values["at"], ProblemCode.BAD_VALUE, message, "", "that time, or a later one")
        expect = self._expectations(value.values.get("expect"))
        tags = dict(self._tags(expect.values.get("tags")))
        segments = self._segments("segments", expect.values.get("segments"))
        inside = self._segments("in", expect.values.get("in"))
        outside = self._segments("not_in", expect.values.get("not_in"))
        levels = dict(self._levels(expect.values.get("levels")))
        self._refuse_contradictions(expect, segments, inside or (), outside or ())
        if not self._is_right:
            return None
        line, _ = self._document.place(self._key.start)
        return Example(
            name=self._key.text,
            user=self._user or _USER,
            events=tuple(record for record, _ in events),
            at_ms=at_ms,
            tags=tags,
            segments=segments,
            inside=inside or (),
            outside=outside or (),
            levels=levels,
            place=(self._document.file, line),
        )

    # Events

    def _events(self, value: Value | None) -> Iterator[tuple[bytes, int]]:
        if not isinstance(value, Sequence) or not value.items:
            message = f"the test {self._name} needs events, a list with at least one"
            code = ProblemCode.MISSING_KEY if value is None else ProblemCode.WRONG_SHAPE
            self._report(self._key if value is None else value, code, message, "", "a list of events")
            return
        for item in value.items:
            if not isinstance(item, Mapping):
                message = "an event is a mapping, as in {at: 2026-11-01T09:00:00Z, event: Order Completed}"
                self._report(item, ProblemCode.WRONG_SHAPE, message, "", "a mapping")
            else:
                yield self._event(item)

    def _event(self, event: Mapping) -> tuple[bytes, int]:
        """The record of one event, and its timestamp."""
        self._correct_keys(event, _EVENT_KEYS)
        values = event.values
        at_ms = 0
        if "at" not in values:
            message = 'the event needs the key "at", its time'
            self._report(event, ProblemCode.MISSING_KEY, message, "", "at: 2026-11-01T09:00:00Z")
        else:
            at_ms = self._moment(values["at"], 0)
        record: dict[str, object] = {"type": self._type(event), "userId": self._user_of(values.get("userId"))}
        if record["type"] == "track" and "event" not in values:
            message = 'a track event needs the key "event", its name'
            self._report(event, ProblemCode.MISSING_KEY, message, "", "event: Order Completed")
        record["timestamp"] = format_moment(at_ms)
        for name, value in values.items():
            if name in ("properties", "traits") and not isinstance(value, Mapping):
                message = f"{name} are a mapping of names to values"
                self._report(value, ProblemCode.WRONG_SHAPE, message, "", "a mapping")
            elif name in ("event", "name", "messageId"):
                record[name] = self._text(name, value)
            elif name not in ("at", "type", "userId"):
                record[name] = self._json(value)
        return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"), at_ms

    def _type(self, event: Mapping) -> str:
        value = event.values.get("type")
        if value is None:
            return "identify" if "traits" in event.values and "event" not in event.values else "track"
        expected = f"one of {', '.join(EVENT_TYPES)}"
        text = self._text("type", value)
        if text and text not in EVENT_TYPES:
            nearest = self._suggester.nearest(text, EVENT_TYPES)
            message = f"there is no type of event {clip(text)}: {expected}"
            self._report(value, ProblemCode.BAD_VALUE, message, clip(text), expected, nearest)
        return text

    def _user_of(self, value: Value | None) -> str:
        user = _USER if value is None else self._text("userId", value)
        if self._user is not None and user != self._user:
            message = f"a test is about one user; the events before this one are of {clip(self._user)}"
            at = self._key if value is None else value
            self._report(at, ProblemCode.BAD_VALUE, message, clip(user), clip(self._user))
        elif user:
            self._user = user
        return user

    def _text(self, name: str, value: Value) -> str:
        if not isinstance(value, Scalar):
            self._report(value, ProblemCode.WRONG_SHAPE, f"{name} is a text", "", "a text")
            return ""
        if value.style == REFUSED:
            self._is_right = False
        elif value.is_null or not value.text:
            self._report(value, ProblemCode.EMPTY_VALUE, f"{name} is empty; give it a value", "nothing", "a text")
        return value.text

    def _moment(self, value: Value, otherwise_ms: int) -> int:
        text = self._text("at", value)
        if not text:
            return otherwise_ms
        try:
            return parse_moment(text, self._known.timezone)
        except MomentError as error:
            expected = "a time such as 2026-11-01T09:00:00Z"
            self._report(value, ProblemCode.BAD_TIME, f"at: {error}", clip(text), expected)
        return otherwise_ms

    def _json(self, value: Value) -> object:
        match value:
            case Scalar():
                try:
                    return value_of(value)
                except ScalarError as error:
                    self._report(value, error.code, str(error), clip(value.text), "a number")
                    return None
            case Mapping():
                return {name: self._json(item) for name, item in value.values.items()}
            case Sequence():
                return [self._json(item) for item in value.items]

    # Expectations

    def _expectations(self, value: Value | None) -> Mapping:
        if isinstance(value, Mapping) and value.keys:
            self._correct_keys(value, _EXPECT_KEYS)
            return value
        message = f"the test {self._name} expects nothing; under expect: stand {', '.join(_EXPECT_KEYS)}"
        code = ProblemCode.MISSING_KEY if value is None else ProblemCode.WRONG_SHAPE
        self._report(self._key if value is None else value, code, message, "", f"any of {', '.join(_EXPECT_KEYS)}")
        return Mapping(self._key.start)

    def _entries(self, name: str, value: Value | None) -> Iterator[tuple[Scalar, Scalar]]:
        """The keys and scalars of a mapping of expectations."""
        if value is None:
            return
        if not isinstance(value, Mapping):
            message = f"{name} is a mapping of names to what is expected of them"
            self._report(value, ProblemCode.WRONG_SHAPE, message, "", "a mapping")
            return
        for key, item in value.values.items():
            if not isinstance(item, Scalar):
                message = f"one value is expected of {clip(key)}, not a list or a mapping"
                self._report(item, ProblemCode.WRONG_SHAPE, message, "", "one value")
            elif item.style != REFUSED:
                yield value.keys[key], item
            else:
                self._is_right = False

    def _tags(self, value: Value | None) -> Iterator[tuple[str, object]]:
        for key, item in self._entries("tags", value):
            if self._is_known(key, "tag", self._known.tags):
                tag = self._known.tags[key.text]
                yield key.text, None if tag is None else self._tag_value(key.text, tag, item)

    def _tag_value(self, name: str, tag: tuple[Node, Kind], item: Scalar) -> object:
        node, kind = tag
        expected = f"{KIND_NAMES[kind]}, or null for missing"
        try:
            value = value_of(item)
            if kind is Kind.DURATION and isinstance(value, str):
                return parse_duration(value)
        except (ScalarError, DurationError) as error:
            self._report(item, ProblemCode.BAD_VALUE, f"{name}: {error}", clip(item.text), expected)
            return None
        if isinstance(node, Level) and isinstance(value, str):
            self._check_level(node.tier, item)
        found = Kind.BOOLEAN if isinstance(value, bool) else Kind.STRING if isinstance(value, str) else Kind.NUMBER
        if value is None or kind in (Kind.ANY, found) or (kind is Kind.DURATION and isinstance(value, int)):
            return value
        what = "true or false" if kind is Kind.BOOLEAN else expected
        quotes = "; a string that looks like something else stands in quotes" if kind is Kind.STRING else ""
        message = f"the tag {name} is {KIND_NAMES[kind]}, and {clip(item.text)} is not{quotes}"
        self._report(item, ProblemCode.WRONG_TYPE, message, clip(item.text), what)
        return None

    def _segments(self, name: str, value: Value | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        if isinstance(value, Mapping):
            message = f"{name} is a list of segments, as in [vip, lapsing]"
            self._report(value, ProblemCode.WRONG_SHAPE, message, "", "a list of names")
            return ()
        found: dict[str, None] = {}
        for item in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(item, Scalar):
                self._report(item, ProblemCode.WRONG_SHAPE, "the name of a segment is expected", "", "a name")
            elif item.style == REFUSED:
                self._is_right = False
            elif self._is_known(item, "segment", self._known.segments):
                found[item.text] = None
        return tuple(found)

    def _levels(self, value: Value | None) -> Iterator[tuple[str, str]]:
        for key, item in self._entries("levels", value):
            if self._is_known(key, "tier", self._known.tiers) and self._check_level(key.text, item):
                yield key.text, item.text

    def _check_level(self, tier: str, item: Scalar) -> bool:
        levels = self._known.tiers.get(tier, ())
        if item.text in levels or not levels:
            return True
        message = f'the tier {tier} has no level "{clip(item.text)}"'
        expected = f"one of {clip(', '.join(levels))}"
        nearest = self._suggester.nearest(item.text, levels)
        self._report(item, ProblemCode.UNKNOWN_NAME, message, clip(item.text), expected, nearest)
        return False

    def _is_known(self, name: Scalar, what: str, names: Collection[str]) -> bool:
        if name.text in names:
            return True
        nearest = self._suggester.nearest(name.text, names)
        message = f'there is no {what} "{clip(name.text)}"'
        self._report(name, ProblemCode.UNKNOWN_NAME, message, clip(name.text), f"the name of a {what}", nearest)
        return False

    def _refuse_contradictions(
        self, expect: Mapping, segments: tuple[str, ...] | None, inside: tuple[str, ...], outside: tuple[str, ...]
    ) -> None:
        wanted = {*inside, *(segments or ())}
        for name in outside:
            if name in wanted:
                message = f"{name} is expected to be in and not in"
                self._report(expect.values["not_in"], ProblemCode.BAD_VALUE, message, name, "one of the two")
        for name in inside:
            if segments is not None and name not in segments:
                message = f"{name} is expected, and not among the segments, which are all"
                self._report(expect.values["in"], ProblemCode.BAD_VALUE, message, name, "the same in both")

    # What is said

    def _correct_keys(self, mapping: Mapping, keys: Collection[str]) -> None:
        before = len(self._document.problems)
        correct_keys(self._document, mapping, keys, self._suggester)
        self._is_right = self._is_right and len(self._document.problems) == before

    def _report(
        self, value: Value, code: ProblemCode, message: str, found: str, expected: str, suggestion: str | None = None
    ) -> None:
        self._is_right = False
        if not (isinstance(value, Scalar) and value.style == REFUSED):
            self._document.report(value.start, code, message, found, expected, suggestion)
