"""Catalogs that follow one another, and applying them to workers that run in this process."""

from __future__ import annotations

from contextlib import closing

from rules.catalog import Catalog, parse_catalog
from stream.clock import SystemClock
from stream.embedded import Addresses
from stream.settings import Settings
from stream.worker.apply_run import ApplyReport, ApplyRun
from stream.worker.applying import check_applicable
from stream.worker.overview import Overview, look_over, open_store

TIMEOUT_S = 60.0

FIRST = """
catalog: shop
version: 1
tags:
  orders: count("Order Completed")
segments:
  buyer: {when: orders >= 1, indexed: true}
  fresh: {when: 'count("Product Viewed", last="1s") >= 1'}
  regular: {when: orders >= 3}
"""
SECOND = """
catalog: shop
version: 2
tags:
  orders: count("Order Completed")
  spent: sum("Order Completed", "revenue")
segments:
  buyer: {when: orders >= 2}
  regular: {when: orders >= 3, indexed: true}
  rich: {when: spent > 100, indexed: true}
tiers:
  worth:
    kind: value
    levels:
      high: spent > 100
      low: always
"""


def catalog(text: str, version: int | None = None) -> Catalog:
    """The catalog of a text, under another version."""
    parsed = parse_catalog(text)
    return (
        parsed if version is None else parse_catalog(text.replace(f"version: {parsed.version}", f"version: {version}"))
    )


def apply(
    settings: Settings, addresses: Addresses, given: Catalog, *, wait: bool = True, timeout_s: float = TIMEOUT_S
) -> ApplyReport:
    """Apply a catalog as the command does; raises what it would refuse with."""
    run = ApplyRun(settings, addresses, SystemClock())
    with closing(open_store(settings, addresses, run.partition_count)) as store:
        outcome = check_applicable(given, *run.look(store))
        return run.perform(store, given, outcome, wait=wait, timeout_s=timeout_s)


def overview(settings: Settings, addresses: Addresses) -> Overview:
    """Where all partitions stand."""
    with closing(open_store(settings, addresses, settings.partitions)) as store:
        return look_over(store, settings.partitions)
