"""The settings of a command, and on stderr what was meant to be one and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.settings import Settings

__all__ = ["given_settings"]


def given_settings() -> Settings:
    """The settings as they stand. A variable or key that no setting has is told of: other programs may own it.

    Raises ConfigurationError as `load_settings` does.
    """
    from stream.commands.output import note
    from stream.settings import load_settings

    settings = load_settings()
    for warning in settings.warnings:
        note(f"Warning: {warning}")
    return settings
