"""All settings: `TAGSTREAM_*` variables, or a TOML file, or the default; each knows where its value came from.

`load_settings` is the way in. The file is `tagstream.toml` in the current folder, or the one that `TAGSTREAM_CONFIG`
names; its keys are the variables' names without the prefix, in lower case. A variable wins over the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream.errors import ConfigurationError
from tagstream.topics import (
    CATALOG,
    EVENTS,
    EVENTS_DLQ,
    LEARNER_STATE,
    MODELS,
    OPS_METRICS,
    PROFILE_SAMPLES,
    SEGMENT_CHANGES,
    topic_name,
)

__all__ = ["CONFIG_VARIABLE", "Delivery", "Origin", "Settings", "load_settings", "masked_url", "parse_duration_ms"]

PREFIX = "TAGSTREAM_"
CONFIG_VARIABLE = "TAGSTREAM_CONFIG"
DEFAULT_FILE = "tagstream.toml"
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = "a whole number and one unit of ms, s, m, h, d, w, such as 2s"
_TOPIC_NAME = r"^[A-Za-z0-9._-]{1,249}$"  # Kafka's own rule
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"  # goes into topic names, Redis hash tags and transactional ids

Delivery = Literal["exactly_once", "at_least_once"]


class Origin(StrEnum):
    """Where a setting's value came from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    ARGUMENT = "argument"


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration like `500ms`, `90s`, `30m`, `24h`, `7d`, `26w`. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,12})(ms|[smhdw])", text)
    if match is None:
        raise ValueError(_DURATION)
    return int(match[1]) * _UNITS_MS[match[2]]


def _duration(least: str, most: str) -> AfterValidator:
    least_ms, most_ms = parse_duration_ms(least), parse_duration_ms(most)

    def checked(text: str) -> str:
        try:
            if least_ms <= parse_duration_ms(text) <= most_ms:
                return text
        except ValueError as error:
            raise ValueError(f"{error}, from {least} to {most}") from error
        raise ValueError(f"{_DURATION}, from {least} to {most}")

    return AfterValidator(checked)


def _checked_brokers(text: str) -> str:
    for broker in text.split(","):
        host, _, port = broker.strip().rpartition(":")
        if not host or "/" in host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65_536:
            raise ValueError("host:port, or several of them with commas between, such as localhost:9092")
    return ",".join(broker.strip() for broker in text.split(","))


