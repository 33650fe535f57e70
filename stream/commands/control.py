"""`tagstream control`: one process of the control plane, which learns the models."""

from __future__ import annotations

from typing import Final

__all__ = ["control"]

_LEAVE_S: Final = 15.0
"""After it was asked to stop: ten seconds for Faust to stop, and five to publish what was learned."""
_END_S: Final = 10.0
"""Python waits at its end for threads; those of a Faust app that failed may never end."""
LIBRARIES: Final = ("aiokafka", "faust", "mode")


def control() -> None:
    """Learn the catalog's models from users' samples, publish what was learned, and switch the workers to it.

    One process is enough; a second one takes over from it, or shares the models. SIGTERM and Ctrl-C publish what was
    learned, for the next start, and end it.
    """
    import logging

    from stream.clock import SystemClock
    from stream.commands.given_settings import given_settings
    from stream.commands.logs import log_to_stderr
    from stream.commands.signals import stop_on_signals
    from stream.control.running import remove_folders, run_control
    from stream.embedded import resolve_addresses
    from stream.leaving import leave_in_time

    settings = given_settings()
    addresses = resolve_addresses(settings)
    log_to_stderr()
    for name in LIBRARIES:  # what they have to say of an error, it says too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with stop_on_signals("Publishing what was learned …") as stop:
            leave_in_time(_LEAVE_S, after=stop, last=lambda: remove_folders(settings))
            run_control(settings, addresses, SystemClock(), stop, on_ready=_say_ready)
    finally:
        leave_in_time(_END_S)


def _say_ready() -> None:
    import logging

    logging.getLogger("tagstream.control").info("ready: models are learned as samples come")
