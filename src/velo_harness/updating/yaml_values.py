"""Values as YAML text that reads back equal in a column of their type (`velo_harness.typed_values`)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from velo_engine.types import BINARIES, FLOATS, STRINGS, SqlType, TypeName

WIDE_ROW = 140
"""Characters from which on a new row is written with one line a column."""

_PLAIN = re.compile(r"[^\W\d_](?:[\w ./+()%@=;~^$-]*[\w)%])?|_\w*")
"""Text that needs no quotes: it begins with a letter and holds nothing that YAML gives a meaning to."""
_WORDS_WITH_MEANING = frozenset({"null", "true", "false", "yes", "no", "on", "off", "nan", "inf"})
"""Plain words that some YAML reader takes for something other than text, in lower case."""


@dataclass(frozen=True, slots=True)
class WrittenCell:
    """One column of a row to be written. `kind` None: `value` is YAML text already."""

    name: str
    kind: SqlType | None
    value: Any

    def text(self, quote: str | None = None) -> str:
        """The value as YAML text; `quote` is the quotation mark of the value that stands there now."""
        return str(self.value) if self.kind is None else value_text(self.value, self.kind, quote)


def value_text(value: Any, kind: SqlType, quote: str | None = None) -> str:
    """A Python value (as Arrow gives it) of a column of `kind`."""
    if value is None:
        return "null"
    if kind.name in STRINGS:
        return text_text(str(value), quote)
    if kind.name in BINARIES:
        return f'"0x{value.hex()}"'
    if kind.name in FLOATS:
        return _float_text(value, kind)
    if kind.name in (TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET, TypeName.ROW):
        return _nested_text(value, kind)
    text = _simple_text(value, kind)
    return f"{quote}{text}{quote}" if quote else text


def raw_text(value: Any, kind: SqlType) -> str:
    """A value that is not nested, as a csv cell has it, without quotes."""
    if kind.name in STRINGS:
        return str(value)
    if kind.name in BINARIES:
        return f"0x{value.hex()}"
    return (
        _float_text(value, kind).replace(".nan", "nan").replace(".inf", "inf")
        if kind.name in FLOATS
        else _simple_text(value, kind)
    )


def _simple_text(value: Any, kind: SqlType) -> str:
    match kind.name:
        case TypeName.BOOLEAN:
            return "true" if value else "false"
        case TypeName.DECIMAL:
            return format(value, "f")
        case TypeName.TIMESTAMP | TypeName.TIME:
            return _short_fraction(str(value))
        case TypeName.TIMESTAMP_LTZ:
            return _short_fraction(str(value)).replace(" ", "T") + "Z"
        case _:
            return str(value)


def _short_fraction(text: str) -> str:
    """A time without zeros at the end of its fraction of a second."""
    return text.rstrip("0") if "." in text else text


def _float_text(value: float, kind: SqlType) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return str(np.float32(value)) if kind.name is TypeName.FLOAT else repr(value)


def text_text(text: str, quote: str | None = None) -> str:
    """Text as a YAML scalar: plain where that is safe, or in the quotation marks `quote` where they can hold it."""
    if quote is None and _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_MEANING:
        return text
    printable = text.isprintable()
    if quote == "'" and printable:
        return "'" + text.replace("'", "''") + "'"
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if printable else "".join(map(_escaped, quoted))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _nested_text(value: Any, kind: SqlType) -> str:
    if kind.name is TypeName.ROW:
        entries = [f"{text_text(name)}: {value_text(value[name], child)}" for name, child in kind.fields]
        return "{" + ", ".join(entries) + "}"
    assert kind.element is not None
    if kind.name is TypeName.ARRAY:
        return "[" + ", ".join(value_text(item, kind.element) for item in value) + "]"
    key_type = kind.key if kind.name is TypeName.MAP else kind.element
    value_type = kind.element if kind.name is TypeName.MAP else SqlType(TypeName.INT)
    assert key_type is not None
    return "{" + ", ".join(f"{value_text(k, key_type)}: {value_text(v, value_type)}" for k, v in value) + "}"


def flow_row(row: Sequence[WrittenCell], *, padded: bool) -> str:
    """A row on one line: `{id: 1}`, padded `{ id: 1 }`."""
    inner = ", ".join(f"{text_text(cell.name)}: {cell.text()}" for cell in row)
    return "{ " + inner + " }" if padded and inner else "{" + inner + "}"


def block_row(row: Sequence[WrittenCell], indent: int, newline: str) -> str:
    """A row with one line a column, all but the first indented by `indent`."""
    return (newline + " " * indent).join(f"{text_text(cell.name)}: {cell.text()}" for cell in row)
