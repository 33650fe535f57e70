"""`tagstream suggest`: segments for those who will reach a goal, or miss it, proposed from samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream.commands.options import AsJson

if TYPE_CHECKING:
    from rules.catalog import Catalog
    from rules.models import Model

__all__ = ["suggest"]


def suggest(
    goal: Annotated[str, typer.Argument(metavar="NAME", help="A classifier, or a segment with a goal.")],
    last: Annotated[str, typer.Option(metavar="TIME", help="Look at the samples of so long a time.")] = "7d",
    depth: Annotated[int, typer.Option(min=1, max=6, help="At most so many comparisons in a condition.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Propose segments: conditions under which a goal is reached clearly more often than by all users.

    They are the leaves of a shallow decision tree on the labelled samples that a classifier learns from. What is
    printed is a catalog that `tagstream check` accepts: put its segments into yours, with titles of your own.
    """
    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.models import newest_catalog
    from stream.commands.output import note, print_json
    from stream.commands.suggestions import suggestions_for
    from stream.control.sample_log import read_samples
    from stream.embedded import resolve_addresses
    from stream.errors import ConfigurationError, TagstreamError
    from stream.learning import LearningError
    from stream.settings import parse_duration_ms

    try:
        last_ms = parse_duration_ms(last)
    except ValueError as error:
        raise typer.BadParameter(f"{last!r} is no duration: {error}", param_hint="--last") from error
    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings)
    catalog: Catalog | None = newest_catalog(settings, addresses)
    if catalog is None:
        raise ConfigurationError(
            "No catalog has been applied.", remedy="Apply one with a classifier: tagstream apply C."
        )
    model = _classifier(catalog, goal)
    samples = read_samples(settings, addresses, model.name, SystemClock(), last_ms=last_ms, labels=True)
    samples = [each for each in samples if each.catalog == catalog.name and len(each.values) == len(model.features)]
    try:
        found = suggestions_for(catalog, model, goal, samples, depth=depth)
    except LearningError as error:
        remedy = error.remedy or "Wait for more labels, or look further back: --last 14d."
        raise TagstreamError(error.message, remedy=remedy) from error
    if not found.suggestions:
        raise TagstreamError(
            f"Nothing stands out: no condition on the features of {model.name} has a rate clearly above that of all.",
            remedy="Other features may tell more; see the classifier's quality with `tagstream models`.",
        )
    if as_json:
        print_json(found.as_dict())
        return
    typer.echo(found.text, nl=False)
    note(f"{len(found.suggestions)} segments proposed; what is printed passes `tagstream check`.")


def _classifier(catalog: Catalog, goal: str) -> Model:
    """The classifier of that name, or one whose label is the segment's goal. Raises InputError."""
    from stream.commands.names import unknown_name
    from stream.commands.outcome import InputError

    classifiers = {name: model for name, model in catalog.models.items() if model.label is not None}
    if goal in classifiers:
        return classifiers[goal]
    segment = catalog.segments.get(goal)
    if segment is None:
        with_goals = [name for name, each in catalog.segments.items() if each.goal is not None]
        raise unknown_name(
            f"The catalog {catalog.name} has no classifier, and no segment with a goal,",
            goal,
            [*classifiers, *with_goals],
        )
    if segment.goal is None:
        raise InputError(
            f"The segment {goal} has no goal to propose conditions for.",
            remedy="Give it one in the catalog, such as goal: {event: Order Completed, within: 30d}.",
        )
    wanted = ("event", segment.goal.event, segment.goal.within_ms)
    for model in classifiers.values():
        if model.label is not None and (model.label.kind, model.label.event, model.label.within_ms) == wanted:
            return model
    from rules.text import duration_text

    within = duration_text(segment.goal.within_ms).strip('"')
    raise InputError(
        f"No classifier of the catalog has the goal of {goal} as its label, so no samples tell who reached it.",
        remedy=f"Declare one: kind: classifier, label: {{event: {segment.goal.event}, within: {within}}}.",
    )
