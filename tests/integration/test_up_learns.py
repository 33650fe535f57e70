"""The whole way: `tagstream up`, events, samples, a learner beside the worker, a snapshot, and users who move by it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from stream.embedded import find_stack
from stream.settings import load_settings
from tagstream import Producer, Subscriber
from tagstream.contracts import ClusterChanged
from tests.integration.commands_runner import run_here
from tests.integration.running_up import running_up, told, wait_for

CATALOG = """catalog: shop
version: 1
tags:
  orders: count("Order")
  spend: sum("Order", "revenue")
segments:
  big: {when: "cluster(behaviour) == 1"}
models:
  behaviour: {kind: clusters, clusters: 2, features: [orders, spend], sample: {at: events, share: 1.0}}
"""


def controls(process: psutil.Process) -> list[psutil.Process]:
    """The learners among a process's children, those that have just ended left out."""
    found = []
    for each in process.children():
        with contextlib.suppress(psutil.Error):
            if "stream.control.process" in each.cmdline():
                found.append(each)
    return found


def buy(producer: Producer) -> None:
    for number in range(600):
        for _ in range(1 + number % 2):
            producer.track(f"user-{number}", "Order", {"revenue": 10.0 + number % 7 + 500 * (number % 2)})


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_users_move_by_what_was_learned_from_their_events_and_a_learner_that_dies_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(CATALOG)
    with running_up(tmp_path, "shop.yaml") as up:
        family = psutil.Process(up.pid)
        (control,) = wait_for(lambda: controls(family), "the learner")
        told(tmp_path, buy)

        def learned() -> list[dict[str, Any]]:
            done = run_here("models", "--json", folder=tmp_path)
            found: list[dict[str, Any]] = json.loads(done.stdout)["models"] if done.returncode == 0 else []
            return found if found and found[0]["version"] else []

        # 900 samples are fewer than it begins with by itself; the rest come with these.
        told(tmp_path, buy)
        model = wait_for(learned, "a snapshot")[0]
        assert [each["id"] for each in model["clusters"]] == [1, 2]
        settings = load_settings({"TAGSTREAM_RUNTIME_DIR": str(tmp_path / "run")}, folder=tmp_path)
        stack = find_stack(settings)
        assert stack is not None
        clusters: dict[str, int | None] = {}
        with Subscriber(stack.kafka, group="test", session_timeout_s=2.5) as changes:

            def moved() -> bool:
                while (change := changes.next_change(0.2)) is not None:
                    if isinstance(change, ClusterChanged):
                        clusters[change.user] = change.to_cluster
                return len(clusters) == 600

            wait_for(moved, "everybody's cluster")
        even, odd = ({clusters[f"user-{number}"] for number in range(first, 600, 2)} for first in (0, 1))
        assert len(even) == len(odd) == 1
        assert even != odd
        assert (tmp_path / "run").is_dir()
        assert {each.name for each in tmp_path.iterdir()} == {"shop.yaml", "up.out", "up.err", "run"}
        control.kill()
        (another,) = wait_for(lambda: [each for each in controls(family) if each.pid != control.pid], "another learner")
    # `up` was killed: its learner sees that its standard input has closed.
    wait_for(lambda: not another.is_running(), "the learner's end")
