from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tagstream.contracts import Position
from tagstream.progress import PartitionProgress, Step
from tagstream.versions import Gap, RecentVersions, SeenVersion, missed_before, next_seen


def follow(*changes: tuple[int, int]) -> list[str]:
    """What becomes of a user's changes, given as (incarnation, version), one after the other."""
    verdicts = []
    last: SeenVersion | None = None
    for incarnation, version in changes:
        seen = next_seen(last, incarnation, version)
        if seen is None:
            verdicts.append("repeat")
            continue
        after = missed_before(last, seen)
        verdicts.append("new" if after is None else f"gap after {after}")
        last = seen
    return verdicts


def test_versions_in_a_row_are_new() -> None:
    assert follow((5, 1), (5, 2), (5, 3)) == ["new", "new", "new"]


def test_a_first_version_above_one_is_no_gap() -> None:
    assert follow((5, 9), (5, 10)) == ["new", "new"]


def test_a_version_not_above_the_last_is_a_repeat() -> None:
    assert follow((5, 1), (5, 2), (5, 1), (5, 2), (5, 3)) == ["new", "new", "repeat", "repeat", "new"]


def test_left_out_versions_are_a_gap_and_what_comes_late_is_a_repeat() -> None:
    assert follow((5, 1), (5, 4), (5, 3), (5, 5)) == ["new", "gap after 1", "repeat", "new"]


def test_a_new_incarnation_begins_at_one() -> None:
    assert follow((5, 1), (5, 2), (80, 1), (80, 2)) == ["new", "new", "new", "new"]
    assert follow((5, 1), (80, 3)) == ["new", "gap after 0"]


def test_changes_of_the_incarnation_before_are_repeats_when_sent_again() -> None:
    assert follow((5, 1), (5, 2), (80, 1), (5, 2), (80, 1), (80, 2)) == ["new", "new", "new", "repeat", "repeat", "new"]


def test_a_log_created_anew_does_not_silence_a_user() -> None:
    assert follow((500, 1), (500, 2), (3, 1), (3, 2)) == ["new", "new", "new", "new"]


def test_a_gap_counts_what_is_missing() -> None:
    assert Gap("ada", 5, last_version=2, version=7, position=Position("t", 0, 1)).missed == 4


def test_the_users_seen_longest_ago_make_room() -> None:
    recent = RecentVersions(2)
    memory = recent.of_partition(0)
    for user in ("ada", "bob"):
        memory[user] = SeenVersion(1, 1)
    memory.get("ada")
    memory["cy"] = SeenVersion(1, 1)
    assert [user for user in ("ada", "bob", "cy") if memory.get(user) is not None] == ["ada", "cy"]


def test_the_users_of_a_partition_can_be_forgotten() -> None:
    recent = RecentVersions(10)
    recent.of_partition(0)["ada"] = SeenVersion(1, 1)
    recent.of_partition(1)["bob"] = SeenVersion(1, 4)
    recent.forget(0)
    assert (recent.get("ada"), recent.get("bob"), len(recent)) == (None, SeenVersion(1, 4), 1)


def test_only_what_is_done_up_to_here_is_committed() -> None:
    progress = PartitionProgress({})
    steps = [Step(offset) for offset in (10, 11, 14)]
    for step in steps:
        progress.begin(step)
    progress.finish(steps[1])
    assert (progress.to_commit, progress.under_way) == (None, 3)
    progress.finish(steps[0])
    assert (progress.to_commit, progress.under_way) == (12, 1)
    progress.finish(steps[2])
    assert (progress.to_commit, progress.under_way) == (15, 0)


def test_a_version_is_remembered_only_when_all_before_it_is_done() -> None:
    memory: dict[str, SeenVersion] = {}
    progress = PartitionProgress(memory)
    first, second = Step(1, "ada", SeenVersion(1, 1)), Step(2, "ada", SeenVersion(1, 2), done=True)
    progress.begin(first)
    progress.begin(second)
    assert (progress.last_seen("ada"), memory) == (SeenVersion(1, 2), {})
    progress.finish(first)
    assert (progress.last_seen("ada"), memory) == (SeenVersion(1, 2), {"ada": SeenVersion(1, 2)})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=40), st.randoms())
def test_whatever_the_order_of_done_memory_and_offset_agree(changes: list[tuple[int, int]], random: Random) -> None:
    """After any prefix of acknowledgements, memory is that of the changes below the offset to commit."""
    memory: dict[str, SeenVersion] = {}
    progress = PartitionProgress(memory)
    steps = []
    for offset, (user_number, version) in enumerate(changes):
        user = f"user-{user_number}"
        seen = next_seen(progress.last_seen(user), 1, version)
        steps.append(Step(offset, user, seen, done=seen is None))
        progress.begin(steps[-1])
    waiting = [step for step in steps if not step.done]
    random.shuffle(waiting)
    for step in waiting:
        progress.finish(step)
        expected: dict[str, SeenVersion] = {}
        for done in steps[: progress.next_offset or 0]:
            if done.user is not None and done.seen is not None:
                expected[done.user] = done.seen
        assert memory == expected
    assert progress.next_offset == (len(steps) or None)
