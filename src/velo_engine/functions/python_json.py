"""The JSON functions, for the kernel.

A configuration is a JSON array: `[returning, on_empty, empty_default, on_error, error_default]` of JSON_VALUE,
`[wrapper, on_empty, on_error]` of JSON_QUERY.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache

import pyarrow as pa

from velo_engine.functions import json_path as jp
from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.functions.python_text import units


class _RowError(Exception):
    """The call has no value for the row."""


@lru_cache(maxsize=256)
def _configuration(text: str) -> tuple[str | None, ...]:
    return tuple(json.loads(text))


def _value(text: str, path: str, configuration: str) -> str | None:
    returning, on_empty, empty_default, on_error, error_default = _configuration(configuration)
    try:
        parsed = jp.parse_path(path)
        found = jp.read(text, parsed)
        if found is None or (parsed.lax and not jp.is_scalar(found)):
            return _otherwise(on_empty, empty_default, "JSON_VALUE found nothing")
        if not jp.is_scalar(found):
            raise jp.JsonReadError("JSON_VALUE found an array or an object")
    except jp.JsonReadError as problem:
        return _otherwise(on_error, error_default, str(problem))
    if not _fits(found, returning):
        raise _RowError(f"the JSON value {jp.dump(found)} is no {returning} to Flink")
    return jp.scalar_text(found)


def _fits(value: jp.Json, returning: str | None) -> bool:
    """Flink casts the Java object, so INT needs an int, DOUBLE a number with a point or exponent."""
    if returning == "INT":
        return type(value) is int and -(2**31) <= value < 2**31
    if returning == "DOUBLE":
        return isinstance(value, Decimal)
    return isinstance(value, bool) if returning == "BOOLEAN" else True


def _otherwise(behaviour: str | None, default: str | None, message: str) -> str | None:
    if behaviour == "ERROR":
        raise _RowError(message)
    return default if behaviour == "DEFAULT" else None


def _query(text: str, path: str, configuration: str) -> str | None:
    wrapper, on_empty, on_error = _configuration(configuration)
    try:
        parsed = jp.parse_path(path)
        found = jp.read(text, parsed)
        wrap = wrapper == "WITH UNCONDITIONAL" or (wrapper == "WITH CONDITIONAL" and not isinstance(found, list))
        if found is not None and wrap:
            found = [found]
        if found is None or (parsed.lax and jp.is_scalar(found)):
            return _empty_collection(on_empty, "JSON_QUERY found nothing")
        if jp.is_scalar(found):
            raise jp.JsonReadError("JSON_QUERY found neither an array nor an object")
        return jp.dump(found)
    except jp.JsonReadError as problem:
        return _empty_collection(on_error, str(problem))


def _array(text: str, path: str, configuration: str) -> str | None:
    """As `_query`; what is no array is an error."""
    found = _query(text, path, configuration)
    if found is None or found.startswith("["):
        return found
    return _empty_collection(_configuration(configuration)[-1], "JSON_QUERY found an object, not an array")


def json_normal(text: str) -> str | None:
    """A JSON text as Jackson writes what it reads; None when it reads nothing."""
    if not text.strip():
        return "null"
    try:
        return jp.dump(_sorted(jp.parse(text)))
    except jp.JsonReadError:
        return None


def _sorted(value: jp.Json) -> jp.Json:
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))}
    return value


def _empty_collection(behaviour: str | None, message: str) -> str | None:
    if behaviour == "ERROR":
        raise _RowError(message)
    return {"EMPTY ARRAY": "[]", "EMPTY OBJECT": "{}"}.get(behaviour or "NULL")


def _exists(text: str, path: str, on_error: str) -> str | None:
    try:
        return "true" if jp.read(text, jp.parse_path(path)) is not None else "false"
    except jp.JsonReadError as problem:
        if on_error == "ERROR":
            raise _RowError(str(problem)) from None
        return {"TRUE": "true", "FALSE": "false"}.get(on_error)


_FUNCTIONS = {"value": _value, "query": _query, "array": _array, "exists": _exists}


def json_call(function: str, text: str, path: str, configuration: str) -> str | None:
    """JSON_VALUE, JSON_QUERY or JSON_EXISTS as text; None for NULL and where it fails."""
    try:
        return _FUNCTIONS[function](text, path, configuration)
    except (_RowError, jp.JsonPathError):
        return None


def json_array(text: str, path: str, configuration: str) -> list[str | None] | None:
    """JSON_QUERY … RETURNING ARRAY<STRING>: the elements as texts."""
    found = json_call("array", text, path, configuration)
    elements = None if found is None else jp.parse(found)
    if not isinstance(elements, list):
        return None
    return [None if e is None else jp.scalar_text(e) if jp.is_scalar(e) else jp.dump(e) for e in elements]


def json_error(function: str, text: str, path: str, configuration: str) -> str | None:
    """Why JSON_VALUE, JSON_QUERY or JSON_EXISTS fails, or None."""
    try:
        _FUNCTIONS[function](text, path, configuration)
    except (_RowError, jp.JsonPathError) as problem:
        return str(problem)
    return None


def is_json(text: str, kind: str) -> bool:
    """IS JSON VALUE, OBJECT, ARRAY or SCALAR."""
    try:
        value = jp.parse(text)
    except jp.JsonReadError:
        return False
    return {"OBJECT": isinstance(value, dict), "ARRAY": isinstance(value, list), "SCALAR": jp.is_scalar(value)}.get(
        kind, True
    )


def json_extract(text: str, path: str) -> str | None:
    """The text of a scalar, the JSON of anything else."""
    try:
        found = jp.read(text, jp.parse_path(path))
    except (jp.JsonReadError, jp.JsonPathError):
        return None
    if found is None:
        return None
    return jp.scalar_text(found) if jp.is_scalar(found) else jp.dump(found)


def json_quote(text: str) -> str:
    """A JSON string in ASCII; a half of a character beyond U+FFFF is preceded by the whole one, as Flink writes it."""
    parts = ['"']
    split = units(text)
    for position, c in enumerate(split):
        if c in '"\\\b\f\n\r\t':
            parts.append(jp.quoted(c)[1:-1])
        elif " " <= c < "\x7f" or c == "/":
            parts.append(c)
        else:
            following = split[position + 1 : position + 2]
            whole = "\ud800" <= c < "\udc00" and "\udc00" <= following < "\ue000"
            code = 0x10000 + (ord(c) - 0xD800) * 0x400 + ord(following) - 0xDC00 if whole else ord(c)
            parts.append(f"\\u{code:04x}")
    return "".join(parts) + '"'


def json_unquote(text: str) -> str:
    """The text of a JSON string, and any other text as it is."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return jp.well_formed(value) if isinstance(value, str) else text


