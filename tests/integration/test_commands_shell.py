"""What all commands have in common: help, speed of it, exit codes, where output goes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.commands_runner import COMMAND, clean_environment, run
from tests.machine import patient

HELP_LIMIT_S = 0.5
COMMANDS = {
    *("demo", "up", "worker", "check", "replay", "profile", "members", "watch", "topics", "lag", "doctor", "bench"),
    *("apply", "status", "explain", "test", "preview", "control", "models", "suggest"),
}
TO_COME = {"web"}


def test_help_lists_every_command_of_this_version_and_none_to_come(tmp_path: Path) -> None:
    done = run("--help", folder=tmp_path)
    words = set(done.stdout.decode().split())
    assert (done.returncode, COMMANDS - words) == (0, set())
    assert words & TO_COME == set()


def test_help_comes_at_once(tmp_path: Path) -> None:
    # What is compiled is kept, as it is for users; so all but the first of them find it.
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    took: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("--help", folder=tmp_path, settings=kept)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time: other tests run beside this one, and waiting for them is not its doing.
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < patient(HELP_LIMIT_S)


def test_help_needs_no_heavy_module(tmp_path: Path) -> None:
    code = (
        "import sys, stream.cli;"
        "print([n for n in ('numpy', 'numba', 'kafka', 'pydantic', 'redis', 'confluent_kafka') if n in sys.modules])"
    )
    done = run("-c", code, folder=tmp_path, command=COMMAND[:1])
    assert done.stdout == b"[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check"],
        ["replay", "events.jsonl"],
        ["members"],
        ["profile", "ann", "--nonsense"],
        ["topics", "nonsense"],
        ["watch", "--limit", "0"],
        ["demo", "--for", "soon"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_exit_code_2_and_says_so_on_stderr_only(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr != b""
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["profile", "ann"], ["members", "active"], ["watch"], ["topics"], ["lag"], ["worker", "--catalog", "retail"]],
    ids=" ".join,
)
def test_without_servers_there_is_a_sentence_and_what_to_do(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"tagstream up" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"TAGSTREAM_KAFKA": "nowhere"}, b"TAGSTREAM_KAFKA"),
        ({"TAGSTREAM_GRACE": "soon"}, b"TAGSTREAM_GRACE"),
        ({"TAGSTREAM_CONFIG": "/nowhere/tagstream.toml"}, b"TAGSTREAM_CONFIG"),
        ({"TAGSTREAM_KAFKA": "localhost:1"}, b"TAGSTREAM_REDIS"),
    ],
    ids=["kafka", "grace", "config", "half"],
)
def test_a_bad_setting_is_exit_code_2_and_named(settings: dict[str, str], named: bytes, tmp_path: Path) -> None:
    done = run("members", "active", folder=tmp_path, settings=settings)
    assert (done.returncode, done.stdout) == (2, b"")
    assert named in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_misspelt_setting_is_told_on_stderr_and_stops_nothing(tmp_path: Path) -> None:
    plain = run("lag", folder=tmp_path)
    misspelt = run("lag", folder=tmp_path, settings={"TAGSTREAM_GRASE": "5s", "TAGSTREAM_FOO": "1"})
    said = (
        b"Warning: The variable TAGSTREAM_FOO is no setting: `tagstream doctor` lists the settings.\n"
        b"Warning: The variable TAGSTREAM_GRASE is no setting: did you mean TAGSTREAM_GRACE?\n"
    )
    assert (misspelt.returncode, misspelt.stderr) == (plain.returncode, said + plain.stderr)


def test_a_kafka_that_does_not_answer_is_exit_code_1_and_named(tmp_path: Path) -> None:
    servers = {"TAGSTREAM_KAFKA": "127.0.0.1:1", "TAGSTREAM_REDIS": "redis://127.0.0.1:1/0"}
    done = run("topics", folder=tmp_path, settings=servers)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"127.0.0.1:1" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "check", "--json", *["retail"] * 20],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, b"")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_no_traceback_and_nothing_left(tmp_path: Path, number: int, code: int) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [*COMMAND, "replay", str(pipe), "--catalog", "retail", "--changes", "out.jsonl"],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with pipe.open("wb"):  # opens when the command does: it now waits for events that don't come
        process.send_signal(number)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, b"")
    assert b"Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == []


def test_a_full_disk_is_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("catalog: c\nversion: 1\nsegments:\n  all: {when: count() > 0}\n")
    event = b'{"type": "page", "userId": "a", "timestamp": "2026-03-01T00:00:00Z"}\n'
    replayed = run("replay", "-", "-c", "shop.yaml", "--changes", "/dev/full", folder=tmp_path, stdin=event)
    with Path("/dev/full").open("wb") as full:
        checked = subprocess.run(
            [*COMMAND, "check", "shop.yaml"],
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (replayed.returncode, checked.returncode) == (1, 1)
    assert [b"No space left" in said for said in (replayed.stderr, checked.stderr)] == [True, True]
    assert [b"Traceback" in said for said in (replayed.stderr, checked.stderr)] == [False, False]


def test_of_a_full_standard_output_it_is_said_that_it_ends_midway(tmp_path: Path) -> None:
    _write_a_shop(tmp_path)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "replay", "e.jsonl", "-c", "shop.yaml", "--changes", "-"],
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr.decode().splitlines()) == (
        1,
        [
            "tagstream: Standard output can't be written: No space left on device.",
            "  It ends midway, so don't use it. Make room, then run the command again.",
        ],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "shop.yaml"],
        ["check", "shop.yaml", "--json"],
        ["schema"],
        ["--version"],
        ["--help"],
        ["replay", "e.jsonl", "-c", "shop.yaml"],
        ["replay", "e.jsonl", "-c", "shop.yaml", "--changes", "-"],
    ],
    ids=" ".join,
)
def test_a_closed_standard_output_is_a_sentence_and_exit_code_1(arguments: list[str], tmp_path: Path) -> None:
    _write_a_shop(tmp_path)
    done = _run_without(1, *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "tagstream: Standard output is closed, so the results can't be printed.",
        "  Send them to a file or a pipe, or to /dev/null if nobody wants them.",
    ]


def test_a_closed_standard_output_is_no_matter_where_the_results_go_to_a_file(tmp_path: Path) -> None:
    _write_a_shop(tmp_path)
    done = _run_without(1, "replay", "e.jsonl", "-c", "shop.yaml", "--changes", "out.jsonl", folder=tmp_path)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 1


def test_a_closed_standard_error_is_no_matter(tmp_path: Path) -> None:
    _write_a_shop(tmp_path)
    done = _run_without(2, "replay", "e.jsonl", "-c", "shop.yaml", "--changes", "-", folder=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


def test_help_and_version_on_a_full_disk_are_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    for argument in ("--help", "--version"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, argument],
                env=clean_environment(tmp_path),
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, b"tagstream: No space left on device\n")


def _write_a_shop(folder: Path) -> None:
    (folder / "shop.yaml").write_text("catalog: c\nversion: 1\nsegments:\n  all: {when: count() > 0}\n")
    (folder / "e.jsonl").write_text('{"type": "page", "userId": "a", "timestamp": "2026-03-01T00:00:00Z"}\n')


def _run_without(stream: int, *arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command with one of its standard streams closed, as a shell does for `>&-`."""
    return run(*arguments, folder=folder, command=("sh", "-c", f'exec "$@" {stream}>&-', "sh", *COMMAND))


def test_without_a_command_there_is_the_help(tmp_path: Path) -> None:
    done = run(folder=tmp_path)
    assert done.returncode == 2
    assert b"demo" in done.stdout + done.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    done = run("--version", folder=tmp_path)
    assert (done.returncode, done.stdout[:10]) == (0, b"tagstream ")
