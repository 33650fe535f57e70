"""What `rules` offers to the rest of the program."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rules


def test_the_package_lists_what_it_offers_in_order() -> None:
    assert rules.__all__ == sorted(rules.__all__)
    assert set(rules.__all__) <= set(dir(rules))
    for name in rules.__all__:
        assert getattr(rules, name) is not None


def test_what_it_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Zebra'"):
        rules.Zebra  # noqa: B018  # the access is what is tested


def test_importing_the_package_does_not_import_pydantic_or_yaml() -> None:
    heavy = ("pydantic", "yaml", "numpy")
    code = f"import sys, rules.nodes, rules.durations; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert result.stdout.strip() == "[]"
