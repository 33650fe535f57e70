from __future__ import annotations

from datetime import UTC, datetime

from stream.demo.tally import Moves, Tally, percentile_ms
from tagstream.contracts import Change, parse_change

AT = datetime(2025, 11, 11, 12, 0, tzinfo=UTC)


def change(
    segment: str,
    *,
    entered: bool = True,
    cause: str = "event",
    partition: int = 0,
    offset: int = 0,
    user: str = "li.na",
) -> Change:
    place = f'{{"partition":{partition},"offset":{offset}}}' if cause == "event" else "null"
    stayed = "" if entered else '"stayed_ms":7200000,'
    return parse_change(
        f'{{"specversion":"1.0","id":"x{partition}-{offset}-{segment}-{entered}","source":"/tagstream/tagstream/0",'
        f'"type":"tagstream.segment.{"entered" if entered else "exited"}","subject":"{user}",'
        f'"time":"{AT.isoformat()}","datacontenttype":"application/json","data":{{"user":"{user}","incarnation":0,'
        f'"version":1,"cause":"{cause}","catalog_version":1,"model_versions":{{}},"tags":{{"orders":3}},'
        f'"record":{place},"segment":"{segment}","kind":"value",{stayed}"title":"T"}}}}'.encode()
    )


def live_tally() -> Tally:
    tally = Tally()
    tally.go_live(0.0)
    return tally


def test_sizes_are_entries_less_exits() -> None:
    tally = live_tally()
    for user in ("a", "b", "c"):
        tally.add_change(change("vip", user=user), 1.0)
    tally.add_change(change("vip", entered=False, user="b"), 1.0)
    snapshot = tally.snapshot(1.0)
    assert snapshot.sizes == {"vip": 2}
    assert snapshot.moves == {"vip": Moves(entered=3, exited=1)}


def test_latency_is_from_sending_to_having_the_change_in_hand() -> None:
    tally = live_tally()
    tally.add_place(2, 17, sent_s=5.0)
    tally.add_change(change("vip", partition=2, offset=17), 5.25)
    assert tally.latencies_s() == (0.25,)
    assert tally.snapshot(5.5).recent_s == (0.25,)


def test_a_change_may_come_before_kafka_has_said_where_its_event_lies() -> None:
    tally = live_tally()
    tally.add_change(change("vip", partition=1, offset=3), 5.5)
    tally.add_change(change("active", partition=1, offset=3), 6.0)
    tally.add_place(1, 3, sent_s=5.0)
    assert tally.latencies_s() == (0.5, 1.0)


def test_changes_by_time_have_no_latency_and_are_counted_apart() -> None:
    tally = live_tally()
    tally.add_change(change("silent", cause="time"), 2.0)
    tally.add_change(change("active", entered=False, cause="time"), 2.0)
    tally.add_change(change("vip"), 2.0)
    snapshot = tally.snapshot(2.0)
    assert (snapshot.live_changes, snapshot.live_by_time) == (3, 2)
    assert tally.latencies_s() == ()
    assert [seen.segment for seen in snapshot.by_time] == ["silent", "active"]
    assert snapshot.by_time[1].stayed_ms == 7_200_000


def test_it_goes_live_once_ten_changes_in_a_row_follow_their_events_within_a_second() -> None:
    tally = Tally()
    slow = [tally.is_live]
    for offset in range(100, 120):
        tally.add_place(0, offset, sent_s=10.0)
        tally.add_change(change("vip", offset=offset), 14.0)
    slow.append(tally.is_live)
    for offset in range(120, 129):
        tally.add_place(0, offset, sent_s=15.0)
        tally.add_change(change("vip", offset=offset), 15.5)
    slow.append(tally.is_live)
    assert slow == [False, False, False]
    tally.add_place(0, 129, sent_s=15.0)
    tally.add_change(change("active", offset=129), 15.5)
    snapshot = tally.snapshot(16.5)
    assert snapshot.live_s == 1.0
    assert snapshot.live_changes == 1
    # What was sent before does not tell how fast the live part is.
    assert tally.latencies_s() == ()


def test_one_partition_that_still_works_through_the_past_holds_the_live_part_up() -> None:
    tally = Tally()
    for offset in range(500, 560):
        tally.add_place(0, offset, sent_s=1.0)
        tally.add_change(change("vip", offset=offset), 1.1)
        if offset % 8 == 0:
            tally.add_change(change("vip", partition=1, offset=offset - 500), 1.1)  # nothing live was sent there so far
    assert not tally.is_live


def test_what_was_sent_before_the_live_part_counts_as_past() -> None:
    tally = Tally()
    tally.add_sent(1_000, past=True)
    tally.add_sent(50, past=False)
    tally.go_live(1.0)
    tally.add_sent(7, past=False)
    snapshot = tally.snapshot(2.0)
    assert (snapshot.sent, snapshot.past) == (1_057, 1_050)


def test_rates_are_per_second_of_the_clock() -> None:
    tally = live_tally()
    tally.snapshot(0.0)
    tally.add_sent(300, past=False)
    tally.snapshot(0.5)  # too early for another point
    tally.add_sent(300, past=False)
    snapshot = tally.snapshot(2.0)
    assert snapshot.event_rate == 300.0
    assert snapshot.event_rates == (300.0,)


def test_dead_letters_are_counted_by_reason() -> None:
    tally = live_tally()
    for reason in ("not_json", "no_user", "not_json"):
        tally.add_dead_letter(reason)
    assert tally.snapshot(1.0).dead_letters == {"not_json": 2, "no_user": 1}


def test_percentiles_are_of_the_nearest_rank() -> None:
    hundred = tuple(number / 1000 for number in range(1, 101))
    assert percentile_ms(hundred, 0.5) == 51.0
    assert percentile_ms(hundred, 0.99) == 100.0
    assert percentile_ms((0.007,), 0.99) == 7.0
    assert percentile_ms((), 0.5) is None
