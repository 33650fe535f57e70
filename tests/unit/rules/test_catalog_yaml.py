"""What of YAML is refused, and what its scalars mean."""

from __future__ import annotations

import pytest
import yaml

from rules import CatalogError, parse_catalog
from rules.nodes import BooleanValue, Kind, NumberValue

HEAD = "catalog: shop\nversion: 1\n"


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader")


def problems_of(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return [(str(problem.code), problem.line, problem.column) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f"{HEAD}tags: {{a: &x 1, b: 2}}", [("yaml_anchor", 3, 11)]),
        (f"{HEAD}tags: &x {{a: 1, b: 2}}", [("yaml_anchor", 3, 7)]),
        (f"{HEAD}tags:\n  a: 1\n  b: *x", [("yaml_alias", 5, 6)]),
        (f"{HEAD}tags:\n  a: 1\n  <<: {{b: 1}}", [("yaml_merge_key", 5, 3)]),
        (f"{HEAD}tags:\n  a: !!int 1\n  b: !x {{}}", [("yaml_tag", 4, 6), ("yaml_tag", 5, 6), ("wrong_shape", 5, 6)]),
        (f"{HEAD}tags:\n  a: !!python/object/apply:os.system [true]", [("yaml_tag", 4, 6), ("wrong_shape", 4, 6)]),
        (f"{HEAD}tags:\n  a: 1\n  a: 2", [("duplicate_key", 5, 3)]),
        (f"{HEAD}version: 2\ntags: {{a: 1}}", [("duplicate_key", 3, 1)]),
        (f"{HEAD}tags: {{a: 1}}\n---\n{HEAD}", [("several_documents", 4, 1)]),
        ("catalog: &x shop\nversion: !!int 1\ntags: {a: 1}", [("yaml_anchor", 1, 10), ("yaml_tag", 2, 10)]),
        ("catalog: shop\nversion: *x\ntags: {a: 1, *y : 2}", [("yaml_alias", 2, 10), ("yaml_alias", 3, 14)]),
        (f"{HEAD}&x tags: {{a: 1}}\n!y segments: {{}}", [("yaml_anchor", 3, 1), ("yaml_tag", 4, 1)]),
        (f"{HEAD}tags: {{a: 1, [b]: 1, {{c: d}}: 2}}", [("bad_key", 3, 14), ("bad_key", 3, 22)]),
        (f"{HEAD}tags:\n  a: 1\n  '': 3\n  ~: 4", [("bad_key", 5, 3), ("bad_key", 6, 3)]),
        (f"{HEAD}tags:\n  a: [1]", [("wrong_shape", 4, 6)]),
        (f"{HEAD}tags: [a]", [("wrong_shape", 3, 7)]),
        (f"{HEAD}tags: text", [("wrong_shape", 3, 7)]),
        (f"{HEAD}segments:\n  a: count() > 1", [("wrong_shape", 4, 6)]),
        ("- a\n- b", [("wrong_shape", 1, 1)]),
        ("retail", [("wrong_shape", 1, 1)]),
        ("", [("empty_document", 1, 1)]),
        ("# only a comment\n", [("empty_document", 1, 1)]),
        ("---\n...\n", [("empty_document", 1, 1)]),
        ("~", [("empty_document", 1, 1)]),
        ("{}", [("missing_key", 1, 1), ("missing_key", 1, 1), ("empty_catalog", 1, 1)]),
        (f"{HEAD}tags:\n  a: 'open", [("yaml_syntax", 4, 11)]),
        (f"{HEAD}tags:\n\ta: 1", [("yaml_syntax", 4, 1)]),
        (f"{HEAD}tags: [", [("yaml_syntax", 3, 8)]),
        ("a: b: c", [("yaml_syntax", 1, 5)]),
        (f"{HEAD}tags: {{a: '\x07'}}", [("bad_character", 3, 12)]),
        (f"{HEAD}tags: {{a: '\0'}}", [("bad_character", 3, 12)]),
        (f"{HEAD}tags: {{a: '\ud800'}}", [("bad_character", 3, 12)]),
        (f"{HEAD}tags: {{a: '\ufeff'}}", [("bad_character", 3, 12)]),
        (f"{HEAD}a: {'[' * 5_000}", [("yaml_too_deep", 3, 19)]),
        ("- " * 5_000, [("yaml_too_deep", 1, 33)]),
        ("{" * 17 + "a" + "}" * 17, None),
    ],
)
def test_what_is_refused_is_refused_with_its_place(text: str, problems: list[tuple[str, int, int]] | None) -> None:
    found = problems_of(text)

    assert problems is None or found == problems


