"""What the operand of a comparison stands for: its templates resolved, its text typed by what it meets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import FLOATS, NUMERICS, STRINGS, SqlType
from velo_harness.keys import shown
from velo_harness.scalars import decimal_of, float_of, integer_of, is_null, plain_value
from velo_harness.spec import RowLiteral
from velo_harness.templates import TemplateScope, as_text, has_template, resolve
from velo_harness.typed_values import typed_value
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence


def plain_operand(node: YamlNode, scope: TemplateScope) -> Any:
    """The operand where no column gives it a type; a template has the type of its value."""
    if isinstance(node, YamlScalar) and has_template(node.text):
        return resolve(node.text, scope, node.location)
    return plain_value(node)


def operand_value(node: YamlNode, kind: SqlType, scope: TemplateScope, zone: str) -> Any:
    """The operand that a column of `kind` is compared with.

    A number may be finer or larger than the column's type holds. Errors: BAD_VALUE at the node, UNRESOLVED_TEMPLATE.
    """
    node = resolved(node, scope)
    if is_null(node):
        return None
    if kind.name in NUMERICS:
        return _number(node, kind)
    if kind.name in STRINGS and isinstance(node, YamlScalar):
        return node.text
    return typed_value(node, kind.as_nullable(), ZoneInfo(zone))


def resolved(node: YamlNode, scope: TemplateScope) -> YamlNode:
    """The node with every template in it replaced by its value."""
    match node:
        case YamlScalar(text=text) if has_template(text):
            value = resolve(text, scope, node.location)
            return YamlScalar(as_text(value), plain=not isinstance(value, str), location=node.location)
        case YamlSequence(items=items):
            return YamlSequence(tuple(resolved(item, scope) for item in items), node.location)
        case YamlMapping(entries=entries):
            return YamlMapping(tuple((key, resolved(value, scope)) for key, value in entries), node.location)
        case _:
            return node


def resolved_row(row: RowLiteral, scope: TemplateScope) -> RowLiteral:
    """The row with every template in it replaced by its value."""
    return replace(row, values={name: resolved(node, scope) for name, node in row.values.items()})


def _number(node: YamlNode, kind: SqlType) -> Any:
    text = node.text.strip() if isinstance(node, YamlScalar) else ""
    value: int | float | Decimal | None = float_of(text) if kind.name in FLOATS else integer_of(text)
    if value is None:
        value = decimal_of(text)
    if value is None:
        message = f"{shown(node)} is not a number, and the column is {kind.as_nullable()}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=node.location)
    return value
