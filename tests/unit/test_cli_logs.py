from __future__ import annotations

import logging

from stream.commands.logs import Sparing


def shown(messages: list[tuple[str, float, str]]) -> list[str]:
    sparing = Sparing(every_s=10)
    through = []
    for name, created, text in messages:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, None, None)
        record.created = created
        if sparing.filter(record):
            through.append(text)
    return through


def test_of_alike_messages_of_a_client_one_in_ten_seconds_is_shown() -> None:
    gone = [("tagstream.kafka", second / 10, f"FAIL connection refused, no broker ({second})") for second in range(300)]
    assert len(shown(gone)) == 3


def test_what_begins_otherwise_is_shown() -> None:
    assert len(shown([("kafka.client", 0.0, "connection lost"), ("kafka.client", 0.1, "topic is missing")])) == 2


def test_what_the_worker_itself_says_is_always_shown() -> None:
    assert len(shown([("tagstream.worker", 0.0, "partition 1 is paused")] * 3)) == 3
