"""`{{ ... }}` in expected values: facts about the run's inputs and outputs, with arithmetic and comparisons.

The language is closed: numbers, strings, `+ - * / %`, comparisons, `and or not`, parentheses and these names:
`inputs.<source>.count`, `inputs.<source>.sum_<field>` (also `avg_ min_ max_ distinct_`), the same under
`outputs.<query>`, and `variables.<name>`. Numbers are exact: integers and decimals never pass through a float; a DOUBLE
column makes a float. `avg_` of an exact column is the exact mean to 38 digits (SQL's AVG of integers is an integer:
state a tolerance).
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Any, NoReturn, TypeAlias

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.relation import Relation

TemplateValue: TypeAlias = Any
"""int, Decimal, float, bool, str, None, or a date or time."""

MAX_LENGTH = 1000
"""Characters of one template expression."""

_QUOTIENT = Context(prec=38, traps=[DivisionByZero, InvalidOperation])
_EXACT = Context(prec=1000, traps=[DivisionByZero, InvalidOperation])
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME_OR_STRING = re.compile(
    r"""(?P<string>'[^']*'|"[^"]*")|(?P<name>\b(?:inputs|outputs|variables)(?:\.[^\W\d]\w*)+)"""
)
_FACTS = ("sum", "avg", "min", "max", "distinct")


@dataclass(frozen=True)
class TemplateScope:
    """What the names in a template mean in one run. Relations are looked at only when a template asks."""

    inputs: Mapping[str, Relation]
    outputs: Mapping[str, Relation]
    variables: Mapping[str, str]
    _cache: dict[tuple[str, ...], TemplateValue] = field(default_factory=dict, compare=False)

    def value(self, path: tuple[str, ...], location: Location) -> TemplateValue:
        """The value of a dotted name. Raises UNRESOLVED_TEMPLATE at `location`."""
        if path not in self._cache:
            self._cache[path] = self._resolved(path, location)
        return self._cache[path]

    def _resolved(self, path: tuple[str, ...], location: Location) -> TemplateValue:
        root, *rest = path
        if root == "variables":
            name = ".".join(rest)
            if name not in self.variables:
                _unresolved(
                    f'there is no variable "{name}"', location, did_you_mean(name, self.variables, noun="variable")
                )
            return _number_or_text(self.variables[name])
        relations, noun = (self.inputs, "input") if root == "inputs" else (self.outputs, "output")
        if rest[0] not in relations:
            _unresolved(f'there is no {noun} "{rest[0]}"', location, did_you_mean(rest[0], relations, noun=noun))
        if len(rest) != 2:
            _unresolved(
                f'"{".".join(path)}" does not say what of the {noun} is meant',
                location,
                f"write {root}.{rest[0]}.count or {root}.{rest[0]}.sum_<field>",
            )
        return _fact(relations[rest[0]], rest[1], location)


def has_template(text: str) -> bool:
    """Whether `text` holds a `{{ template }}`."""
    return "{{" in text


def resolve(text: str, scope: TemplateScope, location: Location) -> TemplateValue:
    """The value of `text`: of a single template its typed value, of a text with templates the filled-in text.

    `location` is the place of `text`. Raises VeloError UNRESOLVED_TEMPLATE at the place of the name that means nothing.
    """
    whole = _TEMPLATE.fullmatch(text.strip())
    if whole is not None and "{{" not in whole[1]:
        return evaluate(whole[1], scope, _within(location, whole[1]))
    filled = _TEMPLATE.sub(lambda m: as_text(evaluate(m[1], scope, _within(location, m[1]))), text)
    if "{{" in filled:
        _unresolved("a template without its closing }}", location, None)
    return filled


def evaluate(expression: str, scope: TemplateScope, location: Location) -> TemplateValue:
    """The value of the text between `{{` and `}}`."""
    if len(expression) > MAX_LENGTH:
        _unresolved(f"a template longer than {MAX_LENGTH} characters", location, None)
    names: list[tuple[tuple[str, ...], Location]] = []

    def placeholder(match: re.Match[str]) -> str:
        if match["string"] is not None:
            return match["string"]
        names.append((tuple(match["name"].split(".")), _within(location, match["name"])))
        return f"_{len(names) - 1}"

    text = _NAME_OR_STRING.sub(placeholder, expression).strip()
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _unresolved(f'"{expression.strip()}" is not a template expression', location, _HINT)
    try:
        with localcontext(_EXACT):
            return _Evaluation(scope, names, text, location).value(tree.body)
    except (DivisionByZero, ZeroDivisionError, InvalidOperation):
        _unresolved(f'"{expression.strip()}" divides by zero or has no number as its value', location, None)
    except TypeError:
        _unresolved(f'"{expression.strip()}" mixes values that do not go together', location, None)


