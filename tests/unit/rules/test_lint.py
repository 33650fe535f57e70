from __future__ import annotations

import pytest

from rules.catalog import parse_catalog
from rules.checking.oddities import LONGEST_NAME
from rules.errors import CatalogError, CatalogProblem
from rules.packs import pack_names, pack_text

HEAD = "catalog: c\nversion: 1\n"


def problems(body: str) -> list[CatalogProblem]:
    try:
        return [*parse_catalog(HEAD + body, "c.yaml").warnings]
    except CatalogError as error:
        return [*error.problems]


def found(body: str) -> list[str]:
    return [f"{problem.line}:{problem.column} {problem.severity} {problem.code}" for problem in problems(body)]


def of_segment(when: str, exit_: str | None = None, more: str = "") -> list[CatalogProblem]:
    exits = "" if exit_ is None else f"\n    exit: {exit_}"
    return problems(f"segments:\n  s:\n    when: {when}{exits}{more}")


def codes_of(when: str, exit_: str | None = None) -> list[str]:
    return [problem.code.value for problem in of_segment(when, exit_)]


@pytest.mark.parametrize("pack", pack_names())
def test_the_packs_are_as_they_should_be(pack: str) -> None:
    assert parse_catalog(pack_text(pack)).warnings == ()


@pytest.mark.parametrize(
    ("when", "column", "message"),
    [
        ("count() < 0", 11, "count(…) is a whole number from 0 on, so this holds for nobody"),
        ("since('A') < \"7d\" and top_hour() > 23", 33, "top_hour(…) is a whole number from 0 to 23"),
        ("distinct('A', 'p') < 0", 11, "distinct(…) is a whole number from 0 to 64"),
        ('lower(trait("city")) == "Rome"', 11, "lower(…) has no capital letters"),
        ('contains(lower(trait("city")), "ROME")', 11, "lower(…) has no capital letters"),
        ("days_until(trait('d'), yearly=true) > 365", 11, "days_until(…, yearly=true) is a whole number from 0 to 365"),
        ("days_until(trait('d')) == 0.5", 11, "days_until(…) is a whole number"),
        ("mean('A', 'p') > 1000000000000 * 2", 11, "mean(…) is at most 10^12 in magnitude"),
        ("sum('A', 'p') > 1000000000000 * 10", 11, "sum(…) is at most 9·10^12 in magnitude"),
        ("count('A') / count('B') < 0", 11, 'count("A") / count("B") comes to no such value'),
        ("since('A') > since_first('A')", 11, "the two sides are always in one order"),
        ("count() > 3 or 1 > 2", 26, "this compares constants"),
    ],
)
def test_a_comparison_that_nobody_meets_is_refused_with_the_reason(when: str, column: int, message: str) -> None:
    (problem,) = of_segment(when)
    assert (problem.severity, problem.code, problem.line) == ("error", "never_holds", 5)
    assert problem.column == column
    assert problem.message.startswith(message)
    assert problem.message.endswith("so this holds for nobody")
    assert problem.found
    assert problem.expected == "a comparison that some users meet and some do not"


def test_the_small_letters_that_were_meant_are_suggested() -> None:
    (problem,) = of_segment('lower(trait("city")) == "Rome"')
    assert problem.suggestion == '"rome"'
    (problem,) = of_segment("lower(trait('city')) in ['Rome', 'Oslo']")
    assert problem.suggestion is None


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("count() >= 0", "everybody"),
        ('since() >= "0s"', "everybody who has the value; that is has(…)"),
        ("top_hour() <= 23", "everybody who has the value; that is has(…)"),
        ("count('A') / count('B') >= 0", "everybody who has the value; that is has(…)"),
    ],
)
def test_a_comparison_that_never_fails_is_refused(when: str, who: str) -> None:
    (problem,) = of_segment(f"'{when.replace(chr(39), chr(39) * 2)}'")
    assert (problem.severity, problem.code) == ("error", "always_holds")
    assert problem.message.endswith(f"so this holds for {who}")


def test_levels_that_are_all_of_a_tier_are_named() -> None:
    tiers = 'tiers:\n  t:\n    levels: {new: since_first() < "7d", old: always}\n'
    (problem,) = problems(f'{tiers}segments:\n  s: {{when: \'level(t) in ["new", "old"]\'}}')
    assert problem.code == "always_holds"
    assert problem.message.startswith("level(t) is one of new, old, so")


