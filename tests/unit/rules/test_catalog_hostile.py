"""Catalogs made to do harm: each is refused within a second of work and 200 MB, with the place."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.catalogs import catalog_text
from rules import CatalogError, parse_catalog
from rules.checking import satisfy
from rules.checking.satisfy import Reasoner
from tests.machine import patient

HEAD = "catalog: x\nversion: 1\n"
MEGABYTE = 1_000_000


def lines(line: Callable[[int], str], size: int = MEGABYTE) -> str:
    """Numbered lines up to a size."""
    made: list[str] = []
    length = 0
    while length < size:
        made.append(line(len(made)))
        length += len(made[-1])
    return "".join(made)


def tags(expression: str, count: int = 245) -> str:
    return f"{HEAD}tags:\n" + "".join(f"  k{number}: {expression}\n" for number in range(count))


def tiers(count: int) -> str:
    """Tiers of 99 levels each, none of which follows from those above at a glance."""
    levels = "".join(
        f'      l{level}: count("A") > {100 - level} and (sum("B", "p") > {level} or count("C") < {level})\n'
        for level in range(99)
    )
    return f"{HEAD}tiers:\n" + "".join(f"  t{n}:\n    levels:\n{levels}      last: always\n" for n in range(count))


def choices(one: str, count: int) -> str:
    """Segments of 40 choices each, made of a choice in which `{n}` is a number."""
    condition = " and ".join(one.format(n=number) for number in range(40))
    return f"{HEAD}segments:\n" + "".join(f"  s{n}: {{when: '{condition}'}}\n" for n in range(count))


def bomb() -> str:
    names = "abcdefghijklmnopqrst"
    rows = [f"{names[0]}: &{names[0]} [x, x, x, x, x, x, x, x, x]\n"]
    rows += [f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in itertools.pairwise(names)]
    return HEAD + "".join(rows)


HOSTILE: dict[str, tuple[str, str]] = {
    # The YAML
    "brackets": ("[" * MEGABYTE, "yaml_too_deep"),
    "braces": ("{" * MEGABYTE, "yaml_too_deep"),
    "keys of keys": ("? " * 500_000, "yaml_too_deep"),
    "lists of lists": ("- " * 500_000, "yaml_too_deep"),
    "a long key": ("a" * MEGABYTE + ": 1", "bad_name"),
    "anchors": ("&a " * 300_000, "yaml_syntax"),
    "a bomb of aliases": (bomb(), "unknown_key"),
    "a document that holds itself": (f"{HEAD}tags: &a\n  b: *a\n", "yaml_anchor"),
    "many aliases": (f"{HEAD}a: &a 1\ntags:\n" + lines(lambda n: f"  k{n}: *a\n"), "too_many_problems"),
    "many keys": (HEAD + lines(lambda n: f"k{n}: 1\n"), "catalog_too_large"),
    "many texts": (f"{HEAD}tags: [" + "a," * 500_000 + "]", "catalog_too_large"),
    "ten megabytes of comment": (f"{HEAD}#{'x' * 10 * MEGABYTE}", "file_too_large"),
    "ten megabytes of tags": (
        f"{HEAD}tags:\n" + lines(lambda n: f"  k{n}: count()\n", 10 * MEGABYTE),
        "file_too_large",
    ),
    "a python object": (f"{HEAD}tags: !!python/object/apply:os.system ['true']", "yaml_tag"),
    "sections again and again": (HEAD + lines(lambda _: "tags: {a: 1}\n"), "duplicate_key"),
    "one tag again and again": (f"{HEAD}tags:\n" + lines(lambda _: "  a: b c\n"), "duplicate_key"),
    "one key again and again": (f"{HEAD}segments:\n  s:\n" + lines(lambda _: "    when: b c\n"), "duplicate_key"),
    # Values
    "a long version": (f"{HEAD}timezone: {'1' * 900_000}", "unknown_timezone"),
    "a long whole number": (f"catalog: x\nversion: {'1' * 900_000}\ntags: {{a: 1}}", "bad_value"),
    "a long title": (f"{HEAD}segments: {{a: {{when: true, title: {'x' * 900_000}}}}}", "bad_value"),
    "quotes": (f"{HEAD}tags: {{a: '{chr(39) * 980_000}'}}", "expression_too_long"),
    "escapes": (f'{HEAD}tags: {{a: "{chr(92)}n{chr(92)}n{(chr(92) + "n") * 490_000}"}}', "expression_too_long"),
    "a long number in an event": (
        f"{HEAD}tests: {{a: {{events: [{{at: 2026-01-01, event: a, properties: {{x: {'9' * 900_000}}}}}]}}}}",
        "number_too_large",
    ),
    "a deep event": (
        f"{HEAD}tests:\n  a:\n    events: [{{at: 2026-01-01, properties: {'{a: ' * 1_000}1{'}' * 1_000}}}]",
        "yaml_too_deep",
    ),
    # Names
    "many tags": (f"{HEAD}tags:\n" + lines(lambda n: f"  k{n}: x{n}\n"), "catalog_too_large"),
    "many misspelt names": (tags("spned > 1", 4_500), "unknown_name"),
    "many misspelt segments": (tags("in_segment(spned)", 4_500), "unknown_name"),
    "many wrong keys": (f"{HEAD}segments:\n" + "".join(f"  k{n}: {{wehn: x}}\n" for n in range(4_500)), "unknown_key"),
    "a long chain of tags": (
        f"{HEAD}tags:\n  k0: count()\n" + "".join(f"  k{n}: k{n - 1} + 1\n" for n in range(1, 4_500)),
        "expression_too_large",
    ),
    "a long circle of segments": (
        f"{HEAD}segments:\n" + "".join(f"  s{n}: {{when: in_segment(s{(n + 1) % 4_500})}}\n" for n in range(4_500)),
        "cycle",
    ),
    "tags that double": (
        f"{HEAD}tags:\n  k0: count()\n" + "".join(f"  k{n}: k{n - 1} + k{n - 1}\n" for n in range(1, 200)),
        "expression_too_large",
    ),
    "look-alikes": (f"{HEAD}tags:\n" + "".join(f"  kа{n}: 1\n" for n in range(4_500)), "bad_name"),
    "many levels": (
        f"{HEAD}tiers:\n  t:\n    levels:\n" + lines(lambda n: f"      k{n}: a > 1\n", 500_000),
        "catalog_too_large",
    ),
    "many tiers": (tiers(35), "catalog_too_large"),
    "many choices": (choices('(count("A{n}") > 0 or count("B{n}") > 1)', 140), "catalog_too_large"),
    "many choices about one": (choices('(count("A0") > 0 or count("A{n}") > 1)', 140), "catalog_too_large"),
    "many alike": (
        f"{HEAD}segments:\n"
        + "".join(f'  s{n}: {{when: \'count("A") > 1 or sum("B", "p") > {n % 3}\'}}\n' for n in range(4_900)),
        "catalog_too_large",
    ),
    # Expressions
    "brackets in an expression": (tags("(" * 4_000, 20), "expression_too_deep"),
    "nots": (tags("not " * 1_000 + "true", 20), "expression_too_deep"),
    "minuses": (tags("-" * 4_000 + "1", 20), "expression_too_deep"),
    "calls in calls": (tags("has(" * 500 + "1" + ")" * 500, 20), "expression_too_deep"),
    "a long sum": (tags(" + ".join(["count()"] * 400), 20), "expression_too_deep"),
    "a long or": (tags(" or ".join(["a>1"] * 600)), "catalog_too_large"),
    "a long list": (tags(f"trait('x') in [{','.join(['1'] * 1_990)}, 'a']"), "catalog_too_large"),
    "digits": (tags("9" * 4_000), "number_too_large"),
    "a tower of powers": (tags("9**9**9**9**9", 3), "not_in_language"),
    "signs": (tags("x @ " * 1_000, 20), "bad_character"),
    "10 MB of expression": (tags("a" * 900_000, 1), "expression_too_long"),
    "marks of direction": (f"{HEAD}tags: {{a: 'count(\"{chr(0x202E) * 300_000}\")'}}", "too_many_problems"),
    "escapes of marks of direction": (tags('count("' + f"{chr(92)}u202e" * 400 + '")', 10), "too_many_problems"),
    "joiners": (f"{HEAD}tags: {{a: 'count(\"{(chr(0x1F469) + chr(0x200D)) * 140_000}\")'}}", "expression_too_long"),
    "features that multiply": (
        f"{HEAD}tags:\n  k0: count() - sum('a', 'b') * 0.3\n"
        + "".join(f"  k{n}: k{n - 1} * k{n - 1}\n" for n in range(1, 9))
        + "models:\n"
        + "".join(
            f"  m{n}: {{kind: clusters, features: [{', '.join(f'k{n % 9} / {m + 1} - count()' for m in range(9))}]}}\n"
            for n in range(100)
        )
        + "segments: {s: {when: cluster(m0) < 1}}\n",
        "cluster_number",
    ),
    "features too large": (
        f"{HEAD}tags:\n  k0: count() + 1\n"
        + "".join(f"  k{n}: k{n - 1} * k{n - 1}\n" for n in range(1, 13))
        + "models:\n"
        + "".join(
            f"  m{n}: {{kind: clusters, features: [{', '.join(f'k12 + {m}' for m in range(90))}]}}\n" for n in range(50)
        ),
        "catalog_too_large",
    ),
    # Templates
    "a template used too often": (
        f"{HEAD}templates:\n  t: {{parameters: [a], segment: {{when: '{' or '.join(['a > 1'] * 500)}'}}}}\nsegments:\n"
        + "".join(f"  k{n}: {{template: t, with: {{a: 1}}}}\n" for n in range(4_500)),
        "catalog_too_large",
    ),
    "many parameters": (
        f"{HEAD}templates:\n  t: {{parameters: [{lines(lambda n: f'p{n},', 200_000)}], segment: {{when: true}}}}\n"
        "segments:\n" + "".join(f"  k{n}: {{template: t}}\n" for n in range(5_000)),
        "bad_value",
    ),
    "a title that a template makes huge": (
        (
            f"{HEAD}templates:\n  t: {{parameters: [a], segment: {{when: true, title: '{'{a}' * 66}'}}}}\nsegments:\n"
            f"  s: {{template: t, with: {{a: {'x' * 900_000}}}}}\n"
        ),
        "bad_value",
    ),
    "a huge title in a template": (
        (
            f"{HEAD}templates:\n  t: {{parameters: [a], segment: {{when: true, title: '{'{a}' * 50_000}'}}}}\n"
            f"segments:\n  s: {{template: t, with: {{a: {'x' * 500_000}}}}}\n"
        ),
        "bad_value",
    ),
    "many tests": (f"{HEAD}tests:\n" + "".join(f"  k{n}: {{events: [{{at: x}}]}}\n" for n in range(4_500)), "bad_time"),
}


def refusal_of(text: str) -> tuple[CatalogError, float]:
    """Why a text is refused, and the processor's seconds that it took."""
    start = time.process_time()
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value, time.process_time() - start


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_catalog_is_refused_with_the_place_within_a_second(name: str) -> None:
    text, code = HOSTILE[name]
    error, spent_s = refusal_of(text)

    assert code in {str(problem.code) for problem in error.problems}
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
    assert len(str(error)) < MEGABYTE
    # Where other programs crowd the caches, one try says little.
    assert spent_s < 1 or min(refusal_of(text)[1] for _ in range(3)) < patient(1)


