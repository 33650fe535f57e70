"""What `apply` refuses before anything is changed, and the text of a rollback."""

from __future__ import annotations

import pytest
from confluent_kafka import Message

from rules.catalog import Catalog, parse_catalog
from stream.catalogs import AppliedCatalogs, UnreadableCatalogError
from stream.worker.applying import (
    RefusedCatalogError,
    check_applicable,
    count_changes,
    rolled_back,
    with_version,
)
from stream.worker.overview import Overview, PartitionStanding
from stream.worker.position import Backfill, Position, Switch, Walk
from tagstream.contracts.catalogs import AppliedCatalog, encode_applied_catalog
from tagstream.contracts.timestamps import from_ms
from tests.unit.worker.worker_builders import position

TEXT = """# the shop's
catalog: shop
version: {version}  # grows
segments:
  buyer: {{when: count("Order Completed") >= {least}}}
"""


def catalog(version: int, *, least: int = 1, name: str = "shop") -> Catalog:
    return parse_catalog(TEXT.format(version=version, least=least).replace("shop", name))


def applied(*catalogs: Catalog, format_number: int = 1) -> AppliedCatalogs:
    found = AppliedCatalogs("app.catalog")
    for each in catalogs:
        record = AppliedCatalog(
            format=format_number,
            name=each.name,
            version=each.version,
            text=each.text,
            applied_at=from_ms(1_000),
            written_by="9.9",
        )
        found.add(Message(topic="app.catalog", key=record.key, value=encode_applied_catalog(record)))
    return found


def overview(*positions: Position | None) -> Overview:
    return Overview(tuple(PartitionStanding(number, each) for number, each in enumerate(positions)), {})


def running(*versions: int) -> Overview:
    return overview(*(position(catalog_version=version) for version in versions))


def test_a_newer_version_is_published_in_place_of_the_one_that_runs() -> None:
    outcome = check_applicable(catalog(5), applied(catalog(1), catalog(3)), running(3, 3))
    assert (outcome.publish, outcome.previous) == (True, 3)


def test_the_first_catalog_of_an_app_takes_no_place() -> None:
    outcome = check_applicable(catalog(7), applied(), overview(None, None))
    assert (outcome.publish, outcome.previous) == (True, None)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_version_that_is_not_newer_is_refused_and_the_number_to_write_is_named(version: int) -> None:
    with pytest.raises(RefusedCatalogError, match=r"not newer than version 3.*Write `version: 4`"):
        check_applicable(catalog(version, least=9), applied(catalog(1), catalog(3)), running(3))


def test_the_same_text_again_is_refused_as_there_is_nothing_to_do() -> None:
    with pytest.raises(RefusedCatalogError, match=r"has been applied already, with the same text.*`version: 4`"):
        check_applicable(catalog(3), applied(catalog(3)), running(3, 3))


def test_the_same_text_again_goes_on_where_partitions_have_not_come_to_the_switch() -> None:
    outcome = check_applicable(catalog(3), applied(catalog(2), catalog(3)), running(3, 2))
    assert (outcome.publish, outcome.previous) == (False, 2)


def test_another_catalog_than_the_apps_is_refused() -> None:
    with pytest.raises(RefusedCatalogError, match=r"This app's catalog is shop, not other.*TAGSTREAM_APP"):
        check_applicable(catalog(4, name="other"), applied(catalog(3)), running(3))
    with pytest.raises(RefusedCatalogError, match="This app's catalog is shop, not other"):
        check_applicable(catalog(4, name="other"), applied(), running(3))


def test_where_the_topic_lost_what_runs_that_version_must_come_first() -> None:
    with pytest.raises(RefusedCatalogError, match=r"run version 3 of the catalog shop.*Apply that version first"):
        check_applicable(catalog(4), applied(), running(3))
    assert check_applicable(catalog(3), applied(), running(3)).publish