def test_two_parts_that_exclude_each_other_are_named_at_the_second() -> None:
    (problem,) = of_segment("count() > 3 and trait('age') > 30 and count('A') > 1 and trait('age') < 20")
    assert (problem.severity, problem.code, problem.line, problem.column) == ("error", "never_holds", 5, 68)
    assert problem.message == 'trait("age") < 20 excludes trait("age") > 30: no user meets both'


def test_a_where_that_no_event_meets_is_told_once() -> None:
    assert codes_of("count('A', where=lower(property('p')) == 'A') >= 0") == ["never_holds"]


def test_of_a_segment_that_nobody_is_in_the_exit_is_not_looked_at() -> None:
    when = "count('A') > 2 * count('B') and count('B') > 3 and count('A') < 9"
    assert codes_of(when, "count('C') > 1") == ["never_holds"]


def test_a_condition_that_is_decided_as_a_whole_only_is_told_once() -> None:
    (problem,) = of_segment("not has(-count())", "count('C') > 1")
    assert (problem.code, problem.column) == ("never_holds", 11)
    assert problem.message == "the when of the segment s can never hold for anybody"
    (problem,) = of_segment("has(sum('A', 'p') + count())", "count('C') > 1")
    assert (problem.code, problem.column) == ("always_holds", 11)
    assert problem.message == "the when of the segment s always holds for everybody"


def test_a_chain_the_wrong_way_round_is_found() -> None:
    (problem,) = of_segment("45 <= trait('age') <= 30")
    assert problem.message == 'trait("age") <= 30 excludes 45 <= trait("age"): no user meets both'


def test_parts_of_which_only_all_exclude_each_other_are_found() -> None:
    (problem,) = of_segment("count('A') > 2 * count('B') and count('B') > 3 and count('A') < 9 and count('A') > 0")
    assert problem.message == "these parts exclude each other, so no user meets them all"


def test_a_part_of_an_alternative_that_nobody_meets_is_found() -> None:
    (problem,) = of_segment("count() > 3 or (trait('age') > 30 and trait('age') < 20)")
    assert (problem.code, problem.column) == ("never_holds", 49)


def test_alternatives_that_leave_nobody_out_are_found() -> None:
    (problem,) = of_segment("count() > 3 or count() <= 3")
    assert (problem.code, problem.column) == ("always_holds", 11)
    assert problem.message == "one of these parts holds for every user, so the whole always holds"


def test_alternatives_that_leave_those_without_the_value_out_are_right() -> None:
    assert codes_of("trait('age') > 30 or trait('age') <= 30") == []


def test_a_condition_under_not_is_looked_at_as_well() -> None:
    assert codes_of("not (count() >= 0)") == ["always_holds"]
    assert codes_of("not (has(trait('x')) or not has(trait('x')))") == ["always_holds"]


def test_where_is_about_events() -> None:
    never = "count('A', where=property('p') > 3 and property('p') < 3) > 0"
    (problem,) = of_segment(never)
    assert problem.message == 'property("p") < 3 excludes property("p") > 3: no event meets both'
    (problem,) = of_segment("count('A', where=lower(property('p')) == 'A') > 0")
    assert problem.message == "lower(…) has no capital letters, so this holds for no event"
    (problem,) = of_segment("count('A', where=false) > 0")
    assert problem.message == "this holds for no event, so nothing is ever counted"


def test_what_reads_nothing_can_be_changed_by_no_event() -> None:
    for when in ("'true'", "1 < 2 or 2 < 1", "not false"):
        (problem,) = of_segment(when)
        assert (problem.severity, problem.code, problem.line, problem.column) == (
            "error",
            "unchangeable",
            5,
            11 + (when[0] == "'"),
        )
        assert problem.message == "the when of the segment s reads nothing of the user, so no event can ever change it"


def test_an_exit_that_never_holds_keeps_everybody_for_ever() -> None:
    for exits in ("'false'", '\'has(trait("x")) and not has(trait("x"))\''):
        codes = codes_of("count() > 3", exits)
        assert codes in (["never_leaves"], ["never_holds"])


