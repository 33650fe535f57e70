from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream.errors import ConfigurationError
from stream.settings import Origin, Settings, load_settings, masked_url, parse_duration_ms


def test_without_anything_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings({}, folder=tmp_path)
    assert (settings.kafka, settings.redis, settings.app) == (None, None, "tagstream")
    assert (settings.grace_ms, settings.retention_ms) == (2_000, 30 * 86_400_000)
    assert set(settings.origins.values()) == {Origin.DEFAULT}
    assert settings.warnings == ()
    assert settings.file is None


def test_an_argument_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "tagstream.toml").write_text('app = "a"\ngrace = "3s"\npartitions = 8\n', encoding="utf-8")
    settings = load_settings({"TAGSTREAM_APP": "b", "TAGSTREAM_GRACE": "4s"}, folder=tmp_path, app="c", worker=None)
    assert (settings.app, settings.grace, settings.partitions) == ("c", "4s", 8)
    assert settings.origins["app"] == Origin.ARGUMENT
    assert settings.origins["grace"] == Origin.ENVIRONMENT
    assert settings.origins["partitions"] == Origin.FILE
    assert settings.origins["worker"] == Origin.DEFAULT
    assert settings.file == tmp_path / "tagstream.toml"


def test_a_variable_names_another_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('app = "elsewhere"\n', encoding="utf-8")
    assert load_settings({"TAGSTREAM_CONFIG": str(path)}, folder=Path("/")).app == "elsewhere"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert load_settings({"TAGSTREAM_KAFKA": ""}, folder=tmp_path).kafka is None


def test_a_file_that_is_not_there_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"TAGSTREAM_CONFIG names .*none\.toml, which can't be read"):
        load_settings({"TAGSTREAM_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("content", [b'app = "a', b"app = '\xff'", b"= 3"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tagstream.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"tagstream\.toml is not valid TOML"):
        load_settings({}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("KAFKA", "localhost", "host:port"),
        ("KAFKA", "localhost:0", "host:port"),
        ("KAFKA", "a:1,,b:2", "host:port"),
        ("REDIS", "localhost:6379", "a Redis address such as redis://localhost:6379/0"),
        ("REDIS", "redis://", "a Redis address such as redis://localhost:6379/0"),
        ("REDIS", "redis://h:99999/0", "a Redis address such as redis://localhost:6379/0"),
        ("APP", "a b", "letters, digits, dots, hyphens and underscores"),
        ("APP", "{a}", "letters, digits, dots, hyphens and underscores"),
        ("DELIVERY", "once", "exactly_once or at_least_once"),
        ("GRACE", "2", "a whole number and one unit of ms, s, m, h, d, w"),
        ("GRACE", "-2s", "a whole number and one unit of ms, s, m, h, d, w"),
        ("GRACE", "99999999999w", "a whole number and one unit of ms, s, m, h, d, w, such as 2s, from 0ms to 52w"),
        ("RETENTION", "0s", "a whole number and one unit of ms, s, m, h, d, w, such as 2s, from 1m to 5200w"),
        ("RETENTION", "9999999w", "a whole number and one unit of ms, s, m, h, d, w, such as 2s, from 1m to 5200w"),
        ("SNAPSHOT_EVERY", "0s", "a whole number and one unit of ms, s, m, h, d, w, such as 2s, from 1s to 52w"),
        ("SNAPSHOT_EVERY", "53w", "a whole number and one unit of ms, s, m, h, d, w, such as 2s, from 1s to 52w"),
        ("PARTITIONS", "many", "a whole number from 1 to 10000"),
        ("PARTITIONS", "0", "a whole number from 1 to 10000"),
        ("SESSION_TIMEOUT_MS", "5", "a whole number from 1000 to 1800000"),
        ("TOPIC_EVENTS", "a/b", "a topic's name"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_is_expected(name: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({f"TAGSTREAM_{name}": value}, folder=Path("/"))
    message = str(caught.value)
    assert message.startswith(f"Bad value {value!r} for the variable TAGSTREAM_{name}: expected {expected}")
    assert "\n" not in message


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"TAGSTREAM_GRACE": "2", "TAGSTREAM_PARTITIONS": "0", "TAGSTREAM_KAFKA": "x"}, folder=Path("/"))
    lines = caught.value.message.splitlines()
    assert [re.findall(r"the variable (\w+): expected", line) for line in lines] == [
        ["TAGSTREAM_KAFKA"],
        ["TAGSTREAM_GRACE"],
        ["TAGSTREAM_PARTITIONS"],
    ]
    assert caught.value.remedy == "Correct or unset them."


def test_a_bad_value_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "tagstream.toml").write_text('partitions = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"Bad value 'x' for partitions in .*tagstream\.toml"):
        load_settings({}, folder=tmp_path)


def test_a_bad_value_shows_no_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"TAGSTREAM_REDIS": "http://:secret@host:1/0"}, folder=Path("/"))
    assert "secret" not in str(caught.value)


def test_a_misspelt_variable_or_key_is_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "tagstream.toml").write_text('graec = "3s"\n', encoding="utf-8")
    settings = load_settings({"TAGSTREAM_KAFAK": "a:1", "TAGSTREAM_QQQQ": "1", "OTHER": "1"}, folder=tmp_path)
    assert settings.warnings == (
        "The variable TAGSTREAM_KAFAK is no setting: did you mean TAGSTREAM_KAFKA?",
        "The variable TAGSTREAM_QQQQ is no setting: `tagstream doctor` lists the settings.",
        f"The key graec in {tmp_path / 'tagstream.toml'} is no setting: did you mean grace?",
    )


def test_topics_are_named_after_the_app_unless_they_are_set() -> None:
    settings = load_settings({"TAGSTREAM_APP": "shop", "TAGSTREAM_TOPIC_EVENTS": "clicks"}, folder=Path("/"))
    assert (settings.events_topic, settings.segment_changes_topic, settings.events_dlq_topic) == (
        "clicks",
        "shop.segment-changes",
        "shop.events.dlq",
    )


def test_delivery_and_session_follow_the_broker_unless_they_are_set() -> None:
    unset, chosen = Settings(), Settings(delivery="at_least_once", session_timeout_ms=7_000)
    assert [unset.delivery_on(embedded=embedded) for embedded in (True, False)] == ["at_least_once", "exactly_once"]
    assert [unset.session_timeout_on(embedded=embedded) for embedded in (True, False)] == [2_500, 10_000]
    assert chosen.delivery_on(embedded=False) == "at_least_once"
    assert chosen.session_timeout_on(embedded=True) == 7_000


def test_several_brokers_may_have_spaces_between_them() -> None:
    assert load_settings({"TAGSTREAM_KAFKA": "a:1, b:2"}, folder=Path("/")).kafka == "a:1,b:2"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("500ms", 500), ("90s", 90_000), ("30m", 1_800_000), ("24h", 86_400_000), ("26w", 26 * 604_800_000)],
)
def test_a_duration_is_a_whole_number_and_one_unit(text: str, milliseconds: int) -> None:
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "s", "1.5s", "1s ", "1 s", "1S", "1y", "１s", "1" * 13 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number and one unit"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("rediss://me:secret@h/0", "rediss://me:***@h/0"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown
