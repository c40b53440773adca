"""Types as a compiled plan writes them: as Flink's SQL text, or as JSON objects where the text would lose something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

LogicalType: TypeAlias = str | Mapping[str, Any]

_ROW = "ROW<"
_TIMES = {
    "TIMESTAMP_WITHOUT_TIME_ZONE": "TIMESTAMP",
    "TIMESTAMP_WITH_LOCAL_TIME_ZONE": "TIMESTAMP_LTZ",
    "TIME_WITHOUT_TIME_ZONE": "TIME",
}
_LONGEST = 2_147_483_647


class UnreadPart(Exception):  # noqa: N818 - not an error of the program: a part of the plan that has no SQL here
    """A part of a plan that is not made SQL of; the message names it."""


@dataclass(frozen=True, slots=True)
class Column:
    """An output column of a node."""

    name: str
    type: LogicalType

    @property
    def time(self) -> str | None:
        """`ROWTIME` or `PROCTIME` for a time attribute."""
        kind = self.type.get("kind") if isinstance(self.type, Mapping) else None
        return kind if kind in ("ROWTIME", "PROCTIME") else None


def quoted(name: str) -> str:
    """A name as Flink quotes it."""
    return "`" + name.replace("`", "``") + "`"


def text_literal(value: str) -> str:
    """A string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def columns_of(row: LogicalType) -> tuple[Column, ...]:
    """The fields of a row type. UnreadPart when it is none."""
    if isinstance(row, Mapping):
        if row.get("type") != "ROW":
            raise UnreadPart(f"a row of type {row.get('type')}")
        return tuple(Column(field["name"], field["fieldType"]) for field in row["fields"])
    body = row.removesuffix(" NOT NULL")
    if not (body.startswith(_ROW) and body.endswith(">")):
        raise UnreadPart(f"a row of type {row}")
    return tuple(_field(part) for part in _parts(body[len(_ROW) : -1]))


def type_text(kind: LogicalType) -> str:
    """The type as DDL writes it, NOT NULL included."""
    if isinstance(kind, str):
        return kind.replace(f"VARCHAR({_LONGEST})", "STRING").replace(f"VARBINARY({_LONGEST})", "BYTES")
    suffix = "" if kind.get("nullable", True) else " NOT NULL"
    return _object_text(kind) + suffix


def plain_type(kind: LogicalType) -> str:
    """The type as CAST writes it, without NOT NULL."""
    return type_text(kind).removesuffix(" NOT NULL")


def _object_text(kind: Mapping[str, Any]) -> str:
    name = str(kind["type"])
    match name:
        case "ROW":
            fields = ", ".join(f"{quoted(f['name'])} {type_text(f['fieldType'])}" for f in kind["fields"])
            return f"ROW<{fields}>"
        case "ARRAY" | "MULTISET":
            return f"{name}<{type_text(kind['elementType'])}>"
        case "MAP":
            return f"MAP<{type_text(kind['keyType'])}, {type_text(kind['valueType'])}>"
        case "CHAR" | "VARCHAR" | "BINARY" | "VARBINARY":
            return type_text(f"{name}({kind['length']})") if kind.get("length") else f"{name}(1)"
        case _ if name in _TIMES:
            return f"{_TIMES[name]}({kind['precision']})"
    raise UnreadPart(f"a value of type {name}")


def _field(text: str) -> Column:
    """``name` type`; a comment behind it is left out."""
    if not text.startswith("`"):
        raise UnreadPart(f"the field {text}")
    end = 1
    while not (text[end] == "`" and text[end + 1 : end + 2] != "`"):
        end += 2 if text[end] == "`" else 1
    kind = text[end + 1 :].strip()
    return Column(text[1:end].replace("``", "`"), kind.split(" '")[0])


def _parts(text: str) -> Iterator[str]:
    """The pieces between the commas that are in no brackets and no quotes."""
    depth, start, quote = 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "`'":
            quote = character
        elif character in "<(":
            depth += 1
        elif character in ">)":
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:position].strip()
            start = position + 1
    if text[start:].strip():
        yield text[start:].strip()
