"""Numba as the engine uses it: compiled once per installation, cached on disk, IEEE arithmetic, nothing reordered.

Numba's cache notices a change of the file a function stands in, but not of the files it calls into. So the cache lies
in a folder named by a digest of all the sources that it is made of; `NUMBA_CACHE_DIR`, where set, is left as it is.
Where that folder cannot be made, nothing is cached, and every start compiles anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from rules import tables

__all__ = ["inlined", "inner", "jit", "kernel", "plain"]

_KEPT_CACHES = 8

Function = TypeVar("Function", bound=Callable[..., object])


def _cache_folder() -> Path:
    digest = hashlib.sha256(f"{numba.__version__}".encode())
    for source in [Path(tables.__file__), *sorted(Path(__file__).parent.glob("*.py"))]:
        digest.update(source.read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "tagstream" / f"numba-{digest.hexdigest()[:16]}"


def _forget_old(root: Path) -> None:
    """Remove what earlier versions compiled, but for the newest few. Raises OSError."""
    folders = sorted(root.glob("numba-*"), key=lambda each: each.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT_CACHES:]:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up_cache() -> bool:
    """Choose the cache's folder; whether there is one."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return True
    try:
        folder = _cache_folder()
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _forget_old(folder.parent)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # Numba makes them at run time
    return os.access(folder, os.W_OK)


_CACHED = _set_up_cache()


def jit(function: Function) -> Function:
    """Compile a function for arrays: no Python objects, no fastmath, division by zero as in IEEE 754."""
    return _compiled(function)


def kernel(function: Function) -> Function:
    """`jit` for a function that makes no array: those it is given are not counted, which costs more than using them."""
    return _compiled(function, _nrt=False)


def inner(function: Function) -> Function:
    """`kernel` for a function that only other kernel functions call: a quarter less to compile."""
    return _compiled(function, _nrt=False, no_cpython_wrapper=True)


def inlined(function: Function) -> Function:
    """`inner` for a function that becomes part of its callers: a call hands over some hundred words of arrays."""
    return _compiled(function, _nrt=False, no_cpython_wrapper=True, forceinline=True)


def _compiled(function: Function, **options: bool) -> Function:
    whole: dict[str, Any] = {"cache": _CACHED, "error_model": "numpy", "boundscheck": False, **options}
    return cast("Function", numba.njit(**whole)(function))


@inner
def plain(value: int) -> int:
    """The same number. Numba compiles a function anew for each constant that it is called with; this hides one."""
    return value + 0
