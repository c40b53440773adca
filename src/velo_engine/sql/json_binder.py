"""Calls of the JSON functions with clauses: RETURNING, ON EMPTY, ON ERROR, WRAPPER, ON NULL."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.json_functions import RETURNING
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.sql.syntax import JsonCall
from velo_engine.type_rules.spelling import parse_type
from velo_engine.types import BOOLEAN, STRING, SqlType, TypeName, array

_VALUE_BEHAVIOURS = (None, "NULL", "ERROR", "DEFAULT")
_QUERY_BEHAVIOURS = (None, "NULL", "ERROR", "EMPTY", "EMPTY ARRAY", "EMPTY OBJECT")
_EXISTS_BEHAVIOURS = (None, "TRUE", "FALSE", "UNKNOWN", "ERROR")
_WRAPPERS = {
    None: "WITHOUT",
    "WITHOUT": "WITHOUT",
    "WITH": "WITH UNCONDITIONAL",
    "WITH UNCONDITIONAL": "WITH UNCONDITIONAL",
    "WITH CONDITIONAL": "WITH CONDITIONAL",
}


def bind_json(
    node: JsonCall,
    bind: Callable[[exp.Expression], Expression],
    call: Callable[..., Expression],
    location: Location | None,
) -> Expression:
    """The call of a JSON function. `bind` binds an argument, `call` makes a call of the function table."""
    name = str(node.this).upper()
    args = [bind(arg) for arg in node.expressions]
    if name in ("JSON_OBJECT", "JSON_ARRAY"):
        on_null = node.args.get("on_null") or ("NULL" if name == "JSON_OBJECT" else "ABSENT")
        return call(name.lower(), (Literal(on_null, STRING), *args), node, name)
    readers = {"JSON_VALUE": _value, "JSON_QUERY": _query, "JSON_EXISTS": _exists}
    if name not in readers:
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, f"this engine does not run {name} here", location=location)
    configuration, returning = readers[name](node, bind, location)
    result = Literal(None, returning)
    return call(name.lower(), (*args, Literal(configuration, STRING), result), node, name)


def _value(
    node: JsonCall, bind: Callable[[exp.Expression], Expression], location: Location | None
) -> tuple[str, SqlType]:
    returning = parse_type(node.args["returning"]) if node.args.get("returning") is not None else STRING
    if returning.as_nullable() not in RETURNING:
        known = ", ".join(str(t) for t in RETURNING)
        message = f"JSON_VALUE returns one of {known}, not {returning}"
        raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=location, hint="CAST the STRING it returns")
    parts: list[str | None] = [str(returning.as_nullable())]
    for event in ("empty", "error"):
        behaviour = _known(node, f"on_{event}", _VALUE_BEHAVIOURS, location)
        default = node.args.get(f"{event}_default")
        parts += [behaviour, _default(bind(default), returning, location) if default is not None else None]
    return json.dumps(parts), returning


def _default(bound: Expression, returning: SqlType, location: Location | None) -> str | None:
    """The constant after DEFAULT, as text of the returned type."""
    fits = isinstance(bound, Literal) and (
        bound.value is None or (bound.type.name is TypeName.CHAR) == (returning.name is TypeName.VARCHAR)
    )
    if not fits or not isinstance(bound, Literal):
        message = f"DEFAULT needs a constant of type {returning}"
        raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=location)
    if bound.value is None:
        return None
    return str(bound.value).lower() if isinstance(bound.value, bool) else str(bound.value)


def _query(node: JsonCall, _: object, location: Location | None) -> tuple[str, SqlType]:
    returning = STRING if node.args.get("returning") is None else parse_type(node.args["returning"])
    if returning not in (STRING, array(STRING)):
        message = f"JSON_QUERY returns a STRING or an ARRAY<STRING> here, not {returning}"
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, message, location=location, hint="CAST what it returns")
    wrapper = node.args.get("wrapper")
    if wrapper not in _WRAPPERS:
        raise VeloError(ErrorCode.SQL_SYNTAX, f"JSON_QUERY has no {wrapper} WRAPPER", location=location)
    behaviours = [_known(node, f"on_{event}", _QUERY_BEHAVIOURS, location) for event in ("empty", "error")]
    return json.dumps([_WRAPPERS[wrapper], *("EMPTY ARRAY" if b == "EMPTY" else b for b in behaviours)]), returning


def _exists(node: JsonCall, _: object, location: Location | None) -> tuple[str, SqlType]:
    return _known(node, "on_error", _EXISTS_BEHAVIOURS, location) or "FALSE", BOOLEAN


def _known(node: JsonCall, event: str, behaviours: tuple[str | None, ...], location: Location | None) -> str | None:
    behaviour: str | None = node.args.get(event)
    if behaviour not in behaviours:
        words = event.replace("_", " ").upper()
        raise VeloError(ErrorCode.SQL_SYNTAX, f"{node.this} has no {behaviour} {words}", location=location)
    return behaviour
