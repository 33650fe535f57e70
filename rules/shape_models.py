"""The models of a document's tree: the keys that each kind has, features listed or named, and names for clusters.

A list of features is made a mapping in the tree, each named by its own text, so that what comes after knows one form.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.errors import ProblemCode, clip
from rules.keys import REPEATED, correct_keys, mappings_in, name_of
from rules.models import ALGORITHMS, CLASSIFIER, CLUSTERS, QUANTILES
from rules.place import REFUSED
from rules.reading import Text, whole_of
from rules.schema_models import (
    KEYS_OF_KIND,
    MAX_CLUSTER_ID,
    MAX_FEATURES,
    FieldDocument,
    LabelDocument,
    ModelDocument,
    SampleDocument,
)
from rules.suggest import Suggester

__all__ = ["FEATURE_KEYS", "check_models", "features_of", "named_features"]

FEATURE_KEYS = ("features", "fields")

_NEEDED = {CLUSTERS: ("features",), QUANTILES: ("fields",), CLASSIFIER: ("features", "label")}
_A_KIND = {CLUSTERS: "clusters", QUANTILES: "quantiles", CLASSIFIER: "a classifier"}


def check_models(document: Document, root: Mapping, suggester: Suggester) -> None:
    """Check what the schema can't, or not with its place; misspelt keys and lists of features are put right."""
    for name, model in _models(root):
        _Check(document, name, model, suggester).run()


def features_of(model: Value | None) -> Iterator[tuple[str, Scalar]]:
    """The names and the expressions of a model's features or fields, after `check_models`; with those named twice."""
    if not isinstance(model, Mapping):
        return
    for section in FEATURE_KEYS:
        entries = model.values.get(section)
        if isinstance(entries, Mapping):
            for name, value in entries.values.items():
                scalar = value.values.get("value") if isinstance(value, Mapping) else value
                if isinstance(scalar, Scalar):
                    yield name, scalar


def named_features(model: Value | None) -> Iterator[tuple[str, Scalar]]:
    """The names that somebody has given to features or fields, and where they stand."""
    if not isinstance(model, Mapping):
        return
    for section in FEATURE_KEYS:
        entries = model.values.get(section)
        if isinstance(entries, Mapping):
            # A feature of a list is its own name.
            yield from [(key.text, key) for name, key in entries.keys.items() if entries.values.get(name) is not key]


def _models(root: Mapping) -> Iterator[tuple[str, Mapping]]:
    section = root.values.get("models")
    if isinstance(section, Mapping):
        yield from [(name, model) for name, model in section.values.items() if isinstance(model, Mapping)]


