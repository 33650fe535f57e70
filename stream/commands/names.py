"""Names on the command line that are not there: what is said about them, with the nearest that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.commands.outcome import InputError
from stream.errors import TagstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.catalog import Catalog

__all__ = ["check_unit", "no_such_level", "no_such_user", "unknown_name"]


def check_unit(catalog: Catalog, name: str) -> None:
    """Raise InputError unless the catalog has a segment or tier of that name."""
    if name in catalog.models:
        raise InputError(
            f"{name} is a model, neither segment nor tier.",
            remedy=f"See what it says of a user with `tagstream profile`, and of all with `tagstream models {name}`.",
        )
    if name not in catalog.segments and name not in catalog.tiers:
        raise unknown_name(f"The catalog {catalog.name} has no segment or tier", name, catalog.order)


def no_such_level(catalog: Catalog, tier: str, level: str) -> InputError:
    """For a level that a tier does not have."""
    return unknown_name(f"The tier {tier} has no level", level, catalog.tiers[tier].levels)


def unknown_name(what: str, name: str, names: Iterable[str]) -> InputError:
    """The sentence for a name that is not among those known."""
    from rules.suggest import Suggester

    known = list(names)
    close = Suggester().nearest(name, known)
    hint = f": did you mean {close}?" if close else "."
    return InputError(f"{what} {name!r}{hint}", remedy=f"There are {', '.join(known)}." if known else "There are none.")


def no_such_user(user: str) -> TagstreamError:
    """For a user who is not in Redis."""
    return TagstreamError(
        f"There is no user {user!r}.", remedy="Users exist from their first accepted event; case matters."
    )
