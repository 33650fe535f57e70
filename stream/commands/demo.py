"""`tagstream demo`: a shop's live traffic, and what happens to its users, on screen."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, such as 90s or 5m.")] = "60s",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another shop.")] = 7,
) -> None:
    """A shop's live traffic on a stack of its own, what happens to its users, and a summary. Ctrl-C ends it early.

    The shop's clock starts in the past and runs fast, so that what only time brings about is seen too.
    """
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import quiet_libraries
    from stream.commands.signals import stop_on_signals
    from stream.demo.run import run_demo
    from stream.settings import parse_duration_ms

    try:
        for_s = parse_duration_ms(duration) / 1000
    except ValueError as error:
        raise typer.BadParameter(f"{duration!r} is no duration: {error}", param_hint="--for") from error
    settings = given_settings()
    quiet_libraries()
    with stop_on_signals("Closing the shop …") as stop:
        run_demo(settings, for_s=for_s, seed=seed, stop=stop)