class _Check:
    def __init__(self, document: Document, name: str, model: Mapping, suggester: Suggester) -> None:
        self._document = document
        self._name = clip(name_of(name))
        self._model = model
        self._suggester = suggester
        kind = model.values.get("kind")
        self._kind = kind.text if isinstance(kind, Scalar) and kind.text in KEYS_OF_KIND else None

    def run(self) -> None:
        self._keys()
        for section in FEATURE_KEYS:
            self._features(section)
        for key, shape in (("label", LabelDocument), ("sample", SampleDocument)):
            value = self._model.values.get(key)
            if isinstance(value, Mapping):
                correct_keys(self._document, value, [*shape.model_fields], self._suggester)
            elif isinstance(value, Scalar) and value.is_null:
                message = f"the {key} is empty; fill it, or leave the key out"
                self._report(self._model.keys[key], ProblemCode.EMPTY_VALUE, message, "", "a mapping")
                del self._model.values[key]
        for field in mappings_in(self._model.values.get("fields")):
            correct_keys(self._document, field, [*FieldDocument.model_fields], self._suggester)
        self._algorithm()
        self._names()

    def _keys(self) -> None:
        """Keys of another kind, misspelt ones, and missing ones."""
        model, kind = self._model, self._kind
        if kind is None:
            correct_keys(self._document, model, [*ModelDocument.model_fields], self._suggester)
            return
        keys = KEYS_OF_KIND[kind]
        for name in [name for name in model.keys if name in ModelDocument.model_fields and name not in keys]:
            owners = " and ".join(_A_KIND[other] for other, theirs in KEYS_OF_KIND.items() if name in theirs)
            key = model.keys.pop(name)
            value = model.values.pop(name)
            meant = {"features": "fields", "fields": "features"}.get(name)
            message = f"{name} is a key of {owners}, and {self._name} is {_A_KIND[kind]}; it has {', '.join(keys)}"
            suggestion = meant if meant in keys else None
            self._report(key, ProblemCode.UNKNOWN_KEY, message, name, f"one of {', '.join(keys)}", suggestion)
            if suggestion is not None and suggestion not in model.keys:
                model.keys[suggestion], model.values[suggestion] = key, value
        correct_keys(self._document, model, keys, self._suggester)
        for needed in _NEEDED[kind]:
            if needed not in model.keys:
                message = f'the key "{needed}" is missing in {self._name}, which is {_A_KIND[kind]}'
                self._report(self._key(), ProblemCode.MISSING_KEY, message, "", f"the key {needed}")

    def _features(self, section: str) -> None:
        value = self._model.values.get(section)
        is_empty = isinstance(value, Mapping) and not value.values
        if isinstance(value, Sequence) and section == "features":
            is_empty = not value.items
            value = self._model.values[section] = self._named(value)
        if not isinstance(value, Mapping):
            return
        if is_empty:
            example = "{recency: since()}" if section == "fields" else "[visits_30d, spend_90d]"
            message = f"{self._name} has no {section}; name what it looks at, as in {example}"
            self._report(self._model.keys[section], ProblemCode.EMPTY_VALUE, message, "nothing", section)
        if len(value.values) > MAX_FEATURES:
            message = f"a model has at most {MAX_FEATURES} {section}, and this one {len(value.values)}"
            expected = f"at most {MAX_FEATURES} {section}"
            self._report(value, ProblemCode.BAD_VALUE, message, str(len(value.values)), expected)

    def _named(self, listed: Sequence) -> Mapping:
        """A list of features as a mapping: each is named by its own text."""
        named = Mapping(listed.start)
        for item in listed.items:
            if not isinstance(item, Scalar):
                message = "a feature is a tag or an expression; to name features write a mapping, as in visits: count()"
                self._report(item, ProblemCode.WRONG_SHAPE, message, "", "an expression")
            elif item.style == REFUSED:
                continue
            elif item.is_null or not item.text.strip():
                self._report(item, ProblemCode.EMPTY_VALUE, "the feature is empty", "nothing", "an expression")
            else:
                name = " ".join(item.text.split())
                if name in named.keys:
                    message = f"the feature {clip(name)} stands here twice; keep one of them"
                    self._report(item, ProblemCode.DUPLICATE_KEY, message, clip(name), "another feature")
                named.keys.setdefault(name, item)
                named.values.setdefault(name, item)
        return named

    def _algorithm(self) -> None:
        value = self._model.values.get("algorithm")
        if self._kind is None or not isinstance(value, Scalar) or value.is_null or value.style == REFUSED:
            return
        known = ALGORITHMS[self._kind]
        if value.text not in known:
            expected = f"one of {', '.join(known)}"
            nearest = self._suggester.nearest(value.text, known)
            owner = next((kind for kind, theirs in ALGORITHMS.items() if value.text in theirs), None)
            found = clip(value.text)
            message = f"{self._kind} know no algorithm {found}: {expected}"
            if self._kind == CLASSIFIER:
                message = f"a classifier knows no algorithm {found}: {expected}"
            if owner is not None:
                message += f"; {found} is for {owner}"
            self._report(value, ProblemCode.BAD_VALUE, message, found, expected, nearest)

    def _names(self) -> None:
        """Each cluster once, each name once: `cluster(model) == "name"` must mean one of them."""
        names = self._model.values.get("names")
        if not isinstance(names, Mapping):
            return
        taken: dict[object, Scalar] = {}
        expected = "a cluster's number, such as 3"
        for text, name in names.values.items():
            if REPEATED in text:
                continue
            key = names.keys[text]
            number = whole_of(Text(key.text))
            if number is None or not 1 <= number <= MAX_CLUSTER_ID:
                message = f"{clip(key.text)} is no cluster: clusters are numbered by whole numbers from 1 on"
                self._report(key, ProblemCode.BAD_VALUE, message, clip(key.text), expected)
                continue
            if number in taken:
                line, _ = self._document.place(taken[number].start)
                message = f"cluster {number} has a name already, in line {line}; keep one of them"
                self._report(key, ProblemCode.DUPLICATE_KEY, message, clip(key.text), "another cluster")
            taken.setdefault(number, key)
            if not isinstance(name, Scalar) or name.is_null:
                continue  # the schema speaks of that
            shown = " ".join(name.text.split())
            if shown in taken:
                line, _ = self._document.place(taken[shown].start)
                message = f'"{clip(shown)}" is the name of another cluster already, in line {line}; name one otherwise'
                self._report(name, ProblemCode.NAME_TAKEN, message, clip(shown), "a name not taken yet")
            taken.setdefault(shown, name)

    def _key(self) -> Scalar | Mapping:
        return self._model.keys.get("kind", self._model)

    def _report(
        self,
        place: Value,
        code: ProblemCode,
        message: str,
        found: str = "",
        expected: str = "",
        suggestion: str | None = None,
    ) -> None:
        self._document.report(place.start, code, message, found, expected, suggestion)
