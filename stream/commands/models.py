"""`tagstream models`: what was learned, how good it is, and what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.commands.options import AsJson

if TYPE_CHECKING:
    from stream.embedded import Addresses
    from stream.settings import Settings

__all__ = ["models"]


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The model; without it all, a line each.")
    ] = None,
    cut: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Join the nearest clusters into K groups.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the model and its quality over time (.png, .svg, .pdf).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What was learned of users: clusters with sizes and descriptions, quality beside simple rules, refusals.

    Sizes and shares are of the newest sampled users. `tagstream control` learns; docs/models.md explains each number.
    """
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.model_records import model_records
    from stream.commands.model_text import print_model, print_models
    from stream.commands.names import unknown_name
    from stream.commands.outcome import InputError
    from stream.commands.output import note, print_json
    from stream.control.history import read_reports
    from stream.embedded import resolve_addresses
    from stream.models import read_models

    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings)
    catalog = newest_catalog(settings, addresses)
    published = read_models(settings, addresses)
    records = model_records(catalog, published, read_reports(settings, addresses), cut=cut)
    if name is None:
        if plot is not None or cut is not None:
            raise InputError(
                "--plot and --cut are for one model.", remedy="Name it: tagstream models NAME --plot FILE."
            )
        if as_json:
            print_json({"models": records})
        elif records:
            print_models(records)
        else:
            note("The catalog has no models, and none has been learned. docs/models.md shows how one is declared.")
        return
    record = next((each for each in records if each["name"] == name), None)
    if record is None:
        raise unknown_name("There is no model", name, [each["name"] for each in records])
    if cut is not None and "clusters" not in record:
        raise InputError(f"The model {name} has no clusters to be cut.", remedy="Leave --cut out.")
    if plot is not None:
        from stream.commands.model_plot import plot_model

        plot_model(settings, addresses, record, published, plot)
        note(f"Drawn: {plot}")
    if as_json:
        print_json(record)
    elif plot is None:
        print_model(record)


def newest_catalog(settings: Settings, addresses: Addresses) -> Any:
    """The newest catalog that was applied; None if none was. Raises as reading the topic does."""
    from stream.catalogs import read_catalogs

    applied = read_catalogs(settings, addresses)
    return None if applied.newest is None else applied.catalog(applied.newest)
