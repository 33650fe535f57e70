"""What does not parse: each with its code, its place, and what to write instead."""

from __future__ import annotations

import keyword

import pytest

from rules.errors import Flaw, ProblemCode
from rules.parse import MAX_CHARACTERS, MAX_TREE_DEPTH, parse_expression

Code = ProblemCode


def flaws_of(text: str) -> tuple[Flaw, ...]:
    return parse_expression(text).flaws


def only_flaw(text: str) -> Flaw:
    flaws = flaws_of(text)
    assert len(flaws) == 1, flaws
    return flaws[0]


@pytest.mark.parametrize(
    ("text", "code", "at", "suggestion"),
    [
        # What Python has and the language has not
        ("lambda: 1", Code.NOT_IN_LANGUAGE, "lambda", None),
        ("a if b", Code.NOT_IN_LANGUAGE, "if", None),
        ("a is b", Code.NOT_IN_LANGUAGE, "is", "=="),
        ("True", Code.NOT_IN_LANGUAGE, "True", "true"),
        ("a == False", Code.NOT_IN_LANGUAGE, "False", "false"),
        ("a == None", Code.NOT_IN_LANGUAGE, "None", None),
        ("await a", Code.NOT_IN_LANGUAGE, "await", None),
        ("yield", Code.NOT_IN_LANGUAGE, "yield", None),
        ("a ** 2", Code.NOT_IN_LANGUAGE, "**", None),
        ("a // 2", Code.NOT_IN_LANGUAGE, "//", "/"),
        ("a % 2", Code.NOT_IN_LANGUAGE, "%", None),
        ("a && b", Code.NOT_IN_LANGUAGE, "&&", "and"),
        ("a || b", Code.NOT_IN_LANGUAGE, "||", "or"),
        ("a & b", Code.NOT_IN_LANGUAGE, "&", "and"),
        ("a | b", Code.NOT_IN_LANGUAGE, "|", "or"),
        ("!a", Code.NOT_IN_LANGUAGE, "!", "not"),
        ("a <> b", Code.NOT_IN_LANGUAGE, "<>", "!="),
        ("a => b", Code.NOT_IN_LANGUAGE, "=>", ">="),
        ("a << b", Code.NOT_IN_LANGUAGE, "<<", None),
        ("(a := 1)", Code.NOT_IN_LANGUAGE, ":=", "=="),
        ("a.b", Code.NOT_IN_LANGUAGE, ".", None),
        ("...", Code.NOT_IN_LANGUAGE, "...", None),
        ("a # why", Code.NOT_IN_LANGUAGE, "#", None),
        ("a[1]", Code.NOT_IN_LANGUAGE, "[", None),
        ("[1, 2]", Code.NOT_IN_LANGUAGE, "[1, 2]", None),
        ("(1, 2)", Code.NOT_IN_LANGUAGE, "(1, 2)", None),
        ("a; b", Code.BAD_CHARACTER, ";", None),
        ("a @ b", Code.BAD_CHARACTER, "@", None),
        ("~a", Code.BAD_CHARACTER, "~", None),
        ("a ^ b", Code.BAD_CHARACTER, "^", None),
        ("a ? b", Code.BAD_CHARACTER, "?", None),
        ("a \\", Code.BAD_CHARACTER, "\\", None),
        ("`a`", Code.BAD_CHARACTER, "`", None),
        # Characters that only look right
        ("\uff41 > 1", Code.BAD_CHARACTER, "\uff41", "a"),
        ("ﬁrst > 1", Code.BAD_CHARACTER, "ﬁ", "fi"),
        ("积分 > 1", Code.BAD_CHARACTER, "积分", None),
        ("a ＞ 1", Code.BAD_CHARACTER, "＞", ">"),
        ("a ≥ 1", Code.BAD_CHARACTER, "≥", ">="),
        ("count（", Code.BAD_CHARACTER, "（", "("),
        ("a\u00a0> 1", Code.BAD_CHARACTER, "\u00a0", "a plain space"),
        ("a >\u3000\u20031", Code.BAD_CHARACTER, "\u3000\u2003", "a plain space"),
        ("é\u00a0> 1", Code.BAD_CHARACTER, "é", None),
        ("a\u200b > 1", Code.BAD_CHARACTER, "\u200b", None),
        ("a\0", Code.BAD_CHARACTER, "\0", None),
        ("a\f> 1", Code.BAD_CHARACTER, "\f", "a plain space"),
        ("\ud800", Code.BAD_CHARACTER, "\ud800", None),
        # Strings
        ('"open', Code.BAD_STRING, '"open', None),
        ("'open", Code.BAD_STRING, "'open", None),
        ('"open\n"', Code.BAD_STRING, '"open', None),
        ('b"x"', Code.BAD_STRING, "b", None),
        ('f"{a}"', Code.BAD_STRING, "f", None),
        ('rb"x"', Code.BAD_STRING, "rb", None),
        ('u"x"', Code.BAD_STRING, "u", None),
        (r'"\d"', Code.BAD_STRING, r"\d", None),
        (r'"\N{BULLET}"', Code.BAD_STRING, r"\N", None),
        (r'"\x00"', Code.BAD_STRING, r"\x00", None),
        (r'"\x1b"', Code.BAD_STRING, r"\x1b", None),
        (r'"\ud800"', Code.BAD_STRING, r"\ud800", None),
        (r'"\U00110000"', Code.BAD_STRING, r"\U00110000", None),
        (r'"\x4"', Code.BAD_STRING, r"\x", None),
        ('"a\0b"', Code.BAD_STRING, "\0", None),
        ('"a\ud800b"', Code.BAD_STRING, "\ud800", None),
        # Numbers
        ("7d", Code.BAD_NUMBER, "7d", '"7d"'),
        ("0x10", Code.BAD_NUMBER, "0x10", None),
        ("0b1", Code.BAD_NUMBER, "0b1", None),
        ("1j", Code.BAD_NUMBER, "1j", None),
        ("1.5.2", Code.BAD_NUMBER, "1.5.2", None),
        ("0o7", Code.BAD_NUMBER, "0o7", None),
        ("a > 1_000", Code.BAD_NUMBER, "1_000", "1000"),
        ("1_", Code.BAD_NUMBER, "1_", "1"),
        ("1__0", Code.BAD_NUMBER, "1__0", "10"),
        ("0_7", Code.BAD_NUMBER, "0_7", "7"),
        ("1_0.5_0", Code.BAD_NUMBER, "1_0.5_0", "10.50"),
        ("1_m", Code.BAD_NUMBER, "1_m", None),
        ("0x_10", Code.BAD_NUMBER, "0x_10", None),
        ("1e", Code.BAD_NUMBER, "1e", None),
        ("1or 2", Code.BAD_NUMBER, "1or", None),
        ("007", Code.BAD_NUMBER, "007", "7"),
        ("00", Code.BAD_NUMBER, "00", "0"),
        ("00.5", Code.BAD_NUMBER, "00.5", "0.5"),
        ("01.5e3", Code.BAD_NUMBER, "01.5e3", "1.5e3"),
        ("1000000000001", Code.NUMBER_TOO_LARGE, "1000000000001", None),
        ("1e13", Code.NUMBER_TOO_LARGE, "1e13", None),
        ("1e400", Code.NUMBER_TOO_LARGE, "1e400", None),
        ("9" * 4_000, Code.NUMBER_TOO_LARGE, "9" * 4_000, None),
    ],
)
def test_what_is_no_word_of_the_language_is_named(text: str, code: Code, at: str, suggestion: str | None) -> None:
    flaw = flaws_of(text)[0]

    found = text[flaw.span.start : flaw.span.end]
    assert (flaw.code, found, flaw.suggestion) == (code, at, suggestion)


