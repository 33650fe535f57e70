"""The process of an embedded broker, to be stopped, or killed as a machine without memory would."""

from __future__ import annotations

import psutil


def broker_process(brokers: str) -> psutil.Process:
    """The broker at this address; it is a launcher's child, and ends with it."""
    servers = [each for each in psutil.Process().children(recursive=True) if each.cmdline()[1:2] == ["broker"]]
    (found,) = [each for each in servers if f"tcp://{brokers}" in each.cmdline()]
    return found
