"""Tables of a compiled plan: what its scans, lookups and sinks say of them, as CREATE TABLE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from velo_import.inputs.compiled_plan.expressions import Scope
from velo_import.inputs.compiled_plan.logical_types import UnreadPart, plain_type, quoted, text_literal, type_text

Table = Mapping[str, Any]


def parts_of(identifier: str) -> tuple[str, ...]:
    """The names in ``catalog`.`database`.`table``."""
    return tuple(part.replace("``", "`") for part in identifier.strip("`").split("`.`"))


def create_table(name: str, table: Table) -> str | None:
    """The statement that declares a table; None when the plan has no more than its name. `name` is quoted.

    UnreadPart for a column that cannot be written.
    """
    resolved = table.get("resolvedTable")
    if not resolved:
        return None
    schema = resolved["schema"]
    items = [_column(column, schema) for column in schema["columns"]]
    for watermark in schema.get("watermarkSpecs", ()):
        time = quoted(watermark["rowtimeAttribute"])
        items.append(f"WATERMARK FOR {time} AS {_expression(watermark['expression'], schema)}")
    if key := schema.get("primaryKey"):
        items.append(f"PRIMARY KEY ({', '.join(map(quoted, key['columns']))}) NOT ENFORCED")
    text = f"CREATE TABLE {name} (\n  " + ",\n  ".join(items) + "\n)"
    if resolved.get("comment"):
        text += f" COMMENT {text_literal(resolved['comment'])}"
    if keys := resolved.get("partitionKeys"):
        text += f" PARTITIONED BY ({', '.join(map(quoted, keys))})"
    if options := resolved.get("options"):
        pairs = (f"  {text_literal(key)} = {text_literal(value)}" for key, value in options.items())
        text += " WITH (\n" + ",\n".join(pairs) + "\n)"
    return text


def computed_columns(table: Table) -> dict[str, str]:
    """The SQL of each computed column, as an expression over the table's columns gives it, to its quoted name."""
    schema = (table.get("resolvedTable") or {}).get("schema", {})
    found: dict[str, str] = {}
    for column in schema.get("columns", ()):
        if column.get("kind") == "COMPUTED" and "rexNode" in column["expression"]:
            try:
                found[_scope(schema).sql(column["expression"]["rexNode"])] = quoted(column["name"])
            except UnreadPart:
                continue
    return found


def insert_columns(table: Table) -> Sequence[str] | None:
    """The columns that an INSERT names, when not simply all: a sink with metadata gets those behind its others."""
    columns = ((table.get("resolvedTable") or {}).get("schema") or {}).get("columns", ())
    if all(column.get("kind") != "METADATA" for column in columns):
        return None
    own = [column["name"] for column in columns if not column.get("kind")]
    return own + [c["name"] for c in columns if c.get("kind") == "METADATA" and not c.get("isVirtual")]


def _column(column: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    name = quoted(column["name"])
    match column.get("kind"):
        case "COMPUTED":
            text = f"{name} AS {_expression(column['expression'], schema)}"
        case "METADATA":
            key = f" FROM {text_literal(column['metadataKey'])}" if column.get("metadataKey") else ""
            text = (
                f"{name} {plain_type(column['dataType'])} METADATA{key}{' VIRTUAL' if column.get('isVirtual') else ''}"
            )
        case None | "PHYSICAL":
            text = f"{name} {type_text(column['dataType'])}"
        case other:
            raise UnreadPart(f"a column of kind {other}")
    return text + (f" COMMENT {text_literal(column['comment'])}" if column.get("comment") else "")


def _expression(expression: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "rexNode" in expression:
        return _scope(schema).sql(expression["rexNode"])
    return str(expression["serializableString"])


def _scope(schema: Mapping[str, Any]) -> Scope:
    return Scope([quoted(column["name"]) for column in schema["columns"]], {})