def test_a_number_with_underscores_is_refused_and_written_without_them() -> None:
    flaw = only_flaw("count() > 1_000")
    assert flaw.message == '"1_000" is not a number: its digits are written without underscores'


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("\u00a0", "U+00A0, NO-BREAK SPACE,"),
        ("\u3000", "U+3000, IDEOGRAPHIC SPACE,"),
        ("\u2003", "U+2003, EM SPACE,"),
        ("\u2028", "U+2028, LINE SEPARATOR,"),
        ("\f", "U+000C"),
    ],
)
def test_a_strange_space_is_named_as_nobody_sees_it(space: str, name: str) -> None:
    flaw = only_flaw(f"a{space}> 1")
    assert flaw.message == f"{name} may stand only inside a string; between words and signs stand plain spaces"


@pytest.mark.parametrize("text", ['a == """b"""', "a == '''b'''", 'a == """b', '""""""', '"""'])
def test_triple_quotes_are_not_part_of_the_language(text: str) -> None:
    flaw = only_flaw(text)
    found = text[flaw.span.start : flaw.span.end]
    assert (flaw.code, found) == (Code.NOT_IN_LANGUAGE, text.removeprefix("a == ")[:3])
    assert "triple quotes are not part of the language" in flaw.message


@pytest.mark.parametrize("text", ['a == "" ""', "a == ''\"b\"", 'a == ""\n"b"'])
def test_two_strings_side_by_side_are_no_triple_quotes(text: str) -> None:
    assert only_flaw(text).code == Code.SYNTAX


