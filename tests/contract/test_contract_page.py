"""The messages on docs/contract.md are messages of the contract, one of each, and JSON Schema agrees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tagstream.contracts import (
    CAUSES,
    CHANGE_KINDS,
    EVENT_TYPES,
    JSON_SCHEMAS,
    Change,
    encode_applied_catalog,
    encode_change,
    encode_dead_letter,
    encode_event,
    parse_applied_catalog,
    parse_change,
    parse_dead_letter,
    parse_event,
)
from tagstream.ids import change_id, dead_letter_id
from tagstream.partitioning import murmur2, partition_of
from tagstream.topics import CATALOG, EVENTS, EVENTS_DLQ, SEGMENT_CHANGES, TOPIC_KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")


def examples(name: str) -> list[str]:
    return re.findall(rf"^```json {name}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


EVENT_EXAMPLES, CHANGE_EXAMPLES, LETTER_EXAMPLES = examples("event"), examples("change"), examples("dead letter")
CATALOG_EXAMPLES = examples("catalog")


def test_there_is_an_example_of_every_kind() -> None:
    events = [parse_event(text.encode()) for text in EVENT_EXAMPLES]
    changes: list[Change] = [parse_change(text.encode()) for text in CHANGE_EXAMPLES]
    assert [event.type for event in events] == list(EVENT_TYPES)
    assert [type(change) for change in changes] == list(CHANGE_KINDS)
    assert len(LETTER_EXAMPLES) == 1
    assert len(CATALOG_EXAMPLES) == 1


def test_examples_are_what_would_be_written() -> None:
    for text in CHANGE_EXAMPLES:
        assert json.loads(encode_change(parse_change(text.encode()))) == json.loads(text)
    for text in LETTER_EXAMPLES:
        assert json.loads(encode_dead_letter(parse_dead_letter(text.encode()))) == json.loads(text)
    for text in CATALOG_EXAMPLES:
        applied = parse_applied_catalog(text.encode())
        assert json.loads(encode_applied_catalog(applied)) == json.loads(text)
        assert applied.key == b"corner@4"
    for text in EVENT_EXAMPLES:
        assert parse_event(encode_event(parse_event(text.encode()))) == parse_event(text.encode())


def test_the_ids_and_contents_of_the_examples_are_right() -> None:
    for text in CHANGE_EXAMPLES:
        change = parse_change(text.encode())
        assert change.id == change_id("tagstream", change.user, change.incarnation, change.version)
        assert change.source == f"/tagstream/tagstream/{partition_of(change.user, 4)}"
    letter = parse_dead_letter(LETTER_EXAMPLES[0].encode())
    assert letter.id == dead_letter_id("tagstream", letter.position.partition, letter.position.offset)
    assert letter.original_bytes == letter.preview.encode()
    assert letter.length == len(letter.preview.encode())


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (EVENTS, EVENT_EXAMPLES),
        (SEGMENT_CHANGES, CHANGE_EXAMPLES),
        (EVENTS_DLQ, LETTER_EXAMPLES),
        (CATALOG, CATALOG_EXAMPLES),
    ],
)
def test_the_json_schema_of_a_topic_takes_its_messages_and_no_others(kind: str, texts: list[str]) -> None:
    schema = JSON_SCHEMAS[kind]()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    everything = [*EVENT_EXAMPLES, *CHANGE_EXAMPLES, *LETTER_EXAMPLES, *CATALOG_EXAMPLES]
    assert [text for text in everything if validator.is_valid(json.loads(text))] == texts


def test_every_topic_has_a_schema_and_is_on_the_page() -> None:
    assert tuple(JSON_SCHEMAS) == TOPIC_KINDS
    assert re.findall(r"^\| `\{app\}\.([a-z.-]+)` \|", PAGE, flags=re.MULTILINE) == list(TOPIC_KINDS)


def test_the_hashes_on_the_page_are_right() -> None:
    table = dict(re.findall(r"^\| `([^`|]+)` \| (\d+) \|$", PAGE, flags=re.MULTILINE))
    assert {user: murmur2(user.encode()) for user in table} == {user: int(value) for user, value in table.items()}
    assert len(table) == 4


def test_every_cause_is_on_the_page() -> None:
    assert [cause for cause in CAUSES if f"`{cause}`" not in PAGE] == []
