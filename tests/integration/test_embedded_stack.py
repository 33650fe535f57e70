from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer

from stream.clock import SystemClock
from stream.embedded import Addresses, Stack, find_stack, resolve_addresses, runtime_folder, start_stack
from stream.embedded import stack as stack_module
from stream.embedded.probes import is_broker, is_redis
from stream.embedded.server import free_ports
from stream.errors import ConfigurationError, EmbeddedStackError, UnavailableError
from stream.settings import Settings, load_settings
from stream.topics import ensure_topics

DEADLINE_S = 20.0
CLOCK = SystemClock()


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings with a runtime folder of this test's own."""
    return load_settings({}, folder=tmp_path, runtime_dir=tmp_path / "runtime")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = CLOCK.monotonic_s() + DEADLINE_S
    while not condition():
        assert CLOCK.monotonic_s() < deadline_s, "it did not happen in time"
        CLOCK.sleep_s(0.01)


def answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def redis_address(url: str) -> str:
    return url.split("@")[1].split("/", maxsplit=1)[0]


def starter(own: Settings, then: str) -> subprocess.Popen[str]:
    """A process that starts a stack, prints its addresses, and goes on with `then`."""
    code = f"""
        import os, signal, sys, threading, time
        from pathlib import Path
        from stream.embedded import start_stack
        from stream.settings import load_settings
        def start():
            global stack
            stack = start_stack(load_settings({{}}, runtime_dir=Path({str(own.runtime_dir)!r})))
            print(stack.kafka, stack.redis, flush=True)
    """
    program = textwrap.dedent(code) + then
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())


@pytest.fixture
def kill_at_end() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_kafka_carries_records_and_redis_keeps_keys(stack: Stack, settings: Settings) -> None:
    ensure_topics(settings, stack.addresses)
    producer = KafkaProducer(bootstrap_servers=stack.kafka)
    producer.send(settings.events_topic, b"hello", key=b"user", partition=1).get(timeout=10)
    producer.close()
    consumer = KafkaConsumer(
        settings.events_topic, bootstrap_servers=stack.kafka, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    record = next(consumer)
    consumer.close()
    assert (record.partition, record.key, record.value) == (1, b"user", b"hello")
    with redis.Redis.from_url(stack.redis) as client:
        assert client.set(settings.app, "here")
        assert client.get(settings.app) == b"here"


def test_redis_is_in_memory_never_evicts_and_asks_for_the_password(stack: Stack) -> None:
    with redis.Redis.from_url(stack.redis) as client:
        settings = client.config_get("*")
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "no", "save": "", "bind": "127.0.0.1"}
    assert {name: settings[name] for name in wanted} == wanted
    with (
        redis.Redis.from_url(f"redis://{redis_address(stack.redis)}/0") as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_it_is_up_in_a_few_seconds_found_while_it_runs_and_gone_afterwards(own: Settings) -> None:
    assert find_stack(own) is None
    started_s = CLOCK.monotonic_s()
    with start_stack(own) as stack:
        assert CLOCK.monotonic_s() - started_s < 5
        assert find_stack(own) == stack.addresses
        assert resolve_addresses(own) == stack.addresses
        assert stack.addresses.embedded
        stack.check()
    assert find_stack(own) is None
    assert not answers(stack.kafka)
    assert not answers(redis_address(stack.redis))
    assert [path.name for path in runtime_folder(own).iterdir()] == ["stack.lock"]
    stack.close()


def test_what_lies_in_the_runtime_folder_is_the_users_alone(own: Settings) -> None:
    with start_stack(own):
        folder = runtime_folder(own)
        private = [folder, folder / "stack.json", *folder.glob("stack-*"), *folder.glob("stack-*/redis.conf")]
        assert len(private) == 4
        assert {oct(stat.S_IMODE(path.stat().st_mode) & 0o077) for path in private} == {"0o0"}


def test_a_second_stack_is_refused_and_one_of_ones_own_is_not(own: Settings) -> None:
    with start_stack(own) as first:
        with pytest.raises(EmbeddedStackError, match="is running already"):
            start_stack(own)
        with start_stack(own, advertise=False) as second:
            assert second.kafka != first.kafka
        assert find_stack(own) == first.addresses


@pytest.mark.parametrize(
    "then",
    [
        "start(); time.sleep(60)",
        # The thread that starts the stack ends at once; the stack must not.
        "thread = threading.Thread(target=start); thread.start(); thread.join(); time.sleep(60)",
        # A forked child that outlives the starter must not keep the stack.
        "start()\nif os.fork() == 0:\n    sys.stdout.close(); os.close(1); time.sleep(60)\ntime.sleep(60)",
    ],
    ids=["plain", "thread", "fork"],
)
def test_nothing_survives_a_starter_that_is_killed(
    own: Settings, kill_at_end: list[subprocess.Popen[str]], then: str
) -> None:
    process = starter(own, then)
    kill_at_end.append(process)
    assert process.stdout is not None
    kafka, redis_url = process.stdout.readline().split()
    family = psutil.Process(process.pid).children(recursive=True)
    servers = [child for child in family if "launcher" in " ".join(child.cmdline()) or child.ppid() != process.pid]
    assert len(servers) == 4
    CLOCK.sleep_s(0.1)  # long enough for a death signal tied to the thread to arrive
    assert answers(kafka)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(child.is_running() for child in servers))
    assert not answers(kafka)
    assert not answers(redis_address(redis_url))
    for child in family:
        if child not in servers and child.is_running():
            child.kill()
    assert find_stack(own) is None
    with start_stack(own) as stack:
        assert find_stack(own) == stack.addresses
    assert [path.name for path in runtime_folder(own).iterdir()] == ["stack.lock"]


