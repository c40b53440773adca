"""The JSON functions.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#json-functions
"""

from __future__ import annotations

import json
from collections.abc import Callable

from velo_engine.functions.json_path import JsonPathError, parse_path, quoted
from velo_engine.functions.json_text import check_json, json_text
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.types import BOOLEAN, DOUBLE, INT, STRING, TypeName, kernel_type

RETURNING = (STRING, INT, DOUBLE, BOOLEAN)
"""The types that JSON_VALUE can return."""

JSON_MAKERS = ("json_object", "json_array", "json")
"""Functions whose JSON goes into another one as it is, not as a string."""


def _bind_reader(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """Input, path, configuration and the type, which the binder of clauses has made (`sql/json_binder.py`)."""
    check_count(args, 4, 4)
    text, path = (checked(arg, "string", i) for i, arg in enumerate(args[:2]))
    if isinstance(path, Literal):
        try:
            parse_path(str(path.value))
        except JsonPathError as problem:
            raise SignatureError(str(problem)) from None
    return (text, path, args[2]), args[3].type.as_nullable()


def _reader(kind: str) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        if site.type.name is TypeName.ARRAY:
            return f"velo_json_array({site.sql(0)}, {site.sql(1)}, {site.sql(2)})"
        call = f"velo_json('{kind}', {site.sql(0)}, {site.sql(1)}, {site.sql(2)})"
        if site.type.name is TypeName.VARCHAR:
            return call
        return f"TRY_CAST({call} AS {kernel_type(site.type)})"

    return value


def _reader_error(kind: str) -> Callable[[Site], str]:
    def error(site: Site) -> str:
        configuration = str(site.operands[2].literal)
        fails = "ERROR" in (json.loads(configuration) if configuration.startswith("[") else [configuration])
        casts = kind == "value" and site.type.name is not TypeName.VARCHAR
        if site.operands[1].constant and not fails and not casts:
            return ""
        function = "array" if site.type.name is TypeName.ARRAY else kind
        return f"velo_json_error('{function}', {site.sql(0)}, {site.sql(1)}, {site.sql(2)})"

    return error


def _bind_is_json(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    return (checked(args[0], "string", 0), args[1]), BOOLEAN.as_nullable(False)


def _bind_object(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """The configuration, then keys and values."""
    pairs: dict[str, Expression] = {}
    for key, value in zip(args[1::2], args[2::2], strict=True):
        if not isinstance(key, Literal) or not isinstance(key.value, str):
            raise SignatureError("needs constant strings as keys")
        pairs[key.value] = _json_value(value)
    # Jackson's sorted map: by UTF-16 units.
    ordered = sorted(pairs, key=lambda key: key.encode("utf-16-be"))
    flat = [part for key in ordered for part in (Literal(key, STRING), pairs[key])]
    return (args[0], *flat), STRING.as_nullable(False)


def _bind_array(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    return (args[0], *(_json_value(arg) for arg in args[1:])), STRING.as_nullable(False)


def _json_value(arg: Expression) -> Expression:
    check_json(arg.type)
    return arg


def _member(operand: Operand, absent: bool) -> str:
    text = operand.sql if operand.function in JSON_MAKERS else json_text(operand)
    return text if absent else f"coalesce({text}, 'null')"


def _object(site: Site) -> str:
    absent = site.operands[0].literal == "ABSENT"
    members = [
        f"({text_of(quoted(str(key.literal)) + ':')} || {_member(value, absent)})"
        for key, value in zip(site.operands[1::2], site.operands[2::2], strict=True)
    ]
    return _enclosed("{", members, "}")


def _array(site: Site) -> str:
    absent = site.operands[0].literal == "ABSENT"
    return _enclosed("[", [_member(value, absent) for value in site.operands[1:]], "]")


def _enclosed(opening: str, parts: list[str], closing: str) -> str:
    return f"('{opening}' || concat_ws(',', {', '.join(parts)}) || '{closing}')" if parts else f"'{opening}{closing}'"


def _json_string(site: Site) -> str:
    return json_text(site.operands[0])


def _bind_json_string(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    return (_json_value(args[0]),), STRING.as_nullable(args[0].type.nullable)


def _plain(
    name: str, usage: str, summary: str, kinds: tuple[str, ...], value: str, nullable: bool | None = None
) -> ScalarFunction:
    return ScalarFunction(name, usage, summary, signature(*kinds, returns=STRING, nullable=nullable), value)


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "json_value",
        "JSON_VALUE(json, path [RETURNING type] [… ON EMPTY] [… ON ERROR])",
        "A scalar of a JSON text; NULL when there is none.",
        _bind_reader,
        _reader("value"),
        _reader_error("value"),
        operator=True,
    ),
    ScalarFunction(
        "json_query",
        "JSON_QUERY(json, path [RETURNING ARRAY<STRING>] [… WRAPPER] [… ON EMPTY] [… ON ERROR])",
        "An array or object of a JSON text, as JSON; or the elements of an array as texts.",
        _bind_reader,
        _reader("query"),
        _reader_error("query"),
        operator=True,
    ),
    ScalarFunction(
        "json_exists",
        "JSON_EXISTS(json, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])",
        "Whether a path leads to something.",
        _bind_reader,
        _reader("exists"),
        _reader_error("exists"),
        operator=True,
    ),
    ScalarFunction(
        "is_json",
        "a IS JSON [VALUE | OBJECT | ARRAY | SCALAR]",
        "Whether a string is JSON; false of NULL.",
        _bind_is_json,
        "coalesce(velo_is_json({0}, {1}), FALSE)",
        operator=True,
    ),
    ScalarFunction(
        "json_object",
        "JSON_OBJECT([KEY] k VALUE v, … [NULL | ABSENT ON NULL])",
        "A JSON object, its keys sorted.",
        _bind_object,
        _object,
        operator=True,
    ),
    ScalarFunction(
        "json_array", "JSON_ARRAY(a, b, … [NULL | ABSENT ON NULL])", "A JSON array.", _bind_array, _array, operator=True
    ),
    ScalarFunction(
        "json",
        "JSON(json)",
        "JSON text as it is, inside JSON_OBJECT and JSON_ARRAY; text that is no JSON fails the row.",
        signature("string", returns=STRING, nullable=True),
        "velo_json_normal({0})",
        "CASE WHEN {0} IS NOT NULL AND velo_json_normal({0}) IS NULL THEN 'not JSON: ' || {0} END",
    ),
    ScalarFunction("json_string", "JSON_STRING(value)", "A value as JSON.", _bind_json_string, _json_string),
    _plain(
        "json_quote",
        "JSON_QUOTE(string)",
        "As a JSON string in ASCII.",
        ("string",),
        "velo_json_quote({0})",
    ),
    _plain(
        "json_unquote",
        "JSON_UNQUOTE(string)",
        "The text of a JSON string; any other text unchanged.",
        ("string",),
        "velo_json_unquote({0})",
    ),
    _plain(
        "json_extract",
        "JSON_EXTRACT(json, path)",
        "The text of a scalar, the JSON of anything else; NULL when there is none (Velostream).",
        ("string", "literal string"),
        "velo_json_extract({0}, {1})",
        nullable=True,
    ),
    ScalarFunction(
        "hash_code",
        "HASH_CODE(string)",
        "Java's hash code.",
        signature("string", returns=INT, nullable=True),
        "velo_hash_code({0})",
    ),
)
