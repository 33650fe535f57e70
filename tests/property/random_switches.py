"""Random logs in which the catalog changes midway."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.property.random_catalogs import Draft, parsed
from tests.property.random_logs import Fed, ModelSwitch, Switch, fed_records, logs


@st.composite
def switched_logs(draw: st.DrawFn, chain: list[Draft]) -> list[Fed | Switch | int]:
    """A log with a switch to each further catalog of the chain somewhere in it, one after the other."""
    texts = "\n".join(draft.text for draft in chain)
    fed: list[Fed | Switch | int] = [*fed_records(draw(logs(texts, tame=True)))]
    places = sorted(draw(st.lists(st.integers(0, len(fed)), min_size=len(chain) - 1, max_size=len(chain) - 1)))
    for draft, place in reversed([*zip(chain[1:], places, strict=True)]):
        before = [record if isinstance(record, int) else record.watermark_ms for record in fed[:place]]
        fed.insert(place, Switch(parsed(draft.text), before[-1] if before else 0))
    return fed


def last_ms(fed: Sequence[Fed | Switch | ModelSwitch | int]) -> int:
    """The greatest watermark of a log."""
    return max(record if isinstance(record, int) else record.watermark_ms for record in fed)
