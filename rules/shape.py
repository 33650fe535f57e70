"""A document's tree held to the schema: misspelt keys, wrong values, missing keys, each with its place.

Misspelt keys are looked for first. One that is surely meant for a missing key is then read as that key, so that what
stands under it is checked too and the key is not reported as missing besides.
"""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.errors import ProblemCode, clip
from rules.place import REFUSED
from rules.schema import CatalogDocument, GoalDocument, SegmentDocument, Text
from rules.suggest import Suggester

__all__ = ["SECTIONS_TO_COME", "read_shape"]

SECTIONS_TO_COME = frozenset({"tiers", "models", "triggers", "tests"})
_CODES = {str(code): code for code in ProblemCode}


def read_shape(document: Document, root: Mapping, suggester: Suggester) -> CatalogDocument | None:
    """The document by its schema, or None with the problems reported. Misspelt keys are put right in the tree."""
    _correct_keys(document, root, CatalogDocument, suggester)
    segments = root.values.get("segments")
    if isinstance(segments, Mapping):
        for segment in segments.values.values():
            if isinstance(segment, Mapping):
                _correct_keys(document, segment, SegmentDocument, suggester)
                goal = segment.values.get("goal")
                if isinstance(goal, Mapping):
                    _correct_keys(document, goal, GoalDocument, suggester)
    try:
        return CatalogDocument.model_validate(_plain(root))
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            _report(document, root, details)
    return None


def _correct_keys(document: Document, mapping: Mapping, model: type[BaseModel], suggester: Suggester) -> None:
    for name in [name for name in mapping.keys if name not in model.model_fields]:
        key = mapping.keys.pop(name)
        value = mapping.values.pop(name, None)
        if key.style == REFUSED:
            continue
        if model is CatalogDocument and name in SECTIONS_TO_COME:
            message = f"{name} are not supported yet in this version"
            document.report(key.start, ProblemCode.KEY_NOT_YET, message, name, _keys_of(model))
            continue
        nearest = suggester.nearest(name, model.model_fields)
        message = f'there is no key "{clip(name)}" here; the keys are {", ".join(model.model_fields)}'
        document.report(key.start, ProblemCode.UNKNOWN_KEY, message, clip(name), _keys_of(model), nearest)
        if nearest is not None and nearest not in mapping.keys and value is not None:
            mapping.keys[nearest] = key
            mapping.values[nearest] = value


def _keys_of(model: type[BaseModel]) -> str:
    return f"one of {', '.join(model.model_fields)}"


def _plain(value: Value) -> object:
    match value:
        case Scalar():
            return None if value.is_null else Text(value.text, is_quoted=bool(value.style))
        case Mapping():
            return {name: _plain(item) for name, item in value.values.items()}
        case Sequence():
            return [_plain(item) for item in value.items]


def _report(document: Document, root: Mapping, details: ErrorDetails) -> None:
    """Place one of pydantic's errors: at the value, or at the key where there is no value to show."""
    key: Scalar | None = None
    value: Value = root
    for part in details["loc"]:
        if not isinstance(value, Mapping) or part not in value.values:
            break
        key, value = value.keys[str(part)], value.values[str(part)]
    if isinstance(value, Scalar) and value.style == REFUSED:
        return
    is_null = isinstance(value, Scalar) and value.is_null
    offset = value.start if key is None or not (is_null or details["type"] == "missing") else key.start
    found = clip(value.text) if isinstance(value, Scalar) else "a mapping" if isinstance(value, Mapping) else "a list"
    name = clip(str(details["loc"][-1])) if details["loc"] else "the document"
    if details["type"] == "missing":
        message = f'the key "{name}" is missing' + ("" if key is None else f" in {clip(key.text)}")
        document.report(offset, ProblemCode.MISSING_KEY, message, "", f"the key {name}")
    elif details["type"] in ("dict_type", "model_type", "model_attributes_type"):
        code = ProblemCode.EMPTY_VALUE if is_null else ProblemCode.WRONG_SHAPE
        message = f"{name} is a mapping of keys to values" + (", and is empty" if is_null else "")
        document.report(offset, code, message, found, "a mapping")
    elif details["type"] in _CODES:
        context = details["ctx"]
        suggestion = context["suggestion"]
        document.report(
            offset, _CODES[details["type"]], f"{name}: {details['msg']}", found, context["expected"], suggestion
        )
    else:
        document.report(offset, ProblemCode.BAD_VALUE, f"{name}: {details['msg']}", found)
