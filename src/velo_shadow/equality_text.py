"""Equality as people write it for a column: `abs:0.01`, `rel:1e-9`, `ulp:2`, `scale:2`, `within:1s`, `json`, `case`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.sql.durations import parse_duration
from velo_shadow.model import ColumnEquality, Rule

_SETTINGS: dict[str, dict[str, Any]] = {
    "case": {"ignore_case": True},
    "trim": {"trim": True},
    "unicode": {"normalise_unicode": True},
    "missing": {"null_equals_missing": True},
    "text": {"text_equals_value": True},
    "nan-differs": {"nan_equals_nan": False},
    "signed-zero": {"signed_zeros_equal": False},
}


def parse_equalities(texts: Iterable[str]) -> dict[str, ColumnEquality]:
    """Equality by column from `COLUMN=WORD[,WORD…]`. Errors: BAD_VALUE."""
    found: dict[str, ColumnEquality] = {}
    for text in texts:
        column, separator, words = text.partition("=")
        if not (column and separator and words):
            raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is not of the form COLUMN=RULE', hint="such as px=abs:0.01")
        if column in found:
            hint = f"write all its rules as one: {column}=RULE,RULE"
            raise VeloError(ErrorCode.BAD_VALUE, f'what equal means in "{column}" is said twice', hint=hint)
        found[column] = _equality([word.strip() for word in words.split(",")])
    return found


def _equality(words: Sequence[str]) -> ColumnEquality:
    rules = [word for word in words if word not in _SETTINGS]
    equality = ColumnEquality()
    for word in words:
        equality = _with(equality, word)
    if len(rules) > 1:
        message = f'"{rules[0]}" and "{rules[1]}" are two rules for one column'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="choose the one that says when its values are equal")
    return equality


def _with(equality: ColumnEquality, word: str) -> ColumnEquality:
    if word in _SETTINGS:
        return replace(equality, **_SETTINGS[word])
    name, _, size = word.partition(":")
    if name not in tuple(Rule):
        hint = did_you_mean(name, [*Rule, *_SETTINGS], noun="rule")
        raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" is no rule of equality', hint=hint)
    rule = Rule(name)
    needs_size = rule not in (Rule.EXACT, Rule.JSON, Rule.BAG)
    if needs_size != bool(size):
        form = f"{rule}:NUMBER" if needs_size else str(rule)
        raise VeloError(ErrorCode.BAD_VALUE, f'"{word}": it is written {form}')
    try:
        tolerance = Decimal(parse_duration(size)) if rule is Rule.WITHIN else Decimal(size or 0)
    except (ValueError, InvalidOperation):
        raise VeloError(ErrorCode.BAD_VALUE, f'"{word}": "{size}" is no tolerance') from None
    return replace(equality, rule=rule, tolerance=tolerance)
