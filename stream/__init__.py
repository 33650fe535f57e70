"""Tagstream's processes: the engine, the worker around it, the embedded stack, the command line."""

from __future__ import annotations

__all__: list[str] = []