LONG = "a" * 5_000


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (f"{HEAD}tags:\n  {LONG}: 1\n", 4, 3),
        (f"{HEAD}tags:\n  b: 1\n  {LONG}: 1\n  c: 2\n", 5, 3),
        (f"{HEAD}tags: {{b: 1, {LONG}: 1}}\n", 3, 14),
        (f"{HEAD}tags:\n  b: 1\n  '{LONG}' : 1\n", 5, 3),
        (f"{LONG}: 1\n", 1, 1),
    ],
)
def test_a_key_that_is_too_long_for_yaml_is_a_name_that_is_too_long(text: str, line: int, column: int) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    (problem,) = caught.value.problems
    assert (str(problem.code), problem.line, problem.column) == ("bad_name", line, column)
    assert problem.message.endswith("is too long for a name: it has 5,000 characters, a name has at most 128")


def test_a_long_text_with_a_colon_in_it_is_no_name() -> None:
    assert problems_of(f"{HEAD}tags:\n  a: {'b ' * 2_000}c: 1\n") == [("yaml_syntax", 4, 4_007)]


def test_a_surrogate_written_as_an_escape_is_refused() -> None:
    # libyaml refuses the escape, PyYAML's own parser lets it through to us.
    for value in ('tags: {a: "\\ud800"}', 'segments: {a: {when: true, title: "\\ud800"}}'):
        assert problems_of(HEAD + value)[0][0] in {"yaml_syntax", "bad_character"}


def test_an_alias_is_refused_and_the_rest_is_still_checked() -> None:
    text = f"{HEAD}tags:\n  a: &x count()\n  b: *x\n  c: spned\n  <<: *x\n"

    assert problems_of(text) == [
        ("yaml_anchor", 4, 6),
        ("yaml_alias", 5, 6),
        ("unknown_name", 6, 6),
        ("yaml_merge_key", 7, 3),
        ("yaml_alias", 7, 7),
    ]


def test_expressions_are_the_text_that_stands_there() -> None:
    catalog = parse_catalog(
        f"{HEAD}tags:\n  whole: 12\n  octal_looking: 0.10\n  quoted: '3'\nsegments:\n  all: {{when: true}}\n"
        "  none: {when: false}\n  folded:\n    when: >-\n      true\n      and not\n      false\n",
        with_lint=False,
    )

    assert catalog.tags["whole"].expression == NumberValue(12)
    assert catalog.tags["octal_looking"].expression == NumberValue(0.1)
    assert catalog.tags["quoted"].kind == Kind.NUMBER
    assert catalog.segments["all"].when == BooleanValue(value=True)


def test_words_that_older_yaml_takes_for_booleans_are_words() -> None:
    catalog = parse_catalog(
        "catalog: on\nversion: 1\nsegments:\n"
        "  y: {when: true, title: {no: Ja, en: 1_000}}\n"
        "  off: {when: true, title: yes, goal: {event: no, within: 1d}}\n",
        with_lint=False,
    )

    assert catalog.name == "on"
    assert list(catalog.segments) == ["y", "off"]
    assert catalog.segments["y"].titles == {"no": "Ja", "en": "1_000"}
    assert catalog.segments["off"].title == "yes"
    assert catalog.segments["off"].goal is not None
    assert catalog.segments["off"].goal.event == "no"


def test_what_stands_in_a_document_start_or_end_is_ignored() -> None:
    assert parse_catalog(f"%YAML 1.1\n---\n{HEAD}tags: {{a: 1}}\n...\n").name == "shop"
