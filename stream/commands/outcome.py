"""How a command ends: exit codes, and a sentence on stderr in place of a traceback.

0 done; 1 what was asked for failed; 2 bad usage or bad input, nothing changed. A command that a signal ended leaves
with 128 + the signal's number, as shells expect: 130 after Ctrl-C, 141 when the reader of its output went away, 143
after SIGTERM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from rules.errors import CatalogError
from stream.errors import ConfigurationError, TagstreamError
from tagstream.errors import ClientConfigurationError, TagstreamClientError

__all__ = ["FAILED", "INTERRUPTED", "READER_GONE", "REFUSED", "InputError", "one_outcome", "say_error"]

FAILED = 1
REFUSED = 2
INTERRUPTED = 130
READER_GONE = 141


class InputError(TagstreamError):
    """What was given on the command line, or in a file named there, can't be used. Nothing has been changed."""


@contextmanager
def one_outcome() -> Iterator[None]:
    """Turn every error that may be expected into its exit code, and into what is to be said about it on stderr.

    Anything else is a bug of ours and keeps its traceback.
    """
    try:
        yield
        sys.stdout.flush()
    except CatalogError as error:
        _say(str(error))
        raise typer.Exit(REFUSED) from error
    except (ConfigurationError, InputError) as error:
        say_error(error)
        raise typer.Exit(REFUSED) from error
    except TagstreamError as error:
        say_error(error)
        raise typer.Exit(FAILED) from error
    except TagstreamClientError as error:
        _say(f"tagstream: {error}")
        raise typer.Exit(REFUSED if isinstance(error, ClientConfigurationError) else FAILED) from error
    except BrokenPipeError as error:
        _let_go_of_stdout()
        raise typer.Exit(READER_GONE) from error
    except OSError as error:
        say_error(error)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


def say_error(error: TagstreamError | OSError) -> None:
    """Tell on stderr what is wrong on one line, what to do about it on the next."""
    if isinstance(error, OSError):
        _say(f"tagstream: {_without_number(error)}")
    else:
        _say(f"tagstream: {error.message}" + (f"\n  {error.remedy}" if error.remedy else ""))


def _without_number(error: OSError) -> str:
    """`No space left on device: /tmp/x` without the number that only programmers know."""
    what = error.strerror or str(error)
    return f"{what}: {error.filename}" if error.filename else what


def _say(text: str) -> None:
    with suppress(OSError):  # perhaps nobody listens on stderr; the exit code still tells
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _let_go_of_stdout() -> None:
    """Point stdout at nothing, so that Python's flush at exit doesn't complain about the closed pipe."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        pass  # stdout is no file (a test's buffer): there is no pipe to complain about
