"""LIKE, SIMILAR TO and the REGEXP functions.

Regular expressions are Java's. `java_regex` reads them with Python's engine and refuses what the two engines take
differently.
Source: Flink's SqlLikeUtils and SqlFunctionUtils; https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/regex/Pattern.html
"""

from __future__ import annotations

from velo_engine.functions.java_regex import JavaRegexError, compile_java, java_pattern_of_similar
from velo_engine.functions.signature import (
    Binding,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    constant_text,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.types import BOOLEAN, INT, STRING, array


def _bind_like(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 3)
    bound = tuple(checked(arg, "string", i) for i, arg in enumerate(args))
    if len(bound) == 3:
        escape, pattern = bound[2], bound[1]
        if not isinstance(escape, Literal) or len(constant_text(escape.value)) != 1:
            raise SignatureError("needs one constant character after ESCAPE")
        if isinstance(pattern, Literal) and not _escapes_well(
            constant_text(pattern.value), constant_text(escape.value)
        ):
            raise SignatureError("escapes a character other than %, _ and the escape itself in its pattern")
    if function.name == "similar":
        _bind_similar(bound)
    return bound, BOOLEAN.as_nullable(any(arg.type.nullable for arg in bound))


def _escapes_well(pattern: str, escape: str) -> bool:
    position = 0
    while position < len(pattern):
        if pattern[position] == escape:
            if pattern[position + 1 : position + 2] not in ("%", "_", escape):
                return False
            position += 1
        position += 1
    return True


def _bind_similar(args: tuple[Expression, ...]) -> None:
    pattern = args[1]
    if not isinstance(pattern, Literal):
        raise SignatureError("needs a constant pattern")
    escape = args[2] if len(args) == 3 else None
    try:
        compile_java(java_pattern_of_similar(constant_text(pattern.value), _character(escape)))
    except JavaRegexError as problem:
        raise SignatureError(f"cannot use the pattern '{constant_text(pattern.value)}': {problem}") from None


def _character(escape: Expression | None) -> str | None:
    return constant_text(escape.value) if isinstance(escape, Literal) else None


_LINE_END = "'[' || chr(10) || chr(13) || chr(133) || chr(8232) || chr(8233) || ']'"
_NO_ESCAPE = "''"


def _like(site: Site) -> str:
    text, pattern = site.sql(0), site.sql(1)
    escape = site.sql(2) if len(site.operands) > 2 else None
    if not site.operands[1].constant and escape is not None:
        return f"velo_like({text}, {pattern}, {escape})"
    matches = f"({text} LIKE {pattern})" if escape is None else f"({text} LIKE {pattern} ESCAPE {escape})"
    if site.operands[1].constant and "_" not in constant_text(site.operands[1].literal):
        return matches
    # The kernel's _ matches every character; Java's dot, which Flink makes of it, no line end.
    broken = f"regexp_matches({text}, {_LINE_END})"
    return (
        f"CASE WHEN {matches} AND {broken} THEN velo_like({text}, {pattern}, {escape or _NO_ESCAPE}) ELSE {matches} END"
    )


def _like_error(site: Site) -> str:
    if len(site.operands) == 2 or site.operands[1].constant:
        return ""
    known = f"{site.sql(0)} IS NOT NULL AND {site.sql(1)} IS NOT NULL"
    return f"CASE WHEN {known} AND {_like(site)} IS NULL THEN 'Invalid escape sequence ' || {site.sql(1)} END"


def _similar(site: Site) -> str:
    pattern, escape = (
        constant_text(site.operands[1].literal),
        site.operands[2].literal if len(site.operands) > 2 else None,
    )
    regex = java_pattern_of_similar(pattern, None if escape is None else constant_text(escape))
    return f"velo_regexp_full({site.sql(0)}, {text_of(regex)})"


def _bind_regex(*kinds: str, returns: object, nullable: bool | None = None) -> object:
    """A signature whose second argument is a regular expression; a constant one is read now."""
    inner = signature(*kinds, returns=returns, nullable=nullable)  # type: ignore[arg-type]

    def bind(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        bound, result = inner(function, args)
        pattern = bound[1]
        if isinstance(pattern, Literal):
            try:
                compile_java(constant_text(pattern.value))
            except JavaRegexError as problem:
                if problem.unsupported:
                    raise SignatureError(
                        f"cannot use the regular expression '{constant_text(pattern.value)}': {problem}"
                    ) from None
        return bound, result

    return bind


def _regex(
    name: str, usage: str, summary: str, bind: object, value: str | object, aliases: tuple[str, ...] = ()
) -> ScalarFunction:
    return ScalarFunction(name, usage, summary, bind, value, _unsupported, aliases=aliases)  # type: ignore[arg-type]


def _unsupported(site: Site) -> str:
    """A pattern from a column that Java and Python take differently fails its row."""
    if site.operands[1].constant:
        return ""
    return f"velo_regexp_refusal({site.sql(1)})"


def _extract(site: Site) -> str:
    group = site.sql(2) if len(site.operands) > 2 else "0"
    return f"velo_regexp_extract({site.sql(0)}, {site.sql(1)}, {group})"


def _extract_all(site: Site) -> str:
    group = site.sql(2) if len(site.operands) > 2 else "1"
    return f"velo_regexp_extract_all({site.sql(0)}, {site.sql(1)}, {group})"


_TWO = ("string", "string")

FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "like",
        "a LIKE pattern [ESCAPE character]",
        "Whether the whole string matches; % is any characters, _ one.",
        _bind_like,
        _like,
        _like_error,
        operator=True,
    ),
    ScalarFunction(
        "similar",
        "a SIMILAR TO pattern [ESCAPE character]",
        "Whether the whole string matches an SQL regular expression, a constant.",
        _bind_like,
        _similar,
        operator=True,
    ),
    _regex(
        "regexp",
        "REGEXP(string, regex)",
        "Whether a part matches; false for an empty or malformed regex.",
        _bind_regex(*_TWO, returns=BOOLEAN),
        "velo_regexp({0}, {1})",
    ),
    _regex(
        "regexp_replace",
        "REGEXP_REPLACE(string, regex, replacement)",
        "With every match replaced by the text; NULL for a malformed regex.",
        _bind_regex(*_TWO, "string", returns=STRING),
        "velo_regexp_replace({0}, {1}, {2})",
    ),
    _regex(
        "regexp_extract",
        "REGEXP_EXTRACT(string, regex [, group])",
        "The first match, or one of its groups; NULL when there is none.",
        _bind_regex(*_TWO, "int?", returns=STRING, nullable=True),
        _extract,
    ),
    _regex(
        "regexp_extract_all",
        "REGEXP_EXTRACT_ALL(string, regex [, group])",
        "All matches of a group, by default the first.",
        _bind_regex(*_TWO, "int?", returns=array(STRING), nullable=True),
        _extract_all,
    ),
    _regex(
        "regexp_count",
        "REGEXP_COUNT(string, regex)",
        "The number of matches.",
        _bind_regex(*_TWO, returns=INT, nullable=True),
        "velo_regexp_count({0}, {1})",
    ),
    _regex(
        "regexp_substr",
        "REGEXP_SUBSTR(string, regex)",
        "The first match; NULL when there is none.",
        _bind_regex(*_TWO, returns=STRING, nullable=True),
        "velo_regexp_substr({0}, {1})",
    ),
    _regex(
        "regexp_instr",
        "REGEXP_INSTR(string, regex)",
        "Where the first match stands, 0 when there is none.",
        _bind_regex(*_TWO, returns=INT, nullable=True),
        "velo_regexp_instr({0}, {1})",
    ),
)
