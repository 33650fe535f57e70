from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from stream.commands.outcome import InputError
from stream.commands.output_files import OutputFile, refuse_clashes


def test_a_file_appears_whole_when_it_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with OutputFile(str(target)) as output:
        output.write_lines([b"a", b"b"])
        output.write_lines([])
        assert not target.exists()
        output.write_lines([b"c"])
        output.keep()
    assert target.read_bytes() == b"a\nb\nc\n"
    assert output.lines == 3
    assert list(tmp_path.iterdir()) == [target]


def test_without_keep_everything_is_as_before(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("before")
    with OutputFile(str(target)) as output:
        output.write_lines([b"a"])
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    with OutputFile(str(link)) as output:
        output.write_lines([b"a"])
        output.keep()
    assert link.is_symlink()
    assert target.read_bytes() == b"a\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_no_plain_file_is_written_to_as_it_is() -> None:
    with OutputFile("/dev/null") as output:
        output.write_lines([b"a"])
        output.keep()
    assert Path("/dev/null").is_char_device()


def test_a_name_that_ends_in_gz_is_compressed_alike_each_time(tmp_path: Path) -> None:
    contents = []
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        with OutputFile(str(tmp_path / name)) as output:
            output.write_lines([b"a", b"b"])
            output.keep()
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert gzip.decompress(contents[0]) == b"a\nb\n"


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written: No such file"):
        OutputFile(str(tmp_path / "nowhere" / "out.jsonl"))


def test_two_outputs_may_not_be_one_file(tmp_path: Path) -> None:
    name = str(tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"--profiles .* is also --changes"):
        refuse_clashes({"--changes": name, "--profiles": f"{tmp_path}/./out.jsonl", "--rejects": None}, [])


def test_an_output_may_not_be_an_input(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.touch()
    with pytest.raises(InputError, match="is also"):
        refuse_clashes({"--changes": str(events)}, [str(events)])


def test_only_one_output_may_be_standard_output() -> None:
    with pytest.raises(InputError, match="--profiles - is also --changes"):
        refuse_clashes({"--changes": "-", "--profiles": "-"}, ["-"])


def test_several_outputs_may_be_the_null_device() -> None:
    refuse_clashes({"--changes": "/dev/null", "--profiles": "/dev/null"}, [])
