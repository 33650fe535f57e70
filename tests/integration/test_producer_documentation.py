"""The programs on docs/contract.md run, one after the other, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from stream.embedded import Stack
from tests.unit.tagstream.change_messages import published, segment_change

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
(PRINTED,) = re.findall(r"^```text\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
(LETTER,) = re.findall(r"^```json dead letter\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def prepare(brokers: str, app: str) -> None:
    """The app's topics, and three changes of ada's."""
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    admin.create_topics([NewTopic(f"{app}.events", 4, 1), NewTopic(f"{app}.segment-changes", 4, 1)])
    admin.close()
    worker = KafkaProducer(bootstrap_servers=brokers)
    for change in (
        segment_change("ada", 1, segment="high_value_women"),
        segment_change("ada", 3, segment="high_value_women", exited=True),
    ):
        message = published(change)
        worker.send(f"{app}.segment-changes", message.value, message.key, list(message.headers))
    worker.send(f"{app}.segment-changes", b"{}", b"ada")
    worker.close()


def test_the_programs_on_the_page_do_what_it_says(
    stack: Stack, fresh_app: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(stack.kafka, fresh_app)
    letter = tmp_path / "letter.json"
    letter.write_text(LETTER, encoding="utf-8")
    printed = []
    for number, program in enumerate(PROGRAMS):
        # The page's address and app, its patience and its file become the test's.
        here = program.replace('"localhost:9092"', f'"{stack.kafka}", app="{fresh_app}"')
        here = here.replace("idle_timeout_s=10", "idle_timeout_s=4").replace("letter.json", str(letter))
        exec(compile(here, f"docs/contract.md, program {number + 1}", "exec"), {"__name__": "__main__"})  # noqa: S102
        printed.append(capsys.readouterr().out)
    first, checked, greeted, mailed, dead = printed
    assert first == ""
    assert checked.replace(f"{fresh_app}.events", "tagstream.events") == PRINTED
    assert greeted == "greet ada, who spent 3120.5\n"
    assert mailed.splitlines()[:2] == [
        "ada had 1 changes that never came; look the user up",
        "ada left high_value_women at 08:30",
    ]
    assert mailed.splitlines()[2].startswith(
        f"not a change, at {fresh_app}.segment-changes[1]@2: the message is no change"
    )
    assert dead.startswith('bad_timestamp tagstream.events[2]@17 b\'{"type":"page"')
