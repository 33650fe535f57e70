from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from stream.child import Child
from stream.errors import TagstreamError
from tests.integration.worker_runs import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def echo(*, keeps_log: bool = True) -> Child:
    return Child("tests.unit.echoing_child", b"first\n", name="The echo", stop_s=10.0, keeps_log=keeps_log)


def test_a_child_hears_every_order_and_what_it_says_is_kept() -> None:
    with echo() as child:
        wait_for(child.ready.is_set)
        wait_for(lambda: child.said() == "first")
        child.tell(b"second\n")
        wait_for(lambda: child.said() == "first\nsecond")
        child.check()
        assert child.ended is None
        assert psutil.pid_exists(child.pid)
    assert child.ended == 0


def test_a_child_that_has_ended_is_told_of_with_its_last_words_and_hears_no_more() -> None:
    with echo() as child:
        child.tell(b"end\n")
        wait_for(lambda: child.ended is not None)
        assert child.ended == 3
        with pytest.raises(TagstreamError, match=r"^The echo has ended\. It said last: first\nend"):
            child.check()
        child.tell(b"more\n")


def test_of_a_child_whose_words_go_elsewhere_nothing_is_kept() -> None:
    with echo(keeps_log=False) as child:
        wait_for(child.ready.is_set)
        assert child.said() == ""
    child.close()
    assert child.ended == 0
