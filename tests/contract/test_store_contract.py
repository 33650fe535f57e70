"""What every store does, Redis, a Redis Cluster and memory alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from stream.engine.result import NEVER_MS
from stream.worker.errors import DoubtError, FencedError
from stream.worker.memory_store import MemoryStore
from stream.worker.position import STEPS_PER_OWNER, Committed, Position, decode_position
from stream.worker.redis_store import RedisStore
from stream.worker.store import BUCKETS, StepWrite, Store, buckets_of
from tests.contract.redis_servers import connected, redis_cluster, redis_server

FIRST = Position(
    step=0,
    next_offset=0,
    log_time_ms=0,
    watermark_ms=0,
    catalog="shop",
    catalog_version=1,
    model_versions={},
    walk=None,
    partition_count=4,
    topic_id="t",
    origins={},
    published={},
)


@pytest.fixture(scope="module", params=["memory", "redis", "cluster"])
def make_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], Store]]:
    """Stores that share one place of keeping, emptied before each is made."""
    if request.param == "memory":
        yield MemoryStore
        return
    with (redis_cluster if request.param == "cluster" else redis_server)() as url:
        stores = []

        def made() -> Store:
            with connected(url) as client:
                client.flushall()
            stores.append(RedisStore(url, app="app", partition_count=4))
            return stores[-1]

        yield made
        for store in stores:
            store.close()


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()


def take(store: Store, *, committed_step: int | None = None, mark: bytes = b"") -> Position:
    taken = store.acquire(3, committed_step=committed_step, mark=mark, first=FIRST.encode_body())
    assert taken is not None
    return decode_position(taken.position, 3)


def write(before: Position, *, step: int | None = None, **changes: object) -> StepWrite:
    after = dataclass_replace(before, step=step or before.step + 1, next_offset=before.next_offset + 1)
    values = {"expected_step": before.step, "position": after.encode(), "published_step": 0, **changes}
    return StepWrite(**values)  # type: ignore[arg-type]  # the test's own keywords


def dataclass_replace(position: Position, **changes: object) -> Position:
    import msgspec

    return msgspec.structs.replace(position, **changes)


def stored_position(store: Store) -> Position:
    stored = store.position(3)
    assert stored is not None
    return decode_position(stored, 3)


def test_a_store_that_keeps_everything_is_accepted(store: Store) -> None:
    store.check()


def test_nothing_is_made_where_there_is_no_position_and_none_is_wanted(store: Store) -> None:
    assert store.acquire(3, committed_step=7, mark=b"", first=None) is None
    assert store.position(3) is None


def test_a_first_position_is_made_with_the_first_step_of_an_owner(store: Store) -> None:
    taken = store.acquire(3, committed_step=None, mark=b"", first=FIRST.encode_body())
    assert taken is not None
    assert (taken.before, taken.outbox, taken.due_ms) == (None, None, None)
    assert decode_position(taken.position, 3) == dataclass_replace(FIRST, step=STEPS_PER_OWNER)
    assert store.position(3) == taken.position


def test_each_taking_raises_the_step_to_the_next_multiple(store: Store) -> None:
    steps = [take(store).step for _ in range(3)]
    position = stored_position(store)
    store.commit(3, write(position, step=position.step + 5))
    steps.append(take(store).step)
    assert steps == [STEPS_PER_OWNER * k for k in (1, 2, 3, 4)]


def test_taking_raises_the_step_above_the_committed_one_too(store: Store) -> None:
    take(store)
    assert take(store, committed_step=9 * STEPS_PER_OWNER + 17).step == 10 * STEPS_PER_OWNER


def test_steps_past_what_a_double_holds_are_kept_exactly(store: Store) -> None:
    step = (2**31 + 3) * STEPS_PER_OWNER
    take(store)
    position = take(store, committed_step=step + 1)
    assert position.step == step + STEPS_PER_OWNER
    store.commit(3, write(position, step=position.step + 1))
    with pytest.raises(FencedError):
        store.commit(3, write(position, step=position.step + 2))


def test_a_position_behind_the_committed_step_is_marked(store: Store) -> None:
    position = take(store)
    committed = Committed(12, position.step + 1, 1, {})
    marked = take(store, committed_step=committed.step, mark=Position.encode_mark(committed))
    assert marked.replay_to == committed
    assert stored_position(store).replay_to == committed


def test_a_position_at_or_past_the_committed_step_is_not_marked(store: Store) -> None:
    position = take(store)
    committed = Committed(12, position.step, 1, {})
    assert take(store, committed_step=position.step, mark=Position.encode_mark(committed)).replay_to is None


def test_a_mark_stays_until_a_step_takes_it_off(store: Store) -> None:
    position = take(store)
    committed = Committed(12, position.step + 1, 1, {})
    take(store, committed_step=committed.step, mark=Position.encode_mark(committed))
    again = take(store)
    assert again.replay_to == committed
    store.commit(3, write(dataclass_replace(again, replay_to=None)))
    assert take(store).replay_to is None


def test_a_first_position_takes_its_own_mark(store: Store) -> None:
    mark = Position.encode_mark(Committed(5, None))
    taken = store.acquire(3, committed_step=None, mark=b"", first=FIRST.encode_body(), first_mark=mark)
    assert taken is not None
    assert decode_position(taken.position, 3).replay_to == Committed(5, None)


def test_i1_a_position_advances_only_from_its_exact_predecessor(store: Store) -> None:
    position = take(store)
    store.commit(3, write(position))
    left = store.position(3)
    for expected in (position.step, position.step + 2, 0):
        with pytest.raises(FencedError):
            store.commit(3, dataclasses.replace(write(position), expected_step=expected))
    assert store.position(3) == left


def test_i2_a_step_changes_everything_or_nothing(store: Store) -> None:
    position = take(store)
    done = write(
        position,
        outbox=b"%016x-out" % (position.step + 1),
        rows=[("ann", b"row\x00a"), ("伯", b"row\xffb")],
        sizes={"vip": 2, "new": 1, "old": 0},
        entered={"vip": ["ann", "伯"]},
        due=[("ann", 50), ("伯", 40)],
    )
    assert store.commit(3, done) == 40
    kept = (["ann", "伯"], {"vip": 2, "new": 1})
    assert (sorted(store.members(3, "vip")), store.sizes(3)) == kept
    refused = write(
        position,  # not where the partition stands any more
        rows=[("ann", b"x"), ("cid", b"y")],
        sizes={"vip": 5},
        entered={"vip": ["cid"]},
        left={"vip": ["ann"]},
        due=[("ann", NEVER_MS), ("cid", 1)],
    )
    with pytest.raises(FencedError):
        store.commit(3, refused)
    assert (sorted(store.members(3, "vip")), store.sizes(3)) == kept
    assert store.rows(3, ["ann", "伯", "cid"]) == [b"row\x00a", b"row\xffb", None]
    assert store.due(3, 1_000, 10) == ["伯", "ann"]


def test_members_leave_and_sizes_fall(store: Store) -> None:
    position = take(store)
    store.commit(3, write(position, sizes={"vip": 2}, entered={"vip": ["ann", "bob"]}))
    store.commit(3, write(stored_position(store), sizes={"vip": -1}, left={"vip": ["ann"]}))
    assert (list(store.members(3, "vip")), store.sizes(3)) == (["bob"], {"vip": 1})


def test_i5_an_outbox_is_not_overwritten_before_it_is_published(store: Store) -> None:
    position = take(store)
    store.commit(3, write(position, outbox=b"%016x-out" % (position.step + 1)))
    next_position = stored_position(store)
    for outbox in (b"%016x-more" % (next_position.step + 1), b""):
        with pytest.raises(DoubtError):
            store.commit(3, write(next_position, published_step=next_position.step - 1, outbox=outbox))
    taken = store.acquire(3, committed_step=None, mark=b"", first=None)
    assert taken is not None
    assert taken.outbox == b"%016x-out" % (position.step + 1)


def test_a_published_outbox_goes_with_the_next_step(store: Store) -> None:
    position = take(store)
    store.commit(3, write(position, outbox=b"%016x-out" % (position.step + 1)))
    next_position = stored_position(store)
    store.commit(3, write(next_position, published_step=next_position.step))
    taken = store.acquire(3, committed_step=None, mark=b"", first=None)
    assert taken is not None
    assert taken.outbox is None


def test_i7_after_a_takeover_the_old_owners_commit_fails(store: Store) -> None:
    old = take(store)
    new = take(store)
    with pytest.raises(FencedError):
        store.commit(3, write(old, rows=[("ann", b"old")]))
    store.commit(3, write(new, rows=[("ann", b"new")]))
    assert store.rows(3, ["ann"]) == [b"new"]


def test_due_users_come_by_time_then_by_name_and_never_takes_them_out(store: Store) -> None:
    due = [("b", 10), ("a", 10), ("Ä", 10), ("c", 5), ("d", 99), ("e", 7)]
    store.commit(3, write(take(store), due=due))
    assert store.due(3, 10, 10) == ["c", "e", "a", "b", "Ä"]
    assert store.due(3, 10, 2) == ["c", "e"]
    first_due = store.commit(3, write(stored_position(store), due=[("c", NEVER_MS), ("e", 200), ("zed", NEVER_MS)]))
    assert first_due == 10
    assert store.due(3, 1_000, 10) == ["a", "b", "Ä", "d", "e"]


def test_the_smallest_due_time_is_known_at_the_taking(store: Store) -> None:
    store.commit(3, write(take(store), due=[("ann", 1_764_000_000_123)]))
    taken = store.acquire(3, committed_step=None, mark=b"", first=None)
    assert taken is not None
    assert taken.due_ms == 1_764_000_000_123


def test_thousands_of_users_go_in_one_step(store: Store) -> None:
    users = [f"user-{number}" for number in range(20_000)]
    step = write(
        take(store),
        rows=[(user, user.encode() * 3) for user in users],
        sizes={"vip": len(users)},
        entered={"vip": users},
        due=[(user, 1_000 + place) for place, user in enumerate(users)],
    )
    assert store.commit(3, step) == 1_000
    assert store.rows(3, users) == [user.encode() * 3 for user in users]
    assert set(store.members(3, "vip")) == set(users)
    assert dict(store.scan(3)) == {user: user.encode() * 3 for user in users}
    store.commit(3, write(stored_position(store), left={"vip": users}, due=[(user, NEVER_MS) for user in users]))
    assert (list(store.members(3, "vip")), store.due(3, 10**9, 10)) == ([], [])


def test_steps_of_several_partitions_go_together_and_each_stands_for_itself(store: Store) -> None:
    position = take(store)
    for partition in (1, 2):
        store.acquire(partition, committed_step=None, mark=b"", first=FIRST.encode_body())
    good = write(position, due=[("ann", 7)])
    refused = dataclasses.replace(good, expected_step=5)
    due_ms, error, another = store.commit_all([(1, good), (2, refused), (3, good)])
    assert (due_ms, type(error), another) == (7, FencedError, 7)
    assert [store.due(partition, 10, 10) for partition in (1, 2, 3)] == [["ann"], [], ["ann"]]
    assert store.commit_all([]) == []


def test_partitions_do_not_touch_each_other(store: Store) -> None:
    position = take(store)
    store.commit(3, write(position, rows=[("ann", b"three")], sizes={"vip": 1}, due=[("ann", 5)]))
    store.acquire(2, committed_step=None, mark=b"", first=FIRST.encode_body())
    assert (store.rows(2, ["ann"]), store.sizes(2), store.due(2, 10, 10)) == ([None], {}, [])
    assert stored_position(store).step == position.step + 1


def test_backfilled_rows_lie_beside_the_rows_and_go_by_buckets(store: Store) -> None:
    users = [f"user-{number}" for number in range(300)]
    filled = [(user, b"filled " + user.encode()) for user in users]
    store.commit(3, write(take(store), rows=[("user-1", b"row")], filled=filled))
    assert store.filled(3, ["user-1", "nobody", "user-299"]) == [b"filled user-1", None, b"filled user-299"]
    assert store.rows(3, ["user-1", "user-2"]) == [b"row", None]
    buckets = buckets_of(users, 4)
    passed = set(buckets[:100])
    store.commit(3, write(stored_position(store), unfilled=sorted(passed)))
    assert store.filled(3, users) == [
        None if bucket in passed else row for bucket, (_, row) in zip(buckets, filled, strict=True)
    ]
    assert store.rows(3, ["user-1"]) == [b"row"]


def test_rows_can_be_read_bucket_by_bucket(store: Store) -> None:
    users = sorted(f"user-{number}" for number in range(3_000))
    store.commit(3, write(take(store), rows=[(user, user.encode()) for user in users]))
    lengths = store.bucket_lengths(3)
    assert (len(lengths), sum(lengths)) == (BUCKETS, 3_000)
    found = [row for start in range(0, BUCKETS, 100) for row in store.buckets(3, range(BUCKETS)[start : start + 100])]
    assert [len(rows) for rows in found] == lengths
    assert sorted(user for rows in found for user, _ in rows) == users
    assert all(rows == sorted(rows) for rows in found)
    assert store.buckets(3, [7, 5]) == [found[7], found[5]]


def test_sizes_and_sets_of_segments_that_are_gone_go(store: Store) -> None:
    sizes = {"vip": 2, "old": 0, "life=new": 3}
    members = {"vip": ["ann"], "old": ["ann", "bob"]}
    store.commit(3, write(take(store), sizes=sizes, entered=members))
    store.commit(3, write(stored_position(store), gone_sizes=["old", "life=new", "never"], gone_sets=["old", "never"]))
    assert (store.sizes(3), list(store.members(3, "old")), list(store.members(3, "vip"))) == ({"vip": 2}, [], ["ann"])


def test_workers_leave_reports_and_take_them_away(store: Store) -> None:
    store.report("host-0", b"one")
    store.report("host-1", b"two words")
    store.report("host-0", b"three")
    reports = store.reports()
    assert {worker: text for worker, (_, text) in reports.items()} == {"host-0": b"three", "host-1": b"two words"}
    assert all(0 <= age_ms < 5_000 for age_ms, _ in reports.values())
    store.report("host-0", None)
    assert list(store.reports()) == ["host-1"]
    store.report("host-1", None)
    assert store.reports() == {}
