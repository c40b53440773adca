"""Values as YAML text that reads back as the same value."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from decimal import Decimal

from velo_engine.plan.expressions import LiteralValue

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[-.][A-Za-z0-9_]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "nan", "inf"})


def scalar_text(value: LiteralValue) -> str:
    """A scalar in flow style; text is quoted unless nobody could read it as anything else."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case int() | float():
            return str(value)
        case datetime():
            return f'"{value.isoformat(sep=" ")}"'
        case date() | time():
            return f'"{value.isoformat()}"'
        case str():
            plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _WORDS
            return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value))
