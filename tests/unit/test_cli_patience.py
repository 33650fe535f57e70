"""Who waits for the compiler is told so, and nobody else."""

from __future__ import annotations

import threading
import time

import numba
import pytest

from stream.commands import patience

DEADLINE_S = 30


@pytest.fixture(autouse=True)
def _without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PATIENCE_S", 0.0)


def wait_for_the_timer() -> None:
    """Until the wait is long: that of `_PATIENCE_S`."""
    deadline_s = time.monotonic() + DEADLINE_S
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(deadline_s - time.monotonic())


def test_a_slow_start_that_compiles_nothing_is_not_told_as_compiling(capsys: pytest.CaptureFixture[str]) -> None:
    with patience.compiling():
        wait_for_the_timer()
    assert capsys.readouterr().err == ""


def test_a_slow_start_that_compiles_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with patience.compiling():
        _compile_something()
        wait_for_the_timer()
        _compile_something()
    assert capsys.readouterr().err == f"{patience._WORD}\n"


def test_what_is_compiled_late_is_told_then(capsys: pytest.CaptureFixture[str]) -> None:
    with patience.compiling():
        wait_for_the_timer()
        _compile_something()
        told = capsys.readouterr().err
    assert told == f"{patience._WORD}\n"


def test_a_quick_start_is_told_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PATIENCE_S", DEADLINE_S)
    with patience.compiling():
        _compile_something()
    assert capsys.readouterr().err == ""


def _compile_something() -> None:
    numba.njit("int64(int64)")(lambda number: number + 1)
