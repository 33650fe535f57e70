"""Of which segments and levels nothing can be said from rows that a new catalog has not filled yet."""

from __future__ import annotations

from rules.catalog import Catalog, parse_catalog
from stream.preview import fresh_expressions, unfilled

OLD = """
  rich: {when: 'sum("Order", "revenue") >= 100'}
"""


def catalog(version: int, segments: str) -> Catalog:
    return parse_catalog(f"catalog: shop\nversion: {version}\nsegments:{segments}", with_lint=False)


def test_changed_thresholds_leave_nothing_untold() -> None:
    assert unfilled(catalog(2, OLD.replace("100", "50")), catalog(1, OLD)) == {}


def test_a_condition_an_exit_a_filter_and_what_reads_such_a_segment_lack_what_is_new() -> None:
    new = """
  reader: {when: 'in_segment(buyer) or count("Order") > 3'}
  buyer: {when: 'count("Order") >= 1 and trait("city") == "Wuhan"'}
  rich: {when: 'sum("Order", "revenue") >= 100'}
  leaves: {when: 'sum("Order", "revenue") >= 100', exit: 'count("Return") >= 1'}
tiers:
  life:
    levels:
      top: in_segment(rich)
      low: in_segment(leaves)
      other: always
  plain:
    levels:
      on: in_segment(rich)
      off: always
"""
    assert unfilled(catalog(2, new), catalog(1, OLD)) == {
        "reader": ['count("Order")', 'trait("city")'],
        "buyer": ['count("Order")', 'trait("city")'],
        "leaves": ['count("Return")'],
        "life=top": ['count("Return")'],
        "life=low": ['count("Return")'],
        "life=other": ['count("Return")'],
    }


def test_what_rows_hold_in_another_form_is_not_new() -> None:
    kept = """
  usual: {when: 'mean("Order", "revenue") >= 100'}
"""
    assert (unfilled(catalog(2, OLD), catalog(1, kept)), fresh_expressions(catalog(2, OLD), catalog(1, kept))) == (
        {},
        [],
    )