def _checked_redis(text: str) -> str:
    expected = "a Redis address such as redis://localhost:6379/0 (also rediss:// and unix://)"
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"redis", "rediss", "unix"}
        complete = bool(parts.path if parts.scheme == "unix" else parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        raise ValueError(expected) from error
    if not (known and complete):
        raise ValueError(expected)
    return text


TopicName = Annotated[str, Field(pattern=_TOPIC_NAME)]


class Settings(BaseSettings):
    """Every setting of every process. Frozen. Unset topics are named `{app}.…`; read them off `*_topic`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    kafka: Annotated[str, AfterValidator(_checked_brokers)] | None = Field(
        None, description="Kafka's bootstrap brokers; without it the embedded stack is used"
    )
    redis: Annotated[str, AfterValidator(_checked_redis)] | None = Field(
        None, description="Redis's address; without it the embedded stack is used"
    )
    app: Annotated[str, Field(pattern=_NAME)] = Field("tagstream", description="the app: prefix of topics and keys")
    delivery: Delivery | None = Field(
        None, description="how changes are published; default exactly_once, on the embedded broker at_least_once"
    )
    grace: Annotated[str, _duration("0ms", "52w")] = Field(
        "2s", description="how far the watermark stays behind the log's time"
    )
    worker: Annotated[str, Field(pattern=_NAME)] | None = Field(
        None, description="this worker's name; default host and slot. Two workers must not share one"
    )
    partitions: int = Field(4, ge=1, le=10_000, description="how many partitions a new events topic gets")
    runtime_dir: Path | None = Field(
        None, description="where a running embedded stack leaves its addresses; default a folder of the user's"
    )
    topic_events: TopicName | None = Field(None, description="the topic of events; default {app}.events")
    topic_segment_changes: TopicName | None = Field(
        None, description="the topic of changes; default {app}.segment-changes"
    )
    topic_events_dlq: TopicName | None = Field(None, description="the dead-letter topic; default {app}.events.dlq")
    topic_catalog: TopicName | None = Field(None, description="the topic of catalogs; default {app}.catalog")
    topic_profile_samples: TopicName | None = Field(
        None, description="the topic of what models learn from; default {app}.profile-samples"
    )
    topic_models: TopicName | None = Field(None, description="the topic of models' snapshots; default {app}.models")
    topic_learner_state: TopicName | None = Field(
        None, description="the topic of what the learner keeps for itself; default {app}.learner-state"
    )
    topic_ops_metrics: TopicName | None = Field(
        None, description="the topic of how good models are; default {app}.ops-metrics"
    )
    retention: Annotated[str, _duration("1m", "5200w")] = Field(
        "30d", description="how long new topics keep their records"
    )
    row_memory_mib: int = Field(512, ge=1, le=1_048_576, description="memory for rows of users, per partition")
    batch_max_records: int = Field(20_000, ge=1, le=1_000_000, description="records that a batch takes at most")
    batch_linger_ms: int = Field(5, ge=0, le=10_000, description="how long a batch waits to fill")
    due_step_users: int = Field(500, ge=1, le=100_000, description="users that a step of due users takes at most")
    offset_commit_ms: int = Field(
        1_000, ge=0, le=60_000, description="after how long a step without messages has its offset committed"
    )
    transaction_timeout_ms: int = Field(
        10_000, ge=1_000, le=900_000, description="how long a dead worker's transaction holds readers up"
    )
    session_timeout_ms: int | None = Field(
        None, ge=1_000, le=1_800_000, description="when a silent worker is given up; default 10000, embedded 2500"
    )
    redis_timeout_ms: int = Field(5_000, ge=100, le=600_000, description="how long Redis may take to answer")
    samples_per_s: int = Field(
        2_000, ge=0, le=1_000_000, description="samples for models that a worker publishes at most, a second"
    )
    snapshot_samples: int = Field(
        10_000, ge=1, le=1_000_000_000, description="after how many samples of a model its next snapshot is made"
    )
    snapshot_every: Annotated[str, _duration("1s", "52w")] = Field(
        "1h", description="after how long a model's next snapshot is made, if any sample has come"
    )

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _file: Path | None = PrivateAttr(default=None)

    @property
    def grace_ms(self) -> int:
        return parse_duration_ms(self.grace)

    @property
    def events_topic(self) -> str:
        return self.topic_events or topic_name(self.app, EVENTS)

    @property
    def segment_changes_topic(self) -> str:
        return self.topic_segment_changes or topic_name(self.app, SEGMENT_CHANGES)

    @property
    def events_dlq_topic(self) -> str:
        return self.topic_events_dlq or topic_name(self.app, EVENTS_DLQ)

    @property
    def catalog_topic(self) -> str:
        return self.topic_catalog or topic_name(self.app, CATALOG)

    @property
    def profile_samples_topic(self) -> str:
        return self.topic_profile_samples or topic_name(self.app, PROFILE_SAMPLES)

    @property
    def models_topic(self) -> str:
        return self.topic_models or topic_name(self.app, MODELS)

    @property
    def learner_state_topic(self) -> str:
        return self.topic_learner_state or topic_name(self.app, LEARNER_STATE)

    @property
    def ops_metrics_topic(self) -> str:
        return self.topic_ops_metrics or topic_name(self.app, OPS_METRICS)

    @property
    def snapshot_every_ms(self) -> int:
        return parse_duration_ms(self.snapshot_every)

    @property
    def retention_ms(self) -> int:
        return parse_duration_ms(self.retention)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where each setting's value came from; settings built without `load_settings` have none."""
        return self._origins

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on variables and keys that no setting has: probably misspelt."""
        return self._warnings

    @property
    def file(self) -> Path | None:
        """The TOML file that was read, if any."""
        return self._file

    def delivery_on(self, *, embedded: bool) -> Delivery:
        """The mode of delivery on this broker; transactions do not hold on the embedded one."""
        return self.delivery or ("at_least_once" if embedded else "exactly_once")

    def session_timeout_on(self, *, embedded: bool) -> int:
        """The consumer group's session timeout in ms. Joining a group takes half of it on the embedded broker."""
        return self.session_timeout_ms or (2_500 if embedded else 10_000)

    def runtime_path(self) -> Path:
        """The runtime folder's path; `stream.embedded` makes the folder."""
        if self.runtime_dir is not None:
            return self.runtime_dir
        base = os.environ.get("XDG_RUNTIME_DIR")
        if base and os.access(base, os.W_OK | os.X_OK):
            return Path(base) / "tagstream"
        return Path(tempfile.gettempdir()) / f"tagstream-{os.getuid()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is called with: `load_settings` reads the other sources, to know each value's origin."""
        return (init_settings,)


def load_settings(
    environment: Mapping[str, str] | None = None, *, folder: Path | None = None, **arguments: object
) -> Settings:
    """The settings as they stand. Raises ConfigurationError, naming all bad values and what is expected.

    environment: default the process's own.  folder: where `tagstream.toml` is looked for; default the current one.
    arguments: settings by field name that win over everything else; None counts as not given.
    """
    environment = os.environ if environment is None else environment
    path, in_file = _read_file(environment, folder or Path())
    in_environment = {
        name: environment[PREFIX + name.upper()]
        for name in Settings.model_fields
        if environment.get(PREFIX + name.upper())
    }
    in_arguments = {name: value for name, value in arguments.items() if value is not None}
    warnings = _unknown_variables(environment) + _unknown_keys(in_file, path)
    values: dict[str, Any] = {
        **{name: value for name, value in in_file.items() if name in Settings.model_fields},
        **in_environment,
        **in_arguments,
    }
    origins = dict.fromkeys(Settings.model_fields, Origin.DEFAULT)
    origins.update({name: Origin.FILE for name in in_file if name in origins})
    origins.update(dict.fromkeys(in_environment, Origin.ENVIRONMENT))
    origins.update({name: Origin.ARGUMENT for name in in_arguments if name in origins})
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _bad_values(error, origins, path) from None
    settings._origins = origins  # noqa: SLF001  # set once, here; pydantic's constructor takes fields only
    settings._warnings = warnings  # noqa: SLF001
    settings._file = path  # noqa: SLF001
    return settings


def masked_url(url: str) -> str:
    """A server's address without its password, to be shown to people."""
    return re.sub(r"(?<=://)([^/@]*?):[^/@]*@", r"\1:***@", url)


def _read_file(environment: Mapping[str, str], folder: Path) -> tuple[Path | None, dict[str, Any]]:
    named = environment.get(CONFIG_VARIABLE)
    path = Path(named) if named else folder / DEFAULT_FILE
    if not named and not path.is_file():
        return None, {}
    try:
        with path.open("rb") as file:
            return path, tomllib.load(file)
    except OSError as error:
        where = f"{CONFIG_VARIABLE} names {path}, which" if named else f"{path}"
        raise ConfigurationError(
            f"{where} can't be read: {error.strerror or error}.", remedy=f"Correct or unset {CONFIG_VARIABLE}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.", remedy="Correct the file.") from error


def _nearest(name: str, known: list[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {prefix}{close[0]}?" if close else "`tagstream doctor` lists the settings."


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    known = [name.upper() for name in Settings.model_fields] + [CONFIG_VARIABLE.removeprefix(PREFIX)]
    given = sorted(name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX))
    return tuple(
        f"The variable {PREFIX}{name} is no setting: {_nearest(name, known, PREFIX)}"
        for name in given
        if name not in known
    )


def _unknown_keys(in_file: Mapping[str, Any], path: Path | None) -> tuple[str, ...]:
    known = list(Settings.model_fields)
    unknown = sorted(name for name in in_file if name not in known)
    return tuple(f"The key {name} in {path} is no setting: {_nearest(name, known)}" for name in unknown)


_EXPECTED = {
    "app": "letters, digits, dots, hyphens and underscores, at most 100, a letter or digit first",
    "worker": "letters, digits, dots, hyphens and underscores, at most 100, a letter or digit first",
    "delivery": "exactly_once or at_least_once",
    "runtime_dir": "the path of a folder",
}


def _expected(name: str, message: str) -> str:
    if name in _EXPECTED:
        return _EXPECTED[name]
    if name.startswith("topic_"):
        return "a topic's name: letters, digits, dots, hyphens and underscores, at most 249"
    bounds = {
        key: getattr(item, key)
        for item in Settings.model_fields[name].metadata
        for key in ("ge", "le")
        if getattr(item, key, None) is not None
    }
    if bounds:
        return f"a whole number from {bounds['ge']} to {bounds['le']}"
    return message.removeprefix("Value error, ")


def _bad_values(error: ValidationError, origins: Mapping[str, Origin], path: Path | None) -> ConfigurationError:
    """A line for each setting, in the order of the settings."""
    first = {str(each["loc"][0]): each for each in reversed(error.errors(include_url=False))}
    lines = []
    for name in (name for name in Settings.model_fields if name in first):
        where = {
            Origin.FILE: f"{name} in {path}",
            Origin.ARGUMENT: f"the setting {name}",
        }.get(origins.get(name, Origin.DEFAULT), f"the variable {PREFIX}{name.upper()}")
        value = first[name]["input"]
        shown = masked_url(value) if isinstance(value, str) else value
        lines.append(f"Bad value {shown!r} for {where}: expected {_expected(name, first[name]['msg'])}.")
    return ConfigurationError("\n".join(lines), remedy=f"Correct or unset {'it' if len(lines) == 1 else 'them'}.")
