"""The section `tests:`: what becomes of an example, and every place in one that can be wrong."""

from __future__ import annotations

import json

import pytest

from rules import Catalog, CatalogError, CatalogProblem, parse_catalog

HEAD = """catalog: shop
version: 1
timezone: Asia/Shanghai
tags:
  orders: count("Order")
  idle: since()
  city: trait("city")
  stage_name: level(stage)
  big: orders > 5
  small: lower(trait("city"))
segments:
  vip: {when: orders > 3}
  lapsing: {when: 'idle > "30d"'}
tiers:
  stage: {levels: {new: count() < 2, old: always}}
tests:
"""
EVENT = "{at: 2026-11-01T09:00:00Z, event: Order}"


def catalog(text: str) -> Catalog:
    return parse_catalog(HEAD + text, "shop.yaml", with_lint=False)


def problems_of(text: str) -> list[CatalogProblem]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HEAD + text, "shop.yaml", with_lint=False)
    return list(caught.value.problems)


def test_an_example_becomes_what_it_says() -> None:
    made = catalog(
        "  a third order:\n    events:\n"
        "      - {at: 2026-11-01T09:00:00Z, event: Order, properties: {a: 3.50, n: 1, new: true, b: '7', x: ~}}\n"
        "      - at: 2026-11-01T09:00:00.250+08:00\n        type: page\n        messageId: 12\n"
        "        context: {ip: 1.2.3.4, list: [1, {a: b}]}\n"
        "      - {at: 2026-11-02 06:30, traits: {city: Köln}}\n"
        "    at: 2026-11-03\n"
        "    expect:\n      tags: {orders: 1, idle: 12h, city: Köln, big: false, stage_name: new, small: null}\n"
        "      segments: []\n      in: []\n      not_in: [vip, lapsing]\n      levels: {stage: old}\n"
    )
    example = made.examples[0]

    assert (example.name, example.user, example.place) == ("a third order", "user", ("shop.yaml", 17))
    assert [json.loads(event) for event in example.events] == [
        {
            "type": "track",
            "userId": "user",
            "timestamp": "2026-11-01T09:00:00.000Z",
            "event": "Order",
            "properties": {"a": 3.5, "n": 1, "new": True, "b": "7", "x": None},
        },
        {
            "type": "page",
            "userId": "user",
            "timestamp": "2026-11-01T01:00:00.250Z",
            "messageId": "12",
            "context": {"ip": "1.2.3.4", "list": [1, {"a": "b"}]},
        },
        {"type": "identify", "userId": "user", "timestamp": "2026-11-01T22:30:00.000Z", "traits": {"city": "Köln"}},
    ]
    assert example.at_ms == 1_793_635_200_000 == 1_793_577_600_000 + 16 * 3_600_000
    assert example.tags == {
        "orders": 1,
        "idle": 43_200_000,
        "city": "Köln",
        "big": False,
        "stage_name": "new",
        "small": None,
    }
    assert (example.segments, example.inside, example.outside) == ((), (), ("vip", "lapsing"))
    assert example.levels == {"stage": "old"}


def test_what_is_left_out_is_not_expected_and_the_moment_is_the_newest_event() -> None:
    example = catalog(
        f"  t: {{events: [{EVENT}, {{at: 2026-10-01, event: A, userId: 7}}], expect: {{in: vip}}}}\n".replace(
            "Order}", "Order, userId: 7}"
        )
    ).examples[0]

    assert (example.segments, example.inside, example.outside) == (None, ("vip",), ())
    assert (example.tags, example.levels, example.user) == ({}, {}, "7")
    assert example.at_ms == 1_793_523_600_000


def test_values_are_read_as_json_and_never_as_old_yaml() -> None:
    words = (
        "{a: yes, b: 007, c: 0x1f, d: 1_000, e: 2026-11-01, f: '.inf', g: 1e3, h: -0.5, i: 'true', j: True, k: NULL}"
    )
    example = catalog(
        f"  t: {{events: [{{at: 2026-11-01, event: A, properties: {words}}}], expect: {{in: vip}}}}\n"
    ).examples[0]

    assert json.loads(example.events[0])["properties"] == {
        "a": "yes",
        "b": "007",
        "c": "0x1f",
        "d": "1_000",
        "e": "2026-11-01",
        "f": ".inf",
        "g": 1000.0,
        "h": -0.5,
        "i": "true",
        "j": True,
        "k": None,
    }


@pytest.mark.parametrize(
    ("events", "code", "found"),
    [
        ("[]", "wrong_shape", ""),
        ("{at: 2026-11-01, event: A}", "wrong_shape", ""),
        ("[Order]", "wrong_shape", ""),
        ("[{event: A}]", "missing_key", ""),
        ("[{at: 2026-11-01}]", "missing_key", ""),
        ("[{at: , event: A}]", "empty_value", "nothing"),
        ("[{at: noon, event: A}]", "bad_time", "noon"),
        ("[{at: 2026-13-01, event: A}]", "bad_time", "2026-13-01"),
        ("[{at: 2026-11-01 24:00, event: A}]", "bad_time", "2026-11-01 24:00"),
        ("[{at: 1969-12-31T23:59:59Z, event: A}]", "bad_time", "1969-12-31T23:59:59Z"),
        ("[{at: '2026-11-01T09:00:00+25:00', event: A}]", "bad_time", "2026-11-01T09:00:00+25:00"),
        ("[{at: 2026-11-01, evnt: A}]", "unknown_key", "evnt"),
        ("[{at: 2026-11-01, event: }]", "empty_value", "nothing"),
        ("[{at: 2026-11-01, event: [A]}]", "wrong_shape", ""),
        ("[{at: 2026-11-01, event: A, type: trakc}]", "bad_value", "trakc"),
        ("[{at: 2026-11-01, event: A, properties: 3}]", "wrong_shape", ""),
        ("[{at: 2026-11-01, traits: [a]}]", "wrong_shape", ""),
        ("[{at: 2026-11-01, event: A, userId: a}, {at: 2026-11-01, event: A}]", "bad_value", "user"),
        ("[{at: 2026-11-01, event: A, properties: {x: 1e999}}]", "number_too_large", "1e999"),
        ("[{at: 2026-11-01, event: A, properties: {x: .nan}}]", "bad_number", ".nan"),
        ("[{at: 2026-11-01, event: A, properties: {x: [1, {y: -.Inf}]}}]", "bad_number", "-.Inf"),
        ("[{at: 2026-11-01, traits: {x: +.INF}}]", "bad_number", "+.INF"),
        ("[{at: 2026-11-01, event: A, context: {x: .NaN}}]", "bad_number", ".NaN"),
        ("[{at: 2026-11-01, event: A, properties: {x: " + "9" * 400 + "}}]", "number_too_large", "9" * 59 + "…"),
    ],
)
def test_a_wrong_event_is_placed(events: str, code: str, found: str) -> None:
    problems = problems_of(f"  t:\n    events: {events}\n    expect: {{in: [vip]}}\n")

    assert {problem.line for problem in problems} <= {17, 18}
    assert (str(problems[0].code), problems[0].found) == (code, found)


def test_a_number_in_an_event_has_at_most_308_characters() -> None:
    def text(digits: int) -> str:
        event = f"{{at: 2026-11-01, event: A, properties: {{x: {'9' * digits}}}}}"
        return f"  t:\n    events: [{event}]\n    expect: {{in: []}}\n"

    assert [example.name for example in catalog(text(308)).examples] == ["t"]
    (problem,) = problems_of(text(309))
    assert problem.message == "a number has at most 308 characters"


def test_what_yaml_takes_for_a_number_and_json_cannot_carry_says_what_to_write() -> None:
    (problem,) = problems_of(
        "  t:\n    events: [{at: 2026-11-01, event: A, properties: {x: .nan}}]\n    expect: {in: []}\n"
    )

    assert (problem.line, problem.column) == (18, 57)
    assert problem.message == ".nan is no number that JSON can carry; write a number, null, or a text in quotes"


@pytest.mark.parametrize(
    ("expect", "code", "column", "suggestion"),
    [
        ("", "wrong_shape", 12, None),
        ("{}", "wrong_shape", 13, None),
        ("[vip]", "wrong_shape", 13, None),
        ("{segment: [vip]}", "unknown_key", 14, "segments"),
        ("{tags: {orderz: 1}}", "unknown_name", 21, "orders"),
        ("{tags: {vip: true}}", "unknown_name", 21, None),
        ("{tags: {orders: many}}", "wrong_type", 29, None),
        ("{tags: {orders: '1'}}", "wrong_type", 29, None),
        ("{tags: {orders: true}}", "wrong_type", 29, None),
        ("{tags: {orders: [1]}}", "wrong_shape", 29, None),
        ("{tags: {orders: 1e999}}", "bad_value", 29, None),
        ("{tags: {orders: .inf}}", "bad_value", 29, None),
        ("{tags: {city: .nan}}", "bad_value", 27, None),
        ("{tags: {big: 1}}", "wrong_type", 26, None),
        ("{tags: {idle: soon}}", "bad_value", 27, None),
        ("{tags: {idle: 1.5}}", "wrong_type", 27, None),
        ("{tags: {small: 7}}", "wrong_type", 28, None),
        ("{tags: {stage_name: nwe}}", "unknown_name", 33, "new"),
        ("{tags: [orders]}", "wrong_shape", 20, None),
        ("{segments: [vipp]}", "unknown_name", 25, "vip"),
        ("{segments: {vip: true}}", "wrong_shape", 24, None),
        ("{in: [[vip]]}", "wrong_shape", 19, None),
        ("{not_in: [stage]}", "unknown_name", 23, None),
        ("{in: [vip], not_in: [vip]}", "bad_value", 33, None),
        ("{segments: [vip], not_in: [vip]}", "bad_value", 39, None),
        ("{segments: [vip], in: [lapsing]}", "bad_value", 35, None),
        ("{levels: {stages: new}}", "unknown_name", 23, "stage"),
        ("{levels: {stage: newer}}", "unknown_name", 30, "new"),
        ("{levels: {stage: [new]}}", "wrong_shape", 30, None),
    ],
)
def test_a_wrong_expectation_is_placed(expect: str, code: str, column: int, suggestion: str | None) -> None:
    problems = problems_of(f"  t:\n    events: [{EVENT}]\n    expect: {expect}\n")

    assert [(str(one.code), one.line, one.column, one.suggestion) for one in problems] == [
        (code, 19, column, suggestion)
    ]


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ("  [a]", "wrong_shape"),
        ("  t: a", "wrong_shape"),
        ("  t: {}", "missing_key"),
        (f"  t: {{events: [{EVENT}]}}", "missing_key"),
        (f"  t: {{events: [{EVENT}], at: 2026-10-31, expect: {{in: vip}}}}", "bad_value"),
        (f"  t: {{events: [{EVENT}], at: soon, expect: {{in: vip}}}}", "bad_time"),
        (f"  t: {{events: [{EVENT}], expekt: {{in: vip}}}}", "unknown_key"),
        (f"  {'t' * 201}: {{events: [{EVENT}], expect: {{in: vip}}}}", "bad_name"),
        (f"  t: {{events: [{EVENT}], expect: {{in: vip}}, at: &x 2026-11-05}}", "yaml_anchor"),
    ],
)
def test_a_wrong_example_is_placed(tests: str, code: str) -> None:
    problems = problems_of(f"{tests}\n")

    assert str(problems[0].code) == code
    assert problems[0].line == 17


def test_a_section_without_examples_is_none() -> None:
    assert catalog("").examples == ()


def test_examples_are_checked_where_the_rest_is_wrong_too() -> None:
    text = HEAD.replace("idle: since()", "idle: sinze()").replace("Asia/Shanghai", "Mars")
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{text}  t: {{events: [{EVENT}], expect: {{tags: {{idle: 3, oders: 1}}}}}}\n")

    assert [str(problem.code) for problem in caught.value.problems] == [
        "unknown_timezone",
        "unknown_function",
        "unknown_name",
    ]