@pytest.fixture
def reasoners(monkeypatch: pytest.MonkeyPatch) -> list[Reasoner]:
    """The reasoners that are made from now on."""
    made: list[Reasoner] = []
    begin = Reasoner.__init__

    def noted(self: Reasoner, *arguments: Any) -> None:
        begin(self, *arguments)
        made.append(self)

    monkeypatch.setattr(Reasoner, "__init__", noted)
    return made


def test_a_large_catalog_is_checked_to_its_end(reasoners: list[Reasoner]) -> None:
    parse_catalog(catalog_text(segments=1_000, leaves=5))
    assert [reasoner.is_tired for reasoner in reasoners] == [False]


def test_where_the_reasoner_is_tired_no_further_level_is_looked_at(
    reasoners: list[Reasoner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(satisfy, "WORK_OF_ALL", 3_000)
    with pytest.raises(CatalogError):
        parse_catalog(tiers(10))
    (reasoner,) = reasoners
    assert reasoner.is_tired
    assert reasoner._conditions.leaves < 300


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "trait('x').__class__",
        "count.__globals__",
        "orders.real",
        "[x for x in [1, 2]]",
        "{x: 1}",
        "(x for x in y)",
        "lambda: 1",
        "lambda x: x",
        "(x := 1)",
        "f'{orders}'",
        "b'x' == trait('x')",
        "u'x' == trait('x')",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "__class__",
        "__builtins__",
        "_",
        "x if y else z",
        "yield 1",
        "await x",
        "*orders",
        "count(*orders)",
        "count(**orders)",
        "orders[0]",
        "orders[1:2]",
        "'a' 'b'",
        "...",
        "None",
        "1j",
        "0x10",
        "1_0__0",
        "orders; orders",
        "orders \\\n > 1",
        "orders @ orders",
        "orders is orders",
        "~orders",
        "orders <> 1",
        "print(1)",
        "count()()",
        "not_a_function(1)",
        "True",
        "import os",
        "del orders",
        "assert orders",
        "'\\N{DIGIT ONE}' == trait('x')",
    ],
)
def test_what_python_has_and_the_language_has_not_is_refused(expression: str) -> None:
    quoted = expression.replace("'", "''")
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{HEAD}tags:\n  orders: count()\n  bad: '{quoted}'\n")

    assert {problem.line for problem in caught.value.problems if problem.severity == "error"} <= {5, 6}


