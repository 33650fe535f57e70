"""What sets a cluster apart, in words: "orders often, spends little, mostly evenings"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["describe_cluster", "distinctive_features"]

# In units of a feature's spread over all users: what is worth a word, and what is worth "very".
_WORTH_A_WORD = 0.35
_STRIKING = 1.5
_MOST_WORDS = 3
_WINDOW = re.compile(r"_(?:last_)?(\d+)_?(s|m|h|d|w|days?|weeks?|months?)$")

# By a word in the feature's name: what more of it, and what less of it, says of a person.
_PHRASES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("churn", "risk"), "at high risk", "at low risk"),
    (("basket", "average", "mean", "avg"), "large baskets", "small baskets"),
    (("spend", "spent", "revenue", "monetary", "value", "paid"), "spends much", "spends little"),
    (("order", "orders", "purchase", "purchases", "frequency", "buys"), "orders often", "orders rarely"),
    (("visit", "visits", "session", "sessions"), "visits often", "visits rarely"),
    (("view", "views", "viewed", "browse", "page", "pages"), "looks at much", "looks at little"),
    (("search", "searches"), "searches often", "searches rarely"),
    (("return", "returns", "refund", "refunds"), "returns much", "returns little"),
    (("discount", "coupon", "coupons", "promo"), "likes discounts", "needs no discounts"),
    (("email", "emails", "message", "messages", "push"), "reads messages", "ignores messages"),
    (("login", "logins", "active"), "active often", "active rarely"),
    (("age",), "older", "younger"),
)
# A time since something: long is the high end.
_SINCE_FIRST = ("first", "tenure", "joined", "signup")
_HOURS = (
    (5, "mostly nights"),
    (11, "mostly mornings"),
    (14, "mostly around noon"),
    (18, "mostly afternoons"),
    (23, "mostly evenings"),
    (25, "mostly nights"),
)


def distinctive_features(names: Sequence[str], differences: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """The features in which a cluster differs from all users, the most striking first; differences (d,) in spreads."""
    order = sorted(range(len(names)), key=lambda number: (-abs(float(differences[number])), number))
    return [
        {"feature": names[number], "difference": round(float(differences[number]), 3)}
        for number in order
        if abs(differences[number]) >= _WORTH_A_WORD
    ]


def describe_cluster(distinctive: Sequence[dict[str, Any]], durations: dict[str, bool], means: dict[str, float]) -> str:
    """At most three phrases. `durations`: which features are times; `means`: of the cluster's members, not scaled."""
    phrases: list[str] = []
    for each in distinctive:
        phrase = _phrase(each["feature"], each["difference"], durations[each["feature"]], means[each["feature"]])
        if phrase not in phrases:
            phrases.append(phrase)
        if len(phrases) == _MOST_WORDS:
            break
    return ", ".join(phrases) if phrases else "like most users in everything"


def _phrase(feature: str, difference: float, duration: bool, mean: float) -> str:
    words = _WINDOW.sub("", feature).split("_")
    title = " ".join(words)
    if "hour" in words and 0 <= mean <= 24:
        return next(phrase for end, phrase in _HOURS if mean < end)
    very = "very " if abs(difference) >= _STRIKING else ""
    if duration or words[0] in {"since", "recency"}:
        if any(word in _SINCE_FIRST for word in words):
            return "here for long" if difference > 0 else "new here"
        what = " ".join(word for word in words if word not in {"since", "time", "last", "recency"})
        when = f"{very}long ago" if difference > 0 else f"{very}recently"
        return f"{what} {when}" if what else f"last seen {when}"
    for known, more, less in _PHRASES:
        if any(word in known for word in words):
            phrase = more if difference > 0 else less
            return (
                phrase.replace("often", f"{very}often")
                .replace("rarely", f"{very}rarely")
                .replace("much", f"{very}much")
                .replace("little", f"{very}little")
            )
    return f"{very}{'high' if difference > 0 else 'low'} {title}"
