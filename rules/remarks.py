"""What is said about types: values of the wrong kind, and what is valid and surely not meant, as a count below 0."""

from __future__ import annotations

from rules.errors import Flaw, ProblemCode
from rules.nodes import Aggregate, Arithmetic, Has, Kind, Level, Membership, Node, NumberValue, Span
from rules.where import is_constant

__all__ = ["KIND_NAMES", "mismatch", "remark"]

KIND_NAMES = {
    Kind.NUMBER: "a number",
    Kind.STRING: "a string",
    Kind.BOOLEAN: "a condition",
    Kind.DURATION: "a duration",
    Kind.ANY: "a value",
}


def mismatch(span: Span, found: Kind, want: Kind) -> Flaw:
    """The flaw of a value of one kind where another is asked for."""
    message = f"{KIND_NAMES[want]} is asked for here, and this is {KIND_NAMES[found]}"
    if want is Kind.BOOLEAN:
        example = '== "A"' if found is Kind.STRING else '> "7d"' if found is Kind.DURATION else "> 0"
        message += f"; compare it, as in … {example}"
    elif want is Kind.DURATION:
        message += '; a duration is written as in "7d"'
    elif found is Kind.BOOLEAN:
        message += "; conditions are combined by and, or, not"
    return Flaw(ProblemCode.WRONG_TYPE, message, span, KIND_NAMES[found], KIND_NAMES[want])


def remark(node: Node) -> Flaw | None:
    """A warning about a resolved node, looking no further than its operands."""
    match node:
        case Has():
            return _of_has(node)
        case Arithmetic(operator="/", right=NumberValue(value=0)):
            message = "a division by zero is missing for every user, so nothing that reads it ever holds"
            return _warning(ProblemCode.ALWAYS_MISSING, message, node, "a division by 0")
        case _:
            return None


def _of_has(node: Has) -> Flaw | None:
    operand = node.operand
    is_number = isinstance(operand, Aggregate) and operand.function in ("count", "sum", "distinct")
    if not (is_number or is_constant(operand) or isinstance(operand, (Has, Membership, Level))):
        return None
    advice = "; count, sum and distinct of nothing are 0, so compare it with 0" if is_number else ""
    return _warning(ProblemCode.NEVER_MISSING, f"what stands in has(…) is never missing{advice}", node, "has(…)")


def _warning(code: ProblemCode, message: str, node: Node, found: str) -> Flaw:
    return Flaw(code, message, node.span, found=found, severity="warning")