@pytest.mark.parametrize("then", ["start()", "start(); sys.exit(3)", "start(); os.kill(os.getpid(), signal.SIGTERM)"])
def test_nothing_survives_a_starter_that_ends_without_closing(
    own: Settings, kill_at_end: list[subprocess.Popen[str]], then: str
) -> None:
    process = starter(own, then)
    kill_at_end.append(process)
    assert process.stdout is not None
    kafka, redis_url = process.stdout.readline().split()
    process.wait(DEADLINE_S)
    wait_until(lambda: not answers(kafka) and not answers(redis_address(redis_url)))
    assert find_stack(own) is None


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(own: Settings) -> None:
    with start_stack(own):
        servers = psutil.Process().children(recursive=True)
        assert os.getpgid(0) not in {os.getpgid(server.pid) for server in servers}


def test_a_killed_launcher_takes_its_server_with_it_and_check_says_so(own: Settings) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Linux tells a child of its parent's death")
    others = set(psutil.Process().children())
    with start_stack(own) as stack:
        for launcher in set(psutil.Process().children()) - others:
            launcher.kill()
        wait_until(lambda: not answers(stack.kafka) and not answers(redis_address(stack.redis)))
        with pytest.raises(EmbeddedStackError, match=r"The embedded (broker|Redis) has ended"):
            stack.check()


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = [other.getsockname()[1]] * 2
        attempts = [taken, [free_ports(1)[0], taken[0]]]
        monkeypatch.setattr(
            stack_module, "free_ports", lambda count: attempts.pop(0) if attempts else free_ports(count)
        )
        with start_stack(own) as stack:
            assert attempts == []
            assert not stack.kafka.endswith(f":{taken[0]}")


def test_another_server_on_the_port_is_not_taken_for_ours(stack: Stack) -> None:
    port = int(stack.kafka.rsplit(":")[-1])
    assert not is_broker(port, "another-cluster")
    assert not is_redis(int(redis_address(stack.redis).rsplit(":")[-1]), "another-password")


def test_a_file_that_is_no_address_file_counts_as_no_stack(own: Settings) -> None:
    with start_stack(own) as stack:
        file = runtime_folder(own) / "stack.json"
        for text in ["", "[]", "{}", '{"pid": 1}', '{"pid": "x"}']:
            file.write_text(text, encoding="utf-8")
            assert find_stack(own) is None
        file.write_text(json.dumps({"pid": os.getpid(), "kafka": "k", "redis": "r", "embedded": True}))
        assert find_stack(own) == Addresses("k", "r", embedded=True)
        stack.check()


def test_a_runtime_folder_that_is_no_folder_of_the_users_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ["file", "file/below", "link"]:
        with pytest.raises(ConfigurationError, match="TAGSTREAM_RUNTIME_DIR"):
            runtime_folder(load_settings({}, runtime_dir=tmp_path / name))


def test_an_open_runtime_folder_of_the_users_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(runtime_folder(load_settings({}, runtime_dir=tmp_path)).stat().st_mode) == 0o700


def test_without_a_stack_and_without_servers_the_sentence_says_what_to_do(own: Settings) -> None:
    with pytest.raises(UnavailableError, match="Run `tagstream up` in another terminal"):
        resolve_addresses(own)


def test_configured_servers_win_and_half_a_configuration_is_refused() -> None:
    both = load_settings({}, folder=Path("/"), kafka="h:1", redis="redis://:secret@h:2/0")
    assert resolve_addresses(both) == Addresses("h:1", "redis://:secret@h:2/0", embedded=False)
    assert resolve_addresses(both).redis_shown == "redis://:***@h:2/0"
    kafka = load_settings({}, folder=Path("/"), kafka="h:1")
    assert resolve_addresses(kafka, redis_needed=False) == Addresses("h:1", "", embedded=False)
    with pytest.raises(ConfigurationError, match="Kafka is configured but Redis is not"):
        resolve_addresses(kafka)
    with pytest.raises(ConfigurationError, match="Redis is configured but Kafka is not"):
        resolve_addresses(load_settings({}, folder=Path("/"), redis="redis://h:2/0"), redis_needed=False)
