from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["stream.control.keeper", "stream.control.child", "stream.control.history", "stream.commands.models"]
)
def test_river_is_loaded_only_where_learning_happens(module: str) -> None:
    looked = f"import sys, {module}; print([name for name in ('river', 'faust', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
