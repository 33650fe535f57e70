"""`tagstream schema`: the JSON Schema of catalogs, for editors that complete and check YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.commands.output import note, print_line

__all__ = ["schema"]


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to a file in place of stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of catalogs, by which editors complete and check them.

    A catalog names it in its first line: # yaml-language-server: $schema=catalog.schema.json
    """
    import json

    from rules.jsonschema import catalog_schema

    text = json.dumps(catalog_schema(), ensure_ascii=False, indent=2)
    if out is None:
        print_line(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    note(f"written to {out}; a catalog in the same folder begins with: # yaml-language-server: $schema={out.name}")
