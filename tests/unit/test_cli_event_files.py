from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.commands import event_files
from stream.commands.event_files import read_lines, total_bytes
from stream.commands.outcome import InputError

Write = Callable[[bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes) -> str:
        path = tmp_path / f"events-{len(list(tmp_path.iterdir()))}.jsonl"
        path.write_bytes(content)
        return str(path)

    return write


def lines_of(*files: str, batch_lines: int = 1_000) -> list[tuple[str, int, bytes]]:
    return [
        (lines.file, number, value)
        for lines in read_lines(files, batch_lines=batch_lines)
        for number, value in zip(lines.numbers, lines.values, strict=True)
    ]


def numbered(*files: str, batch_lines: int = 1_000) -> list[tuple[int, bytes]]:
    return [(number, value) for _, number, value in lines_of(*files, batch_lines=batch_lines)]


def test_lines_are_numbered_from_one_in_each_file(write: Write) -> None:
    first, second = write(b"a\nb\n"), write(b"c\n")
    assert lines_of(first, second) == [(first, 1, b"a"), (first, 2, b"b"), (second, 1, b"c")]


def test_blank_lines_are_skipped_and_counted(write: Write) -> None:
    assert numbered(write(b"\n\na\n \t\n\r\nb\n\n")) == [(3, b"a"), (6, b"b")]


def test_a_last_line_needs_no_line_end(write: Write) -> None:
    assert numbered(write(b"a\nb")) == [(1, b"a"), (2, b"b")]


def test_an_empty_file_has_no_lines(write: Write) -> None:
    assert numbered(write(b"")) == []


def test_one_carriage_return_goes_with_the_line_end_and_no_other(write: Write) -> None:
    assert numbered(write(b"a\r\nb\rc\r\r\nd\r")) == [(1, b"a"), (2, b"b\rc\r"), (3, b"d")]


def test_only_a_line_feed_ends_a_line(write: Write) -> None:
    text = "a\u2028b\x0bc\x0cd\x85e".encode()
    assert numbered(write(text + b"\nf\n")) == [(1, text), (2, b"f")]


def test_a_byte_order_mark_at_the_start_is_dropped(write: Write) -> None:
    assert numbered(write(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")) == [(1, b"a"), (2, b"\xef\xbb\xbfb")]


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64])
def test_the_size_of_blocks_changes_nothing(write: Write, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    name = write(b"one\r\n\ntwo\n   \nthree\nfour")
    expected = [(1, b"one"), (3, b"two"), (5, b"three"), (6, b"four")]
    monkeypatch.setattr(event_files, "_BLOCK_BYTES", block_bytes)
    assert numbered(name) == expected


@pytest.mark.parametrize("batch_lines", [1, 2, 3])
def test_the_size_of_batches_changes_nothing(write: Write, batch_lines: int) -> None:
    assert numbered(write(b"a\n\nb\nc\nd\n"), batch_lines=batch_lines) == [(1, b"a"), (3, b"b"), (4, b"c"), (5, b"d")]


def test_a_line_far_too_long_is_kept_only_as_far_as_shows_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(b"a\n" + b"x" * 3_000_000 + b"\nb\n")
    monkeypatch.setattr(event_files, "_BLOCK_BYTES", 65_536)
    (first, long, last) = numbered(name)
    assert (first, last) == ((1, b"a"), (3, b"b"))
    assert 262_144 < len(long[1]) < 262_144 + 65_536 + 10


@pytest.mark.parametrize("block_bytes", [1_000, 262_144, 2**20])
def test_a_line_of_just_the_largest_size_stays_whole(
    write: Write, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(event_files, "_BLOCK_BYTES", block_bytes)
    assert numbered(write(b"x" * 262_144 + b"\r\nb\n")) == [(1, b"x" * 262_144), (2, b"b")]


def test_gzip_is_known_by_its_first_bytes_and_may_have_several_members(write: Write) -> None:
    assert numbered(write(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"))) == [(1, b"a"), (2, b"bc"), (3, b"d")]


def test_damaged_gzip_is_an_error_that_names_the_file(write: Write) -> None:
    name = write(gzip.compress(os.urandom(50_000))[:-100])
    with pytest.raises(InputError, match="gzip") as caught:
        numbered(name)
    assert name in str(caught.value)


def test_a_missing_file_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        total_bytes([str(tmp_path / "nowhere.jsonl")])


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="directory"):
        total_bytes([str(tmp_path)])


def test_standard_input_can_be_named_once() -> None:
    with pytest.raises(InputError, match="more than once"):
        total_bytes(["-", "-"])


def test_sizes_add_up_and_are_unknown_for_standard_input(write: Write) -> None:
    first, second = write(b"12345"), write(b"678")
    assert total_bytes([first, second]) == 8
    assert total_bytes([first, "-"]) is None


def test_progress_adds_up_to_the_stored_size(write: Write) -> None:
    name = write(gzip.compress(b"a line of text\n" * 100_000))
    told: list[int] = []
    for _ in read_lines([name], batch_lines=1_000, progress=told.append):
        pass
    assert sum(told) == Path(name).stat().st_size


def test_a_pipe_yields_what_is_there_without_waiting_for_more(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = threading.Event()
    came_in_time: list[bool] = []

    def produce() -> None:
        with pipe.open("wb", buffering=0) as stream:
            stream.write(b"first\n")
            came_in_time.append(seen.wait(timeout=20))
            stream.write(b"second\n")

    producer = threading.Thread(target=produce)
    producer.start()
    values: list[bytes] = []
    for lines in read_lines([str(pipe)], batch_lines=10):
        values += lines.values
        seen.set()
    producer.join()
    assert (values, came_in_time) == ([b"first", b"second"], [True])