@pytest.mark.parametrize("word", sorted(set(keyword.kwlist) - {"and", "or", "not", "in"}))
def test_no_other_word_of_python_is_let_in(word: str) -> None:
    assert [flaw.code for flaw in flaws_of(word)] == [Code.NOT_IN_LANGUAGE]


@pytest.mark.parametrize(
    "text",
    [
        "[x for x in y]",
        "{x: 1}",
        "{1, 2}",
        "__import__('os').system('true')",
        "().__class__",
        "(a for a in b)",
        "f'{a}'",
        "'''a'''",
        '"""a"""',
        "count(*a)",
        "count(**a)",
        "count(a)(b)",
        "(count)('A')",
        "a[0]",
        "a[1:2]",
        "a, b",
        "print",
        "not",
        "a = 1",
        "a\nb",
        "import os",
        "\\\n",
        "\x1a",
        "\ufeffa",
        "ａ",
        "a!",
        "1 2",
        "a b",
        "()",
        "[]",
        "a in b",
        "a in (1, 2)",
        'a in "abc"',
        "a in []",
        "a in [b]",
        "a in [true]",
        "a in [[1]]",
        "a in [1 + 1]",
        "a in [1] == b",
        "not in [1]",
        "a not b",
        "a not",
        "- not a",
        "a == not b",
        "+a",
        "a +",
        "a and",
        "(a",
        "a)",
        "(a]",
        "[a)",
        "a in [1",
        "count(",
        'count("A"',
        "==",
        "a === b",
        "a == = b",
        "a and and b",
        "a,",
        ",",
        "'a' 'b'",
        "count((last)='7d')",
        "count(1=2)",
        "(a=1)",
    ],
)
def test_hostile_and_broken_texts_have_flaws_and_raise_nothing(text: str) -> None:
    parsed = parse_expression(text)

    assert any(flaw.severity == "error" for flaw in parsed.flaws) or parsed.node is not None
    # Names that merely do not exist (`print`) are left to resolving; everything else is refused here.
    assert bool(parsed.flaws) == (text != "print")


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("a = 1", "=", '"=="'),
        ("a and", "", 'ends after "and"'),
        ("(a", "(", "never closed"),
        ("count(a]", "]", 'closes "("'),
        ("a)", ")", "closes nothing"),
        ("a b", "b", "without an operator"),
        ("a and and b", "and", "where a value is expected"),
        ("'a' 'b'", "'b'", "a comma or an operator is missing"),
        ("'it''s'", "'s'", "quote inside a string"),
        ("+a", "+", '"+"'),
        ("1 + not a", "not", "needs brackets"),
        ("a == not b", "not", "needs brackets"),
        ('count(last="7d", "A")', '"A"', "put it first"),
        ("(a)(b)", "(", "an operator is missing"),
        ("a not b", "not", "an operator"),
        ("a, b", ",", "an operator or the end"),
        ("count(,)", ",", "a value"),
        ("a in [1] == b", "[1] == b", "ends a comparison"),
    ],
)
def test_an_order_that_does_not_read_is_placed_and_explained(text: str, at: str, words: str) -> None:
    flaw = only_flaw(text)

    assert flaw.code is Code.SYNTAX
    assert words in flaw.message
    assert text[flaw.span.start : flaw.span.end] == at