def test_an_exit_that_holds_whenever_when_does_lets_nobody_in() -> None:
    (problem,) = of_segment("count('A') > 5 and trait('age') > 3", "count('A') >= 5 or trait('b')")
    assert (problem.severity, problem.code, problem.line, problem.column) == ("error", "never_entered", 6, 11)


def test_an_exit_that_always_holds_lets_nobody_in() -> None:
    assert codes_of("count('A') > 5", "'true'") == ["never_entered"]


@pytest.mark.parametrize(
    ("when", "exits", "is_odd"),
    [
        ("count('A') >= 3", "count('A') < 5", True),
        ("3 <= count('A') <= 9", "count('A') < 2 or count('A') > 8", True),
        ("count('A') >= 3", "count('A') < 2", False),
        ("count('A') >= 3", "count('A') < 3", False),
        ("30 <= trait('age') <= 45", "trait('age') < 28 or trait('age') > 47", False),
        # An exit about something else is a veto, and meant.
        ("count('A') >= 3", "count('B') > 0", False),
        ("count('A') > 2.5 * count('B')", "count('A') < 1.5 * count('B')", False),
    ],
)
def test_an_exit_that_overlaps_with_when_is_odd(when: str, exits: str, *, is_odd: bool) -> None:
    found_problems = of_segment(when, exits)
    assert [(problem.severity, problem.code) for problem in found_problems] == [("warning", "exit_overlaps")] * is_odd


def test_a_level_that_those_above_cover_is_refused() -> None:
    levels = 'new: since_first() < "7d", fresh: since_first() < "5d" and trait("x"), old: always'
    (problem,) = problems(f"tiers:\n  t:\n    levels: {{{levels}}}")
    assert (problem.severity, problem.code, problem.line, problem.column) == ("error", "level_covered", 5, 48)
    assert "whenever fresh does" in problem.message


def test_the_last_level_is_covered_where_those_above_hold_for_everybody() -> None:
    levels = "some: count() > 3, few: count() <= 3, none: always"
    assert [problem.code.value for problem in problems(f"tiers:\n  t:\n    levels: {{{levels}}}")] == ["level_covered"]


def test_a_level_is_looked_at_by_itself_before_those_above_are() -> None:
    assert found("tiers:\n  t:\n    levels: {few: count() < 0, none: always}") == ["5:19 error never_holds"]
    odd = "trait('x') > 3 and trait('x') < 2"
    assert found(f"tiers:\n  t:\n    levels: {{few: {odd}, none: always}}") == ["5:38 error never_holds"]


def test_levels_that_read_nothing_are_refused_but_for_the_last() -> None:
    assert found("tiers:\n  t:\n    levels: {a: 'true', b: always}")[0].endswith("error unchangeable")
    assert found("tiers:\n  t:\n    levels: {a: always}")[0].endswith("error unchangeable")
    assert found("tiers:\n  t:\n    levels: {a: count() > 3, b: always}") == []


def test_a_tag_is_looked_at_where_it_is_defined_and_only_there() -> None:
    tag = "tags:\n  odd: trait('age') > 30 and trait('age') < 20\n"
    body = f"{tag}segments:\n  a: {{when: odd}}\n  b: {{when: odd and count() > 1}}\n"
    assert found(body) == ["4:30 error never_holds"]


def test_tags_that_exclude_each_other_are_found_where_they_meet() -> None:
    body = (
        "tags:\n  old: trait('age') > 60\n  young: trait('age') < 20\n"
        "segments:\n  a: {when: count() > 1 and old and young}\n  b: {when: old}\n  c: {when: young}\n"
    )
    (problem,) = problems(body)
    assert (problem.line, problem.column) == (7, 13)
    assert problem.message == "young excludes old: no user meets both"


def test_a_template_is_looked_at_as_it_is_used() -> None:
    body = (
        "templates:\n  t:\n    parameters: [least]\n    segment: {when: count('A') >= least and count('A') < 5}\n"
        "segments:\n  a: {template: t, with: {least: 3}}\n  b: {template: t, with: {least: 7}}\n"
    )
    (problem,) = problems(body)
    assert (problem.line, problem.code) == (6, "never_holds")


