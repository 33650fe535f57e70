"""What all tests share: the embedded stack, Apache Kafka, a fresh app for each test, and a look at what it left."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

from stream.clock import SystemClock
from stream.embedded import Stack, start_stack
from stream.settings import Settings, load_settings
from tests.apache_kafka import ApacheKafka, start_apache_kafka

# `ci`, the default, is bounded and draws the same examples every time; HYPOTHESIS_PROFILE=deep searches on.
# No deadline: two cores are shared, and a slow example is no wrong one.
_PROFILE: dict[str, Any] = {
    "deadline": None,
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),  # explaining takes longer than the rest
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}
hypothesis_settings.register_profile("ci", derandomize=True, database=None, max_examples=100, **_PROFILE)
hypothesis_settings.register_profile("deep", max_examples=3_000, **_PROFILE)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell's background jobs, and what a CI starts, ignore Ctrl-C, and so would every program that tests start and end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# scikit-learn, which River imports where it is installed, sets these at its import; no test then seems to have.
os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "True")
os.environ.setdefault("KMP_INIT_AT_FORK", "FALSE")

LEAK_WAIT_S = 5.0
_OTHERS_THREADS = ("pytest_timeout",)
_session_kafkas: list[ApacheKafka] = []


@pytest.fixture(scope="session")
def runtime_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runtime folder of this test session's own."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(scope="session")
def stack(runtime_dir: Path) -> Iterator[Stack]:
    """The embedded stack, one for the whole session. Share it by using a `fresh_app`; don't flush or stop it."""
    with start_stack(load_settings({}, runtime_dir=runtime_dir)) as started:
        yield started


@pytest.fixture
def fresh_app() -> str:
    """A name that no other test's topics and keys have."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def settings(fresh_app: str, runtime_dir: Path) -> Settings:
    """Settings of a fresh app; no variable or file of this machine is read. Commands find the `stack` by them."""
    return load_settings({}, folder=runtime_dir, app=fresh_app, runtime_dir=runtime_dir)


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Apache Kafka, one node for the whole session; a test that kills it must start it again."""
    kafka = start_apache_kafka(tmp_path_factory.mktemp("kafka"))
    _session_kafkas.append(kafka)
    yield kafka
    kafka.close()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """A test ends the threads and processes it started, and leaves the environment and the folder as they were."""
    threads, processes = set(threading.enumerate()), _children()
    environment, folder = dict(os.environ), Path.cwd()
    yield
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + LEAK_WAIT_S
    while left := _threads() - threads | _children() - processes:
        if clock.monotonic_s() > deadline_s:
            pytest.fail(f"The test left running: {', '.join(map(str, left))}")
        clock.sleep_s(0.02)
    changed = dict(os.environ).items() ^ environment.items()
    assert {name for name, _ in changed if name != "PYTEST_CURRENT_TEST"} == set()
    assert Path.cwd() == folder


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith(_OTHERS_THREADS)}


def _children() -> set[psutil.Process]:
    """All but Apache Kafka, which lives for the session, and which a test may kill and start again."""
    kept = {process for kafka in _session_kafkas for process in kafka.processes()}
    return set(psutil.Process().children(recursive=True)) - kept