@pytest.mark.parametrize(
    ("text", "code", "at", "suggestion"),
    [
        ('cuont("A")', Code.UNKNOWN_FUNCTION, "cuont", "count"),
        ('zzz("A")', Code.UNKNOWN_FUNCTION, "zzz", None),
        ("score(0.7)", Code.BAD_ARGUMENT, "0.7", None),
        ("quantile(rfm)", Code.MISSING_ARGUMENT, "quantile(rfm)", None),
        ("quantile(rfm, field=recency)", Code.UNKNOWN_ARGUMENT, "field", None),
        ("cluster", Code.WRONG_SORT, "cluster", "cluster(…)"),
        ("max", Code.WRONG_SORT, "max", "max(…)"),
        ('since > "7d"', Code.WRONG_SORT, "since", "since(…)"),
        ("always", Code.WRONG_SORT, "always", "true"),
        ("trait()", Code.MISSING_ARGUMENT, "trait()", None),
        ("has()", Code.MISSING_ARGUMENT, "has()", None),
        ('sum("A")', Code.MISSING_ARGUMENT, 'sum("A")', None),
        ('count("A", "7d")', Code.TOO_MANY_ARGUMENTS, '"7d"', 'last="7d"'),
        ('count("A", "B")', Code.TOO_MANY_ARGUMENTS, '"B"', None),
        ('since("A", "7d")', Code.TOO_MANY_ARGUMENTS, '"7d"', None),
        ('count("A", lst="7d")', Code.UNKNOWN_ARGUMENT, "lst", "last="),
        ('since("A", last="7d")', Code.UNKNOWN_ARGUMENT, "last", None),
        ('count(event="A")', Code.UNKNOWN_ARGUMENT, "event", None),
        ('trait(name="A")', Code.UNKNOWN_ARGUMENT, "name", None),
        ('count(last="7d", last="8d")', Code.DUPLICATE_ARGUMENT, "last", None),
        ("count(A)", Code.BAD_ARGUMENT, "A", '"A"'),
        ("count(1)", Code.BAD_ARGUMENT, "1", None),
        ('count("A" + "B")', Code.BAD_ARGUMENT, '"A" + "B"', None),
        ('count("")', Code.BAD_ARGUMENT, '""', None),
        ('sum("A", "")', Code.BAD_ARGUMENT, '""', None),
        ("trait(true)", Code.BAD_ARGUMENT, "true", '"true"'),
        ("count(last=7)", Code.BAD_ARGUMENT, "7", None),
        ("count(last=week)", Code.BAD_ARGUMENT, "week", None),
        ('count(last="7 days")', Code.BAD_DURATION, '"7 days"', '"7d"'),
        ('count(last="0s")', Code.BAD_DURATION, '"0s"', '"1s"'),
        ('count(last="")', Code.BAD_DURATION, '""', None),
        ('count(last="1.5d")', Code.BAD_DURATION, '"1.5d"', None),
        ('count(last="-1d")', Code.BAD_DURATION, '"-1d"', None),
        ('count(last="99999999999999999w")', Code.BAD_DURATION, '"99999999999999999w"', None),
        ("a in b", Code.BAD_CHOICES, "b", None),
        ('a in "x"', Code.BAD_CHOICES, '"x"', "=="),
        ("a in (1, 2)", Code.BAD_CHOICES, "(1, 2)", None),
        ("a in []", Code.BAD_CHOICES, "[]", None),
        ("a in [1, b]", Code.BAD_CHOICES, "b", None),
        ("a in [true]", Code.BAD_CHOICES, "true", None),
        ("a in [1 + 1]", Code.BAD_CHOICES, "1 + 1", None),
    ],
)
def test_a_call_or_a_list_that_is_wrong_is_placed(text: str, code: Code, at: str, suggestion: str | None) -> None:
    flaw = only_flaw(text)

    assert (flaw.code, flaw.suggestion) == (code, suggestion)
    if code is Code.DUPLICATE_ARGUMENT:
        assert flaw.span.start == text.rindex("last")
    else:
        assert text[flaw.span.start : flaw.span.end] == at


