"""`-- @udf`: which functions a program wants, from its annotations; and loading them, which only a run does.

    -- @udf: my_functions:initials
    -- @udf: short = my_functions:initials
    -- @udf: my_functions:initials(STRING) RETURNS STRING
    -- @udf: my_functions:weighted(DOUBLE, BIGINT) RETURNS AGGREGATE DOUBLE
    -- @udf: my_functions:words(STRING) RETURNS TABLE ROW<word STRING, length INT>

With its types said a function can be planned and explained without loading the module it is in.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.udf import FunctionKind, UserFunction, sql_type

_FORM = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)\s*=\s*)?(?P<module>[A-Za-z_][\w.]*):(?P<function>[A-Za-z_]\w*)"
    r"(?:\s*\((?P<types>.*)\)\s*RETURNS\s+(?:(?P<kind>AGGREGATE|TABLE)\s+)?(?P<returns>.+?))?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_KINDS = {"": FunctionKind.SCALAR, "AGGREGATE": FunctionKind.AGGREGATE, "TABLE": FunctionKind.TABLE}
USAGE = "write module:function, or module:function(TYPE, …) RETURNS TYPE"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `@udf` annotation."""

    name: str
    module: str
    function: str
    location: Location | None
    signature: UserFunction | None
    """The function without its implementation; None when the types are not said."""

    @property
    def place(self) -> str:
        """`module:function`."""
        return f"{self.module}:{self.function}"


def declaration(text: str, location: Location | None) -> Declaration:
    """What the value of a `@udf` annotation says. VeloError SQL_SYNTAX, TYPE_MISMATCH."""
    match = _FORM.match(text.strip())
    if match is None:
        raise VeloError(ErrorCode.SQL_SYNTAX, f"@udf: {text} names no function", location=location, hint=USAGE)
    name = match["name"] or match["function"]
    place = f"{match['module']}:{match['function']}"
    signature = None
    if match["returns"] is not None:
        try:
            types = tuple(sql_type(part, name) for part in _split(match["types"]))
            returns = sql_type(match["returns"], name)
        except VeloError as problem:
            raise VeloError(problem.code, problem.message, location=location, hint=problem.hint) from None
        kind = _KINDS[(match["kind"] or "").upper()]
        signature = UserFunction(kind, name, types, returns, None, place=place)
    return Declaration(name, match["module"], match["function"], location, signature)


def _split(text: str) -> list[str]:
    """Types between the commas that are in no brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "(<") - (c in ")>")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def declared(text: str, location: Location | None, paths: Sequence[Path], *, load: bool) -> UserFunction:
    """The function that an annotation names: as it declares it, or, with `load`, imported.

    VeloError UNKNOWN_FUNCTION when it says no types and nothing may be imported.
    """
    wanted = declaration(text, location)
    if load:
        return imported(wanted, paths)
    if wanted.signature is None:
        raise VeloError(
            ErrorCode.UNKNOWN_FUNCTION,
            f"@udf {wanted.place}: its types are not known before it is imported, which only a run does",
            location=location,
            hint=f"say them: {wanted.place}(TYPE, …) RETURNS TYPE",
        )
    return wanted.signature


def load_declared(function: UserFunction, paths: Sequence[Path]) -> UserFunction:
    """The function with its implementation, imported when it is only declared."""
    if function.implementation is not None:
        return function
    module, _, name = function.place.partition(":")
    return imported(Declaration(function.name, module, name, None, function), paths)


def imported(wanted: Declaration, paths: Sequence[Path]) -> UserFunction:
    """The function, out of a module in `paths` or one that is installed. VeloError UNKNOWN_FUNCTION, TYPE_MISMATCH."""
    found = getattr(_module(wanted, paths), wanted.function, None)
    if not isinstance(found, UserFunction):
        what = "is not there" if found is None else "is not decorated"
        names = [n for n, item in vars(sys.modules[wanted.module]).items() if isinstance(item, UserFunction)]
        raise VeloError(
            ErrorCode.UNKNOWN_FUNCTION,
            f"@udf {wanted.place}: {wanted.function} {what}",
            location=wanted.location,
            hint=did_you_mean(wanted.function, names, noun="function")
            if found is None and names
            else "decorate it with scalar, vectorized, aggregate or table_function of velo_engine.udf",
        )
    _check(wanted, found)
    return replace(found, name=wanted.name, place=wanted.place)


def _module(wanted: Declaration, paths: Sequence[Path]) -> Any:
    before = list(sys.path)
    sys.path[:0] = [str(path) for path in paths]
    try:
        return importlib.import_module(wanted.module)
    except (Exception, SystemExit) as problem:  # a module may raise anything while it is imported
        missing = isinstance(problem, ModuleNotFoundError) and problem.name == wanted.module.split(".")[0]
        raise VeloError(
            ErrorCode.UNKNOWN_FUNCTION,
            f"@udf {wanted.place}: cannot import {wanted.module}: {type(problem).__name__}: {problem}",
            location=wanted.location,
            hint="name its folder in udf_paths, or install its package" if missing else None,
        ) from None
    finally:
        sys.path[:] = before


def _check(wanted: Declaration, found: UserFunction) -> None:
    """The decorator and the annotation must say the same."""
    said = wanted.signature
    if said is None:
        return
    kinds = {FunctionKind.VECTORIZED: FunctionKind.SCALAR}
    same = (
        kinds.get(found.kind, found.kind) is said.kind
        and [t.as_nullable() for t in found.parameters] == [t.as_nullable() for t in said.parameters]
        and found.returns.as_nullable() == said.returns.as_nullable()
    )
    if not same:
        raise VeloError(
            ErrorCode.TYPE_MISMATCH,
            f"@udf {wanted.place} is {_shown(found)}, and the annotation says {_shown(said)}",
            location=wanted.location,
        )


def _shown(function: UserFunction) -> str:
    types = ", ".join(str(kind.as_nullable()) for kind in function.parameters)
    return f"{function.kind.value} ({types}) RETURNS {function.returns.as_nullable()}"
