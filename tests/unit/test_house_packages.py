from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from kafka.record import util

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts)
    for top in ("rules", "stream", "tagstream")
    for path in (ROOT / top).rglob("__init__.py")
)
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for top in ("rules", "stream", "tagstream")
    for path in (ROOT / top).rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)


def imported(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_re_exports_a_sorted_list_of_names_that_exist(name: str) -> None:
    package = imported(name)
    names = getattr(package, "__all__", [])
    assert names == sorted(names, key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    assert [each for each in names if not hasattr(package, each)] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for_and_exports_names_that_exist(name: str) -> None:
    module = imported(name)
    assert module.__doc__
    assert [each for each in getattr(module, "__all__", []) if not hasattr(module, each)] == []


@pytest.mark.parametrize("name", ["rules", "stream", "tagstream"])
def test_each_top_package_tells_type_checkers_that_it_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").exists()


def test_no_source_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    assert {str(path): lines for path, lines in lengths.items() if lines > 600} == {}


def test_what_is_banned_or_unfinished_is_nowhere() -> None:
    marker = re.compile(r"\b(TODO|FIXME|XXX)\b")
    assert [str(path) for path in source_files() if marker.search(path.read_text(encoding="utf-8"))] == []


def test_decoders_of_structs_are_made_at_import() -> None:
    # msgspec looks at a struct when it first decodes one. Two threads that do so at once end the process (SIGSEGV, seen
    # in one worker of fifty whose partitions were taken at the same moment on a busy machine).
    late = re.compile(r"msgspec\.(json|msgpack)\.decode\([^\n]*\btype=(?!Fields|msgspec\.Raw)|msgspec\.convert\(")
    assert [str(path) for path in source_files() if late.search(path.read_text(encoding="utf-8"))] == []


def test_every_dependency_is_pinned_in_the_constraints_and_no_host_is_named() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [each for group in [PROJECT["project"]["dependencies"], *extras.values()] for each in group]
    names = {re.split(r"[<>=!~ \[]", each)[0].lower().replace("_", "-") for each in asked}
    assert names - pinned == set()
    assert "://" not in text


def test_the_base_install_is_light() -> None:
    names = [re.split(r"[<>=]", each)[0] for each in PROJECT["project"]["dependencies"]]
    assert names == ["kafka-python[crc32c]", "pydantic"]


def test_checksums_of_records_are_computed_in_c() -> None:
    assert util.crc32c_c is not None


def test_every_make_target_has_a_line_in_the_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    explained = re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE)
    assert explained == phony[1].split()


def source_files() -> list[Path]:
    return [path for top in ("rules", "stream", "tagstream") for path in (ROOT / top).rglob("*.py")]
