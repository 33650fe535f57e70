"""Every problem code is explained, and there is a catalog that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import CatalogError, CatalogProblem, ProblemCode, load_catalog, parse_catalog
from rules.errors import CLIP_CHARACTERS, clip

HEAD = "catalog: shop\nversion: 1\n"
MODEL = f"{HEAD}models: {{m: {{kind: clusters, features: [count()]}}}}\n"

EXAMPLES = {
    "no_such_catalog": None,
    "unreadable_file": None,
    "not_utf8": None,
    "file_too_large": "#" * 1_048_577,
    "bad_character": f"{HEAD}tags: {{a: count（）}}",
    "too_many_problems": f"{HEAD}tags:\n" + "".join(f"  t{number}: wrong\n" for number in range(1_002)),
    "yaml_syntax": f"{HEAD}tags: [",
    "yaml_too_deep": "[" * 100,
    "yaml_alias": f"{HEAD}tags: {{a: *x}}",
    "yaml_anchor": f"{HEAD}tags: {{a: &x 1}}",
    "yaml_tag": f"{HEAD}tags: {{a: !!int 1}}",
    "yaml_merge_key": f"{HEAD}<<: {{tags: {{}}}}",
    "several_documents": f"{HEAD}---\n{HEAD}",
    "duplicate_key": f"{HEAD}version: 2",
    "bad_key": f"{HEAD}[tags]: 1",
    "empty_document": "# nothing",
    "empty_catalog": HEAD,
    "catalog_too_large": f"{HEAD}tags:\n  a: {'+'.join(['1'] * 100)}\n  b: {'+'.join(['a'] * 90)}\nsegments:\n"
    + "".join(f"  s{number}: {{when: b > 1}}\n" for number in range(60)),
    "unknown_key": f"{HEAD}owner: me",
    "key_not_yet": f"{HEAD}triggers: {{}}",
    "missing_key": "catalog: shop\ntags: {a: 1}",
    "empty_value": f"{HEAD}timezone:",
    "wrong_shape": f"{HEAD}tags: [a]",
    "bad_value": "catalog: shop\nversion: 0",
    "bad_name": f"{HEAD}tags: {{Big: 1}}",
    "reserved_name": f"{HEAD}tags: {{count: 1}}",
    "name_taken": f"{HEAD}tags: {{a: 1}}\nsegments: {{a: {{when: true}}}}",
    "unknown_timezone": f"{HEAD}timezone: Moon",
    "bad_time": f"{HEAD}tests: {{a: {{events: [{{at: noon, event: A}}]}}}}",
    "last_level": f"{HEAD}tiers: {{a: {{levels: {{b: count() > 1}}}}}}",
    "bad_duration": f"{HEAD}tags: {{a: count(last='7 days')}}",
    "empty_expression": f"{HEAD}tags: {{a: ''}}",
    "expression_too_long": f"{HEAD}tags: {{a: {'a' * 5_000}}}",
    "expression_too_deep": f"{HEAD}tags: {{a: {'(' * 50}}}",
    "expression_too_large": f"{HEAD}tags:\n  a: {'+'.join(['1'] * 190)}\n  b: {'+'.join(['a'] * 100)}\n",
    "bad_string": f'{HEAD}tags:\n  a: count("A',
    "bad_number": f"{HEAD}tags: {{a: 7d}}",
    "number_too_large": f"{HEAD}tags: {{a: 1e13}}",
    "not_in_language": f"{HEAD}tags: {{a: b ** 2}}",
    "syntax": f"{HEAD}tags: {{a: b +}}",
    "unknown_name": f"{HEAD}tags: {{a: b}}",
    "wrong_sort": f"{HEAD}tags: {{a: since}}",
    "cycle": f"{HEAD}tags: {{a: a}}",
    "unknown_function": f"{HEAD}tags: {{a: cuont()}}",
    "missing_argument": f"{HEAD}tags: {{a: trait()}}",
    "too_many_arguments": f"{HEAD}tags:\n  a: since('A', '7d')",
    "unknown_argument": f"{HEAD}tags: {{a: since(last='7d')}}",
    "duplicate_argument": f"{HEAD}tags:\n  a: count(last='7d', last='7d')",
    "bad_argument": f"{HEAD}tags: {{a: count(1)}}",
    "wrong_type": f"{HEAD}tags: {{a: not 1}}",
    "unclear_type": f"{HEAD}tags: {{a: trait('x') == trait('y')}}",
    "condition_compared": f"{HEAD}tags: {{a: trait('x') == true}}",
    "strings_compared": f"{HEAD}tags: {{a: lower(trait('x')) == trait('y')}}",
    "text_too_long": f"{HEAD}tags:\n  a: trait('x') == '{'x' * 257}'",
    "distinct_limit": f"{HEAD}tags:\n  a: distinct('A', 'b') > 64",
    "bad_choices": f"{HEAD}tags:\n  a: trait('x') in []",
    "property_outside_where": f"{HEAD}tags: {{a: property('x')}}",
    "not_in_where": f"{HEAD}tags: {{a: count(where=trait('x'))}}",
    "never_holds": f"{HEAD}tags: {{a: count() < 0}}",
    "always_holds": f"{HEAD}tags: {{a: count() >= 0}}",
    "unchangeable": f"{HEAD}segments: {{a: {{when: true}}}}",
    "never_entered": f"{HEAD}segments: {{a: {{when: count() > 3, exit: count() > 2}}}}",
    "never_leaves": f"{HEAD}segments: {{a: {{when: count() > 3, exit: false}}}}",
    "level_covered": f"{HEAD}tiers: {{a: {{levels: {{b: count() > 1, c: count() > 2, d: always}}}}}}",
    "cluster_number": f"{MODEL}segments: {{a: {{when: cluster(m) < 3}}}}",
    "constant_feature": f"{HEAD}models: {{m: {{kind: clusters, features: [0 * count()]}}}}",
    "same_meaning": f"{HEAD}segments: {{a: {{when: count() > 1}}, b: {{when: 1 < count()}}}}",
    "exit_overlaps": f"{HEAD}segments: {{a: {{when: count() > 1, exit: count() > 5}}}}",
    "unused_tag": f"{HEAD}tags: {{a: count()}}\nsegments: {{b: {{when: count() > 1}}}}",
    "similar_events": f"{HEAD}tags:\n  a: count('Order Completed') + count('Order completed')",
    "always_missing": f"{HEAD}tags: {{a: 1 / 0}}",
    "look_alike": f"{HEAD}tags:\n  a: count('\u0410ction')",
    "never_missing": f"{HEAD}tags: {{a: has(count())}}",
}


def problems_of(text: str) -> tuple[CatalogProblem, ...]:
    try:
        return parse_catalog(text, "shop.yaml").warnings
    except CatalogError as error:
        return error.problems


def test_the_examples_are_of_every_code() -> None:
    assert list(EXAMPLES) == [code.value for code in ProblemCode if code.value in EXAMPLES]
    assert {code.value for code in ProblemCode} == set(EXAMPLES)


@pytest.mark.parametrize("code", [code for code, text in EXAMPLES.items() if text is not None])
def test_there_is_a_catalog_with_each_problem(code: str) -> None:
    text = EXAMPLES[code]
    assert text is not None
    problems = [problem for problem in problems_of(text) if problem.code == code]

    assert problems != []
    for problem in problems:
        assert problem.file == "shop.yaml"
        assert 1 <= problem.line <= text.count("\n") + 1
        assert 1 <= problem.column <= len(text) + 1
        assert problem.message.isprintable()


@pytest.mark.parametrize(
    ("code", "content"), [("no_such_catalog", None), ("unreadable_file", None), ("not_utf8", b"\xff")]
)
def test_there_is_a_file_with_each_problem_of_files(tmp_path: Path, code: str, content: bytes | None) -> None:
    file = tmp_path if code == "unreadable_file" else tmp_path / "shop.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        load_catalog(file)

    assert [str(problem.code) for problem in caught.value.problems] == [code]


@pytest.mark.parametrize("code", list(ProblemCode))
def test_each_code_has_one_sentence(code: ProblemCode) -> None:
    assert code.meaning[0].isupper() or code.meaning[0] == "`"
    assert code.meaning.endswith(".")
    assert str(code) == code.value == code


def test_an_error_prints_all_its_problems_with_their_places() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{HEAD}tags:\n  orders: count()\n  a: ordres > 1\n  b: score()\n  c: has(1)\n", "shop.yaml")

    assert str(caught.value).splitlines() == [
        'shop.yaml:5:6: error[unknown_name]: there is no tag "ordres" (did you mean orders?)',
        "shop.yaml:6:6: error[missing_argument]: score needs its model: score(model)",
        "shop.yaml:7:6: warning[never_missing]: what stands in has(…) is never missing",
    ]


def test_no_more_than_a_thousand_problems_are_listed() -> None:
    text = f"{HEAD}tags:\n" + "".join(f"  t{number}: wrong\n" for number in range(3_000))
    problems = problems_of(text)

    assert len(problems) == 1_001
    assert problems[-1].code == "too_many_problems"
    assert problems[-1].message.startswith("there are more than 1,000 errors")


def test_what_is_shown_of_a_text_is_short_and_printable() -> None:
    assert clip("abc") == "abc"
    assert clip("a\n\x1b[31m女") == "a\\n\\x1b[31m女"
    assert clip("a" * CLIP_CHARACTERS) == "a" * CLIP_CHARACTERS
    assert clip("a" * (CLIP_CHARACTERS + 1)) == "a" * (CLIP_CHARACTERS - 1) + "…"
