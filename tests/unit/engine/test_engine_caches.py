"""What is compiled is kept, and what earlier versions compiled goes at last."""

from __future__ import annotations

import os
from pathlib import Path

from stream.engine import jit


def test_of_the_caches_of_earlier_versions_only_the_newest_stay(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / f"numba-{number}"
        folder.mkdir()
        (folder / "kernel.nbi").write_bytes(b"compiled")
        os.utime(folder, (number, number))
    (tmp_path / "another").mkdir()
    jit._forget_old(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"another", *(f"numba-{number}" for number in range(4, 12))}
