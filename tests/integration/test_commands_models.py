"""`tagstream models` and `tagstream suggest` on what learners have published."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.catalog import parse_catalog
from stream.clock import ManualClock, SystemClock
from stream.control.gate import SwitchGate
from stream.control.learners import Learners
from stream.control.outlet import Outlet
from stream.control.pace import Pace
from stream.control.reports import ModelReport
from stream.embedded import Stack
from stream.settings import Settings
from tests.integration.commands_runner import ROOT, clean_environment, run_here
from tests.integration.control_runs import opened_shop, sent_samples
from tests.unit.control.control_shop import PlainMemory, catalog, labels, moments

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def shop(stack: Stack, settings: Settings) -> Settings:
    """Three models that have learned, with two snapshots of clusters, and a refusal of the classifier."""
    opened_shop(settings, stack.addresses, catalog(names="{1: The many}"))
    at_work = Learners(PlainMemory(catalog()), SystemClock(), Pace(2_000, 1e9))
    clock = SystemClock()
    gate = SwitchGate(settings, stack.addresses, clock)
    outlet = Outlet(settings, stack.addresses, clock, threading.Event(), gate)
    samples = {"behaviour": moments("behaviour", 3_000), "rfm": moments("rfm", 1_000), "churn": labels(1_500)}
    for name, values in samples.items():
        outlet.publish(at_work.learn(values))
        sent_samples(settings, stack.addresses, name, values)
    outlet.publish(
        [ModelReport(SystemClock().now_ms(), "churn", 3, accepted=False, code="worse", reason="It is worse: so much.")]
    )
    return settings


def asked(settings: Settings, folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    runtime = {"TAGSTREAM_APP": settings.app, "TAGSTREAM_RUNTIME_DIR": str(settings.runtime_path())}
    return run_here(*words, folder=folder, settings=runtime)


@pytest.fixture(autouse=True)
def _no_threads_of_matplotlib() -> Iterator[None]:
    yield
    sys.modules.pop("matplotlib.pyplot", None)


def test_models_are_listed_with_their_quality_and_the_last_refusal(shop: Settings, tmp_path: Path) -> None:
    done = asked(shop, tmp_path, "models")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "kmeans" in lines["behaviour"]
    assert "3 clusters, silhouette 0." in lines["behaviour"]
    assert "5 bins" in lines["rfm"]
    assert "(last value 0." in lines["churn"]
    assert "churn: refused version 3" in text
    assert "It is worse: so much." in text

    listed = json.loads(asked(shop, tmp_path, "models", "--json").stdout)["models"]
    assert [(each["name"], each["version"]) for each in listed] == [("behaviour", 2), ("rfm", 1), ("churn", 2)]
    assert listed[2]["reports"][-1]["code"] == "worse"


def test_a_model_without_a_snapshot_says_how_many_samples_are_still_wanted(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    opened_shop(settings, stack.addresses, catalog())
    assert "rfm        quantiles" in asked(settings, tmp_path, "models").stdout.decode()
    clock = ManualClock(SystemClock().now_ms())
    at_work = Learners(PlainMemory(catalog()), clock, Pace(2_000, 1e9))
    outlet = Outlet(settings, stack.addresses, clock, threading.Event(), SwitchGate(settings, stack.addresses, clock))
    outlet.publish(at_work.learn(moments("behaviour", 312)))
    clock.advance_ms(10_000)
    outlet.publish(at_work.tick())
    text = asked(settings, tmp_path, "models").stdout.decode()
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert lines["behaviour"].endswith("learning: 312 of 1,000 samples")
    assert lines["rfm"].endswith("nothing published yet")
    assert "learning: 312 of 1,000 samples" in asked(settings, tmp_path, "models", "behaviour").stdout.decode()
    behaviour, rfm, _ = json.loads(asked(settings, tmp_path, "models", "--json").stdout)["models"]
    assert (behaviour["learning"], behaviour["reports"]) == ({"samples": 312, "wanted": 1_000}, [])
    assert rfm["learning"] is None
    undrawn = asked(settings, tmp_path, "models", "rfm", "--plot", "x.png")
    assert undrawn.returncode == 2
    assert undrawn.stderr.decode().splitlines() == [
        "tagstream: Of the model rfm there is no snapshot to draw.",
        "  Leave --plot out: tagstream models rfm says why.",
    ]
    outlet.publish(at_work.learn(moments("behaviour", 700, start=312)))
    behaviour, *_ = json.loads(asked(settings, tmp_path, "models", "--json").stdout)["models"]
    assert (behaviour["learning"], behaviour["version"]) == (None, 1)


def test_one_model_is_told_with_clusters_names_and_groups(shop: Settings, tmp_path: Path) -> None:
    text = asked(shop, tmp_path, "models", "behaviour", "--cut", "2").stdout.decode()
    assert "The many" in text
    assert "cut at 2" in text
    assert "spends very much, orders rarely" in text
    record = json.loads(asked(shop, tmp_path, "models", "behaviour", "--cut", "2", "--json").stdout)
    assert {each["id"] for each in record["clusters"]} == {1, 2, 3}
    assert record["clusters"][0]["name"] == "The many"
    assert sum(each["size"] for each in record["clusters"]) == record["quality"]["users"] == 3_000
    assert sorted(len(group) for group in record["groups"]) == [1, 2]
    assert record["quality"]["silhouette"] > 0.5

    churn = asked(shop, tmp_path, "models", "churn").stdout.decode()
    assert "less likely the higher orders" in churn
    assert "calibration error" in churn
    assert "last value" in churn
    assert "boundaries" in asked(shop, tmp_path, "models", "rfm").stdout.decode()


@pytest.mark.parametrize("name", ["behaviour", "rfm", "churn"])
def test_a_model_is_drawn(shop: Settings, tmp_path: Path, name: str) -> None:
    done = asked(shop, tmp_path, "models", name, "--plot", "out.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (done.stdout, done.stderr) == (b"", b"Drawn: out.png\n")


def test_what_is_asked_for_wrongly_is_a_sentence(shop: Settings, tmp_path: Path) -> None:
    for words, said in {
        ("models", "behavior"): "did you mean behaviour?",
        ("models", "--plot", "x.png"): "for one model",
        ("models", "rfm", "--cut", "2"): "has no clusters",
        ("models", "rfm", "--plot", "x.strange"): "can't be drawn",
        ("models", "rfm", "--plot", "no/where/x.png"): "Name a file in a folder that is there",
        ("models", "rfm", "--plot", "picture"): "its name has no ending",
        ("suggest", "chorn"): "did you mean churn?",
        ("suggest", "often"): "has no goal",
        ("suggest", "churn", "--last", "soon"): "is no duration",
    }.items():
        done = asked(shop, tmp_path, *words)
        assert done.returncode == 2, words
        assert said in done.stderr.decode().replace("\n", " ")


def test_without_matplotlib_a_picture_is_a_sentence_and_not_a_traceback(shop: Settings, tmp_path: Path) -> None:
    runtime = {"TAGSTREAM_APP": shop.app, "TAGSTREAM_RUNTIME_DIR": str(shop.runtime_path())}
    hidden = "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None;"
    words = "sys.argv = ['tagstream', 'models', 'rfm', '--plot', 'x.png']; from stream.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden + words],
        cwd=tmp_path,
        env=clean_environment(tmp_path, runtime | {"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"pip install 'tagstream[analysis]'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_suggestions_are_a_catalog_that_check_accepts(shop: Settings, tmp_path: Path) -> None:
    done = asked(shop, tmp_path, "suggest", "churn")
    assert done.returncode == 0, done.stderr
    (tmp_path / "proposed.yaml").write_bytes(done.stdout)
    proposed = parse_catalog(done.stdout.decode())
    assert (proposed.name, proposed.version) == ("shop", 2)
    assert len(proposed.segments) >= 1
    assert all("orders" in each.reads for each in proposed.segments.values())
    assert asked(shop, tmp_path, "check", "proposed.yaml").returncode == 0
    as_json = json.loads(asked(shop, tmp_path, "suggest", "churn", "--json").stdout)
    assert as_json["samples"] == 1_500
    assert all(each["lift"] > 1.2 for each in as_json["suggestions"])


def test_an_app_without_models_says_how_to_get_some(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    opened_shop(
        settings, stack.addresses, parse_catalog("catalog: shop\nversion: 1\nsegments: {a: {when: count() > 1}}")
    )
    done = asked(settings, tmp_path, "models")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"docs/models.md" in done.stderr
