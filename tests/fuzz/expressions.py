"""Typed scalar expressions. Whatever is generated can be computed for every row: no division by zero, no bad cast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.fuzz.relation import NUMBERS, Context, Kind

Named: TypeAlias = Sequence[tuple[str, Kind]]
"""What an expression may refer to: texts, such as `l.k`, and their kinds."""

SCALARS = tuple(kind for kind in Kind if kind is not Kind.ARRAY)
ORDERED = tuple(kind for kind in SCALARS if kind is not Kind.BOOLEAN)


TRIES = 6


def expression(c: Context, names: Named, kind: Kind, depth: int) -> str:
    """An expression of a kind, nested at most `depth` deep; of columns, mostly."""
    for _ in range(TRIES if depth > 0 and c.chance(0.9) else 1):
        made = _expression(c, names, kind, depth)
        if refers(made, names):
            break
    return made


def _expression(c: Context, names: Named, kind: Kind, depth: int) -> str:
    atoms = [text for text, k in names if k is kind]
    if depth <= 0 or (atoms and c.chance(0.35)):
        # TRUE and FALSE would only be computed away.
        return c.pick(*atoms) if atoms and (kind is Kind.BOOLEAN or c.chance(0.85)) else literal(c, kind)
    if c.chance(0.15):
        return _any_kind(c, names, kind, depth)
    return c.pick(*_BY_KIND[kind])(c, names, depth - 1)


def condition(c: Context, names: Named, depth: int = 2) -> str:
    """A predicate; over columns, because planners compute constant ones away, in ways that mean nothing here."""
    for _ in range(TRIES):
        made = expression(c, names, Kind.BOOLEAN, depth)
        if refers(made, names):
            break
    return made


def refers(text: str, names: Named) -> bool:
    """Whether an expression names a column."""
    words = set(re.findall(r"[\w.]+", text))
    return any(name in words for name, _ in names)


def literal(c: Context, kind: Kind) -> str:
    """A constant."""
    match kind:
        case Kind.INT:
            return str(c.pick(0, 1, 2, 3, 7, 10))
        case Kind.BIGINT:
            return f"CAST({c.pick(0, 1, 3, 5000000000)} AS BIGINT)"
        case Kind.DECIMAL:
            return c.pick("0.5", "1.00", "2.345", "10.0", "0.001")
        case Kind.DOUBLE:
            return c.pick("CAST(0.25 AS DOUBLE)", "1.5E0", "2E0")
        case Kind.STRING:
            return c.pick("'a'", "'ab'", "''", "'A'", "'x_y'", "'10'")
        case Kind.BOOLEAN:
            return c.pick("TRUE", "FALSE")
        case Kind.DATE:
            return c.pick("DATE '2024-01-01'", "DATE '2024-02-29'")
        case Kind.TIMESTAMP:
            return c.pick("TIMESTAMP '2024-01-01 00:00:00'", "TIMESTAMP '2024-01-01 00:00:10.001'")
        case Kind.ARRAY:
            return "ARRAY[1, 2]"


Production: TypeAlias = Callable[[Context, Named, int], str]


def _any_kind(c: Context, names: Named, kind: Kind, depth: int) -> str:
    def one() -> str:
        return expression(c, names, kind, depth - 1)

    if kind is Kind.ARRAY:
        return one()
    match c.random.randrange(5):
        case 0:
            return f"CASE WHEN {condition(c, names, depth - 1)} THEN {one()} ELSE {one()} END"
        case 1:
            return f"CASE WHEN {condition(c, names, depth - 1)} THEN {one()} END"
        case 2:
            return f"COALESCE({one()}, {one()})"
        case 3:
            return f"NULLIF({one()}, {one()})"
        case _:
            return f"IF({condition(c, names, depth - 1)}, {one()}, {one()})"


def _pattern(template: str, *kinds: Kind) -> Production:
    """A production that fills `{}` with expressions of these kinds."""
    return lambda c, names, depth: template.format(*(expression(c, names, kind, depth) for kind in kinds))


def _arithmetic(left: Kind, right: Kind) -> Production:
    def production(c: Context, names: Named, depth: int) -> str:
        a, b = expression(c, names, left, depth), expression(c, names, right, depth)
        return f"({a} {c.pick('+', '-', '*')} {b})"

    return production


def _comparison(c: Context, names: Named, depth: int) -> str:
    left = c.pick(*ORDERED)
    right = c.pick(*NUMBERS) if left in NUMBERS and c.chance(0.3) else left
    operator = c.pick("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
    a, b = _different(c, names, (left, right), depth)
    return f"({a} {operator} {b})"


def _different(c: Context, names: Named, kinds: Sequence[Kind], depth: int) -> list[str]:
    """Expressions that are not all the same: planners compute `a <> a` away."""
    for _ in range(TRIES):
        made = [expression(c, names, kind, depth) for kind in kinds]
        if len(set(made)) == len(made):
            return made
    return [literal(c, kinds[0]), *made[1:]]


def _between(c: Context, names: Named, depth: int) -> str:
    kind = c.pick(Kind.INT, Kind.DECIMAL, Kind.DOUBLE, Kind.STRING, Kind.DATE)
    x, a, b = _different(c, names, (kind, kind, kind), depth)
    return f"({x} {c.pick('', 'NOT ')}BETWEEN {a} AND {b})"


def _in(c: Context, names: Named, depth: int) -> str:
    kind = c.pick(Kind.INT, Kind.STRING, Kind.DECIMAL, Kind.BIGINT)
    items = ", ".join(literal(c, kind) for _ in range(c.random.randint(1, 4)))
    return f"({expression(c, names, kind, depth)} {c.pick('', 'NOT ')}IN ({items}))"


def _is(c: Context, names: Named, depth: int) -> str:
    if c.chance(0.6):
        kind = c.pick(*SCALARS)
        return f"({expression(c, names, kind, depth)} IS {c.pick('', 'NOT ')}NULL)"
    return f"({condition(c, names, depth)} IS {c.pick('', 'NOT ')}{c.pick('TRUE', 'FALSE', 'UNKNOWN')})"


def _like(c: Context, names: Named, depth: int) -> str:
    text = expression(c, names, Kind.STRING, depth)
    if c.chance(0.35):  # a pattern that each row computes
        made = c.pick(
            "({} || '_')", "('_' || {})", "('%' || {})", "REPLACE({}, 'a', '_')", "REPLACE({}, 'b', '%')", "{}"
        )
        pattern = made.format(text if c.chance(0.7) else expression(c, names, Kind.STRING, 0)) + c.pick(
            "", " ESCAPE '!'", " ESCAPE '!'"
        )
    else:
        pattern = c.pick(
            *("'a%'", "'%b%'", "'_b'", "'a_'", "'_'", "'_%'", "'%_'", "'_b%'", "'a_b'", "'%'", "''"),
            *("'x\\_y' ESCAPE '\\'", "'_!__' ESCAPE '!'", "'b!%c' ESCAPE '!'"),
        )
    return f"({text} {c.pick('', 'NOT ')}LIKE {pattern})"


def _cast_decimal(c: Context, names: Named, depth: int) -> str:
    kind = c.pick(Kind.INT, Kind.BIGINT, Kind.DECIMAL, Kind.DECIMAL, Kind.DOUBLE)
    target = c.pick("DECIMAL(10, 2)", "DECIMAL(4, 1)", "DECIMAL(20, 0)", "DECIMAL(38, 6)")
    return f"CAST({expression(c, names, kind, depth)} AS {target})"


def _divided(kind: Kind) -> Production:
    def production(c: Context, names: Named, depth: int) -> str:
        divisor = c.pick("2", "3", "-7", f"NULLIF({expression(c, names, kind, depth)}, 0)")
        return f"({expression(c, names, kind, depth)} / {divisor})"

    return production


def _substring(c: Context, names: Named, depth: int) -> str:
    text = expression(c, names, Kind.STRING, depth)
    start = c.pick("1", "2", "0", "3", "100", "-1", "-2", "-3", "-4")
    return f"SUBSTRING({text} FROM {start})" if c.chance(0.3) else f"SUBSTRING({text}, {start}, {c.pick(0, 1, 2, 5)})"


def hard_text(c: Context, names: Named) -> tuple[str, Kind]:
    """An expression of texts with positions or patterns, of a column if there is one."""
    return c.pick((_substring(c, names, 0), Kind.STRING), (_like(c, names, 0), Kind.BOOLEAN))


def _format(c: Context, names: Named, depth: int) -> str:
    pattern = c.pick("yyyy-MM-dd", "HH:mm:ss.SSS", "yyyyMMdd", "dd.MM.yy HH")
    return f"DATE_FORMAT({expression(c, names, Kind.TIMESTAMP, depth)}, '{pattern}')"


def _cast_string(c: Context, names: Named, depth: int) -> str:
    kind = c.pick(Kind.INT, Kind.BIGINT, Kind.DECIMAL, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP, Kind.DOUBLE)
    return f"CAST({expression(c, names, kind, depth)} AS {c.pick('STRING', 'STRING', 'VARCHAR(40)')})"


def _interval(c: Context) -> str:
    return f"INTERVAL '{c.pick(1, 2, 10)}' {c.pick('SECOND', 'MINUTE', 'HOUR', 'DAY')}"


def _shifted(c: Context, names: Named, depth: int) -> str:
    return f"({expression(c, names, Kind.TIMESTAMP, depth)} {c.pick('+', '-')} {_interval(c)})"


def _rounded_time(c: Context, names: Named, depth: int) -> str:
    moment = expression(c, names, Kind.TIMESTAMP, depth)
    return f"{c.pick('FLOOR', 'CEIL')}({moment} TO {c.pick('SECOND', 'MINUTE', 'HOUR', 'DAY')})"


def _part(c: Context, names: Named, depth: int) -> str:
    part = c.pick("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "QUARTER", "DOY", "WEEK")
    return f"EXTRACT({part} FROM {expression(c, names, Kind.TIMESTAMP, depth)})"


def _time_difference(c: Context, names: Named, depth: int) -> str:
    a, b = (expression(c, names, Kind.TIMESTAMP, depth) for _ in range(2))
    return f"TIMESTAMPDIFF({c.pick('SECOND', 'MINUTE', 'DAY')}, {a}, {b})"


_I, _B, _X, _D, _S, _P, _DT, _TS = SCALARS

_BY_KIND: dict[Kind, tuple[Production, ...]] = {
    Kind.INT: (
        _arithmetic(_I, _I),
        _arithmetic(_I, _I),
        _divided(_I),
        _pattern("MOD({}, 3)", _I),
        _pattern("ABS({})", _I),
        _pattern("CHAR_LENGTH({})", _S),
        _pattern("POSITION({} IN {})", _S, _S),
        _pattern("CAST({} AS INT)", _B),
        _pattern("CAST({} AS INT)", _P),
        _pattern("TRY_CAST({} AS INT)", _S),
        _pattern("CAST(CAST({} AS SMALLINT) AS INT)", _I),
        _pattern("(- {})", _I),
        _pattern("SIGN({})", _I),
        _pattern("CARDINALITY({})", Kind.ARRAY),
        _time_difference,
    ),
    Kind.BIGINT: (
        _arithmetic(_I, _B),
        _arithmetic(_B, _B),
        _divided(_B),
        _pattern("CAST({} AS BIGINT)", _I),
        _pattern("CAST({} AS BIGINT)", _D),
        _part,
        _pattern("ABS({})", _B),
        _pattern("MOD({}, CAST(7 AS BIGINT))", _B),
    ),
    Kind.DECIMAL: (
        _arithmetic(_X, _X),
        _arithmetic(_X, _X),
        _arithmetic(_X, _I),
        _arithmetic(_B, _X),
        _divided(_X),
        _cast_decimal,
        _cast_decimal,
        _pattern("ROUND({}, 1)", _X),
        _pattern("ABS({})", _X),
        _pattern("FLOOR({})", _X),
        _pattern("CEIL({})", _X),
        _pattern("TRUNCATE({}, 1)", _X),
        _pattern("(- {})", _X),
        _pattern("MOD({}, 3)", _X),
    ),
    Kind.DOUBLE: (
        _arithmetic(_D, _D),
        _arithmetic(_D, _I),
        _arithmetic(_X, _D),
        _pattern("({} / {})", _D, _D),
        _pattern("CAST({} AS DOUBLE)", _X),
        _pattern("CAST({} AS DOUBLE)", _I),
        _pattern("ABS({})", _D),
        _pattern("ROUND({}, 1)", _D),
        _pattern("FLOOR({})", _D),
        _pattern("SQRT(ABS({}))", _D),
    ),
    Kind.STRING: (
        _pattern("({} || {})", _S, _S),
        _pattern("UPPER({})", _S),
        _pattern("LOWER({})", _S),
        _substring,
        _substring,
        _substring,
        _substring,
        _pattern("TRIM({})", _S),
        _pattern("TRIM(LEADING 'a' FROM {})", _S),
        _pattern("REPLACE({}, 'a', {})", _S, _S),
        _pattern("CONCAT({}, {}, 'z')", _S, _S),
        _pattern("CONCAT_WS('-', {}, {})", _S, _S),
        _pattern("LPAD({}, 4, '*')", _S),
        _pattern("RPAD({}, 3, 'ab')", _S),
        _pattern("REVERSE({})", _S),
        _pattern("SPLIT_INDEX({}, ',', 1)", _S),
        _pattern("REGEXP_REPLACE({}, '[a-b]+', '#')", _S),
        _pattern("REGEXP_EXTRACT({}, '([a-z])([a-z])', 2)", _S),
        _pattern("LEFT({}, 2)", _S),
        _pattern("RIGHT({}, 2)", _S),
        _pattern("INITCAP({})", _S),
        _pattern("CAST({} AS VARCHAR(2))", _S),
        _pattern("CAST({} AS CHAR(3))", _S),
        _format,
        _cast_string,
        _cast_string,
    ),
    Kind.BOOLEAN: (
        _comparison,
        _comparison,
        _comparison,
        _between,
        _in,
        _is,
        _like,
        _like,
        _pattern("({} AND {})", _P, _P),
        _pattern("({} OR {})", _P, _P),
        _pattern("(NOT {})", _P),
    ),
    Kind.DATE: (
        _pattern("CAST({} AS DATE)", _TS),
        _pattern("({} + INTERVAL '1' DAY)", _DT),
        _pattern("({} - INTERVAL '1' MONTH)", _DT),
        _pattern("TRY_CAST(CAST({} AS STRING) AS DATE)", _DT),
    ),
    Kind.TIMESTAMP: (
        _shifted,
        _rounded_time,
        _pattern("CAST({} AS TIMESTAMP(3))", _DT),
        _pattern("CAST({} AS TIMESTAMP(0))", _TS),
    ),
    Kind.ARRAY: (_pattern("ARRAY[{}, {}]", _I, _I), lambda c, names, depth: literal(c, Kind.ARRAY)),
}