def test_all_flaws_of_an_expression_are_found() -> None:
    text = 'cuont("A", last="7 days", foo=score()) > 3 and trait() == 1 and count(x, lst=1) in []'

    assert [flaw.code for flaw in flaws_of(text)] == [
        Code.UNKNOWN_FUNCTION,
        Code.MISSING_ARGUMENT,
        Code.MISSING_ARGUMENT,
        Code.UNKNOWN_ARGUMENT,
        Code.BAD_ARGUMENT,
        Code.BAD_CHOICES,
    ]


def test_places_are_right_after_characters_of_several_bytes() -> None:
    text = '"女😀" == trait("性") and scor("é")'

    flaw = only_flaw(text)
    assert text[flaw.span.start : flaw.span.end] == "scor"


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n"])
def test_nothing_is_an_empty_expression(text: str) -> None:
    assert only_flaw(text).code is Code.EMPTY_EXPRESSION


def test_an_expression_has_at_most_4096_characters() -> None:
    at_most = "a" * MAX_CHARACTERS

    assert flaws_of(at_most) == ()
    assert only_flaw(at_most + "a").code is Code.EXPRESSION_TOO_LONG


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("(", ")"), ("not ", ""), ("-", ""), ("-(", ")"), ("not (", ")"), ("has(", ")"), ("count(where=", ")")],
)
def test_an_expression_is_at_most_40_levels_deep(opening: str, closing: str) -> None:
    levels = 19 if opening in {"-(", "not ("} else 39

    assert flaws_of(opening * levels + "a" + closing * levels) == ()
    assert only_flaw(opening * 41 + "a" + closing * 41).code is Code.EXPRESSION_TOO_DEEP


@pytest.mark.parametrize("opening", ["(", "[", "not ", "-", "-(", "has(", "a and (", "a < (", "a + (", "not a or ("])
def test_thousands_of_levels_are_refused_before_python_sees_them(opening: str) -> None:
    text = (opening * MAX_CHARACTERS)[:MAX_CHARACTERS]

    assert flaws_of(text) != ()


def test_a_sum_may_have_many_terms_and_counts_as_one_level() -> None:
    most = " + ".join(["a"] * (MAX_TREE_DEPTH - 1))

    assert flaws_of(most) == ()
    flaw = only_flaw("+".join(["a"] * 2_000))
    assert flaw.code is Code.EXPRESSION_TOO_DEEP
    assert "operators follow each other" in flaw.message


def test_wide_conditions_are_no_deep_ones() -> None:
    assert flaws_of(" and ".join(["a"] * 500)) == ()
    assert flaws_of(" or ".join(["a > 1"] * 300)) == ()
    assert flaws_of(" < ".join(["a"] * 900)) == ()
    assert flaws_of(f"a in [{', '.join(['1'] * 1_000)}]") == ()
