"""The JSON Schema of a catalog's YAML, by which editors complete and check while one types.

It knows the shape: keys, kinds, names, durations. What expressions mean only `tagstream check` knows. The keys come
from the models in `rules.schema`, and each must have its entry here.
"""

from __future__ import annotations

from pydantic import BaseModel

from rules.durations import UNIT_MS
from rules.examples import EVENT_TYPES
from rules.functions import FUNCTIONS
from rules.models import ALGORITHMS, CLASSIFIER, CLUSTERS, MODEL_KINDS, QUANTILES
from rules.reading import MAX_VERSION, NAME
from rules.schema import (
    KINDS,
    MAX_LEVELS,
    CatalogDocument,
    GoalDocument,
    LevelDocument,
    SegmentDocument,
    TierDocument,
)
from rules.schema_models import (
    ANY_EVENT,
    KEYS_OF_KIND,
    MAX_BINS,
    MAX_CLUSTERS,
    MAX_FEATURES,
    SAMPLE_MOMENTS,
    FieldDocument,
    LabelDocument,
    ModelDocument,
    SampleDocument,
)

__all__ = ["SCHEMA_FILE", "catalog_schema"]

SCHEMA_FILE = "catalog.schema.json"
"""The schema's name in the documentation."""

Schema = dict[str, object]

_DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest that the YAML language servers understand in whole."""

_EVENT_KEYS = {
    "at": "When it happened: RFC 3339, or a local time or a day in the catalog's time zone.",
    "type": "The type of event; track where there is none, identify if there are traits and no name.",
    "event": "The name of a track event.",
    "properties": "The event's properties, by name.",
    "traits": "What identify says about the user, by name; null removes a trait.",
    "userId": "The user, if it matters; all events of a test are of one.",
    "messageId": "The event's id, to try duplicates.",
    "name": "The name of a page or a screen.",
}
_EVENT_OTHERS = (
    *("context", "anonymousId", "previousId", "groupId", "category", "channel", "integrations"),
    *("sentAt", "receivedAt", "originalTimestamp"),
)


def catalog_schema() -> Schema:
    """The whole schema, as plain data for JSON."""
    return {
        "$schema": _DIALECT,
        "title": "Tagstream catalog",
        "description": "Tags, segments and tiers over users' events. `tagstream check FILE` knows the rest.",
        **_mapping(CatalogDocument, _CATALOG),
        "definitions": {
            "name": {"type": "string", "pattern": f"^{NAME.pattern}$"},
            "duration": {
                "title": "A duration",
                "description": "A whole number and one unit: 90s, 30m, 24h, 7d, 26w. A day is 24 hours.",
                "type": "string",
                "pattern": f"^[0-9]+[{''.join(UNIT_MS)}]$",
                "examples": ["30m", "24h", "7d", "26w"],
            },
            "constant": {"type": ["string", "number", "boolean"]},
            "text": {"type": ["string", "number", "boolean"]},
            "expression": {
                "title": "An expression",
                "description": f"A tag by its name, or a function: {', '.join(FUNCTIONS)}.",
                "type": ["string", "number", "boolean"],
                "examples": [
                    'count("Order Completed", last="30d")',
                    'sum("Order Completed", "revenue", last="90d")',
                    'since("Product Viewed")',
                    'trait("city")',
                ],
            },
            "condition": {
                "title": "A condition",
                "description": "An expression that is true or false: comparisons joined by and, or, not.",
                "type": ["string", "boolean"],
                "examples": ['spend_90d >= 3000 and trait("gender") == "F"', 'since() < "14d"'],
            },
            "title": {
                "title": "A title",
                "description": "One text for people, or one a language: {zh: …, en: …}.",
                "anyOf": [
                    {"$ref": "#/definitions/text"},
                    {
                        "type": "object",
                        "propertyNames": {"pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"},
                        "additionalProperties": {"$ref": "#/definitions/text"},
                        "minProperties": 1,
                    },
                ],
            },
            "kind": {"title": "The kind", "description": "What the condition is about.", "enum": [*KINDS]},
            "goal": _goal(),
            "model": _model(),
            "segment": _segment(),
            "template": _template(),
            "tier": _tier(),
            "test": _test(),
        },
    }


def _mapping(model: type[BaseModel], properties: dict[str, Schema], more: dict[str, Schema] | None = None) -> Schema:
    """The schema of a mapping with a model's keys. Raises KeyError if one of them has no entry in `properties`."""
    keys = {name: properties[name] for name in model.model_fields} | (more or {})
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": keys, "required": required, "additionalProperties": False}