def test_two_segments_of_one_meaning_are_odd_however_they_are_put() -> None:
    body = (
        "tags:\n  orders: count('A')\nsegments:\n  a: {when: orders > 1 and trait('x')}\n"
        "  b: {when: trait('x') and 2 <= count('A')}\n  c: {when: trait('x') and orders > 1, min_stay: 1d}\n"
    )
    assert found(body) == ["7:3 warning same_meaning"]


def test_segments_of_one_meaning_have_one_exit_as_well() -> None:
    a = "segments:\n  a: {when: count('A') > 1, exit: trait('x')}\n"
    assert found(f"{a}  b: {{when: count('A') >= 2, exit: trait('x')}}\n") == ["5:3 warning same_meaning"]
    assert found(f"{a}  b: {{when: count('A') >= 2, exit: trait('y')}}\n") == []
    assert found(f"{a}  b: {{when: count('A') >= 2}}\n") == []


def test_a_tag_that_nothing_reads_is_odd() -> None:
    body = "tags:\n  a: count('A')\n  b: count('B')\n  c: b + 1\n  d: count('d')\nsegments: {s: {when: c > 1}}\n"
    assert found(body) == ["4:3 warning unused_tag", "7:3 warning unused_tag"]


def test_tags_that_a_test_looks_at_are_read() -> None:
    tests = "tests:\n  t: {events: [{at: 2026-11-01, event: A}], expect: {tags: {a: 1}}}\n"
    assert found(f"tags: {{a: count('A')}}\nsegments: {{s: {{when: count('B') > 1}}}}\n{tests}") == []


def test_tags_alone_are_what_a_catalog_is_for() -> None:
    assert found("tags: {a: count('A')}") == []


@pytest.mark.parametrize(
    ("one", "other", "is_odd"),
    [
        ("Order Completed", "Order Complete", True),
        ("Order Completed", "order completed", True),
        ("Order Completed", "Order_Completed", True),
        ("Order Completed", "Order Compleded", True),
        ("Order Completed", "Order Cancelled", False),
        ("Step 1 Done", "Step 2 Done", False),
        ("Paid", "Pais", True),
        ("Pai", "Paid", False),
        ("Plan A", "Plan B", False),
        ("A", "B", False),
    ],
)
def test_event_names_that_are_nearly_the_same_are_odd(one: str, other: str, *, is_odd: bool) -> None:
    often = f"count('{one}') > 1 and since('{one}') < \"7d\""
    body = f"segments:\n  a: {{when: {often}}}\n  b: {{when: count('{other}') > 2}}\n"
    names = [problem.suggestion for problem in problems(body) if problem.code == "similar_events"]
    assert names == [one] * is_odd


def test_the_event_of_a_goal_may_be_a_misspelling_too_but_stands_alone_as_well() -> None:
    segment = "segments:\n  a:\n    when: count('Order Completed') > 1\n    goal: {event: NAME, within: 7d}\n"
    assert found(segment.replace("NAME", "Order Complete")) == ["6:19 warning similar_events"]
    assert found(segment.replace("NAME", "Product Viewed")) == []


def test_long_names_are_not_held_against_each_other() -> None:
    for length, is_odd in ((LONGEST_NAME, True), (LONGEST_NAME + 1, False)):
        names = (letter.rjust(length, "x") for letter in "yz")
        segments = "".join(f"  {name[-1]}: {{when: count('{name}') > 1}}\n" for name in names)
        assert [problem.code for problem in problems(f"segments:\n{segments}")] == ["similar_events"] * is_odd


def test_three_names_of_one_pattern_may_be_misspellings() -> None:
    segments = "".join(f"  {word}: {{when: count('Level {word}') > 1}}\n" for word in ("cat", "bat", "rat"))
    assert len(found(f"segments:\n{segments}")) == 3


def test_names_of_one_pattern_are_no_misspellings() -> None:
    names = [f"Level {word}" for word in ("cat", "bat", "rat", "mat", "hat")]
    segments = "".join(f"  s{number}: {{when: count('{name}') > 1}}\n" for number, name in enumerate(names))
    assert found(f"segments:\n{segments}") == []


def test_a_catalog_that_was_accepted_once_is_read_without_lint() -> None:
    catalog = parse_catalog(f"{HEAD}segments: {{s: {{when: count() >= 0}}}}", with_lint=False)
    assert catalog.warnings == ()
