"""The shape of a statement's tree: what two spellings of the same statement have in common."""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from typing import Any

from sqlglot import exp

from velo_engine.sql.syntax import JsonCall

_PLACES = frozenset({"place", "location", "name_location"})
_WORDS = ("USER", "DEFAULT", "PI")
"""What Flink reads as a word of its own and this dialect as a column, unless it is quoted."""
_JSON_DEFAULTS = (
    ("wrapper", "WITHOUT"),
    ("wrapper", "WITHOUT ARRAY"),
    ("on_empty", "NULL"),
    ("on_error", "NULL"),
    ("on_null", "NULL"),
)
_ABSENT: tuple[Any, ...] = (None, [], False, ())
_QUOTED_WORDS = re.compile(r"`(DATA|TIMECOL|SIZE|SLIDE|STEP|GAP|OFFSET|CUMULATE|HOP|TUMBLE|SESSION)`(?=\s*(?:=>|\())")


def shape(value: Any) -> Any:
    """Nested tuples that are equal for the same statement: without places, parentheses, quotes around names, the case
    of function names, and words that change nothing (INNER, the plural of units, NULL of a type)."""
    if isinstance(value, exp.Paren):
        return shape(value.this)
    if isinstance(value, exp.Identifier):
        return value.this
    if isinstance(value, exp.Subquery) and not value.args.get("alias"):
        return shape(value.this)
    if isinstance(value, exp.Expr):
        return _node(value)
    if isinstance(value, list | tuple):
        return tuple(shape(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in value.items())
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in _PLACES]
        return (type(value).__name__, *((name, shape(getattr(value, name))) for name in fields))
    return value.name if isinstance(value, Enum) else value


def _node(node: exp.Expr) -> Any:
    args = {key: shape(item) for key, item in node.args.items() if item not in _ABSENT}
    if isinstance(node, exp.Join) and args.get("kind") in ("INNER", "OUTER"):
        del args["kind"]
    elif isinstance(node, exp.Anonymous) and str(args["this"]).upper() == "ROW":
        return "Tuple", (("expressions", args.get("expressions", ())),)
    elif isinstance(node, exp.Anonymous) and str(args["this"]).upper() == "TRIM":
        return shape(exp.Trim(this=node.expressions[0], expression=exp.Literal.string(" "), position="BOTH"))
    elif isinstance(node, exp.Anonymous) and _is_row_of_pattern(node):
        return shape(exp.Anonymous(this=args["this"], expressions=node.expressions[:1]))
    elif isinstance(node, exp.Anonymous):
        args["this"] = str(args["this"]).upper()
    elif isinstance(node, exp.Var):
        args["this"] = str(args["this"]).upper().rstrip("S")
    elif isinstance(node, exp.DataType) and args.get("nullable"):
        del args["nullable"]
    elif isinstance(node, exp.Case) and node.this is not None:
        whens = [exp.If(this=exp.EQ(this=node.this, expression=w.this), true=w.args["true"]) for w in node.args["ifs"]]
        return shape(exp.Case(ifs=whens, default=node.args.get("default")))
    elif isinstance(node, exp.Case) and isinstance(node.args.get("default"), exp.Null):
        del args["default"]
    elif isinstance(node, JsonCall):
        args = {key: item for key, item in args.items() if (key, item) not in _JSON_DEFAULTS}
    elif isinstance(node, exp.Tuple) and len(node.expressions) == 1:
        (only,) = node.expressions
        if isinstance(only, exp.Anonymous) and str(only.this).upper() == "ROW":
            args["expressions"] = shape(only.expressions)
    elif isinstance(node, exp.Column) and str(args["this"]).upper() in _WORDS:
        args["this"] = str(args["this"]).upper()
    return type(node).__name__, tuple(sorted(args.items()))


def _is_row_of_pattern(node: exp.Anonymous) -> bool:
    """FIRST(x, 0) and LAST(x, 0), where 0 is what is meant without it."""
    return str(node.this).upper() in ("FIRST", "LAST") and node.expressions[1:] == [exp.Literal.number(0)]


def as_written_by_people(text: str) -> str:
    """Flink's own rendering of a statement, with the few forms that only a renderer writes as a person would."""
    text = re.sub(r"\(\$(TUMBLE|HOP|SESSION)(\((?:[^()]|\([^()]*\))*\))\)", r"\1\2", text)
    text = re.sub(r"\(TABLE ((?:`[^`]*`\.?)+)\)", r"TABLE \1", text)
    text = re.sub(r"/\*\+ (.*?)\*/", lambda hint: "/*+" + hint[1].replace("`", "") + "*/", text, flags=re.DOTALL)
    text = re.sub(r"^PATTERN \((.*)\)$", lambda p: f"PATTERN ({re.sub('[()]', '', p[1])})", text, flags=re.MULTILINE)
    return _QUOTED_WORDS.sub(r"\1", text)