def _described(name: str, description: str, **more: object) -> Schema:
    return {"allOf": [{"$ref": f"#/definitions/{name}"}], "description": description, **more}


def _section(description: str, item: str) -> Schema:
    """A section: names to items, or nothing where all its lines are comments."""
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {"$ref": "#/definitions/name"},
        "additionalProperties": {"$ref": f"#/definitions/{item}"},
    }


_CATALOG: dict[str, Schema] = {
    "catalog": _described("name", "The catalog's name.", examples=["retail"]),
    "version": {
        "description": "The version; each one that is applied is greater than the one before.",
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_VERSION,
    },
    "timezone": {
        "description": "Where calendar days begin and hours are counted; UTC if left out.",
        "type": "string",
        "examples": ["Asia/Shanghai", "Europe/Berlin", "UTC"],
    },
    "tags": _section("Named expressions, of any type.", "expression"),
    "templates": _section("Segments with parameters, written once and used by several.", "template"),
    "models": _section("What is learned of all users: clusters, quantiles, classifiers.", "model"),
    "segments": _section("Named conditions; entering and leaving them is published.", "segment"),
    "tiers": _section("Ordered lists of conditions, of which exactly one holds.", "tier"),
    "tests": {
        "description": "Examples: one user's events, and what is expected. `tagstream test` runs them.",
        "type": ["object", "null"],
        "additionalProperties": {"$ref": "#/definitions/test"},
    },
}

_SEGMENT: dict[str, Schema] = {
    "title": {"$ref": "#/definitions/title"},
    "kind": {"$ref": "#/definitions/kind"},
    "when": _described("condition", "Users enter when this holds (and exit does not)."),
    "exit": _described("condition", "Members leave when this holds; without it, when `when` no longer does."),
    "min_stay": _described("duration", "No exit before this long after the entry."),
    "indexed": {"description": "Keep the members also as a set in Redis.", "type": "boolean"},
    "goal": {"$ref": "#/definitions/goal"},
}


def _segment() -> Schema:
    use: dict[str, Schema] = {
        "template": _described("name", "The template whose keys it gets, except those that stand here."),
        "with": {
            "description": "A constant for each parameter of the template.",
            "type": "object",
            "additionalProperties": {"$ref": "#/definitions/constant"},
        },
    }
    schema = _mapping(SegmentDocument, _SEGMENT, use)
    del schema["required"]
    return {**schema, "anyOf": [{"required": ["when"]}, {"required": ["template"]}]}


def _template() -> Schema:
    segment = _mapping(SegmentDocument, _SEGMENT)
    del segment["required"]  # a use may have the rest
    return {
        "type": "object",
        "properties": {
            "parameters": {
                "description": "Names for constants, used in the expressions; in titles as {name}.",
                "type": "array",
                "items": {"$ref": "#/definitions/name"},
                "minItems": 1,
            },
            "segment": {**segment, "description": "What a segment that uses the template gets."},
        },
        "required": ["parameters", "segment"],
        "additionalProperties": False,
    }


def _model() -> Schema:
    """One model; each kind has its own keys, and its own algorithms."""
    features: Schema = {
        "description": "What it looks at: numbers and durations over events and traits.",
        "anyOf": [
            {"type": "array", "items": {"$ref": "#/definitions/expression"}},
            {
                "type": "object",
                "propertyNames": {"$ref": "#/definitions/name"},
                "additionalProperties": {"$ref": "#/definitions/expression"},
            },
        ],
        "minItems": 1,
        "minProperties": 1,
        "maxItems": MAX_FEATURES,
        "maxProperties": MAX_FEATURES,
    }
    field: dict[str, Schema] = {
        "value": {"$ref": "#/definitions/expression"},
        "lower_is_better": {
            "description": "The lowest get the highest score; so it is of durations.",
            "type": "boolean",
        },
    }
    keys: dict[str, Schema] = {
        "title": {"$ref": "#/definitions/title"},
        "kind": {"description": "What is learned.", "enum": [*MODEL_KINDS]},
        "algorithm": {"description": "How it is learned.", "type": "string"},
        "clusters": {
            "description": "How many groups; of denstream and dbstream at the most.",
            **_whole_number(2, MAX_CLUSTERS),
        },
        "bins": {"description": "The highest score; 5 if left out.", **_whole_number(2, MAX_BINS)},
        "margin": {
            "description": "How much nearer another cluster must be to move a user there; 0.1 if left out.",
            "type": "number",
            "minimum": 0,
            "exclusiveMaximum": 1,
        },
        "features": features,
        "fields": {
            "description": "What is scored against all users.",
            "type": "object",
            "propertyNames": {"$ref": "#/definitions/name"},
            "additionalProperties": {"anyOf": [{"$ref": "#/definitions/expression"}, _mapping(FieldDocument, field)]},
            "minProperties": 1,
            "maxProperties": MAX_FEATURES,
        },
        "label": _label(),
        "names": {
            "description": "Names for clusters, by number: {3: Night owls}.",
            "type": "object",
            "propertyNames": {"pattern": "^[1-9][0-9]*$"},
            "additionalProperties": {"$ref": "#/definitions/text"},
        },
        "sample": _sample(),
    }
    needed = {CLUSTERS: ["features"], QUANTILES: ["fields"], CLASSIFIER: ["features", "label"]}
    whole = _mapping(ModelDocument, keys)
    kinds: list[Schema] = [
        {
            "properties": {"kind": {"const": kind}, "algorithm": {"enum": [*ALGORITHMS[kind]]}},
            "required": ["kind", *needed[kind]],
            "propertyNames": {"enum": [*KEYS_OF_KIND[kind]]},
        }
        for kind in MODEL_KINDS
    ]
    return {**whole, "oneOf": kinds}