def json_string(text: str) -> str:
    """A JSON string."""
    return jp.quoted(text)


def json_number(text: str) -> str:
    """A number as BigDecimal prints it."""
    return jp.number_text(Decimal(text)) if re.fullmatch(r"[-+0-9.eE]+", text) else "null"


def hash_code(text: str) -> int:
    """Java's String.hashCode."""
    result = 0
    for unit in units(text):
        result = (31 * result + ord(unit)) & 0xFFFFFFFF
    return result - 2**32 if result >= 2**31 else result


_TEXT = "VARCHAR"

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_json", (_TEXT,) * 4, _TEXT, pa.string(), json_call),
    row_function("velo_json_array", (_TEXT,) * 3, "VARCHAR[]", pa.list_(pa.string()), json_array),
    row_function("velo_json_normal", (_TEXT,), _TEXT, pa.string(), json_normal),
    row_function("velo_json_error", (_TEXT,) * 4, _TEXT, pa.string(), json_error),
    row_function("velo_is_json", (_TEXT,) * 2, "BOOLEAN", pa.bool_(), is_json),
    row_function("velo_json_extract", (_TEXT,) * 2, _TEXT, pa.string(), json_extract),
    row_function("velo_json_quote", (_TEXT,), _TEXT, pa.string(), json_quote),
    row_function("velo_json_unquote", (_TEXT,), _TEXT, pa.string(), json_unquote),
    row_function("velo_json_string", (_TEXT,), _TEXT, pa.string(), json_string),
    row_function("velo_json_number", (_TEXT,), _TEXT, pa.string(), json_number),
    row_function("velo_hash_code", (_TEXT,), "INTEGER", pa.int32(), hash_code),
)
