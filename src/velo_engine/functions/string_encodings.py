"""Splitting strings, digests, and encodings: bytes, Base64, hexadecimal, URLs."""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.functions.python_text import CHARSETS
from velo_engine.functions.signature import (
    Binding,
    Returns,
    ScalarFunction,
    SignatureError,
    Site,
    Template,
    check_count,
    checked,
    constant_text,
    signature,
)
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.types import (
    BYTES,
    INTEGERS,
    STRING,
    STRINGS,
    SqlType,
    array,
    char,
    varchar,
)


def _bind_split_index(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 3, 3)
    text = checked(args[0], "string", 0)
    separator = args[1]
    if separator.type.name in INTEGERS:
        if not isinstance(separator, Literal) or not isinstance(separator.value, int):
            raise SignatureError("needs a constant character code or a string as argument 2")
        separator = Literal(chr(separator.value), char(1).as_nullable(False), separator.location)
    return (text, checked(separator, "string", 1), checked(args[2], "int", 2)), STRING


def _split_index(site: Site) -> str:
    text, separator, index = (operand.sql for operand in site.operands)
    chosen = f"string_split({text}, {separator})[CAST({index} AS BIGINT) + 1]"
    part = f"CASE WHEN {text} <> '' AND {index} >= 0 THEN {chosen} END"
    blank = f"velo_split_blank({text}, {index})"
    if site.operands[1].constant:
        return part if site.operands[1].literal else blank
    return f"CASE WHEN {separator} = '' THEN {blank} ELSE {part} END"


def _split(site: Site) -> str:
    text, separator = site.sql(0), site.sql(1)
    return (
        f"CASE WHEN {text} = '' AND {separator} IS NOT NULL THEN CAST([] AS VARCHAR[])"
        f" WHEN {separator} = '' THEN velo_split_units({text}) ELSE string_split({text}, {separator}) END"
    )


def _digest(algorithm: str, length: int) -> ScalarFunction:
    def value(site: Site) -> str:
        data = site.sql(0) if site.operands[0].type.name not in STRINGS else f"encode({site.sql(0)})"
        return f"velo_digest({data}, '{algorithm}')"

    name = algorithm.upper()
    summary = f"The {name} digest in hexadecimal."
    return ScalarFunction(algorithm, f"{name}(string)", summary, signature("bytes", returns=char(length)), value)


_SHA2_BITS = (224, 256, 384, 512)


def _bind_sha2(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    data, size = checked(args[0], "bytes", 0), checked(args[1], "int", 1)
    if isinstance(size, Literal) and size.value not in _SHA2_BITS:
        raise SignatureError("needs 224, 256, 384 or 512 as argument 2")
    return (data, size), varchar(128).as_nullable(data.type.nullable or size.type.nullable)


def _sha2(site: Site) -> str:
    data = site.sql(0) if site.operands[0].type.name not in STRINGS else f"encode({site.sql(0)})"
    bits = site.sql(1)
    if not site.operands[1].constant:
        # Java makes the name SHA-1 of 1, and has that, too.
        return f"CASE WHEN {bits} IN {(1, *_SHA2_BITS)} THEN velo_digest({data}, 'sha' || {bits}) END"
    return f"CASE WHEN {bits} IN {_SHA2_BITS} THEN velo_digest({data}, 'sha' || {bits}) END"


def _sha2_error(site: Site) -> str:
    if site.operands[1].constant:
        return ""
    wrong = f"{site.sql(0)} IS NOT NULL AND {site.sql(1)} NOT IN {(1, *_SHA2_BITS)}"
    return f"CASE WHEN {wrong} THEN 'SHA-' || {site.sql(1)} || ' MessageDigest not available' END"


def _to_base64(site: Site) -> str:
    data = site.sql(0) if site.operands[0].type.name not in STRINGS else f"encode({site.sql(0)})"
    return f"velo_to_base64({data})"


def _bind_charset(kind: str, returns: SqlType, nullable: bool | None) -> Callable[..., Binding]:
    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, 2, 2)
        data, charset = checked(args[0], kind, 0), checked(args[1], "literal string", 1)
        if not isinstance(charset, Literal) or constant_text(charset.value).upper() not in CHARSETS:
            raise SignatureError("needs a constant character set as argument 2: " + ", ".join(CHARSETS))
        return (data, charset), returns.as_nullable(data.type.nullable if nullable is None else nullable)

    return bind


def _simple(
    name: str, usage: str, summary: str, kinds: tuple[str, ...], returns: Returns, value: Template, **more: object
) -> ScalarFunction:
    nullable = more.pop("nullable", None)
    bind = signature(*kinds, returns=returns, nullable=nullable)  # type: ignore[arg-type]
    return ScalarFunction(name, usage, summary, bind, value, **more)  # type: ignore[arg-type]


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "split_index",
        "SPLIT_INDEX(string, separator, n)",
        "The part number n, from 0, between separators.",
        _bind_split_index,
        _split_index,
    ),
    _simple(
        "split",
        "SPLIT(string, separator)",
        "The parts between separators.",
        ("string", "string"),
        array(STRING),
        _split,
    ),
    _simple(
        "split_part",
        "SPLIT_PART(string, separator, n)",
        "The part number n, from 1 or from the end when negative; empty when there is none (Velostream).",
        ("string", "string", "int"),
        STRING,
        "split_part({0}, {1}, {2})",
    ),
    _digest("md5", 32),
    _digest("sha1", 40),
    _digest("sha224", 56),
    _digest("sha256", 64),
    _digest("sha384", 96),
    _digest("sha512", 128),
    ScalarFunction(
        "sha2", "SHA2(string, bits)", "The SHA-2 digest of 224, 256, 384 or 512 bits.", _bind_sha2, _sha2, _sha2_error
    ),
    _simple("to_base64", "TO_BASE64(string or bytes)", "As Base64.", ("bytes",), STRING, _to_base64, nullable=None),
    _simple(
        "from_base64",
        "FROM_BASE64(string)",
        "The UTF-8 text of Base64; anything else is a row error.",
        ("string",),
        STRING,
        "velo_from_base64({0})",
        error="CASE WHEN {0} IS NOT NULL AND velo_from_base64({0}) IS NULL THEN 'not Base64: ' || {0} END",
    ),
    ScalarFunction(
        "encode", "ENCODE(string, charset)", "As bytes.", _bind_charset("string", BYTES, True), "velo_encode({0}, {1})"
    ),
    ScalarFunction(
        "decode",
        "DECODE(bytes, charset)",
        "The string of bytes.",
        _bind_charset("binary", STRING, None),
        "velo_decode_charset({0}, {1})",
    ),
    _simple(
        "unhex",
        "UNHEX(string)",
        "The bytes of hexadecimal digits; NULL when they are not.",
        ("string",),
        BYTES,
        "velo_unhex({0})",
        nullable=True,
    ),
    _simple(
        "url_encode",
        "URL_ENCODE(string)",
        "As application/x-www-form-urlencoded.",
        ("string",),
        STRING,
        "velo_url_encode({0})",
        nullable=True,
    ),
    _simple(
        "url_decode",
        "URL_DECODE(string)",
        "From application/x-www-form-urlencoded; NULL when it is not.",
        ("string",),
        STRING,
        "velo_url_decode({0})",
        nullable=True,
    ),
)
