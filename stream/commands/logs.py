"""Where the log goes: to stderr, one line a message; libraries are heard only when something is wrong.

A server that is gone makes its client say so many times a second; of messages that begin alike only one in a while is
shown, so that what matters can be read.
"""

from __future__ import annotations

import logging
import sys

from stream.commands.output import note

__all__ = ["LIBRARIES", "Sparing", "log_to_stderr", "note_lost_kafka", "quiet_libraries"]

LIBRARIES = ("asyncio", "kafka", "numba", "redis")
_CHATTY = ("kafka", "tagstream.kafka")
_EVERY_S = 10.0
_ALIKE_CHARACTERS = 24


class Sparing(logging.Filter):
    """Lets through one of the messages that begin alike every `every_s` seconds of their own time stamps."""

    def __init__(self, every_s: float = _EVERY_S) -> None:
        super().__init__()
        self._every_s = every_s
        self._shown_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_CHATTY):
            return True
        alike = (record.name, record.getMessage()[:_ALIKE_CHARACTERS])
        if record.created - self._shown_s.get(alike, -self._every_s) < self._every_s:
            return False
        self._shown_s[alike] = record.created
        return True


class _LostKafka(logging.Handler):
    """Says in a sentence, now and then, what kafka-python says in many lines."""

    def __init__(self, brokers: str) -> None:
        super().__init__(logging.ERROR)
        self._brokers = brokers
        self._said_s = -_EVERY_S

    def emit(self, record: logging.LogRecord) -> None:
        if record.created - self._said_s >= _EVERY_S:
            self._said_s = record.created
            note(f"Kafka at {self._brokers} can't be reached; waiting for it. Ctrl-C ends the command.")


def note_lost_kafka(brokers: str) -> None:
    """For commands that read on and on: of kafka-python's log only that the connection is lost, in our own words."""
    logger = logging.getLogger("kafka")
    logger.handlers[:] = [_LostKafka(brokers)]
    logger.propagate = False


def log_to_stderr() -> None:
    """For processes that run on: what happens, from INFO up; from libraries only errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(Sparing())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def quiet_libraries() -> None:
    """For commands that answer and leave: what they have to say is in our own sentence."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
