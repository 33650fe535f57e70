"""Where in the file a problem of an expression is said to be, however the expression is written in YAML."""

from __future__ import annotations

import pytest
import yaml

from rules import CatalogError, parse_catalog

HEAD = "catalog: shop\nversion: 1\ntags:\n"


@pytest.fixture(params=["libyaml", "python"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader")


def places_of(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, "shop.yaml")
    return [(str(problem.code), problem.line, problem.column) for problem in caught.value.problems]


def wrong_word_place(text: str) -> tuple[int, int]:
    """Line and column of the word `wrong` in a text that has it once."""
    before = text[: text.index("wrong")]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


@pytest.mark.usefixtures("_either_parser")
@pytest.mark.parametrize(
    "value",
    [
        "wrong > 1",
        "count() > 1 and wrong > 1",
        "   count() > 1 and wrong > 1   # and a comment",
        'trait("性别 😀") == "女" and wrong',
        "count() > 1\n    and\n\n      wrong > 1",
        "'count() > 1 and wrong'",
        "'trait(\"it''s\") == \"''\" and wrong'",
        "'count() > 1\n    and\n\n    wrong'",
        '"count() > 1 and wrong"',
        '"trait(\\"女\\") == \\"\\u5973\\x41\\U0001F600\\t\\" and wrong"',
        '"count() > 1 and \\\n     wrong"',
        '"count() > 1\n    and\\\n\n     wrong"',
        '"\\tcount() > 1\\n and wrong"',
        '"count() > 1 and\n    \\twrong"',
        '"count() > 1 and \\\n  \\x20wrong"',
        "|\n    count() > 1\n      and wrong > 1\n",
        "|2\n      count() > 1\n      and wrong > 1\n",
        "|-  # a comment\n    count() > 1\n\n    and wrong > 1",
        "|+\n    wrong > 1\n\n\n",
        ">\n    count() > 1\n    and wrong > 1\n",
        ">-\n\n    count() > 1\n\n\n      and\n    wrong > 1",
    ],
)
def test_an_unknown_tag_is_placed_where_it_stands_in_the_file(value: str) -> None:
    text = f"{HEAD}  first: count()\n  second: {value}\n  third: 1\n"

    assert places_of(text) == [("unknown_name", *wrong_word_place(text))]


@pytest.mark.usefixtures("_either_parser")
def test_places_are_right_in_flow_mappings_and_files_of_windows() -> None:
    flow = 'catalog: shop\nversion: 1\nsegments: {a: {title: 女, when: "count() > 1 and wrong"}}\n'
    windows = f"{HEAD}  first: count()\n  second: |\n    count() > 1\n    and wrong\n".replace("\n", "\r\n")

    assert places_of(flow) == [("unknown_name", *wrong_word_place(flow))]
    assert places_of(windows) == [("unknown_name", 7, 9)]


def test_a_byte_order_mark_does_not_move_columns() -> None:
    assert places_of(f"\ufeff{HEAD}  a: wrong\n") == [("unknown_name", 4, 6)]
    assert places_of("\ufeffcatalog: shop\nversion: x\ntags: {a: 1}\n") == [("bad_value", 2, 10)]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("count( > 1", (4, 13)),
        ("count() > 1 and", (4, 21)),
        ('"count() >"', (4, 16)),
        ("'a' == 'b'", None),
        ("count() and 'x'", (4, 6)),
        ("|\n    count() > 1 and\n    mean()", (6, 5)),
    ],
)
def test_other_problems_are_placed_too(value: str, place: tuple[int, int] | None) -> None:
    places = places_of(f"{HEAD}  a: {value}\n")

    if place is not None:
        assert places[0][1:] == place
    else:
        assert places[0][0] == "yaml_syntax"


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ('count("Order #1") > 2', "single quotes"),
        ("count() > # later", None),
        ('"gold"', "takes the outer quotes off"),
        ('"7d"', "takes the outer quotes off"),
        ("'Order Completed'", "takes the outer quotes off"),
        ('"Order Completed" == trait("x")', "in single quotes whole"),
        ('trait("a: b") == 1', '": "'),
        ("@count()", "stands in quotes"),
    ],
)
def test_where_yaml_itself_is_the_trap_the_problem_says_so(value: str, advice: str | None) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{HEAD}  a: {value}\n")

    assert (advice or "comment") in caught.value.problems[0].message
