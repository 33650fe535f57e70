"""The engine equals the reference on logs made for one rule at a time, where random ones seldom go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.property.engine_runs import check_in_two_batches, one_users_records
from tests.property.random_logs import DAY_MS, GRACE_MS, START_MS
from tests.property.reference_runs import share

TRAITS = """
catalog: traits
version: 1
tags:
  value: trait("x")
  number: trait("x") + 1
  text: trait("x") == "a"
  flag: trait("x")
segments:
  one: {when: value == 1}
  a: {when: text}
  on: {when: flag and has(value)}
  cut: {when: 'trait("x") in ["LONG", ""]'}
  there: {when: has(value)}
""".replace("LONG", "\u00e9" * 128)

DUPLICATES = """
catalog: duplicates
version: 1
tags:
  accepted: count()
segments:
  odd: {when: 'accepted in [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]'}
"""

AMOUNTS = """
catalog: amounts
version: 1
tags:
  total: sum("A", "x")
  minute: sum("A", "x", last="1m")
segments:
  nothing: {when: total == 0}
  third: {when: total == 0.3}
  tiny: {when: 0 < minute <= 0.000002, exit: minute > 0.000003}
  least: {when: 'minute in [0.000001, -0.000001]'}
"""

AMOUNT_VALUES: tuple[float, ...] = (
    0, 0.1, 0.2, 0.3, -0.3, 1e-6, -1e-6, 5e-7, 1.5e-6, 2.5e-6, -5e-7, -1.5e-6, 4.9e-7, 5.1e-7, 1e-320, 0.1000005,
    1.0000005, 1.0000015, 999_999_999_999, -999_999_999_999, 999_999_999_998.9999, 123_456_789.123_456_7,
)  # fmt: skip


@share(0.6)
@given(st.data())
def test_of_two_traits_the_newer_stays_and_at_one_time_the_later(data: st.DataObject) -> None:
    values: st.SearchStrategy[object] = st.sampled_from(
        (1, 1, 2, 1.0, True, False, None, "a", "b", "", "a" * 255 + "\u00e9", "\u00e9" * 130, [], {"a": 1})
    )
    times = st.sampled_from((0, 1, 2, 2, 1_000))
    documents: list[tuple[int, int, dict[str, object]]] = [
        (START_MS + data.draw(times), START_MS + 2_000, {"type": "identify", "traits": {"x": data.draw(values)}})
        for _ in range(data.draw(st.integers(1, 12)))
    ]
    check_in_two_batches(TRAITS, one_users_records(documents), data.draw(st.integers(0, len(documents))))


@share(0.6)
@given(st.data())
def test_a_message_id_is_known_for_a_day_of_moments_and_64_events(data: st.DataObject) -> None:
    documents: list[tuple[int, int, dict[str, object]]] = []
    clock_ms = START_MS
    crowd = data.draw(st.sampled_from((0, 0, 62, 63, 64)))
    for place in range(data.draw(st.integers(2, 12))):
        clock_ms += data.draw(st.sampled_from((0, 0, 1, DAY_MS - 1, DAY_MS, DAY_MS + 1)))
        late_ms = data.draw(st.sampled_from((0, 0, 0, 2 * DAY_MS)))
        log_ms = clock_ms + data.draw(st.sampled_from((0, GRACE_MS, GRACE_MS + 1)))
        log_ms = max(log_ms, documents[-1][1] if documents else 0)
        message_id = data.draw(st.sampled_from(("m1", "m1", "m2", "")))
        documents.append((clock_ms - late_ms, log_ms, {"type": "page", "messageId": message_id}))
        if place == 0:
            others = [(clock_ms, log_ms, {"type": "alias", "messageId": f"other{number}"}) for number in range(crowd)]
            documents += [(t_ms, log, {**fields}) for t_ms, log, fields in others]
    check_in_two_batches(DUPLICATES, one_users_records(documents), data.draw(st.integers(0, len(documents))))


@share(0.6)
@given(st.data())
def test_amounts_are_rounded_half_to_even_and_added_up_exactly(data: st.DataObject) -> None:
    documents: list[tuple[int, int, dict[str, object]]] = []
    clock_ms = START_MS
    for _ in range(data.draw(st.integers(1, 15))):
        clock_ms += data.draw(st.sampled_from((0, 0, 1_000, 30_000)))
        amount = data.draw(st.one_of(st.sampled_from(AMOUNT_VALUES), st.floats(-1e12, 1e12), st.integers(-20, 20)))
        fields: dict[str, object] = {"type": "track", "event": "A", "properties": {"x": amount}}
        documents.append((clock_ms, clock_ms, fields))
    check_in_two_batches(AMOUNTS, one_users_records(documents), data.draw(st.integers(0, len(documents))))
