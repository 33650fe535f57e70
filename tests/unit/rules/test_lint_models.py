"""What is valid and cannot be meant of models: features that are the same for everybody, clusters put in an order."""

from __future__ import annotations

import pytest

from rules import CatalogProblem
from rules.checking.lint import LINT_CODES
from tests.unit.rules.catalog_errors import errors_of

HEAD = """catalog: shop
version: 1
tags:
  orders: count("Order Completed")
  spend: sum("Order Completed", "revenue")
  idle: since()
  nothing: 0 * orders
  group: cluster(kinds)
models:
  kinds: {kind: clusters, features: [orders, spend]}
"""


def of_features(features: str, kind: str = "clusters", key: str = "features") -> list[CatalogProblem]:
    return errors_of(f"{HEAD}  odd: {{kind: {kind}, {key}: {features}}}\n")


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ("0 * orders", "is 0 for every user who has it"),
        ("orders - orders", "is 0 for every user who has it"),
        ("orders * 0 + 3", "is 3 for every user who has it"),
        ("orders / 0", "is missing for every user"),
        ("orders / (spend - spend)", "is missing for every user"),
        ("1 + orders / 0", "is missing for every user"),
        ("orders / orders", "is 1 for every user who has it"),
        ("(orders + spend) * 2 - spend - spend - 2 * orders", "is 0 for every user who has it"),
        ("(orders * spend + spend) / (spend * (1 + orders))", "is 1 for every user who has it"),
        ("orders * 0.1 * 10 - orders", "is 0 for every user who has it"),
        ("-orders + orders", "is 0 for every user who has it"),
        ("orders / spend * spend / orders / 4", "is 0.25 for every user who has it"),
        ("idle - idle", "is 0s for every user who has it"),
        ('idle + "36h" - idle', "is 36h for every user who has it"),
        ("nothing", "is 0 for every user who has it"),
        ("nothing + 1", "is 1 for every user who has it"),
        ('trait("age") - trait("age")', "is 0 for every user who has it"),
    ],
)
def test_a_feature_that_is_the_same_for_everybody_is_refused(feature: str, says: str) -> None:
    (problem,) = of_features(f"[spend, '{feature}']")

    assert (problem.code, problem.line, problem.column) == ("constant_feature", 11, 44)
    assert problem.message == (f"the feature {feature} of the model odd {says}, so it tells no two users apart")
    assert problem.expected == "a number or a duration in which users differ"
    assert problem.found


def test_a_field_of_quantiles_is_held_to_the_same() -> None:
    (problem,) = of_features("{some: orders, none: 0 * spend}", "quantiles", "fields")

    assert (problem.code, problem.line, problem.column, problem.found) == ("constant_feature", 11, 55, "0 * spend")
    assert problem.message.startswith("the field none of the model odd is 0")


@pytest.mark.parametrize(
    "feature",
    [
        "orders - spend",
        "orders * spend - orders",
        "orders / spend",
        "orders / spend - spend / orders",
        "orders + 0",
        "1 / orders",
        'idle - since("Order Completed")',
        "spend / orders * orders / orders",
    ],
)
def test_a_feature_in_which_users_differ_is_taken(feature: str) -> None:
    assert of_features(f"['{feature}']") == []


def test_of_a_feature_too_large_to_tell_nothing_is_said() -> None:
    powers = "".join(f"  t{number + 1}: t{number} * t{number}\n" for number in range(8))
    text = HEAD.replace("  nothing:", f"  t0: orders + spend\n{powers}  nothing:")

    assert errors_of(f"{text}  odd: {{kind: clusters, features: [t8 - t8 + orders - orders]}}\n") == []


@pytest.mark.parametrize(
    ("when", "column", "sign"),
    [
        ("cluster(kinds) < 3", 13, '"<"'),
        ("cluster(kinds) >= 2", 13, '">="'),
        ("3 > cluster(kinds)", 13, '">"'),
        ("1 < cluster(kinds) <= 3", 13, '"<"'),
        ("orders > 2 and cluster(kinds) <= orders", 28, '"<="'),
        ("group > 3", 13, '">"'),
        ("cluster(kinds) < cluster(kinds)", 13, '"<"'),
    ],
)
def test_clusters_have_no_order(when: str, column: int, sign: str) -> None:
    problem = errors_of(f"{HEAD}segments:\n  s: {{when: {when}}}\n")[0]

    assert (problem.code, problem.line, problem.column) == ("cluster_number", 12, column)
    assert problem.message == (
        f"the numbers of clusters are names and have no order; there is no {sign}: compare group by ==, !=, in, not in"
    )
    assert problem.found in when.replace("cluster(kinds)", "group")
    assert problem.expected == "==, !=, in or not in"


@pytest.mark.parametrize("when", ["cluster(kinds) + 1 == 2", "2 * group > 3", "-cluster(kinds) == -1"])
def test_nothing_is_computed_with_the_numbers_of_clusters(when: str) -> None:
    (problem,) = errors_of(f"{HEAD}segments:\n  s: {{when: {when}}}\n")

    assert (problem.code, problem.line, problem.column) == ("cluster_number", 12, 13)
    assert "are names and are not computed with: compare" in problem.message


def test_a_tag_that_puts_clusters_in_an_order_is_refused_once() -> None:
    tags = HEAD.replace("  group:", "  first: cluster(kinds) < 2\n  group:")
    found = errors_of(f"{tags}segments:\n  s: {{when: first and orders > 1}}\n  t: {{when: not first}}\n")

    assert [(each.code, each.line, each.column) for each in found] == [("cluster_number", 8, 10)]


@pytest.mark.parametrize(
    "when", ["cluster(kinds) == 3", "group != 2", "cluster(kinds) in [1, 2]", "group not in [4]", "has(group)"]
)
def test_clusters_are_told_apart(when: str) -> None:
    assert errors_of(f"{HEAD}segments:\n  s: {{when: '{when}'}}\n") == []


def test_what_runs_already_is_read_on_and_may_be_tried() -> None:
    text = f"{HEAD}  odd: {{kind: clusters, features: [orders - orders]}}\nsegments:\n  s: {{when: group < 3}}\n"

    assert {each.code for each in errors_of(text)} == {"constant_feature", "cluster_number"}
    assert {each.code for each in errors_of(text)} <= LINT_CODES
    assert errors_of(text, with_lint=False) == []
