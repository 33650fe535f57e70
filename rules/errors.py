"""What can be wrong with a catalog: every code with its meaning, one problem with its place, and the error of all.

A catalog is checked to the end and all its problems are reported at once. Inside an expression a problem is a `Flaw`,
placed by character offsets in the expression's text; `rules.catalog` turns it into a `CatalogProblem`, placed by line
and column in the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from rules.nodes import NOWHERE, Span

__all__ = ["CatalogError", "CatalogProblem", "Flaw", "ProblemCode", "Severity", "clip"]

Severity = Literal["error", "warning"]

CLIP_CHARACTERS = 60


class ProblemCode(StrEnum):
    """Every kind of problem, with one sentence on what it means and what to do."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # The file
    NO_SUCH_CATALOG = "no_such_catalog", "There is neither a file nor a pack of this name."
    UNREADABLE_FILE = "unreadable_file", "The file exists and cannot be read; check what it is and its permissions."
    NOT_UTF8 = "not_utf8", "The file is not UTF-8 text; save it as UTF-8."
    FILE_TOO_LARGE = "file_too_large", "A catalog is at most 1 MiB of text; split it."
    BAD_CHARACTER = "bad_character", "A character that may not stand here; remove it, or write its plain form."
    TOO_MANY_PROBLEMS = "too_many_problems", "More problems were found than are listed; repair those listed first."

    # The YAML
    YAML_SYNTAX = "yaml_syntax", "The text is not YAML; nothing after this place was checked."
    YAML_TOO_DEEP = "yaml_too_deep", "The document is nested deeper than any catalog is."
    YAML_ALIAS = "yaml_alias", "Aliases (`*name`) are refused; write the value out, or make it a tag."
    YAML_ANCHOR = "yaml_anchor", "Anchors (`&name`) are refused; write the value out, or make it a tag."
    YAML_TAG = "yaml_tag", "YAML tags (`!name`) are refused; write the plain value."
    YAML_MERGE_KEY = "yaml_merge_key", "Merge keys (`<<`) are refused; write the keys out."
    SEVERAL_DOCUMENTS = "several_documents", "A file holds one document; split it at `---`."
    DUPLICATE_KEY = "duplicate_key", "A key stands twice in one mapping; keep one of them."
    BAD_KEY = "bad_key", "A key must be a plain word, not a list or a mapping, and not empty."

    # The document
    EMPTY_DOCUMENT = "empty_document", "The file holds nothing; a catalog has at least a name, a version and a rule."
    EMPTY_CATALOG = "empty_catalog", "The catalog defines neither a tag nor a segment nor a tier."
    CATALOG_TOO_LARGE = "catalog_too_large", "With all tags written out the catalog is too large; simplify its tags."
    UNKNOWN_KEY = "unknown_key", "There is no such key here; look for a misspelling."
    KEY_NOT_YET = "key_not_yet", "The section is not supported yet in this version."
    MISSING_KEY = "missing_key", "A key that must be there is missing."
    EMPTY_VALUE = "empty_value", "A key has no value; give it one, or leave the key out."
    WRONG_SHAPE = "wrong_shape", "A text, a list or a mapping stands where another of them belongs."
    BAD_VALUE = "bad_value", "The value is not one that this key takes."
    BAD_NAME = "bad_name", "Names match [a-z][a-z0-9_]* and have at most 128 characters."
    RESERVED_NAME = "reserved_name", "The name is a function's or a word of the language; take another one."
    NAME_TAKEN = "name_taken", "Tags, segments, tiers and models share one name space; rename one of the two."
    UNKNOWN_TIMEZONE = "unknown_timezone", "There is no such time zone; write it as in Asia/Shanghai, or UTC."
    BAD_TIME = "bad_time", "Times are written as in 2026-11-01T09:00:00Z, or 2026-11-01 09:00 in the catalog's zone."
    LAST_LEVEL = "last_level", "The last level of a tier is `always`, and no other."
    BAD_DURATION = "bad_duration", 'Durations are a whole number and one unit of s m h d w, such as "90s" or "7d".'

    # The text of an expression
    EMPTY_EXPRESSION = "empty_expression", "There is no expression; write one, or leave the key out."
    EXPRESSION_TOO_LONG = "expression_too_long", "An expression has at most 4,096 characters; name parts of it as tags."
    EXPRESSION_TOO_DEEP = "expression_too_deep", "An expression is nested at most 40 levels deep; name parts as tags."
    EXPRESSION_TOO_LARGE = "expression_too_large", "With its tags written out the expression is too large or too deep."
    BAD_STRING = "bad_string", "A string is not closed, or has a prefix or an escape that the language does not know."
    BAD_NUMBER = "bad_number", "Numbers are written in plain decimal digits, such as 30 or 0.5."
    NUMBER_TOO_LARGE = "number_too_large", "Numbers in expressions are at most 10^12 in magnitude."
    NOT_IN_LANGUAGE = "not_in_language", "Python has it, expressions have not."
    SYNTAX = "syntax", "The expression does not read as one here: something is missing, or too much."

    # The names and functions in an expression
    UNKNOWN_NAME = "unknown_name", "There is no tag, segment, tier, level, model, field or cluster of this name."
    WRONG_SORT = "wrong_sort", "The name is of another sort, such as a segment's where a tag's stands."
    CYCLE = "cycle", "Tags, segments or tiers are defined through each other; break the circle at one of them."
    UNKNOWN_FUNCTION = "unknown_function", "There is no such function."
    MISSING_ARGUMENT = "missing_argument", "The function needs an argument more."
    TOO_MANY_ARGUMENTS = "too_many_arguments", "The function takes fewer arguments."
    UNKNOWN_ARGUMENT = "unknown_argument", "The function has no argument of this name."
    DUPLICATE_ARGUMENT = "duplicate_argument", "An argument is given twice; keep one of them."
    BAD_ARGUMENT = "bad_argument", "The argument must be a constant of the kind that the function takes there."

    # The types in an expression
    WRONG_TYPE = "wrong_type", "A value of another type is asked for here."
    UNCLEAR_TYPE = "unclear_type", "Nothing tells the type of what is compared; compare with a constant."
    CONDITION_COMPARED = "condition_compared", "Conditions are combined by and, or, not; they are not compared."
    STRINGS_COMPARED = "strings_compared", "A string is compared with constants only, a level with its tier's levels."
    TEXT_TOO_LONG = "text_too_long", "Strings of users are kept to 256 bytes, so a longer one is never equal."
    DISTINCT_LIMIT = (
        "distinct_limit",
        "Of `distinct`, 64 means 64 or more: `>= 64` and `< 64` are the largest limits.",
    )
    BAD_CHOICES = "bad_choices", "After `in` stands a list of constants: all numbers, or all strings."
    PROPERTY_OUTSIDE_WHERE = "property_outside_where", "The event being counted is read only in `where=`."
    NOT_IN_WHERE = "not_in_where", "In `where=` stand only properties of the event, each beside constants."

    # What conditions can come to
    NEVER_HOLDS = "never_holds", "The condition can be true for nobody, whatever a user does."
    ALWAYS_HOLDS = "always_holds", "The condition is true for everybody, or for everybody who has the value at all."
    UNCHANGEABLE = "unchangeable", "The condition reads nothing of the user, so no event can ever change it."
    NEVER_ENTERED = "never_entered", "`exit` holds whenever `when` does, so nobody can ever enter."
    NEVER_LEAVES = "never_leaves", "`exit` can never hold, so whoever has entered never leaves."
    LEVEL_COVERED = "level_covered", "The levels above hold whenever this one does, so nobody is ever on it."
    CLUSTER_NUMBER = (
        "cluster_number",
        "A cluster's number is a name: it takes `==`, `!=`, `in`, `not in`, nothing else.",
    )
    CONSTANT_FEATURE = (
        "constant_feature",
        "The feature is the same, or missing, for everybody: nothing is learned by it.",
    )

    # Warnings
    SAME_MEANING = "same_meaning", "Two segments have the same members, whatever users do."
    EXIT_OVERLAPS = "exit_overlaps", "`exit` holds for some of those for whom `when` does: they do not enter."
    UNUSED_TAG = "unused_tag", "Nothing reads the tag: it stands in profiles only, and in no message."
    SIMILAR_EVENTS = "similar_events", "Two event names differ by one letter or by capitals; one may be misspelt."
    ALWAYS_MISSING = "always_missing", "The value is missing for every user, so nothing that asks for it ever holds."
    LOOK_ALIKE = "look_alike", "A letter of another alphabet stands among Latin ones and looks like one of them."
    NEVER_MISSING = "never_missing", "The value is never missing, so `has` of it holds for every user."


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem inside one expression; `span` counts characters of the expression's text."""

    code: ProblemCode
    message: str
    span: Span = NOWHERE
    found: str = ""
    expected: str = ""
    suggestion: str | None = None
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One thing wrong with a catalog. `line` and `column` are 1-based, columns count characters."""

    code: ProblemCode
    message: str
    file: str
    line: int
    column: int
    found: str = ""
    expected: str = ""
    suggestion: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        hint = "" if self.suggestion is None else f" (did you mean {self.suggestion}?)"
        return f"{self.file}:{self.line}:{self.column}: {self.severity}[{self.code}]: {self.message}{hint}"


class CatalogError(Exception):
    """A catalog that cannot be used. `problems` has everything found, warnings too, in the order of the file."""

    def __init__(self, problems: Iterable[CatalogProblem]) -> None:
        self.problems: tuple[CatalogProblem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def clip(text: str) -> str:
    """The text as it may stand in a message: on one line, printable, and not endless."""
    shown = text if len(text) <= CLIP_CHARACTERS else text[: CLIP_CHARACTERS - 1] + "…"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in shown)
