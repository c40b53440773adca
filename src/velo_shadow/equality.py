"""When two values are equal, as one SQL expression: built once, rendered for DuckDB and for Spark.

The expression is true or false, never NULL; it is symmetric in its two sides; a decimal never passes through a float.
Both sides have been brought to the column's type before.
"""

from __future__ import annotations

import json
import unicodedata
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

import pyarrow as pa
from sqlglot import exp, parse_one

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_shadow.model import ColumnEquality, Rule

_DEFAULT_REL = {TypeName.FLOAT: Decimal("1e-5"), TypeName.DOUBLE: Decimal("1e-9")}
_FRACTION_BITS = {TypeName.FLOAT: (23, -149), TypeName.DOUBLE: (52, -1074)}
"""Bits after the point of the significand, and the exponent of the smallest number above zero (IEEE 754)."""
_WIDEST = 37
"""Digits of decimals that are subtracted: the difference of two such fits the 38 of both engines."""
_FITTING: dict[Rule, frozenset[TypeName]] = {
    Rule.ABS: INTEGERS | FLOATS | {TypeName.DECIMAL},
    Rule.REL: FLOATS | {TypeName.DECIMAL},
    Rule.ULP: FLOATS,
    Rule.SCALE: frozenset({TypeName.DECIMAL}),
    Rule.WITHIN: TIMESTAMPS,
    Rule.JSON: STRINGS,
    Rule.BAG: frozenset({TypeName.ARRAY}),
}
_EXACT = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Wide enough to drop the closing zeros of any number without rounding it."""
_WHOLE = (Rule.ULP, Rule.SCALE, Rule.WITHIN)


def default_equality(kind: SqlType) -> ColumnEquality:
    """Exact, but for floating point, whose sums depend on the order of the rows: relative 1e-9 (FLOAT: 1e-5)."""
    if kind.name in FLOATS:
        return ColumnEquality(Rule.REL, _DEFAULT_REL[kind.name])
    return ColumnEquality()


def check_equality(column: str, kind: SqlType, equality: ColumnEquality) -> None:
    """Raises VeloError BAD_VALUE when the rule has no meaning for the type, or its tolerance is none."""
    rule, tolerance = equality.rule, equality.tolerance
    if rule is not Rule.EXACT and kind.name not in _FITTING[rule]:
        fitting = ", ".join(sorted(_FITTING[rule]))
        raise VeloError(
            ErrorCode.BAD_VALUE, f'column "{column}" is {kind}: "{rule}" compares {fitting}', hint="leave it exact"
        )
    if not tolerance.is_finite() or tolerance < 0:
        raise VeloError(ErrorCode.BAD_VALUE, f'column "{column}": the tolerance {tolerance} is not 0 or more')
    if rule in _WHOLE and tolerance != tolerance.to_integral_value():
        raise VeloError(ErrorCode.BAD_VALUE, f'column "{column}": {rule} takes a whole number, not {tolerance}')
    if rule is Rule.SCALE and tolerance > kind.scale:
        message = f'column "{column}" has {kind.scale} digits after the point: {rule} {tolerance} compares no fewer'
        raise VeloError(ErrorCode.BAD_VALUE, message)
    if rule in (Rule.ABS, Rule.REL) and kind.name not in FLOATS:
        digits, scale = _subtracted(kind, equality)
        if scale > digits:
            message = f'column "{column}" is {kind}: with {rule} {tolerance} it needs more than {_WIDEST} digits'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint="compare it exactly, or by scale")
    if (equality.ignore_case or equality.trim or equality.normalise_unicode) and kind.name not in STRINGS:
        raise VeloError(ErrorCode.BAD_VALUE, f'column "{column}" is {kind}: case, spaces and Unicode are those of text')


def equal(left: exp.Expr, right: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr:
    """Whether two values of type `kind` are equal. The caller has checked the equality (`check_equality`)."""
    left, right = _normal(left, kind, equality), _normal(right, kind, equality)
    same: exp.Expr = exp.NullSafeEQ(this=left.copy(), expression=right.copy())
    same = _and_settings(same, left, right, kind, equality)
    near = _near(left, right, kind, equality)
    if near is None:
        return same
    never_null = exp.Coalesce(this=exp.Paren(this=near), expressions=[exp.false()])
    return exp.Paren(this=exp.or_(same, never_null))


def needs_rule(equality: ColumnEquality) -> bool:
    """Whether values can be equal without being the same: such a column cannot be grouped by."""
    return equality != ColumnEquality()


def _normal(value: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr:
    """The value that stands for all that are the same under the settings for text, JSON and arrays."""
    if equality.rule is Rule.JSON:
        name = "velo_json_value_sparse" if equality.null_equals_missing else "velo_json_value"
        return exp.Anonymous(this=name, expressions=[value.copy()])
    if equality.rule is Rule.BAG:
        return _sql("LIST_SORT({v})", v=value)
    if equality.rule is Rule.SCALE:
        return _sql(f"ROUND({{v}}, {int(equality.tolerance)})", v=value)
    if kind.name is TypeName.MAP:
        return _sql("LIST_SORT(MAP_ENTRIES({v}))", v=value)
    if equality.normalise_unicode:
        value = exp.Anonymous(this="velo_nfc", expressions=[value.copy()])
    if equality.trim:
        value = _sql("TRIM({v})", v=value)
    if equality.ignore_case:
        value = _sql("LOWER({v})", v=value)
    return value


def _and_settings(same: exp.Expr, left: exp.Expr, right: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr:
    """Both engines hold NaN equal to itself and -0.0 equal to 0.0: what the settings take back."""
    if kind.name not in FLOATS:
        return same
    if not equality.nan_equals_nan:
        same = exp.and_(same, _sql("NOT COALESCE(ISNAN({v}), FALSE)", v=left))
    if not equality.signed_zeros_equal:
        same = exp.and_(same, exp.or_(_not_zero(left), _same_sign(left, right)))
    return exp.Paren(this=same)


def _not_zero(value: exp.Expr) -> exp.Expr:
    return _sql("COALESCE({v} <> 0, TRUE)", v=value)


def _same_sign(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Of two zeros, which both engines write as `0.0` and `-0.0`."""
    return _sql("CAST({l} AS VARCHAR) = CAST({r} AS VARCHAR)", l=left, r=right)


