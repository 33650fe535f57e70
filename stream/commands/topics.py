"""`tagstream topics`: what the app's topics are, and making those that are missing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from stream.commands.options import AsJson
from stream.commands.outcome import FAILED
from stream.commands.output import colour, note, print_json, print_line, print_table

if TYPE_CHECKING:
    from stream.topics import Finding, TopicState

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


@app.callback()
def topics(context: typer.Context, as_json: AsJson = False) -> None:
    """The app's topics: which are there, and whether they are set up right. [bold]create[/bold] makes missing ones.

    Exit code 1 if a worker could not run on them as they are.
    """
    if context.invoked_subcommand is not None:
        return
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.embedded import resolve_addresses
    from stream.topics import describe_topics, verify_topics

    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings, redis_needed=False)
    states = describe_topics(settings, addresses)
    findings = verify_topics(settings, addresses)
    if as_json:
        print_json({"topics": [_report(state) for state in states], "findings": [asdict(each) for each in findings]})
    else:
        _print(states, findings)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(FAILED)


@app.command("create")
def create(as_json: AsJson = False) -> None:
    """Make the topics that are missing, with the right settings. Touches nothing that is there."""
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.embedded import resolve_addresses
    from stream.topics import ensure_topics, verify_topics

    quiet_libraries()
    settings = given_settings()
    addresses = resolve_addresses(settings, redis_needed=False)
    made = ensure_topics(settings, addresses)
    findings = verify_topics(settings, addresses)
    if as_json:
        print_json({"created": list(made), "findings": [asdict(each) for each in findings]})
        return
    for name in made:
        print_line(f"created  {name}")
    if not made:
        note("All topics are there already.")
    for finding in findings:
        note(f"{finding.severity}: {finding.topic}: {finding.message} {finding.remedy}")


def _report(state: TopicState) -> dict[str, object]:
    return {
        "name": state.plan.name,
        "exists": state.exists,
        "partitions": state.partitions,
        "replicas": state.replicas,
        "settings": dict(state.settings or {}),
    }


def _print(states: tuple[TopicState, ...], findings: tuple[Finding, ...]) -> None:
    rows = [
        (
            state.plan.name,
            state.partitions if state.exists else "missing",
            state.replicas or "",
            ", ".join(f"{name}={value}" for name, value in sorted((state.settings or {}).items())),
        )
        for state in states
    ]
    print_table({"topic": "<", "partitions": ">", "replicas": ">", "settings": "<"}, rows)
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        print_line()
        print_line(f"{colour(finding.severity, style)}: {finding.topic}: {finding.message}")
        print_line(f"  {finding.remedy}")
