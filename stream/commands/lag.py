"""x."""
from __future__ import annotations
def lag() -> None:
    """x"""
