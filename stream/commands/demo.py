"""`tagstream demo`."""
from __future__ import annotations
from typing import Annotated
import typer
def demo(for_: Annotated[str, typer.Option("--for")] = "60s") -> None:
    """x"""
