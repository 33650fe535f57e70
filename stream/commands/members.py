"""x."""
from __future__ import annotations
def members(x: str) -> None:
    """x"""
