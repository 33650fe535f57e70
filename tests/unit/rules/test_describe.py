from __future__ import annotations

import pytest

from rules.catalog import Catalog, parse_catalog
from rules.describe import Change, describe

HEAD = "catalog: shop\nversion: 1\n"
SPEND = 'sum("Order", "revenue", last="90d")'
TAGS = """tags:
  spend: sum("Order", "revenue", last="90d")
  orders: count("Order", last="90d")
  each: spend / orders
"""


def catalog(body: str, head: str = HEAD) -> Catalog:
    return parse_catalog(head + body, with_lint=False)


def changes(old: str, new: str) -> list[Change]:
    return [*describe(catalog(old), catalog(new)).changes]


def lines(old: str, new: str) -> list[str]:
    return [
        f"{change.what} {change.name} {change.change} {change.aspect}".strip() + f": {change.text}"
        for change in changes(old, new)
    ]


def of_when(old: str, new: str) -> str:
    """What is said of a segment whose `when` was changed."""
    bodies = [f"{TAGS}segments:\n  s:\n    when: '{when}'\n" for when in (old, new)]
    (line,) = lines(*bodies)
    assert line.startswith("segment s changed when: ")
    return line.removeprefix("segment s changed when: ")


def test_the_same_catalog_has_no_changes() -> None:
    body = f"{TAGS}segments: {{s: {{when: orders > 3}}}}"
    difference = describe(catalog(body), catalog(f"# another comment\n{body}"))
    assert (difference.changes, difference.backfill) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("spend >= 3000", "spend >= 2500", "spend >= 3000 -> >= 2500: easier to enter"),
        ("spend >= 3000", "spend >= 3500", "spend >= 3000 -> >= 3500: harder to enter"),
        ("spend >= 3000", "3500 <= spend", "spend >= 3000 -> >= 3500: harder to enter"),
        ("spend < 5", "spend < 9", "spend < 5 -> < 9: easier to enter"),
        ("orders >= 3", "orders > 2", "orders >= 3 -> > 2: means the same"),
        ("spend >= 3000 and orders > 1", "orders > 1 and spend >= 2500", "spend >= 3000 -> >= 2500: easier to enter"),
        ('30 <= trait("age") <= 45', '25 <= trait("age") <= 45', 'trait("age") >= 30 -> >= 25: easier to enter'),
        (
            '30 <= trait("age") <= 45',
            '25 <= trait("age") <= 40',
            'trait("age") >= 30 -> >= 25; trait("age") <= 45 -> <= 40: holds for others than before',
        ),
        ("orders > 1", 'orders > 1 and trait("vip")', 'added: and trait("vip"): harder to enter'),
        ('orders > 1 and trait("vip")', "orders > 1", 'removed: and trait("vip"): easier to enter'),
        ("orders > 1", 'orders > 1 or trait("vip")', 'added: or trait("vip"): easier to enter'),
        (
            'trait("c") in ["a", "b"]',
            'trait("c") in ["b", "d"]',
            'trait("c") in […]: + "d", - "a": holds for others than before',
        ),
        ('trait("c") in ["a"]', 'trait("c") in ["a", "b"]', 'trait("c") in […]: + "b": easier to enter'),
        ('trait("c") in ["a", "b"]', 'trait("c") in ["b", "a"]', 'trait("c") in […]: in another order: means the same'),
        ("orders > 1", "spend > 1", "orders > 1 -> spend > 1: holds for others than before"),
        ('since() < "7d"', 'since() < "14d"', 'since() < "7d" -> < "14d": easier to enter'),
        ("each > 5", "each > 6", "each > 5 -> > 6: harder to enter"),
        ('not trait("a")', 'trait("a")', 'not trait("a") -> trait("a"): holds for others than before'),
    ],
)
def test_a_condition_that_changed_is_told_by_its_parts(old: str, new: str, expected: str) -> None:
    assert of_when(old, new) == expected


def test_a_condition_put_otherwise_has_not_changed_where_its_tree_has_not() -> None:
    bodies = [
        f"{TAGS}segments:\n  s:\n    when: '{when}'\n" for when in ('count("Order", last="90d") > 3', "(orders) > 3.0")
    ]
    assert lines(*bodies) == []


def test_a_tag_that_changed_changes_those_that_read_it() -> None:
    body = f"{TAGS}segments:\n  s: {{when: spend >= 3000}}\n  t: {{when: each > 5}}\n  u: {{when: orders > 1}}\n"
    assert lines(body, body.replace('"revenue", last="90d"', '"revenue", last="30d"')) == [
        f"tag spend changed: {SPEND} -> {SPEND.replace('90d', '30d')}; it is read by segment s",
        "tag each changed: spend / orders, through the tags that it reads; it is read by segment t",
        "segment s changed when: through the tag spend: holds for others than before",
        "segment t changed when: through the tag each: holds for others than before",
    ]


def test_of_more_than_six_readers_of_a_tag_five_are_named() -> None:
    def of_readers(number: int) -> str:
        readers = "".join(f"  s{place}: {{when: orders > {place}}}\n" for place in range(number))
        body = f"tags: {{orders: count('Order')}}\nsegments:\n{readers}"
        line = lines(body, body.replace("'Order'", "'Sale'"))[0]
        return line.partition("it is read by ")[2]

    assert of_readers(6) == "segment s0, segment s1, segment s2, segment s3, segment s4, segment s5"
    assert of_readers(7) == "segment s0, segment s1, segment s2, segment s3, segment s4, 2 more"


