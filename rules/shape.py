"""A document's tree held to the schema: misspelt keys, wrong values, missing keys, each with its place.

1. What stands twice is kept (`rules.keys`), so that what is wrong inside it is found as well.
2. Misspelt keys are looked for. One that is surely meant for a missing key is then read as that key, so that what
   stands under it is checked too and the key is not reported as missing besides.
3. Segments that use a template get its keys (`rules.templates`); models are looked at (`rules.shape_models`).
4. The values are held to the schema (`rules.schema`).
"""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rules.document import Document, Mapping, Scalar, Sequence, Value
from rules.errors import ProblemCode, clip
from rules.keys import correct_keys, keep_repeats, mappings_in, name_of
from rules.place import REFUSED
from rules.reading import Text
from rules.schema import CatalogDocument, GoalDocument, LevelDocument, SegmentDocument, TierDocument
from rules.shape_models import check_models
from rules.suggest import Suggester
from rules.templates import USE_KEYS, Templates, fill_templates

__all__ = ["SECTIONS_TO_COME", "read_shape"]

SECTIONS_TO_COME = frozenset({"triggers"})
_SECTIONS = ("tags", "templates", "models", "segments", "tiers", "tests")
_CODES = {str(code): code for code in ProblemCode}


def read_shape(document: Document, root: Mapping, suggester: Suggester) -> tuple[CatalogDocument | None, Templates]:
    """The document by its schema, or None with the problems reported, and its templates, filled into its segments.

    Misspelt keys are put right in the tree.
    """
    correct_keys(document, root, [*CatalogDocument.model_fields], suggester, to_come=SECTIONS_TO_COME)
    keep_repeats(root, _SECTIONS)
    segment_keys = [*SegmentDocument.model_fields]
    for segment in mappings_in(root.values.get("segments")):
        own_keys = [*segment_keys, *USE_KEYS] if "template" in segment.keys else segment_keys
        correct_keys(document, segment, own_keys, suggester)
    templates = fill_templates(document, root, suggester)
    for segment in mappings_in(root.values.get("segments")):
        goal = segment.values.get("goal")
        if isinstance(goal, Mapping):
            correct_keys(document, goal, [*GoalDocument.model_fields], suggester)
    for tier in mappings_in(root.values.get("tiers")):
        correct_keys(document, tier, [*TierDocument.model_fields], suggester)
        for level in mappings_in(tier.values.get("levels")):
            correct_keys(document, level, [*LevelDocument.model_fields], suggester)
    check_models(document, root, suggester)
    plain = {name: _plain(value) for name, value in root.values.items() if name not in ("templates", "tests")}
    try:
        return CatalogDocument.model_validate(plain), templates
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            _report(document, root, details)
    return None, templates


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
    name = clip(name_of(str(details["loc"][-1]))) if details["loc"] else "the document"
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
