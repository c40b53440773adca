"""Texts of JSON that have what a query reads of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from velo_harness.drafting.text_patterns import examples

if TYPE_CHECKING:
    from velo_harness.drafting.column_uses import ColumnUse

TEXTS = 8
"""Different texts; each value of each path is in some."""
_PART = re.compile(r"\.(?P<name>[^.\[\]\s]+)|\['(?P<quoted>[^']+)'\]|\[(?P<index>[0-9]+)\]")


def json_texts(paths: Mapping[str, ColumnUse]) -> list[str]:
    """Texts with a value at every path, such as `$.a.b[0]`."""
    texts = []
    for number in range(TEXTS):
        whole: Any = {}
        for place, (path, use) in enumerate(paths.items()):
            values = _values(use)
            parts = [m["name"] or m["quoted"] or int(m["index"]) for m in _PART.finditer(path)]
            whole = _with(whole, parts, values[(number // (place + 1) + place) % len(values)])
        texts.append(json.dumps(whole, ensure_ascii=False))
    return list(dict.fromkeys(texts))


def _with(whole: Any, parts: list[str | int], value: Any) -> Any:
    """`whole` with the value at a path; what stands there as another kind of thing goes."""
    if not parts:
        return whole if isinstance(whole, dict | list) and whole else value
    first, rest = parts[0], parts[1:]
    if isinstance(first, int):
        items = list(whole) if isinstance(whole, list) else []
        items += [None] * (first + 1 - len(items))
        items[first] = _with(items[first], rest, value)
        return items
    members = dict(whole) if isinstance(whole, dict) else {}
    members[first] = _with(members.get(first), rest, value)
    return members


def _values(use: ColumnUse) -> list[Any]:
    """A few values of one path, on both sides of what it is compared with."""
    if use.time_format is not None:
        times = {"epoch_ms": 1_735_689_600_000, "epoch_s": 1_735_689_600}
        return [times.get(use.time_format, "2025-01-01 00:00:00")]
    numbers = [v for v in use.compared if isinstance(v, (int, float, Decimal)) and not isinstance(v, bool)]
    if numbers:
        around = [number + step for number in map(int, numbers) for step in (-1, 0, 1)]
        return list(dict.fromkeys(around))
    if use.number:
        return [1, 2, 3, 5, 8]
    texts = [v for v in use.compared if isinstance(v, str | bool)]
    texts += [text for pattern in use.patterns for text in examples(pattern)]
    if texts:
        return [*texts, "other"]
    return ["a", "b", "c"]