def _near(left: exp.Expr, right: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr | None:
    """Whether values that are not the same are close enough; NULL when one is NULL. None: no such thing."""
    if equality.tolerance == 0 or equality.rule not in (Rule.ABS, Rule.REL, Rule.ULP, Rule.WITHIN):
        return None
    if equality.rule is Rule.WITHIN:
        apart = f"INTERVAL '{int(equality.tolerance)}' MILLISECOND"
        return _sql(f"{{l}} <= {{r}} + {apart} AND {{r}} <= {{l}} + {apart}", l=left, r=right)
    if kind.name in FLOATS:
        return _near_floats(left, right, kind, equality)
    return _near_decimals(left, right, kind, equality)


def _near_floats(left: exp.Expr, right: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr:
    """Infinities and NaN are near nothing."""
    left, right = (_sql("CAST({v} AS DOUBLE)", v=v) for v in (left, right))
    larger = _sql("GREATEST(ABS({l}), ABS({r}))", l=left, r=right)
    finite = _sql("{m} < CAST('Infinity' AS DOUBLE)", m=larger)
    size = f"CAST('{equality.tolerance:e}' AS DOUBLE)"
    if equality.rule is Rule.ABS:
        allowed = _sql(size)
    elif equality.rule is Rule.REL:
        allowed = _sql(f"{size} * {{m}}", m=larger)
    else:
        allowed = exp.Mul(this=_sql(size), expression=_last_place(larger, kind))
    close = exp.LTE(this=_sql("ABS({l} - {r})", l=left, r=right), expression=allowed)
    near: exp.Expr = exp.and_(finite, close)
    if not equality.signed_zeros_equal:
        near = exp.and_(near, exp.or_(_not_zero(left), _not_zero(right)))
    return near


def _last_place(value: exp.Expr, kind: SqlType) -> exp.Expr:
    """The unit in the last place of a positive finite number; exact, although the logarithm is rounded."""
    bits, least = _FRACTION_BITS[kind.name]
    estimate = f"FLOOR(LOG2(GREATEST({{v}}, POWER(2.0, {least}))))"
    exponent = (
        f"CASE WHEN POWER(2.0, {estimate}) > {{v}} THEN {estimate} - 1 "
        f"WHEN POWER(2.0, {estimate} + 1) <= {{v}} THEN {estimate} + 1 ELSE {estimate} END"
    )
    return _sql(f"POWER(2.0, GREATEST({exponent} - {bits}, {least}))", v=value)


def _near_decimals(left: exp.Expr, right: exp.Expr, kind: SqlType, equality: ColumnEquality) -> exp.Expr:
    """In decimals throughout. Values too wide for the digits that are left are equal only when the same."""
    tolerance = equality.tolerance.normalize()
    allowed = f"CAST('{tolerance:f}' AS {_literal_type(tolerance)})"
    if equality.rule is Rule.REL:
        allowed += " * GREATEST(ABS({l}), ABS({r}))"
    digits, scale = _subtracted(kind, equality)
    left, right = (_sql(f"TRY_CAST({{v}} AS DECIMAL({digits}, {scale}))", v=v) for v in (left, right))
    return _sql(f"ABS({{l}} - {{r}}) <= {allowed}", l=left, r=right)


def _subtracted(kind: SqlType, equality: ColumnEquality) -> tuple[int, int]:
    """Precision and scale of the decimals whose difference is compared with the tolerance; the scale may not fit."""
    digits, scale = (kind.precision, kind.scale) if kind.name is TypeName.DECIMAL else (19, 0)
    whole = max(digits - scale, 1)
    if equality.rule is Rule.REL:
        return min(_WIDEST - _literal_digits(equality.tolerance)[0], whole + scale), scale
    scale = max(scale, _literal_digits(equality.tolerance)[1])
    return min(_WIDEST, whole + scale), scale


def _literal_digits(value: Decimal) -> tuple[int, int]:
    whole, _, fraction = f"{value.normalize():f}".partition(".")
    return max(1, len(whole.lstrip("0")) + len(fraction)), len(fraction)


def _literal_type(value: Decimal) -> str:
    digits, scale = _literal_digits(value)
    return f"DECIMAL({digits}, {scale})"


def _sql(text: str, **parts: exp.Expr) -> exp.Expr:
    """An expression written in DuckDB's SQL, with expressions for its `{names}`."""
    tree = parse_one(text.format(**{name: f"__{name}__" for name in parts}), dialect="duckdb")
    marks = {f"__{name}__": part for name, part in parts.items()}

    def filled(node: exp.Expr) -> exp.Expr:
        return marks[node.name].copy() if isinstance(node, exp.Column) and node.name in marks else node

    return tree.transform(filled)


def _canonical(value: object, *, sparse: bool) -> object:
    if isinstance(value, dict):
        return {k: _canonical(v, sparse=sparse) for k, v in value.items() if not (sparse and v is None)}
    if isinstance(value, list):
        return [_canonical(item, sparse=sparse) for item in value]
    if isinstance(value, Decimal):
        return {"": "0" if value == 0 else str(value.normalize(_EXACT))}
    return value


def _json_value(text: str, *, sparse: bool) -> str:
    """The JSON of a value in one form: members sorted, numbers by value. What is no JSON stands for itself."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
        return json.dumps(_canonical(value, sparse=sparse), sort_keys=True, separators=(",", ":"))
    except (ValueError, ArithmeticError, RecursionError):
        return text


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_json_value", ("VARCHAR",), "VARCHAR", pa.string(), lambda t: _json_value(t, sparse=False)),
    row_function("velo_json_value_sparse", ("VARCHAR",), "VARCHAR", pa.string(), lambda t: _json_value(t, sparse=True)),
    row_function("velo_nfc", ("VARCHAR",), "VARCHAR", pa.string(), lambda t: unicodedata.normalize("NFC", t)),
)
"""What the expressions call beside the engines' own: to be added to a kernel, registered with Spark."""