@pytest.mark.parametrize(
    ("text", "code", "said", "suggestion"),
    [
        ("tags: {a: spend_9оd}", "bad_character", "CYRILLIC SMALL LETTER O", "o"),
        ("tags: {a: соunt()}", "bad_character", "CYRILLIC SMALL LETTER ES", "co"),
        ("tags: {a: count（）}", "bad_character", "plain ASCII", "()"),
        ("tags: {sрend: count()}", "bad_name", "CYRILLIC SMALL LETTER ER", "spend"),
        ("tags: {ѕ: count()}", "bad_name", "", "s"),
        ("tags: {ｓpend: count()}", "bad_name", "", "spend"),
        ("tags: {αge: count()}", "bad_name", "GREEK SMALL LETTER ALPHA", "age"),
        ("tаgs: {a: 1}", "unknown_key", "CYRILLIC SMALL LETTER A", "tags"),
        ("segments: {a: {whеn: count() > 1}}", "unknown_key", "CYRILLIC SMALL LETTER IE", "when"),
        ("tiers: {t: {levels: {nеw: count() > 1, b: always}}}", "bad_name", "CYRILLIC SMALL LETTER IE", "new"),
        ("segments: {a: {when: in_segment('vір')}}", "unknown_name", "", None),
        ("tags:\n  a: count('Оrder')", "look_alike", "CYRILLIC CAPITAL LETTER O", None),
        ("tags:\n  a: count(where=has(property('pаge')))", "look_alike", "CYRILLIC SMALL LETTER A", None),
    ],
)
def test_letters_that_only_look_right_are_named(text: str, code: str, said: str, suggestion: str | None) -> None:
    try:
        problems = parse_catalog(HEAD + text).warnings
    except CatalogError as error:
        problems = error.problems
    problem = problems[0]

    assert (str(problem.code), problem.suggestion) == (code, suggestion)
    assert said in problem.message


