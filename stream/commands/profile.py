"""x."""
from __future__ import annotations
def profile(x: str) -> None:
    """x"""
