from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from stream import entry


def test_a_base_install_says_in_a_sentence_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without_two(name: str) -> ModuleSpec | None:
        return None if name in {"typer", "redis"} else find(name)

    monkeypatch.setattr("stream.entry.importlib.util.find_spec", without_two)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == (
        "tagstream: the command line needs packages that are not installed (typer, redis). "
        'Install them: pip install "tagstream[engine,embedded]"'
    )


def test_a_process_that_native_code_ends_says_where_it_was() -> None:
    crash = (
        "import os, signal, stream.cli as cli; cli.app = lambda **_: os.kill(os.getpid(), signal.SIGSEGV); cli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", crash], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in ended.stderr
    assert "in main" in ended.stderr