def as_text(value: TemplateValue) -> str:
    """A value as a spec would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


_HINT = "a template has numbers, + - * / %, comparisons, and names such as inputs.trades.count"

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class _Evaluation:
    scope: TemplateScope
    names: list[tuple[tuple[str, ...], Location]]
    text: str
    location: Location

    def value(self, node: ast.expr) -> TemplateValue:  # noqa: RET503 - _unresolved never returns
        match node:
            case ast.Constant(value=bool() | str() | int()):
                return node.value
            case ast.Constant(value=float()):
                return Decimal(ast.get_source_segment(self.text, node) or "")
            case ast.Name(id=name) if name in ("true", "false"):
                return name == "true"
            case ast.Name(id=name) if name[:1] == "_" and name[1:].isdigit() and int(name[1:]) < len(self.names):
                return self.scope.value(*self.names[int(name[1:])])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_number(self.value(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _divide(self.value(left), self.value(right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](*_paired(_number(self.value(left)), _number(self.value(right))))
            case ast.BoolOp(op=op, values=values):
                results = (bool(self.value(v)) for v in values)
                return all(results) if isinstance(op, ast.And) else any(results)
            case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(o) in _COMPARE for o in ops):
                return self._compare(left, ops, comparators)
            case ast.Name(id=name):
                roots = ("inputs", "outputs", "variables")
                _unresolved(
                    f'"{name}" means nothing in a template', self.location, did_you_mean(name, roots, noun="name")
                )
            case _:
                part = ast.get_source_segment(self.text, node) or self.text
                _unresolved(f'"{part}" has no meaning in a template', self.location, _HINT)

    def _compare(self, left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr]) -> bool:
        values = [self.value(left), *(self.value(c) for c in comparators)]
        return all(_COMPARE[type(op)](*_paired(a, b)) for op, a, b in zip(ops, values, values[1:], strict=False))


def _paired(a: TemplateValue, b: TemplateValue) -> tuple[TemplateValue, TemplateValue]:
    """Both as floats when one of them is, so that a decimal constant can meet a DOUBLE column."""
    if isinstance(a, float) and isinstance(b, Decimal):
        return a, float(b)
    if isinstance(b, float) and isinstance(a, Decimal):
        return float(a), b
    return a, b


def _number(value: TemplateValue) -> TemplateValue:
    """`value`, when it is a number: text arithmetic could grow without bound."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise TypeError
    return value


def _divide(a: TemplateValue, b: TemplateValue) -> TemplateValue:
    a, b = _paired(_number(a), _number(b))
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    quotient = _QUOTIENT.divide(Decimal(a), Decimal(b))
    return int(quotient) if isinstance(a, int) and isinstance(b, int) and quotient == int(quotient) else quotient


def _fact(relation: Relation, name: str, location: Location) -> TemplateValue:
    if name == "count":
        return len(relation)
    kind, _, field_name = name.partition("_")
    if kind not in _FACTS or not field_name:
        known = ["count", *(f"{fact}_{column}" for fact in _FACTS for column in relation.schema.names)]
        _unresolved(f'"{name}" is not a fact about {relation.name}', location, did_you_mean(name, known, noun="fact"))
    position = relation.position(field_name)
    if position is None:
        hint = did_you_mean(field_name, relation.schema.names, noun="field")
        _unresolved(f'{relation.name} has no field "{field_name}"', location, hint)
    from velo_harness.aggregates import NotAggregable, aggregate

    try:
        return aggregate(kind, relation, position)
    except NotAggregable as refused:
        _unresolved(str(refused), location, None)


def _number_or_text(text: str) -> TemplateValue:
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    return Decimal(text) if re.fullmatch(r"[+-]?\d*\.\d+", text) else text


def _within(location: Location, part: str) -> Location:
    """The place of `part` in the source line of `location`, or `location` itself when it is not found there."""
    part = part.strip()
    at = location.text.find(part, max(location.column - 1, 0)) if part else -1
    return location if at < 0 else replace(location, column=at + 1, length=len(part))


def _unresolved(message: str, location: Location, hint: str | None) -> NoReturn:
    raise VeloError(ErrorCode.UNRESOLVED_TEMPLATE, message, location=location, hint=hint)
