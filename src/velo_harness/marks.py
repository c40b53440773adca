"""Conditions of `skipif` marks: comparisons of a few facts about the machine, evaluated without running code."""

from __future__ import annotations

import ast
import os
import platform
import sys
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.spec import Mark

FACTS: dict[str, Any] = {
    "sys.platform": sys.platform,
    "sys.version_info": tuple(sys.version_info[:3]),
    "os.name": os.name,
    "platform.machine": platform.machine(),
}
"""The names that a condition may use, spelt as in pytest's own conditions."""


def condition_holds(mark: Mark) -> bool:
    """Whether the condition of a skipif mark is true here. Errors: BAD_VALUE at the mark."""
    text = mark.argument or ""
    try:
        return bool(_value(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, TypeError):
        hint = f"compare {', '.join(FACTS)} with a constant: sys.platform == 'win32'"
        message = f'"{text}" is not a condition of skipif'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=mark.location, hint=hint) from None


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=elements):
            return tuple(_value(element) for element in elements)
        case ast.Attribute() if ast.unparse(node) in FACTS:
            return FACTS[ast.unparse(node)]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(value) for value in values)
        case ast.BoolOp(values=values):
            return any(_value(value) for value in values)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(_value(left), op, _value(right))
        case _:
            raise ValueError


def _compared(left: Any, op: ast.cmpop, right: Any) -> bool:
    match op:
        case ast.Eq():
            return bool(left == right)
        case ast.NotEq():
            return bool(left != right)
        case ast.Lt():
            return bool(left < right)
        case ast.LtE():
            return bool(left <= right)
        case ast.Gt():
            return bool(left > right)
        case ast.GtE():
            return bool(left >= right)
        case _:
            raise ValueError
