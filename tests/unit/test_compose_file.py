from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Hold a file to the compose specification's schema, as the package `check-jsonschema` carries it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_compose_file_follows_the_compose_schema() -> None:
    result = check(COMPOSE)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_schema_would_find_a_misspelt_key(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("healthcheck:", "health_check:"), encoding="utf-8")
    result = check(wrong)
    assert (result.returncode, result.stderr) == (1, "")
    assert "health_check" in result.stdout


def test_redis_never_evicts_and_writes_an_append_only_file(services: dict[str, Any]) -> None:
    words = services["redis"]["command"].split()
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "redis-server"
    assert options == {"--maxmemory-policy": "noeviction", "--appendonly": "yes", "--appendfsync": "everysec"}
    assert services["redis"]["image"].startswith("redis:7")


def test_kafka_is_apache_kafka_4_without_zookeeper_and_makes_no_topic_by_itself(services: dict[str, Any]) -> None:
    environment = services["kafka"]["environment"]
    assert services["kafka"]["image"] == "apache/kafka:4.1.0"
    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:9092:9092", "127.0.0.1:6379:6379"]


def test_workers_start_when_kafka_redis_and_the_topics_are_there(services: dict[str, Any]) -> None:
    conditions = {name: each["condition"] for name, each in services["worker"]["depends_on"].items()}
    assert conditions == {"topics": "service_completed_successfully", "redis": "service_healthy"}
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert {"kafka", "redis"} <= {name for name, service in services.items() if "healthcheck" in service}
    assert services["worker"]["deploy"]["replicas"] > 1


@pytest.mark.parametrize("service", ["worker", "control", "topics"])
def test_every_variable_given_to_our_processes_is_a_setting(services: dict[str, Any], service: str) -> None:
    environment = services[service]["environment"]
    assert {name.removeprefix("TAGSTREAM_").lower() for name in environment} <= set(Settings.model_fields)
    plain = {name: value for name, value in environment.items() if "$" not in value}
    assert load_settings(plain, folder=ROOT / "tests").warnings == ()


def test_our_processes_listen_where_kafka_is_advertised_to_them(services: dict[str, Any]) -> None:
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INTERNAL://{services['worker']['environment']['TAGSTREAM_KAFKA']}" in advertised


def test_the_image_is_built_from_files_that_exist(services: dict[str, Any]) -> None:
    build = services["worker"]["build"]
    dockerfile = ROOT / build["context"] / build["dockerfile"]
    copied = [
        source
        for line in dockerfile.read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
