from __future__ import annotations

import subprocess
import sys

import pytest

import tagstream
from tagstream import contracts, errors

HEAVY = ("kafka", "pydantic", "numpy", "numba", "confluent_kafka", "redis", "msgspec")


def loaded_after(statement: str) -> set[str]:
    """Which of the heavy packages a program has loaded that did no more than this."""
    script = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def test_importing_tagstream_loads_nothing_else() -> None:
    assert loaded_after("import tagstream") == set()


def test_parsing_changes_needs_pydantic_only() -> None:
    assert loaded_after("from tagstream import parse_change") == {"pydantic"}


def test_ids_and_topics_need_nothing() -> None:
    assert loaded_after("import tagstream.ids, tagstream.topics, tagstream.errors") == set()


def test_producing_and_subscribing_need_kafka_python_and_pydantic_only() -> None:
    assert loaded_after("from tagstream import Producer, Subscriber") == {"kafka", "pydantic"}


@pytest.mark.parametrize("package", [tagstream, contracts, errors], ids=lambda package: package.__name__)
def test_everything_that_a_package_names_is_there_and_sorted(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]  # a module
    # Constants, then classes, then functions, as ruff sorts them.
    expected = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert list(names) == expected
    assert [name for name in names if not hasattr(package, name)] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Consumer'"):
        tagstream.Consumer  # noqa: B018  # type: ignore[attr-defined]
    assert {"Producer", "Subscriber"} <= set(dir(tagstream))
