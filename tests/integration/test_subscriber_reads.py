from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from stream.embedded import Stack
from tagstream import (
    Change,
    ClientClosedError,
    ClientConfigurationError,
    Gap,
    KafkaUnavailableError,
    MalformedMessage,
    OtherChange,
    SeenVersion,
    Subscriber,
    TopicMissingError,
)
from tagstream.partitioning import partition_of
from tests.unit.tagstream.change_messages import Published, published, segment_change, unknown_change

PARTITIONS = 4
WAIT_S = 15.0
QUIET_S = 1.0
NOBODY = "127.0.0.1:9"


class Worker:
    """Publishes changes as a worker does: each into its user's partition."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._kafka = KafkaProducer(bootstrap_servers=brokers)
        self._topic = topic

    def publish(self, *messages: Published) -> None:
        for message in messages:
            partition = partition_of(message.key.decode(), PARTITIONS)
            self._kafka.send(self._topic, message.value, message.key, list(message.headers), partition)
        self._kafka.flush()

    def close(self) -> None:
        self._kafka.close()


@pytest.fixture
def topic(stack: Stack, fresh_app: str) -> str:
    name = f"{fresh_app}.segment-changes"
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka)
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    admin.close()
    return name


@pytest.fixture
def worker(stack: Stack, topic: str) -> Iterator[Worker]:
    made = Worker(stack.kafka, topic)
    yield made
    made.close()


@pytest.fixture
def subscribe(stack: Stack, fresh_app: str, topic: str) -> Iterator[Callable[..., Subscriber]]:
    """Makes subscribers of the fresh app, of group "crm" unless told otherwise; closes them at the end."""
    made: list[Subscriber] = []

    def make(**arguments: Any) -> Subscriber:
        made.append(Subscriber(stack.kafka, app=fresh_app, **{"group": "crm", **arguments}))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()


def entry(user: str, version: int, **arguments: Any) -> Published:
    return published(segment_change(user, version, **arguments))


def take(subscriber: Subscriber, count: int) -> list[tuple[str, int]]:
    """User and version of the next changes, `count` of them."""
    found: list[tuple[str, int]] = []
    while len(found) < count:
        change = subscriber.next_change(WAIT_S)
        assert change is not None, f"only {found} came"
        found.append((change.user, change.version))
    return found


def committed(brokers: str, topic: str, group: str = "crm") -> int:
    """How many records the group has told Kafka it is done with, over all partitions."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, group_id=group, enable_auto_commit=False)
    offsets = [consumer.committed(TopicPartition(topic, partition)) or 0 for partition in range(PARTITIONS)]
    consumer.close()
    return sum(offsets)


