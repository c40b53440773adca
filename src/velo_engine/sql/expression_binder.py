"""From expression syntax to bound, typed expressions: names resolved, literals typed, implicit casts made explicit.

The syntax is what `sql/expression_parser.py` and `sql/function_parser.py` describe. Types are Flink's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.functions.aggregates import aggregate_name, aggregate_spellings
from velo_engine.functions.record_headers import HEADERS
from velo_engine.functions.record_headers import NAMES as HEADER_FUNCTIONS
from velo_engine.functions.signature import SignatureError, coerced
from velo_engine.functions.table import FUNCTIONS, UNAVAILABLE, WRITTEN
from velo_engine.functions.user_functions import bound_arguments, plan_name, user_function
from velo_engine.plan.expressions import Call, Case, Cast, Expression, Literal
from velo_engine.sql.json_binder import bind_json
from velo_engine.sql.literal_binder import bind_hex, bind_interval, bind_number, bind_typed_literal, bind_unicode
from velo_engine.sql.locate import locate
from velo_engine.sql.negation import moved_inside
from velo_engine.sql.syntax import JsonCall, TimeDifference, TypedLiteral
from velo_engine.type_rules.casting import can_cast, cast_hint
from velo_engine.type_rules.merging import case_type
from velo_engine.type_rules.spelling import parse_type
from velo_engine.types import (
    BOOLEAN,
    FLOATS,
    INTERVALS,
    NULL,
    NUMERICS,
    STRING,
    STRINGS,
    TEMPORALS,
    SqlType,
    TypeName,
    char,
)
from velo_engine.udf import FunctionKind, UserFunction


class Scope(Protocol):
    """What names mean at one place of a query."""

    def resolve(self, column: exp.Column) -> Expression:
        """The input column (or a field of one, see `bind_field`) that `column` names.

        VeloError UNKNOWN_COLUMN or AMBIGUOUS_COLUMN.
        """

    def planned(self, node: exp.Expression) -> Expression | None:
        """The expression that already stands for `node` (an aggregate, a group key, a window function), or None."""


def bind_expression(node: exp.Expression, scope: Scope, *, text: str = "", file: str = "") -> Expression:
    """The typed expression of `node`. `text` and `file` are what it was parsed from, for the places in errors.

    VeloError UNKNOWN_FUNCTION, TYPE_MISMATCH, SQL_UNSUPPORTED, INVALID_GROUPING (an aggregate where none can stand),
    and what the scope raises.
    """
    return _Binder(scope, text, file).bind(node)


def bind_condition(node: exp.Expression, scope: Scope, *, clause: str, text: str = "", file: str = "") -> Expression:
    """As `bind_expression`, for a `clause` (WHERE, HAVING, ON, …) that needs a BOOLEAN."""
    bound = bind_expression(node, scope, text=text, file=file)
    if bound.type.name is not TypeName.BOOLEAN:
        raise VeloError(
            ErrorCode.TYPE_MISMATCH,
            f"{clause} needs a condition, not a value of type {bound.type.as_nullable()}",
            location=locate(node, text, file),
        )
    return bound


def coerce(expression: Expression, target: SqlType) -> Expression:
    """`expression` as a value of `target`, through an implicit cast; TYPE_MISMATCH when there is none."""
    return coerced(expression, target)


def bind_field(row: Expression, name: str, location: Location | None) -> Expression:
    """The field `name` of a ROW value. VeloError UNKNOWN_COLUMN, TYPE_MISMATCH."""
    if row.type.name is not TypeName.ROW:
        message = f'a value of type {row.type.as_nullable()} has no field "{name}"'
        raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=location)
    fields = dict(row.type.fields)
    if name not in fields:
        hint = did_you_mean(name, fields, noun="field")
        raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'there is no field "{name}"', location=location, hint=hint)
    found = fields[name]
    key = Literal(name, char(len(name)).as_nullable(False))
    return Call("field", (row, key), found.as_nullable(found.nullable or row.type.nullable), location)


class _Binder:
    """One expression being bound."""

    def __init__(self, scope: Scope, text: str, file: str) -> None:
        self.scope = scope
        self.text = text
        self.file = file

    def bind(self, node: exp.Expression) -> Expression:
        planned = self.scope.planned(node)
        if planned is not None:
            return planned
        rule = _RULES.get(type(node))
        if rule is None:
            raise self.error(ErrorCode.SQL_UNSUPPORTED, f"this engine does not run {_in_words(node)} here", node)
        return rule(self, node)

    def error(self, code: ErrorCode, message: str, node: exp.Expression, hint: str | None = None) -> VeloError:
        return VeloError(code, message, location=locate(node, self.text, self.file), hint=hint)

    def place(self, node: exp.Expression) -> Location | None:
        return locate(node, self.text, self.file)

    def call(
        self, name: str, args: tuple[Expression, ...], node: exp.Expression, spelled: str | None = None
    ) -> Expression:
        """A call of the function `name` of the table, with its implicit casts."""
        function = FUNCTIONS[name]
        written = spelled or function.usage
        location = self.place(node)
        try:
            if function.expand is not None:
                return function.expand(args)
            assert function.bind is not None
            bound, result = function.bind(function, args)
        except SignatureError as problem:
            raise self.error(ErrorCode.TYPE_MISMATCH, f"{written}: {problem}", node) from None
        except VeloError as problem:
            if problem.location is None:
                problem.location = location
            raise
        return Call(name, bound, result, location)

    def operator(self, name: str, node: exp.Expression, *operands: exp.Expression) -> Expression:
        return self.call(name, tuple(self.bind(operand) for operand in operands), node)

    def binary(self, name: str, node: exp.Expression) -> Expression:
        if name in ("equals", "not_equals"):
            return self.equality(name, self.bind(node.this), self.bind(node.expression), node)
        return self.operator(name, node, node.this, node.expression)

    def equality(self, name: str, left: Expression, right: Expression, node: exp.Expression) -> Expression:
        """`=` of two ROW constructors is one `=` for each field, as Calcite expands it; `<>` is not."""
        if not (isinstance(left, Call) and isinstance(right, Call) and left.function == right.function == "row"):
            return self.call(name, (left, right), node)
        if len(left.args) != len(right.args):
            raise self.error(ErrorCode.TYPE_MISMATCH, "rows of different lengths are compared", node)
        if name == "equals":
            tests = tuple(self.equality(name, a, b, node) for a, b in zip(left.args, right.args, strict=True))
            return self.call("and", tests, node) if len(tests) > 1 else tests[0]
        found = self.call(name, (left, right), node)
        assert isinstance(found, Call)
        nullable = any(arg.type.nullable for arg in (*left.args, *right.args))
        return replace(found, type=found.type.as_nullable(nullable))

    def logical(self, name: str, node: exp.And | exp.Or) -> Expression:
        operands: list[Any] = list(node.flatten())
        return self.operator(name, node, *operands)

    def literal(self, node: exp.Literal) -> Expression:
        location = self.place(node)
        if node.is_string:
            return Literal(node.this, char(len(node.this)).as_nullable(False), location)
        return bind_number(node.this, location)

    def boolean(self, node: exp.Boolean) -> Expression:
        return Literal(bool(node.this), BOOLEAN.as_nullable(False), self.place(node))

    def null(self, node: exp.Null) -> Expression:
        return Literal(None, NULL, self.place(node))

    def negative(self, node: exp.Neg) -> Expression:
        """A negative number is one constant, with the type of the positive one."""
        if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return bind_number("-" + node.this.this, self.place(node))
        return self.operator("negate", node, node.this)

    def hex_string(self, node: exp.HexString) -> Expression:
        return bind_hex(node.this, self.place(node))

    def unicode_string(self, node: exp.UnicodeString) -> Expression:
        return bind_unicode(str(node.this), self.place(node))

    def typed_literal(self, node: TypedLiteral) -> Expression:
        return bind_typed_literal(str(node.args["kind"]), node.this.this, self.place(node))

    def interval(self, node: exp.Interval) -> Expression:
        return bind_interval(node, self.place(node))

    def case(self, node: exp.Case) -> Expression:
        operand = self.bind(node.this) if node.this is not None else None
        conditions = [self.condition(operand, branch) for branch in node.args["ifs"]]
        results = [self.bind(branch.args["true"]) for branch in node.args["ifs"]]
        default_node = node.args.get("default")
        default = self.bind(default_node) if default_node is not None else Literal(None, NULL)
        found = case_type([*(result.type for result in results), default.type])
        if found is None or found.name is TypeName.NULL:
            kinds = ", ".join(str(e.type.as_nullable()) for e in (*results, default))
            raise self.error(ErrorCode.TYPE_MISMATCH, f"the branches of CASE have no common type: {kinds}", node)
        branches = tuple((c, coerced(r, found)) for c, r in zip(conditions, results, strict=True))
        return Case(branches, coerced(default, found), found, self.place(node))

    def condition(self, operand: Expression | None, branch: exp.If) -> Expression:
        condition = self.bind(branch.this)
        if operand is not None:
            return self.call("equals", (operand, condition), branch.this)
        if condition.type.name is TypeName.NULL:
            return coerced(condition, BOOLEAN)
        if condition.type.name is not TypeName.BOOLEAN:
            message = f"WHEN needs a condition, not a value of type {condition.type.as_nullable()}"
            raise self.error(ErrorCode.TYPE_MISMATCH, message, branch.this)
        return condition

    def cast(self, node: exp.Cast) -> Expression:
        arg = self.bind(node.this)
        safe = isinstance(node, exp.TryCast)
        try:
            target = parse_type(node.to)
        except VeloError as problem:
            problem.location = problem.location or self.place(node)
            raise
        if not can_cast(arg.type, target):
            message = f"there is no cast from {arg.type.as_nullable()} to {target.as_nullable()}"
            raise self.error(ErrorCode.TYPE_MISMATCH, message, node, hint=cast_hint(arg.type, target))
        nullable = safe or arg.type.nullable or arg.type.name is TypeName.NULL
        return Cast(arg, target.as_nullable(nullable), safe, self.place(node))

    def is_(self, node: exp.Is) -> Expression:
        what = node.expression
        if isinstance(what, exp.Null):
            if isinstance(node.this, exp.Null):
                return Literal(True, BOOLEAN.as_nullable(False), self.place(node))
            return self.operator("is_null", node, node.this)
        if isinstance(what, exp.Boolean):
            return self.operator("is_true" if what.this else "is_false", node, node.this)
        return self.operator("is_json", node, node.this, exp.Literal.string(_json_kind(what)))

    def not_(self, node: exp.Not) -> Expression:
        """NOT around IS has functions of its own: they are never NULL."""
        inner = node.this.unnest() if isinstance(node.this, exp.Paren) else node.this
        if isinstance(inner, exp.Is) and self.scope.planned(inner) is None:
            if isinstance(inner.expression, exp.Null):
                return self.operator("is_not_null", node, inner.this)
            if isinstance(inner.expression, exp.Boolean):
                return self.operator("is_not_true" if inner.expression.this else "is_not_false", node, inner.this)
        denied = self.operator("not", node, node.this)
        return moved_inside(denied) if isinstance(denied, Call) else denied

    def between(self, node: exp.Between) -> Expression:
        value, low, high = (self.bind(part) for part in (node.this, node.args["low"], node.args["high"]))
        within = self.within(value, low, high, node)
        if not node.args.get("symmetric"):
            return within
        return self.call("or", (within, self.within(value, high, low, node)), node)

    def within(self, value: Expression, low: Expression, high: Expression, node: exp.Expression) -> Expression:
        bounds = (self.call("greater_equal", (value, low), node), self.call("less_equal", (value, high), node))
        return self.call("and", bounds, node)

    def in_(self, node: exp.In) -> Expression:
        """Constants of the same kind at once; anything else one comparison after the other."""
        if node.args.get("query") is not None:
            raise self.error(ErrorCode.SQL_UNSUPPORTED, "this engine does not run IN over a query here", node)
        value = self.bind(node.this)
        bound = [self.bind(item) for item in node.expressions]
        self.check_listed(bound, node)
        items = [self.as_listed(item, value.type) for item in bound]
        tests = [
            self.equality("equals", value, item, place) for item, place in zip(items, node.expressions, strict=True)
        ]
        constant = all(isinstance(item, Literal) for item in items)
        kinds = {value.type.name, *(item.type.name for item in items)} - {TypeName.NULL}
        alike = kinds <= STRINGS or len(kinds - {TypeName.DECIMAL}) == len(kinds) == 1
        if constant and kinds == {TypeName.DECIMAL} and _is_rounded(tests, items):
            return self.within(value, items[0], items[0], node)
        if constant and alike and len(tests) > 1:
            compared = [test.args[1] for test in tests if isinstance(test, Call)]
            return self.call("in", (value, *compared), node)
        return self.call("or", tuple(tests), node) if len(tests) > 1 else tests[0]

    def check_listed(self, items: Sequence[Expression], node: exp.In) -> None:
        """Calcite wants strings only, or none, in a list, before it looks at the left side."""
        texts = [item.type.name in STRINGS for item in items if item.type.name is not TypeName.NULL]
        if any(texts) and not all(texts):
            message = "the values of IN have no common type"
            raise self.error(ErrorCode.TYPE_MISMATCH, message, node, "write CAST(… AS …) around some")

    def as_listed(self, item: Expression, wanted: SqlType) -> Expression:
        """An item of IN in the type of the left side: Flink casts numbers so, wrapping, but not into DECIMAL; strings
        into whatever stands left, and whatever is listed into the string on the left."""
        source = item.type.name
        if (wanted.name in STRINGS) != (source in STRINGS) and {wanted.name, source} & _BESIDE_STRINGS:
            target = STRING if wanted.name in STRINGS else wanted
            return Cast(item, target.as_nullable(item.type.nullable), location=item.location)
        if wanted.name not in NUMERICS - {TypeName.DECIMAL} or source not in NUMERICS or source is wanted.name:
            return item
        if isinstance(item, Literal) and isinstance(item.value, int | Decimal) and wanted.name in FLOATS:
            return Literal(float(item.value), wanted.as_nullable(False), item.location)
        return Cast(item, wanted.as_nullable(item.type.nullable), location=item.location)

    def like(self, node: exp.Expression) -> Expression:
        escape = node.expression if isinstance(node, exp.Escape) else None
        pattern = node.this if isinstance(node, exp.Escape) else node
        name = {"Like": "like", "SimilarTo": "similar", "RegexpLike": "regexp"}[type(pattern).__name__]
        parts = [pattern.this, pattern.expression, *([escape] if escape is not None else [])]
        return self.operator(name, node, *parts)

    def overlaps(self, node: exp.Overlaps) -> Expression:
        """Two spans of time that share a point; ends are part of a span, and stand in any order."""
        sides = (node.this, node.expression)
        if any(not isinstance(side, exp.Tuple) or len(side.expressions) != 2 for side in sides):
            raise self.error(
                ErrorCode.SQL_SYNTAX, "OVERLAPS stands between pairs: (start, end) OVERLAPS (start, end)", node
            )
        (a, b), (c, d) = ([self.bind(part) for part in side.expressions] for side in sides)
        b, d = (self.span_end(start, end, node) for start, end in ((a, b), (c, d)))
        tests = (
            self.call("greater_equal", (self.later(a, b, node), self.earlier(c, d, node)), node),
            self.call("greater_equal", (self.later(c, d, node), self.earlier(a, b, node)), node),
        )
        return self.call("and", tests, node)

    def span_end(self, start: Expression, end: Expression, node: exp.Expression) -> Expression:
        return self.call("plus", (start, end), node) if end.type.name in INTERVALS else end

    def later(self, a: Expression, b: Expression, node: exp.Expression) -> Expression:
        return Case(((self.call("less", (a, b), node), b),), a, a.type.as_nullable(a.type.nullable or b.type.nullable))

    def earlier(self, a: Expression, b: Expression, node: exp.Expression) -> Expression:
        return Case(((self.call("less", (a, b), node), a),), b, b.type.as_nullable(a.type.nullable or b.type.nullable))

    def bracket(self, node: exp.Bracket) -> Expression:
        if len(node.expressions) != 1:
            raise self.error(ErrorCode.SQL_UNSUPPORTED, "one index or key stands in brackets", node)
        return self.operator("item", node, node.this, node.expressions[0])

    def dot(self, node: exp.Dot) -> Expression:
        return bind_field(self.bind(node.this), node.expression.name, self.place(node))

    def extract(self, node: exp.Extract) -> Expression:
        return self.operator("extract", node, exp.Literal.string(node.this.name.upper()), node.expression)

    def time_difference(self, node: TimeDifference) -> Expression:
        unit = node.args["unit"]
        first = unit.this if isinstance(unit, exp.IntervalSpan) else unit
        return self.operator(
            "time_difference", node, exp.Literal.string(first.name.upper()), node.this, node.expression
        )

    def trim(self, node: exp.Trim) -> Expression:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim"}[str(node.args["position"]).upper()]
        parts = [node.this, *([node.expression] if node.expression is not None else [])]
        bound = tuple(self.bind(part) for part in parts)
        return self.call(name, bound, node, "TRIM")

    def json(self, node: JsonCall) -> Expression:
        return bind_json(node, self.bind, self.call, self.place(node))

    def anonymous(self, node: exp.Anonymous) -> Expression:
        quoted = isinstance(node.this, exp.Identifier)
        name = str(node.this.this if quoted else node.this).upper()
        function = WRITTEN.get(name)
        if function is None:
            own = user_function(name)
            if own is not None and own.kind in (FunctionKind.SCALAR, FunctionKind.VECTORIZED):
                return self.user_call(own, node)
            raise self.unknown(name, node)
        args = tuple(self.argument(arg) for arg in node.expressions)
        if function.name in HEADER_FUNCTIONS:
            args = (self.headers(name, node), *args)
        return self.call(function.name, args, node, name)

    def headers(self, name: str, node: exp.Anonymous) -> Expression:
        """The headers of the record that a row was read from."""
        try:
            return self.scope.resolve(exp.column(HEADERS))
        except VeloError as problem:
            if problem.code is ErrorCode.INVALID_GROUPING:
                message = f"{name}(…) is neither in GROUP BY nor inside an aggregate"
                raise self.error(ErrorCode.INVALID_GROUPING, message, node, "add it to GROUP BY") from None
            message = f"{name} reads the headers of a source's records, and these rows are no records of a source"
            hint = f"select {name}(…) AS … in the query whose FROM names the source"
            raise self.error(ErrorCode.SQL_UNSUPPORTED, message, node, hint) from None

    def user_call(self, function: UserFunction, node: exp.Anonymous) -> Expression:
        args = tuple(self.argument(arg) for arg in node.expressions)
        try:
            bound = bound_arguments(function, args)
        except SignatureError as problem:
            raise self.error(ErrorCode.TYPE_MISMATCH, f"{function.name}: {problem}", node) from None
        except VeloError as problem:
            problem.location = problem.location or self.place(node)
            raise
        return Call(plan_name(function), bound, function.returns.as_nullable(), self.place(node))

    def argument(self, node: exp.Expression) -> Expression:
        if isinstance(node, exp.Var):
            word = node.name.upper()
            return Literal(word, char(len(word)).as_nullable(False), self.place(node))
        if isinstance(node, exp.Kwarg):
            raise self.error(ErrorCode.SQL_UNSUPPORTED, "arguments are given by position here", node)
        return self.bind(node)

    def unknown(self, name: str, node: exp.Expression) -> VeloError:
        if aggregate_name(name) is not None:
            message = f"the aggregate function {name} cannot stand here"
            return self.error(ErrorCode.INVALID_GROUPING, message, node)
        own = user_function(name)
        if own is not None:
            where = {FunctionKind.AGGREGATE: "the aggregate function", FunctionKind.TABLE: "the table function"}[
                own.kind
            ]
            hint = f"write LATERAL TABLE({name}(…))" if own.kind is FunctionKind.TABLE else None
            return self.error(ErrorCode.INVALID_GROUPING, f"{where} {name} cannot stand here", node, hint)
        if name in UNAVAILABLE:
            return self.error(ErrorCode.SQL_UNSUPPORTED, f"this engine does not run {name}: {UNAVAILABLE[name]}", node)
        hint = did_you_mean(name, [*WRITTEN, *aggregate_spellings()], noun="function")
        return self.error(ErrorCode.UNKNOWN_FUNCTION, f"there is no function {name}", node, hint)

    def row(self, node: exp.Tuple) -> Expression:
        return self.operator("row", node, *node.expressions)

    def array(self, node: exp.Array) -> Expression:
        return self.operator("array", node, *node.expressions)

    def coalesce(self, node: exp.Coalesce) -> Expression:
        return self.operator("coalesce", node, node.this, *node.expressions)

    def column(self, node: exp.Column) -> Expression:
        return self.scope.resolve(node)

    def paren(self, node: exp.Paren) -> Expression:
        return self.bind(node.this)


_BESIDE_STRINGS = NUMERICS | TEMPORALS | {TypeName.BOOLEAN}


def _in_words(node: exp.Expression) -> str:
    """`SubqueryPredicate` as `subquery predicate`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(node).__name__).lower()


