from __future__ import annotations

import json

import pytest

from stream.learning import LearningError, Sample, encode_sample, parse_sample

LABELLED = Sample("churn", "女-1", 2_000, "label", (1.5, None, -3.0), label=True, opened_ms=1_000, catalog_version=7)


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(encode_sample(LABELLED)) | changes).encode()


def test_a_sample_is_read_as_it_was_written() -> None:
    moment = Sample("rfm", "a", 5, "moment", (1.0, None))
    assert parse_sample(encode_sample(LABELLED)) == LABELLED
    assert parse_sample(encode_sample(moment)) == moment


def test_numbers_without_end_are_missing() -> None:
    assert parse_sample(changed(values=[1e999, 10**400, 2])).values == (None, None, 2.0)
    infinite = Sample("m", "a", 0, "moment", (float("inf"), float("nan"), 1.0))
    assert parse_sample(encode_sample(infinite)).values == (None, None, 1.0)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"model": 3}, "model"),
        ({"model": "\ud800"}, "model"),
        ({"catalog": "c" * 600}, "catalog"),
        ({"user": ""}, "user"),
        ({"at": -1}, "at"),
        ({"at": True}, "at"),
        ({"why": "because"}, "why"),
        ({"values": []}, "values"),
        ({"values": "1"}, "values"),
        ({"values": [1, "2"]}, "values[1]"),
        ({"values": [True]}, "values[0]"),
        ({"label": 1}, "label"),
        ({"opened": None}, "opened"),
        ({"opened": 2_001}, "opened"),
        ({"catalog_version": "1"}, "catalog_version"),
    ],
)
def test_a_bad_sample_is_refused_with_the_place(changes: dict[str, object], place: str) -> None:
    with pytest.raises(LearningError) as caught:
        parse_sample(changed(**changes))
    assert caught.value.place == place


@pytest.mark.parametrize("data", [b"", b"[]", b"nonsense", b"\xff", b"[" * 60_000, b" " * 70_000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(LearningError):
        parse_sample(data)
