from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from rules import examples
from rules.jsonschema import SCHEMA_FILE, catalog_schema
from rules.packs import pack_names, pack_text
from rules.schema import CatalogDocument

ROOT = Path(__file__).parents[3]
HEAD = "catalog: shop\nversion: 1\n"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types, as editors have them: no times, no yes and no, nothing in base 60."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[-1] in ("int", "float", "null")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if first != ":"
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|false|False)$"), "tTfF")


def problems(text: str) -> list[str]:
    document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader with fewer types
    errors = Draft7Validator(catalog_schema()).iter_errors(document)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in errors]


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(catalog_schema())


def test_the_file_in_the_documentation_is_the_schema() -> None:
    text = (ROOT / "docs" / SCHEMA_FILE).read_text(encoding="utf-8")
    assert json.loads(text) == catalog_schema(), "run: tagstream schema --out docs/catalog.schema.json"
    assert text == json.dumps(catalog_schema(), ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize("pack", pack_names())
def test_the_packs_fit(pack: str) -> None:
    assert problems(pack_text(pack)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/catalog.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_fit(path: Path) -> None:
    assert problems(path.read_text(encoding="utf-8")) == []


WHOLE = """
catalog: shop
version: 3
timezone: Asia/Shanghai
tags:
  orders: count("Order Completed")
  one: 1
models:
  ways:
    {kind: clusters, clusters: 4, features: [orders, since()], margin: 0.2, names: {3: Owls}, sample: {share: 0.5}}
  rfm:
    title: RFM
    kind: quantiles
    bins: 4
    fields: {recency: {value: since(), lower_is_better: true}, orders: orders}
  churn: {kind: classifier, features: {idle: since()}, label: {absent: any, within: 14d}, sample: {at: events}}
templates:
  fan_of:
    parameters: [category, least]
    segment:
      title: {en: "Fans of {category}"}
      kind: interest
      when: 'count("Product Viewed", last="30d", where=property("category") == category) >= least'
segments:
  fans: {template: fan_of, with: {category: Books, least: 3}, min_stay: 1d}
  vip:
    title: {zh: 会员, en: Members}
    kind: value
    when: orders > 3
    exit: orders < 2
    min_stay: 7d
    indexed: true
    goal: {event: Order Completed, within: 30d, target: 0.3}
tiers:
  life:
    title: Life
    kind: behaviour
    levels:
      new: since_first() < "7d"
      active: {title: {zh: 活跃, en: Active}, when: since() < "14d"}
      top: always
tests:
  a test of one's own:
    events:
      - {at: 2026-11-01T09:00:00Z, event: Order Completed, properties: {revenue: 3200, coupon: null}}
      - {at: 2026-11-01 18:00, traits: {gender: F, age: 31}, userId: u}
    at: 2026-11-02
    expect:
      tags: {orders: 1, one: null}
      segments: [vip]
      in: [vip]
      not_in: [fans]
      levels: {life: new}
"""


def test_everything_that_a_catalog_may_have_fits() -> None:
    assert problems(WHOLE) == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("segmnets: {}", ""),
        ("segments: {vip: {wehn: orders > 3}}", "segments.vip"),
        ("segments: {vip: {title: Members}}", "segments.vip"),
        ("segments: {vip: {when: a > 3, kind: intrest}}", "segments.vip.kind"),
        ("segments: {vip: {when: a > 3, min_stay: 7 days}}", "segments.vip.min_stay"),
        ("segments: {vip: {when: a > 3, indexed: yes}}", "segments.vip.indexed"),
        ("segments: {vip: {when: a > 3, goal: {event: X}}}", "segments.vip.goal"),
        ("segments: {vip: {when: a > 3, goal: {event: X, within: 7d, target: 30}}}", "segments.vip.goal.target"),
        ("segments: {Vip: {when: a > 3}}", "segments"),
        ("segments: [vip]", "segments"),
        ("tags: {a: [1]}", "tags.a"),
        ("tiers: {t: {levels: {}}}", "tiers.t.levels"),
        ("tiers: {t: {levels: {a: {wenn: x}}}}", "tiers.t.levels.a"),
        ("templates: {t: {segment: {when: a > 3}}}", "templates.t"),
        ("tests: {t: {events: [], expect: {in: [vip]}}}", "tests.t.events"),
        ("tests: {t: {events: [{event: X}], expect: {in: [vip]}}}", "tests.t.events.0"),
        ("tests: {t: {events: [{at: 2026-11-01, tpye: track}], expect: {in: [vip]}}}", "tests.t.events.0"),
        ("tests: {t: {events: [{at: 2026-11-01, event: X}], expect: {}}}", "tests.t.expect"),
        ("models: {m: {features: [a]}}", "models.m"),
        ("models: {m: {kind: clusters, fields: {a: a}}}", "models.m"),
        ("models: {m: {kind: clusters, features: [a], algorithm: logistic}}", "models.m"),
        ("models: {m: {kind: clusters, features: []}}", "models.m.features"),
        ("models: {m: {kind: clusters, features: [a], clusters: 1}}", "models.m.clusters"),
        ("models: {m: {kind: quantiles, fields: {A: a}}}", "models.m.fields"),
        ("models: {m: {kind: classifier, features: [a]}}", "models.m"),
        ("models: {m: {kind: classifier, features: [a], label: {absent: any}}}", "models.m.label"),
        ("triggers: {}", ""),
    ],
)
def test_what_is_misspelt_or_of_another_shape_is_found(body: str, place: str) -> None:
    assert {problem.split(": ")[0] for problem in problems(f"{HEAD}{body}")} == {place}


@pytest.mark.parametrize(
    "head", ["catalog: shop", "catalog: Shop\nversion: 1", "catalog: shop\nversion: 0", "version: 1"]
)
def test_the_head_is_checked(head: str) -> None:
    assert len(problems(head)) == 1


def test_every_key_of_the_catalog_is_described() -> None:
    schema: dict[str, Any] = catalog_schema()
    assert list(schema["properties"]) == [*CatalogDocument.model_fields]
    definitions = schema["definitions"]
    for properties in (schema["properties"], definitions["segment"]["properties"], definitions["goal"]["properties"]):
        for name, entry in properties.items():
            reference = entry.get("$ref", "#/definitions/none").rsplit("/", 1)[-1]
            assert "description" in entry or "description" in definitions[reference], name


def test_the_keys_of_an_event_are_those_that_the_catalog_takes() -> None:
    schema: dict[str, Any] = catalog_schema()
    event = schema["definitions"]["test"]["properties"]["events"]["items"]
    assert sorted(event["properties"]) == sorted(examples._EVENT_KEYS)
    expect = schema["definitions"]["test"]["properties"]["expect"]
    assert [*expect["properties"]] == [*examples._EXPECT_KEYS]