def _is_rounded(tests: Sequence[Expression], items: Sequence[Expression]) -> bool:
    """Whether equality rounds the one constant of a list, because the common type of both sides has no room for it.

    Flink compares a list of one exactly, and rounds the constants of others and that of `=`.
    """
    pairs = ((test.args[1].type, item.type) for test, item in zip(tests, items, strict=True) if isinstance(test, Call))
    one = len({item.value for item in items if isinstance(item, Literal)}) == 1
    return one and any(compared.scale < written.scale for compared, written in pairs)


def _json_kind(what: exp.Expression) -> str:
    """VALUE, OBJECT, ARRAY or SCALAR of `IS JSON …`."""
    return str(what.args.get("this") or "VALUE").upper()


def _binary(name: str) -> Callable[[_Binder, exp.Expression], Expression]:
    return lambda binder, node: binder.binary(name, node)


_RULES: dict[type[exp.Expression], Callable[..., Expression]] = {
    exp.Column: _Binder.column,
    exp.Paren: _Binder.paren,
    exp.Literal: _Binder.literal,
    exp.Boolean: _Binder.boolean,
    exp.Null: _Binder.null,
    exp.HexString: _Binder.hex_string,
    exp.UnicodeString: _Binder.unicode_string,
    TypedLiteral: _Binder.typed_literal,
    exp.Interval: _Binder.interval,
    exp.Neg: _Binder.negative,
    exp.Add: _binary("plus"),
    exp.Sub: _binary("minus"),
    exp.Mul: _binary("times"),
    exp.Div: _binary("divide"),
    exp.Mod: _binary("mod"),
    exp.DPipe: _binary("concat_operator"),
    exp.EQ: _binary("equals"),
    exp.NEQ: _binary("not_equals"),
    exp.LT: _binary("less"),
    exp.LTE: _binary("less_equal"),
    exp.GT: _binary("greater"),
    exp.GTE: _binary("greater_equal"),
    exp.NullSafeEQ: _binary("is_not_distinct_from"),
    exp.NullSafeNEQ: _binary("is_distinct_from"),
    exp.And: lambda binder, node: binder.logical("and", node),
    exp.Or: lambda binder, node: binder.logical("or", node),
    exp.Not: _Binder.not_,
    exp.Is: _Binder.is_,
    exp.Between: _Binder.between,
    exp.In: _Binder.in_,
    exp.Like: _Binder.like,
    exp.SimilarTo: _Binder.like,
    exp.RegexpLike: _Binder.like,
    exp.Escape: _Binder.like,
    exp.Case: _Binder.case,
    exp.Cast: _Binder.cast,
    exp.TryCast: _Binder.cast,
    exp.Coalesce: _Binder.coalesce,
    exp.Extract: _Binder.extract,
    exp.Overlaps: _Binder.overlaps,
    exp.Trim: _Binder.trim,
    exp.Tuple: _Binder.row,
    exp.Array: _Binder.array,
    exp.Bracket: _Binder.bracket,
    exp.Dot: _Binder.dot,
    exp.Anonymous: _Binder.anonymous,
    JsonCall: _Binder.json,
    TimeDifference: _Binder.time_difference,
}
