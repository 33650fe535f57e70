from __future__ import annotations

from hashlib import sha256

import pytest

from tagstream.errors import ClientConfigurationError
from tagstream.ids import change_id, dead_letter_id, forward_id
from tagstream.topics import EVENTS, EVENTS_DLQ, SEGMENT_CHANGES, check_topic, topic_name


def test_a_changes_id_is_known_and_stays() -> None:
    assert change_id("tagstream", "李雷", 1, 1) == "5be8166225cd8f7f7c7a7ebd15095f03"
    assert change_id("tagstream", "李雷", 1, 2) == "3eea6b64fc006350137e9768018741be"


def test_the_ids_of_letters_and_forwards_tell_the_place_and_the_topic() -> None:
    expected = sha256(b"shop\x1fevents.dlq\x1f2\x1f17").hexdigest()[:32]
    assert dead_letter_id("shop", 2, 17) == expected
    ids = {
        dead_letter_id("shop", 2, 17),
        forward_id("shop", 2, 17),
        forward_id("shop", 21, 7),
        forward_id("other", 2, 17),
    }
    assert len(ids) == 4


def test_topics_are_named_after_the_app() -> None:
    names = [topic_name("shop", kind) for kind in (EVENTS, SEGMENT_CHANGES, EVENTS_DLQ)]
    assert names == ["shop.events", "shop.segment-changes", "shop.events.dlq"]


@pytest.mark.parametrize("app", ["", "-shop", "sh op", "shop{1}", "shop:1", "Läden", "x" * 201])
def test_an_app_that_cannot_name_topics_is_refused(app: str) -> None:
    with pytest.raises(ClientConfigurationError, match="cannot start the names of topics"):
        topic_name(app, EVENTS)


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "x" * 250])
def test_a_topic_that_kafka_would_not_take_is_refused(topic: str) -> None:
    with pytest.raises(ClientConfigurationError, match="is no name that Kafka takes"):
        check_topic(topic)