def _whole_number(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _label() -> Schema:
    events = {"examples": ["Order Completed", ANY_EVENT]}
    keys: dict[str, Schema] = {
        "absent": _described("text", f"Foretell that this event stays out; {ANY_EVENT}: that the user does.", **events),
        "event": _described("text", "Foretell that this event comes.", **events),
        "within": _described("duration", "How long after the sample; at least 1s."),
    }
    either = [{"required": ["absent"]}, {"required": ["event"]}]
    return {"description": "What is foretold.", **_mapping(LabelDocument, keys), "oneOf": either}


def _sample() -> Schema:
    keys: dict[str, Schema] = {
        "at": {
            "description": "Once a day a user (moments, which is fair over users), or at events.",
            "enum": [*SAMPLE_MOMENTS],
        },
        "share": {
            "description": "The share of those that is taken.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
        },
    }
    return {"description": "What it learns from.", **_mapping(SampleDocument, keys)}


def _goal() -> Schema:
    properties: dict[str, Schema] = {
        "event": _described("text", "The event that members are to bring about.", examples=["Order Completed"]),
        "within": _described("duration", "How soon after the entry; at least 1s."),
        "target": {
            "description": "The share of the members hoped for.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
        },
    }
    return {"description": "What members are expected to do.", **_mapping(GoalDocument, properties)}


def _tier() -> Schema:
    level = _mapping(LevelDocument, {name: _SEGMENT[name] for name in ("title", "when")})
    levels: Schema = {
        "description": "The first level that holds wins; the last is `always`, and only that one.",
        "type": "object",
        "propertyNames": {"$ref": "#/definitions/name"},
        "additionalProperties": {"anyOf": [{"$ref": "#/definitions/condition"}, level]},
        "minProperties": 1,
        "maxProperties": MAX_LEVELS,
    }
    properties = {"title": _SEGMENT["title"], "kind": _SEGMENT["kind"], "levels": levels}
    return _mapping(TierDocument, properties)


def _test() -> Schema:
    names: Schema = {"type": "array", "items": {"type": "string"}}
    expect: Schema = {
        "description": "What is expected then; at least one of these.",
        "type": "object",
        "properties": {
            "tags": {
                "description": "Values of tags; a duration as 15h, null for missing.",
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            },
            "segments": {**names, "description": "Exactly the segments that the user is in."},
            "in": {**names, "description": "Segments that the user is in, among others."},
            "not_in": {**names, "description": "Segments that the user is not in."},
            "levels": {
                "description": "The level on each tier.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
        },
        "minProperties": 1,
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "events": {"description": "In the order of the log.", "type": "array", "items": _event(), "minItems": 1},
            "at": {"description": "When to look; the newest event's time if left out.", "type": "string"},
            "expect": expect,
        },
        "required": ["events", "expect"],
        "additionalProperties": False,
    }


def _event() -> Schema:
    properties: dict[str, Schema] = {name: {"description": text} for name, text in _EVENT_KEYS.items()}
    for name in ("at", "event", "userId", "messageId", "name"):
        properties[name]["type"] = "string" if name == "at" else ["string", "number"]
    for name in ("properties", "traits"):
        properties[name]["type"] = "object"
    properties["type"]["enum"] = [*EVENT_TYPES]
    return {
        "type": "object",
        "properties": {**properties, **{name: {} for name in _EVENT_OTHERS}},
        "required": ["at"],
        "additionalProperties": False,
    }
