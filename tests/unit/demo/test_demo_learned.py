from __future__ import annotations

import io
import threading
from dataclasses import replace
from typing import Any

from rich.console import Console

from rules.catalog import load_catalog
from stream.clock import ManualClock
from stream.control.learners import Learners
from stream.control.pace import Pace
from stream.demo.labels import Labels
from stream.demo.learned import ClusterRow, Learned, LearnedSoFar
from stream.demo.live import LinesView, TerminalView
from stream.demo.summary import Run, print_summary
from tagstream.contracts import Change, parse_change
from tests.unit.control.control_shop import PlainMemory, catalog, moments, snapshots
from tests.unit.demo.test_demo_views import MOMENT, SNAPSHOT

LEARNED = LearnedSoFar(
    title="Ways of shopping",
    version=3,
    clusters=(ClusterRow("Night owls", "mostly nights", 120, 7, 2), ClusterRow("2", "orders rarely", 1_340, 2, 7)),
    moved=9,
    models=(("Ways of shopping", "version 3 of 9,000 samples: 2 clusters, silhouette 0.41"),),
)


class PlainSnapshots:
    """Snapshots by name, as `PublishedModels` has them."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self._found = {str(each["model"]): each for each in found}

    def newest(self, name: str) -> int | None:
        return self._found[name]["version"] if name in self._found else None

    def problem(self, name: str, version: int) -> str | None:
        return None if self._found[name]["version"] == version else "It was never published."

    def record(self, name: str, version: int) -> dict[str, Any]:
        assert self._found[name]["version"] == version
        return self._found[name]


def moved(user: str, before: int | None, after: int | None, model: str = "behaviour") -> Change:
    ends = f'"from":{"null" if before is None else before},"to":{"null" if after is None else after}'
    return parse_change(
        f'{{"specversion":"1.0","id":"{user}-{before}-{after}","source":"/tagstream/tagstream/0",'
        f'"type":"tagstream.cluster.changed","subject":"{user}","time":"2025-11-11T12:00:00Z",'
        f'"datacontenttype":"application/json","data":{{"user":"{user}","incarnation":0,"version":1,"cause":"model",'
        f'"catalog_version":1,"model_versions":{{"{model}":1}},"tags":{{}},"record":null,"model":"{model}",{ends},'
        f'"from_name":null,"to_name":null}}}}'.encode()
    )


def learned_shop() -> Learned:
    at_work = Learners(PlainMemory(catalog(names="{1: The many}")), ManualClock(1_000), Pace(2_000, 1e9))
    found = [
        *snapshots(at_work.learn(moments("behaviour", 1_000))),
        *snapshots(at_work.learn(moments("rfm", 1_000))),
    ]
    return Learned(catalog(names="{1: The many}"), PlainSnapshots(*found))


def test_users_of_a_cluster_are_those_who_came_less_those_who_left() -> None:
    learned = learned_shop()
    for user in ("a", "b", "c"):
        learned.add_change(moved(user, None, 1), live=False)
    learned.add_change(moved("a", 1, 2), live=True)
    learned.add_change(moved("b", 1, None), live=True)
    learned.add_change(moved("c", 1, 2, model="another"), live=True)
    rows = learned.so_far().clusters
    assert [(each.label, each.users, each.came, each.left) for each in rows] == [
        ("The many", 1, 0, 1),
        ("2", 1, 1, 0),
        ("3", 0, 0, 0),
    ]
    assert learned.so_far().moved == 1


def test_each_model_that_has_learned_has_a_line() -> None:
    titles, lines = zip(*learned_shop().so_far().models, strict=True)
    assert titles == ("behaviour", "rfm")
    assert lines[0].startswith("version 1 of 1,000 samples: 3 clusters, silhouette 0.")
    assert lines[1] == "version 1 of 1,000 samples: scores of 1 to 5 against 1,000 users"


def test_before_anything_is_learned_there_is_nothing_to_show() -> None:
    assert Learned(catalog(), PlainSnapshots()).so_far() == LearnedSoFar()


def printed(width: int = 130, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, height=60, force_terminal=terminal, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_clusters_are_on_the_screen_in_the_lines_and_in_the_summary() -> None:
    labels = Labels(load_catalog("retail"))
    screen, lines, summary = printed(terminal=True), printed(), printed()
    screen.print(TerminalView(labels, screen).picture(replace(MOMENT, learned=LEARNED)))
    view = LinesView(labels, lines)
    view.show(replace(MOMENT, learned=LEARNED))
    view.show(replace(MOMENT, learned=LEARNED, now_s=MOMENT.now_s + 5))
    print_summary(Run(SNAPSHOT, (), MOMENT.shop_ms, MOMENT.shop_ms, 1.0, LEARNED), labels, summary)
    for console in (screen, lines, summary):
        assert "Night owls" in text_of(console)
        assert "mostly nights" in text_of(console)
        assert "1,340" in text_of(console)
    assert "Ways of shopping: clusters, version 3" in text_of(screen)
    assert "clusters, version 3, 9 moved so far" in text_of(lines)
    assert "silhouette 0.41" in text_of(summary)


def test_counting_from_several_threads_loses_nothing() -> None:
    learned = learned_shop()

    def add(name: str) -> None:
        for number in range(300):
            learned.add_change(moved(f"{name}{number}", None, 1), live=False)

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert learned.so_far().clusters[0].users == 1_200