def test_a_rollback_is_the_text_of_the_version_before_under_the_next_number() -> None:
    before = catalog(2)
    there = applied(catalog(1), before, catalog(4, least=9))
    standing = overview(position(catalog_version=4, switch=Switch(previous=2, watermark_ms=0)))
    given, version = rolled_back(there, standing)
    assert (given.version, version) == (5, 2)
    assert given.text == before.text.replace("version: 2", "version: 5")
    assert check_applicable(given, there, standing).previous == 4


def test_a_version_that_never_ran_is_not_what_a_rollback_returns_to() -> None:
    there = applied(catalog(1), catalog(2, least=5), catalog(3, least=9))
    standing = overview(position(catalog_version=3, switch=Switch(previous=1, watermark_ms=0)))
    assert rolled_back(there, standing)[1] == 1


def test_without_a_version_before_there_is_no_rollback() -> None:
    with pytest.raises(RefusedCatalogError, match="no version before"):
        rolled_back(applied(catalog(1)), running(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("catalog: a\nversion: 3 # x\n", "catalog: a\nversion: 12 # x\n"),
        ("{catalog: a, version: 3, tags: {}}", "{catalog: a, version: 12, tags: {}}"),
        ('catalog: a\n"version" : 3\n', 'catalog: a\n"version" : 12\n'),
    ],
)
def test_only_the_version_number_changes(text: str, expected: str) -> None:
    assert with_version(text, 12) == expected


def test_a_catalog_of_a_newer_format_is_named_with_who_wrote_it() -> None:
    with pytest.raises(UnreadableCatalogError, match=r"shop@3.*tagstream 9\.9 wrote it.*format is 2.*upgrade"):
        applied(catalog(3), format_number=2).catalog(3)


def test_a_catalog_that_check_refuses_is_named_with_the_problem() -> None:
    broken = applied(catalog(3))
    record = AppliedCatalog(
        format=1, name="shop", version=4, text="catalog: shop", applied_at=from_ms(0), written_by="9.9"
    )
    broken.add(Message(topic="t", key=record.key, value=encode_applied_catalog(record)))
    assert broken.catalog(3).version == 3
    with pytest.raises(UnreadableCatalogError, match=r"shop@4.*version"):
        broken.catalog(4)


def test_a_key_without_a_version_that_can_be_read_is_named() -> None:
    with pytest.raises(UnreadableCatalogError, match="with the key"):
        applied(catalog(3)).add(Message(topic="t", key=b"shop@" + b"9" * 5_000, value=b"{}"))


def test_of_two_texts_under_one_key_the_first_is_it() -> None:
    there = applied(catalog(3), catalog(3, least=9))
    assert there.record(3).text == catalog(3).text


def test_a_partition_is_prepared_when_it_says_so_for_this_version_from_the_one_it_runs() -> None:
    ready = Backfill(version=4, base=3, caught_up=True)
    assert PartitionStanding(0, position(catalog_version=3, backfill=ready)).is_prepared(4)
    assert PartitionStanding(0, position(catalog_version=4)).is_prepared(4)
    for other in (None, Backfill(4, 3), Backfill(5, 3, caught_up=True), Backfill(4, 2, caught_up=True)):
        assert not PartitionStanding(0, position(catalog_version=3, backfill=other)).is_prepared(4)
    assert not PartitionStanding(0, None).is_prepared(4)


def test_changes_of_all_partitions_are_added_up_for_the_version_asked_for() -> None:
    first = position(
        catalog_version=4, switch=Switch(3, 0, {"vip": {"entered": 2}, "life": {"changed": 1}}), walk=Walk(4)
    )
    second = position(catalog_version=4, switch=Switch(3, 0, {"vip": {"entered": 1, "exited": 5}}))
    behind = position(catalog_version=3, switch=Switch(2, 0, {"vip": {"entered": 50}}))
    assert count_changes(overview(first, second, behind), 4) == {
        "life": {"changed": 1},
        "vip": {"entered": 3, "exited": 5},
    }