def test_an_exit_tells_about_leaving() -> None:
    body = "segments:\n  s:\n    when: count() > 9\n    exit: count() < 5\n"
    assert lines(body, body.replace("< 5", "< 7")) == ["segment s changed exit: count() < 5 -> < 7: easier to leave"]
    assert lines(body, body.replace("    exit: count() < 5\n", "")) == [
        "segment s changed exit: removed: count() < 5; members leave as soon as when no longer holds"
    ]
    assert lines(body.replace("    exit: count() < 5\n", ""), body) == [
        "segment s changed exit: added: count() < 5; members stay until it holds, no longer only while when does"
    ]


def test_everything_beside_the_conditions_is_told() -> None:
    old = "segments:\n  s:\n    when: count() > 9\n    title: A\n    goal: {event: X, within: 7d, target: 0.3}\n"
    new = (
        "segments:\n  s:\n    when: count() > 9\n    title: B\n    kind: value\n    min_stay: 36h\n    indexed: true\n"
    )
    assert lines(old, new) == [
        "segment s changed min_stay: 0s -> 36h",
        "segment s changed title: A -> B",
        "segment s changed kind: behaviour -> value",
        "segment s changed indexed: false -> true",
        "segment s changed goal: X within 7d, 0.3 of the members -> none",
    ]


def test_the_head_is_told() -> None:
    body = "segments: {s: {when: count() > 1}}\n"
    old = catalog(body)
    new = catalog(body, "catalog: store\nversion: 2\ntimezone: Asia/Shanghai\n")
    assert [f"{change.aspect}: {change.text}" for change in describe(old, new).changes] == [
        "name: shop -> store",
        "version: 1 -> 2",
        "timezone: UTC -> Asia/Shanghai: days begin and hours are counted elsewhere",
    ]
    (back,) = [change for change in describe(new, old).changes if change.aspect == "version"]
    assert back.text == "2 -> 1 (not newer: it can't be applied over the old one)"


def test_what_came_and_went_is_told() -> None:
    old = "tags: {a: count('A'), gone: count('B')}\nsegments:\n  s: {when: a > 1}\n  old: {when: a > 9}\n"
    new = "tags: {a: count('A'), come: count('C')}\nsegments:\n  s: {when: a > 1}\n  new: {when: a > 5, title: New}\n"
    assert lines(old, new) == [
        'tag come added: count("C")',
        "tag gone removed: removed",
        "segment new added: New: a > 5",
        "segment old removed: removed: its members leave it at once",
    ]


def test_what_only_has_a_new_name_is_told() -> None:
    old = "tags: {a: count('A')}\nsegments:\n  s: {when: a > 1, title: S}\n"
    new = "tags: {b: count('A')}\nsegments:\n  t: {when: b > 1, title: T}\n"
    assert lines(old, new) == [
        "tag b renamed: was a: the same expression under a new name",
        "segment t renamed: was s: its members leave the old one and enter the new one",
        "segment t changed title: S -> T",
    ]


def test_tiers_are_told_level_by_level() -> None:
    old = 'tiers:\n  t:\n    levels: {a: count() > 9, b: count() > 5, c: count("C") > 1, d: always}\n'
    last = 'e: {when: count("E") > 1, title: E}, d: {when: always, title: D}'
    new = f"tiers:\n  t:\n    levels: {{b: count() > 3, a: count() > 9, {last}}}\n"
    assert lines(old, new) == [
        "tier t changed level b: count() > 5 -> > 3: holds for more users",
        'tier t changed level e: added as number 3: count("E") > 1',
        "tier t changed title of the level d: d -> D",
        "tier t changed level c: removed: its users get another level",
        "tier t changed order: a, b, d -> b, a, d",
    ]


def test_tiers_come_go_and_get_new_names() -> None:
    one, two = "levels: {a: count() > 9, b: always}", "levels: {c: count() > 1, d: always}"
    assert lines(f"tiers: {{t: {{{one}}}}}", f"tiers: {{u: {{{two}}}}}") == [
        "tier u added: u: c, d",
        "tier t removed: removed: its users are on none of its levels any more",
    ]
    assert lines(f"tiers: {{t: {{{one}}}}}", f"tiers: {{u: {{{one}}}}}") == [
        "tier u renamed: was t: users leave the old one and get a level of the new one"
    ]


def test_what_no_row_has_yet_is_listed_for_filling() -> None:
    old = catalog("tags: {a: count('A'), x: trait('x')}\nsegments: {s: {when: a > 1}}\n")
    new = catalog(
        "tags:\n  a: count('A', last='7d')\n  y: days_since(trait('y'))\n  z: latest('A', 'z')\n"
        "segments:\n  s:\n    when: a + count('A') > 1 and trait('x') == 'b' and latest('A', 'z') == 'c'\n"
    )
    assert describe(old, new).backfill == ('count("A", last="7d")', 'trait("y")', 'latest("A", "z")')
