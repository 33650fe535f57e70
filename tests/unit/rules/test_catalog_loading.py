"""Catalogs from files and packs, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import CatalogError, CatalogProblem, load_catalog, parse_catalog
from rules.catalog import MAX_CATALOG_BYTES
from rules.packs import pack_names

TEXT = "catalog: shop\nversion: 1\ntags: {a: count()}\n"


def only_problem(source: str | Path, text: str | None = None) -> CatalogProblem:
    with pytest.raises(CatalogError) as caught:
        load_catalog(source, text=text)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_a_catalog_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(TEXT, encoding="utf-8")

    assert load_catalog(file) == load_catalog(str(file)) == parse_catalog(TEXT)
    assert load_catalog(file).text == TEXT


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())

    assert load_catalog(file).tags == parse_catalog(TEXT).tags


@pytest.mark.parametrize("name", pack_names())
def test_every_pack_is_a_valid_catalog_without_warnings(name: str) -> None:
    catalog = load_catalog(name)

    assert catalog.name == name
    assert catalog.warnings == ()


def test_a_file_goes_before_the_pack_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retail").mkdir()
    assert load_catalog("retail").name == "retail"

    (tmp_path / "retail").rmdir()
    (tmp_path / "retail").write_text(TEXT, encoding="utf-8")
    assert load_catalog("retail").name == "shop"


def test_with_a_text_nothing_is_read() -> None:
    assert load_catalog("nowhere.yaml", text=TEXT).name == "shop"
    assert only_problem("nowhere.yaml", "catalog: shop\nversion: 1\ntags: {a: b}").file == "nowhere.yaml"


def test_a_name_that_is_neither_a_file_nor_a_pack_is_an_error(tmp_path: Path) -> None:
    problem = only_problem("retial")

    assert (problem.code, problem.suggestion, problem.line, problem.column) == ("no_such_catalog", "retail", 1, 1)
    assert "retail" in problem.message
    assert only_problem(tmp_path / "none.yaml").code == "no_such_catalog"
    assert only_problem(f"{__file__}/none.yaml").code == "no_such_catalog"


@pytest.mark.parametrize("source", [".", "a\0b", "a" * 5_000])
def test_what_cannot_be_read_is_an_error(source: str) -> None:
    assert only_problem(source).code == "unreadable_file"


def test_a_file_that_is_not_utf8_is_an_error_at_its_byte(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_bytes(TEXT.encode() + "# 女\xff".encode("latin-1", "ignore") + b"\xe9\n")
    problem = only_problem(file)

    assert (problem.code, problem.line, problem.file) == ("not_utf8", 4, str(file))
    file.write_bytes("# 女".encode() + b"\xff")
    problem = only_problem(file)
    assert (problem.line, problem.column, problem.found) == (1, 4, "the byte 0xff")


def test_a_catalog_has_at_most_a_mebibyte(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    most = TEXT + "#" * (MAX_CATALOG_BYTES - len(TEXT))
    file.write_text(most, encoding="utf-8")
    assert load_catalog(file).name == "shop"

    file.write_text(most + "#", encoding="utf-8")
    assert only_problem(file).code == "file_too_large"
    assert only_problem("shop", most + "#").code == "file_too_large"
    assert only_problem("shop", TEXT + "女" * (MAX_CATALOG_BYTES // 3)).code == "file_too_large"


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert only_problem("/dev/zero").code == "file_too_large"