def test_changes_come_in_order_once_each(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    worker.publish(
        *(entry("ada", version) for version in (1, 2, 2, 3, 1, 4)), *(entry("bob", version) for version in (1, 2))
    )
    subscriber = subscribe()
    found = take(subscriber, 6)
    assert subscriber.next_change(QUIET_S) is None
    assert [version for user, version in found if user == "ada"] == [1, 2, 3, 4]
    assert [version for user, version in found if user == "bob"] == [1, 2]
    assert (subscriber.counts.delivered, subscriber.counts.repeats, subscriber.counts.gaps) == (6, 2, 0)


def test_a_change_tells_what_the_worker_published(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    sent = [segment_change("李雷", 1), segment_change("李雷", 2, exited=True, cause="time")]
    worker.publish(*map(published, sent))
    subscriber = subscribe()
    assert [subscriber.next_change(WAIT_S), subscriber.next_change(WAIT_S)] == sent


def test_gaps_are_reported_before_the_change_behind_them(
    worker: Worker, subscribe: Callable[..., Subscriber], topic: str
) -> None:
    story: list[object] = []
    worker.publish(
        entry("ada", 5),
        entry("ada", 6),
        entry("ada", 9),
        entry("ada", 1, incarnation=99),
        entry("ada", 3, incarnation=99),
    )
    subscriber = subscribe(on_gap=story.append, idle_timeout_s=5.0)
    for change in subscriber:
        story.append(change.version)
        if len(story) == 7:
            break
    gaps = [each for each in story if isinstance(each, Gap)]
    assert [each if isinstance(each, int) else "gap" for each in story] == [5, 6, "gap", 9, 1, "gap", 3]
    assert [(gap.incarnation, gap.last_version, gap.version, gap.missed) for gap in gaps] == [
        (7, 6, 9, 2),
        (99, 1, 3, 1),
    ]
    assert (gaps[0].user, gaps[0].position.topic, gaps[0].position.offset) == ("ada", topic, 2)
    assert (subscriber.counts.gaps, subscriber.counts.missed) == (2, 3)


def test_a_gap_is_logged_where_nobody_listens(
    worker: Worker, subscribe: Callable[..., Subscriber], caplog: pytest.LogCaptureFixture
) -> None:
    worker.publish(entry("ada", 1), entry("ada", 4))
    take(subscribe(), 2)
    assert "changes of user 'ada' that never came: 2 before version 4" in caplog.text


def test_a_change_is_done_when_the_next_is_asked_for(
    stack: Stack, topic: str, worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    worker.publish(*(entry("ada", version) for version in (1, 2, 3)))
    first = subscribe()
    assert take(first, 2) == [("ada", 1), ("ada", 2)]
    first.close()  # as after an error: the second is in hand, and not done
    assert committed(stack.kafka, topic) == 1
    assert take(subscribe(), 2) == [("ada", 2), ("ada", 3)]


def test_leaving_the_block_finishes_the_change_at_hand(
    stack: Stack, topic: str, worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    worker.publish(*(entry("ada", version) for version in (1, 2, 3)))
    with subscribe() as subscriber:
        for change in subscriber:
            if change.version == 2:
                break
    assert committed(stack.kafka, topic) == 2
    assert take(subscribe(), 1) == [("ada", 3)]


def test_an_error_in_the_block_leaves_the_change_at_hand_for_later(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    def greet() -> None:
        with subscribe() as subscriber:
            for change in subscriber:
                if change.version == 2:
                    raise LookupError("the mail server is down")

    worker.publish(*(entry("ada", version) for version in (1, 2, 3)))
    with pytest.raises(LookupError, match="mail server"):
        greet()
    assert take(subscribe(), 2) == [("ada", 2), ("ada", 3)]


def test_what_is_no_change_is_reported_and_passed_over(
    stack: Stack, topic: str, worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    reported: list[MalformedMessage] = []
    good = entry("ada", 1)
    worker.publish(
        Published(b"ada", b"\xff\xfe", ()),
        Published(b"ada", b"{}", ()),
        good,
        Published(b"ada", good.value.replace(b'"version":1', b'"version":0'), good.headers),
        entry("ada", 2),
    )
    with subscribe(on_malformed=reported.append) as subscriber:
        assert take(subscriber, 2) == [("ada", 1), ("ada", 2)]
    assert [message.position.offset for message in reported] == [0, 1, 3]
    assert [message.value for message in reported][:2] == [b"\xff\xfe", b"{}"]
    assert "data.version" in str(reported[2].error)
    assert committed(stack.kafka, topic) == 5


def test_a_callback_that_raises_is_asked_again(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    failures = iter([LookupError("the pager is down")])

    def page(_: Gap) -> None:
        for failure in failures:
            raise failure

    worker.publish(entry("ada", 1), entry("ada", 3))
    subscriber = subscribe(on_gap=page)
    take(subscriber, 1)
    with pytest.raises(LookupError, match="pager"):
        subscriber.next_change(WAIT_S)
    assert take(subscriber, 1) == [("ada", 3)]
    assert subscriber.counts.gaps == 1


def test_kinds_to_come_are_passed_over_and_leave_no_gap(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    worker.publish(entry("ada", 1), unknown_change("ada", 2), unknown_change("ada", 3), entry("ada", 4))
    subscriber = subscribe()
    assert take(subscriber, 2) == [("ada", 1), ("ada", 4)]
    assert (subscriber.counts.unknown_types, subscriber.counts.gaps) == (2, 0)


def test_kinds_to_come_are_handed_out_if_asked_for(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    worker.publish(entry("ada", 1), unknown_change("ada", 2))
    subscriber = subscribe(unknown_types=True)
    take(subscriber, 1)
    change = subscriber.next_change(WAIT_S)
    assert isinstance(change, OtherChange)
    assert (change.type, change.version) == ("tagstream.mood.changed", 2)


@pytest.mark.parametrize("with_headers", [True, False])
def test_changes_of_chosen_segments_only(
    worker: Worker, subscribe: Callable[..., Subscriber], with_headers: bool
) -> None:
    messages = [
        entry("ada", 1, segment="lapsed"),
        entry("ada", 2),
        unknown_change("ada", 3),
        entry("ada", 4, segment="bargain"),
        entry("ada", 7, segment="lapsed"),
        entry("ada", 8),
    ]
    if not with_headers:
        messages = [Published(message.key, message.value, ()) for message in messages]
    worker.publish(*messages)
    subscriber = subscribe(segments=["vip", "bargain"])
    assert take(subscriber, 3) == [("ada", 2), ("ada", 4), ("ada", 8)]
    assert subscriber.counts.filtered + subscriber.counts.unknown_types == 3
    # Versions 5 and 6 never came, and might have been of these segments; 1, 3 and 7 came, and were not.
    assert (subscriber.counts.gaps, subscriber.counts.missed) == (1, 2)


def test_a_new_group_can_begin_with_what_is_to_come(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    users = [f"user-{number}" for number in range(20)]
    worker.publish(*(entry(user, 1) for user in users))
    first = subscribe(start="latest")
    assert first.next_change(4.0) is None
    first.close()
    # It has never handed out anything, yet its place is kept: what comes while it is away is not passed over.
    worker.publish(*(entry(user, 2) for user in users))
    assert sorted(take(subscribe(start="latest"), 20)) == sorted((user, 2) for user in users)


def test_versions_that_are_kept_drop_repeats_across_restarts(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    kept: dict[str, SeenVersion] = {}
    worker.publish(entry("ada", 1), entry("ada", 2))
    with subscribe(versions=kept) as first:
        take(first, 2)
    assert kept == {"ada": SeenVersion(7, 2)}
    worker.publish(entry("ada", 2), entry("ada", 3), entry("ada", 5))
    second = subscribe(versions=kept)
    assert take(second, 2) == [("ada", 3), ("ada", 5)]
    assert (second.counts.repeats, second.counts.gaps) == (1, 1)


def test_by_hand_changes_are_done_in_any_order(
    stack: Stack, topic: str, worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    worker.publish(*(entry("ada", version) for version in (1, 2, 3, 4)))
    first = subscribe(acknowledge="manual")
    changes = [first.next_change(WAIT_S) for _ in range(4)]
    for index in (3, 1, 0):
        change = changes[index]
        assert change is not None
        first.done(change)
        first.done(change)
    first.close()
    assert committed(stack.kafka, topic) == 2
    assert take(subscribe(acknowledge="manual"), 2) == [("ada", 3), ("ada", 4)]


def test_by_hand_no_more_are_handed_out_than_may_be_under_way(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    worker.publish(*(entry("ada", version) for version in range(1, 7)))
    subscriber = subscribe(acknowledge="manual", max_in_flight=2)
    in_hand = [subscriber.next_change(WAIT_S) for _ in range(2)]
    assert subscriber.next_change(QUIET_S) is None

    def finish_one_later() -> None:
        time.sleep(0.3)  # the caller below is to be waiting by then; if not, the test passes all the same
        assert in_hand[0] is not None
        subscriber.done(in_hand[0])

    helper = threading.Thread(target=finish_one_later)
    helper.start()
    third = subscriber.next_change(WAIT_S)
    helper.join()
    assert third is not None
    assert third.version == 3


def read_until_stopped(subscriber: Subscriber, into: list[tuple[str, int]], pause_s: float = 0.0) -> threading.Thread:
    """A thread that reads until `stop`, working `pause_s` on each change."""

    def read() -> None:
        with subscriber:
            for change in subscriber:
                into.append((change.user, change.version))
                time.sleep(pause_s)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline_s, f"waited in vain until {what}"
        time.sleep(0.02)


def test_stop_ends_the_iteration_from_another_thread(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    seen: list[tuple[str, int]] = []
    worker.publish(entry("ada", 1))
    subscriber = subscribe()
    thread = read_until_stopped(subscriber, seen)
    wait_until(lambda: len(seen) == 1, "the change was read")
    subscriber.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_subscribers_of_a_group_share_the_users_through_comings_and_goings(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    """Changes flow while a second subscriber comes and the first one goes: all once, in order, no false gap."""
    users = [f"user-{number}" for number in range(20)]
    gaps: list[Gap] = []
    seen: list[list[tuple[str, int]]] = [[], []]
    subscribers: list[Subscriber] = []
    threads: list[threading.Thread] = []
    version = 0

    def publish_while(holds: Callable[[], bool], what: str) -> None:
        def published_one_more() -> bool:
            nonlocal version
            version += 1
            worker.publish(*(entry(user, version) for user in users))
            return not holds()

        wait_until(published_one_more, what)

    for reader in seen:
        subscribers.append(subscribe(on_gap=gaps.append))
        threads.append(read_until_stopped(subscribers[-1], reader))
        publish_while(lambda: len(reader) < 50, "it reads, too")  # noqa: B023  # asked in this round only
    subscribers[0].stop()
    publish_while(threads[0].is_alive, "the first one is gone")
    publish_while(lambda: len(subscribers[1]._reader.progress) < PARTITIONS, "the second one has all")
    expected = {(user, each) for user in users for each in range(1, version + 1)}
    wait_until(lambda: {*seen[0], *seen[1]} == expected, "all were read")
    subscribers[1].stop()
    threads[1].join(10)
    assert gaps == []
    assert Counter(seen[0] + seen[1]) == Counter(expected)
    for reader in seen:
        for user in users:
            versions = [version for each, version in reader if each == user]
            assert versions == sorted(versions)


def test_others_can_join_while_a_batch_is_worked_through_slowly(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    users = [f"user-{number}" for number in range(200)]
    worker.publish(*(entry(user, 1) for user in users))
    seen: list[list[tuple[str, int]]] = [[], []]
    slow = subscribe()
    threads = [read_until_stopped(slow, seen[0], pause_s=0.05)]
    wait_until(lambda: len(seen[0]) > 0, "the slow one reads")
    quick = subscribe()
    threads.append(read_until_stopped(quick, seen[1]))
    wait_until(lambda: len(seen[0]) + len(seen[1]) >= 200, "all were read")
    for subscriber in (slow, quick):
        subscriber.stop()
    for thread in threads:
        thread.join(10)
    assert sorted(seen[0] + seen[1]) == sorted((user, 1) for user in users)
    assert len(seen[1]) > 0


def test_a_partition_that_comes_back_is_read_on_without_false_gaps(
    worker: Worker, subscribe: Callable[..., Subscriber]
) -> None:
    """Another one reads on where this one was, then goes: to this one, the versions in between are no gap."""
    gaps: list[Gap] = []
    stays = subscribe(on_gap=gaps.append)
    users = [f"user-{number}" for number in range(12)]
    worker.publish(*(entry(user, 1) for user in users))
    take(stays, 12)
    seen: list[list[tuple[str, int]]] = [[], []]
    threads = [read_until_stopped(stays, seen[0])]
    guest = subscribe(on_gap=gaps.append)
    threads.append(read_until_stopped(guest, seen[1]))
    version = 1
    while not seen[1]:
        version += 1
        worker.publish(*(entry(user, version) for user in users))
        wait_until(lambda: len(seen[0]) + len(seen[1]) >= 12 * (version - 1), "a round was read")  # noqa: B023
    guest.stop()
    threads[1].join(10)
    worker.publish(*(entry(user, version + 1) for user in users))
    wait_until(lambda: len(seen[0]) + len(seen[1]) >= 12 * version, "the last round was read")
    stays.stop()
    threads[0].join(10)
    assert gaps == []
    assert Counter(seen[0] + seen[1]) == Counter((user, each) for user in users for each in range(2, version + 2))


def test_nobody_at_the_address_is_said_in_time() -> None:
    with pytest.raises(KafkaUnavailableError, match=f"no Kafka broker answers at {NOBODY} within 0.5 s"):
        Subscriber(NOBODY, group="crm", connect_timeout_s=0.5)


def test_a_missing_topic_is_named(stack: Stack, fresh_app: str) -> None:
    with pytest.raises(TopicMissingError, match=rf"'{fresh_app}\.segment-changes' does not exist"):
        Subscriber(stack.kafka, group="crm", app=fresh_app)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"group": ""}, "group '' is no name"),
        ({"start": "yesterday"}, "start 'yesterday' is unknown; pass one of earliest, latest"),
        ({"acknowledge": "never"}, "acknowledge 'never' is unknown"),
        ({"isolation": "serializable"}, "isolation 'serializable' is unknown"),
        ({"options": {"colour": "blue"}}, "kafka-python does not take these options"),
        ({"topic": "no topic"}, "'no topic' is no name that Kafka takes"),
    ],
)
def test_arguments_that_cannot_be_right_are_refused(
    subscribe: Callable[..., Subscriber], arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ClientConfigurationError, match=problem):
        subscribe(**arguments)


def test_a_closed_subscriber_says_so(subscribe: Callable[..., Subscriber]) -> None:
    subscriber = subscribe()
    subscriber.close()
    with pytest.raises(ClientClosedError, match="this subscriber is closed"):
        subscriber.next_change(0)


def test_a_change_is_in_the_readers_hands_soon(worker: Worker, subscribe: Callable[..., Subscriber]) -> None:
    subscriber = subscribe()
    subscriber.next_change(4.0)  # joins the group
    delays_s: list[float] = []
    for version in range(1, 41):
        worker.publish(entry("ada", version))
        before_s = time.monotonic()
        change: Change | None = subscriber.next_change(WAIT_S)
        delays_s.append(time.monotonic() - before_s)
        assert change is not None
    assert sorted(delays_s)[20] < 0.05