def test_a_letter_that_only_looks_right_is_said_to_look_like_what() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(f"{HEAD}tags: {{a: а}}")

    said = '"а" is CYRILLIC SMALL LETTER A and only looks like "a"; names and signs are plain ASCII'
    assert [problem.message for problem in caught.value.problems] == [said]


@pytest.mark.parametrize("name", ["Заказ", "购买", "Комплект VIP", "Ελλάδα", "Café", "Order ①"])
def test_event_names_of_other_alphabets_are_no_look_alikes(name: str) -> None:
    assert parse_catalog(f"{HEAD}tags: {{a: count('{name}')}}").warnings == ()


def test_hostile_catalogs_take_less_than_200_megabytes() -> None:
    # A peak is a process's own, so a process of its own it is. It starts at 35 MB, before pytest and these texts.
    names = ["a bomb of aliases", "many keys", "many texts", "ten megabytes of tags", "one tag again and again"]
    names += ["many tags", "a long circle of segments", "a long or", "a template used too often", "many tests"]
    program = """
        import resource, sys
        sys.path.insert(0, "tests/unit/rules")
        from rules import CatalogError, parse_catalog
        from test_catalog_hostile import HOSTILE
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name in sys.argv[1:]:
            try:
                parse_catalog(HOSTILE[name][0])
            except CatalogError:
                pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *names], capture_output=True, check=True, text=True
    )
    unit = 1 if sys.platform == "darwin" else 1_024

    assert int(done.stdout) * unit < 160 * 2**20
