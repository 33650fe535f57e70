"""What the script `tagstream` runs: the command line, or a sentence where only the light base is installed."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["main"]

# One of each part of the extra `engine` that the command line can't do without; the base install has none of them.
_NEEDED = ("typer", "rich", "pydantic_settings", "numpy", "numba", "msgspec", "redis", "confluent_kafka", "yaml")


def main() -> None:
    """Run `tagstream`; ends the process with an exit code."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"tagstream: the command line needs packages that are not installed ({', '.join(missing)}). "
            'Install them: pip install "tagstream[engine,embedded]"'
        )
    from stream.cli import main as run

    run()
