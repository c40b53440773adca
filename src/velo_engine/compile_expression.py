"""From bound expressions to kernel SQL that never raises: the value, and what is wrong where there is none.

Errors are masked as Flink evaluates: operands from left to right, all of them, before the operator; AND and OR stop
at the first operand that decides; CASE evaluates conditions up to the first true one and then only its branch.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from velo_engine.functions.casts import compile_cast
from velo_engine.functions.literals import literal_sql
from velo_engine.functions.signature import NESTED, Operand, Site, Template
from velo_engine.functions.table import FUNCTIONS
from velo_engine.functions.user_functions import PREFIX, scalar_function
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal

LONG_OPERAND = 120
"""Characters of SQL from which an operand that a template uses more than once is computed once, under a name."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Kernel SQL of one expression, over one row."""

    value: str
    """Its value, of the physical form of its type; without meaning where `error` is not NULL."""
    error: str | None
    """A VARCHAR: why the row has no value, or NULL. None when the expression cannot fail."""


def compile_expression(
    expression: Expression,
    column: Callable[[int], str],
    *,
    time_zone: str = "UTC",
    now: str = "CAST(NULL AS TIMESTAMP)",
) -> Compiled:
    """The kernel SQL of `expression`, where `column(i)` is the SQL of input column *i*.

    `now` is the SQL of the row's processing time, a TIMESTAMP in UTC.
    """
    return _Compiler(column, time_zone, now).compile(expression)


@dataclass(slots=True)
class _Compiler:
    column: Callable[[int], str]
    time_zone: str
    now: str
    names: Iterator[int] = field(default_factory=itertools.count)

    def compile(self, expression: Expression) -> Compiled:
        match expression:
            case ColumnRef(index=index):
                return Compiled(self.column(index), None)
            case Literal():
                return Compiled(literal_sql(expression), None)
            case Cast():
                return self._cast(expression)
            case Case():
                return self._case(expression)
            case Call(function="and" | "or"):
                return self._logical(expression)
            case Call():
                return self._call(expression)

    def _call(self, call: Call) -> Compiled:
        """All operands, then the function."""
        in_python = call.function.startswith(PREFIX)
        function = scalar_function(call.function) if in_python else FUNCTIONS[call.function]
        parts = [self.compile(arg) for arg in call.args]
        operands = [self._operand(arg, part.value) for arg, part in zip(call.args, parts, strict=True)]
        value = self._filled(function.value, operands, call)
        own = self._filled(function.error, operands, call) if function.error is not None else ""
        return Compiled(value, first_error([*(part.error for part in parts), own or None]))

    def _filled(self, template: Template, operands: list[Operand], call: Call) -> str:
        """The template over the operands; a long operand that it repeats is computed once, by a lambda."""
        named = [replace(o, sql=f"v{next(self.names)}") if len(o.sql) > LONG_OPERAND else o for o in operands]
        sql = fill(template, Site(tuple(named), call.type, self.time_zone, self.now))
        for operand, name in zip(operands, named, strict=True):
            if name is operand or not sql:
                continue
            uses = re.findall(rf"\b{name.sql}\b", sql)
            if len(uses) == 1:
                sql = re.sub(rf"\b{name.sql}\b", lambda _, o=operand: o.sql, sql)  # type: ignore[misc]
            elif uses:
                sql = f"list_transform([{operand.sql}], lambda {name.sql}: {sql})[1]"
        return sql

    def _operand(self, expression: Expression, sql: str) -> Operand:
        if isinstance(expression, Literal):
            return Operand(sql, expression.type, True, expression.value)
        atom = sql if _ATOM.fullmatch(sql) else f"({sql})"
        return Operand(atom, expression.type, function=expression.function if isinstance(expression, Call) else "")

    def _cast(self, cast: Cast) -> Compiled:
        part = self.compile(cast.arg)
        operand = self._operand(cast.arg, part.value)
        long = len(operand.sql) > LONG_OPERAND
        name = replace(operand, sql=f"v{next(self.names)}") if long else operand
        value, error = compile_cast(name, cast.type, self.time_zone)
        if cast.safe and error is not None and cast.type.name in NESTED:
            value = f"CASE WHEN ({error}) IS NULL THEN {value} END"
        if long:
            value = self._bound(value, name.sql, operand.sql)
            error = self._bound(error, name.sql, operand.sql) if error is not None else None
        return Compiled(value, part.error if cast.safe else first_error([part.error, error]))

    def _bound(self, sql: str, name: str, operand: str) -> str:
        if len(re.findall(rf"\b{name}\b", sql)) == 1:
            return re.sub(rf"\b{name}\b", lambda _: operand, sql)
        return f"list_transform([{operand}], lambda {name}: {sql})[1]"

    def _case(self, case: Case) -> Compiled:
        branches = [(self.compile(condition), self.compile(result)) for condition, result in case.branches]
        default = self.compile(case.default)
        whens = " ".join(f"WHEN {condition.value} THEN {result.value}" for condition, result in branches)
        value = f"CASE {whens} ELSE {default.value} END"
        error = default.error
        for condition, result in reversed(branches):
            if result.error is not None or error is not None:
                then, otherwise = result.error or "NULL", error or "NULL"
                error = f"CASE WHEN {condition.value} THEN {then} ELSE {otherwise} END"
            error = first_error([condition.error, error])
        return Compiled(value, error)

    def _logical(self, call: Call) -> Compiled:
        """AND and OR: the next operand counts unless this one is false (AND) or true (OR)."""
        decides = "FALSE" if call.function == "and" else "TRUE"
        parts = [self.compile(arg) for arg in call.args]
        operands = tuple(self._operand(arg, part.value) for arg, part in zip(call.args, parts, strict=True))
        value = fill(FUNCTIONS[call.function].value, Site(operands, call.type, self.time_zone, self.now))
        error: str | None = None
        for part, operand in zip(reversed(parts), reversed(operands), strict=True):
            if error is not None:
                error = f"CASE WHEN {operand.sql} IS DISTINCT FROM {decides} THEN {error} END"
            error = first_error([part.error, error])
        return Compiled(value, error)


_ATOM = re.compile(r"\w+|\w+\.\w+|\w*\([^()]*\)")


def fill(template: Template, site: Site) -> str:
    """The kernel SQL of a template at a call."""
    if callable(template):
        return template(site) or ""
    return template.format(*(operand.sql for operand in site.operands))


def first_error(errors: list[str | None]) -> str | None:
    """SQL of the first error that is not NULL; None when none is possible."""
    possible = [error for error in errors if error is not None]
    if not possible:
        return None
    return possible[0] if len(possible) == 1 else f"coalesce({', '.join(possible)})"
