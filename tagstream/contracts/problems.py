"""From pydantic's errors to sentences that say what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import ValidationError

from tagstream.errors import Problem

__all__ = ["problems_of"]

_SENTENCES = {
    "missing": "is missing; it must be there",
    "string_type": "must be text, not {kind}",
    "int_type": "must be a whole number, not {kind}",
    "bool_type": "must be true or false, not {kind}",
    "dict_type": "must be an object, not {kind}",
    "list_type": "must be a list, not {kind}",
    "model_type": "must be an object, not {kind}",
    "model_attributes_type": "must be an object, not {kind}",
    "string_unicode": "is not UTF-8; send UTF-8",
    "union_tag_not_found": "has no type; say which message it is",
}
_JSON_KINDS = {
    str: "text",
    bool: "true/false",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


def problems_of(error: ValidationError, *, tags: Collection[str] = ()) -> tuple[Problem, ...]:
    """All that pydantic found, in its order. `tags`: names of a union's members, which are no part of a place."""
    problems = []
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        if location and location[0] in tags:
            location = location[1:]
        # A validator that looks into a free part (`properties`) says where in it.
        inner = detail.get("ctx", {}).get("path", "")
        where = ".".join(str(part) for part in (*location, inner) if part != "")
        kind = _JSON_KINDS.get(type(detail["input"]), f"of type {type(detail['input']).__name__}")
        sentence = _SENTENCES.get(detail["type"])
        what = sentence.replace("{kind}", kind) if sentence is not None else detail["msg"]
        problems.append(Problem(where, what))
    return tuple(problems)
