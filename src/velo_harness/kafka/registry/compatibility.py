"""Which Avro schema can read what another has written, and what a compatibility level asks of a new version.

Source: the Avro specification, "Schema Resolution"; Confluent's documentation, "Compatibility types".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_engine.formats.avro.schema import AvroField, AvroType

LEVELS = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
)

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""What each type may be read as, besides itself."""


def breaches(level: str, new: AvroType, versions: Sequence[AvroType]) -> list[str]:
    """Why `new` may not follow `versions` (the oldest first) under `level`; empty when it may."""
    if level == "NONE":
        return []
    asked = versions if level.endswith("_TRANSITIVE") else versions[-1:]
    kind = level.removesuffix("_TRANSITIVE")
    found: list[str] = []
    for old in asked:
        if kind in ("BACKWARD", "FULL"):
            found += [f"the new schema cannot read the old one: {reason}" for reason in unreadable(new, old, "")]
        if kind in ("FORWARD", "FULL"):
            found += [f"the old schema cannot read the new one: {reason}" for reason in unreadable(old, new, "")]
    return found


def unreadable(reader: AvroType, writer: AvroType, path: str) -> Iterator[str]:
    """Why values of `writer` cannot be read as `reader`."""
    if writer.kind == "union":
        for branch in writer.branches:
            yield from unreadable(reader, branch, path)
        return
    if reader.kind == "union":
        if all(any(unreadable(branch, writer, path)) for branch in reader.branches):
            yield f"{path or '/'}: {writer} is in no branch of {reader}"
        return
    if reader.kind != writer.kind:
        if reader.kind not in _PROMOTIONS.get(writer.kind, ()):
            yield f"{path or '/'}: {writer} cannot be read as {reader}"
        return
    yield from _unreadable_parts(reader, writer, path)


def _unreadable_parts(reader: AvroType, writer: AvroType, path: str) -> Iterator[str]:
    if reader.element is not None and writer.element is not None:
        yield from unreadable(reader.element, writer.element, f"{path}/items")
    elif reader.kind == "fixed" and reader.size != writer.size:
        yield f"{path or '/'}: fixed of {writer.size} bytes cannot be read as one of {reader.size}"
    elif reader.kind == "enum" and reader.default_symbol is None:
        lost = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if lost:
            yield f"{path or '/'}: the reader's enum has no symbol {lost[0]}"
    elif reader.kind == "record":
        written = {field.name: field for field in writer.fields}
        for field in reader.fields:
            yield from _unreadable_field(field, written, f"{path}/{field.name}")


def _unreadable_field(field: AvroField, written: dict[str, AvroField], path: str) -> Iterator[str]:
    source = next((written[name] for name in (field.name, *field.aliases) if name in written), None)
    if source is not None:
        yield from unreadable(field.type, source.type, path)
    elif not field.has_default:
        yield f"{path}: a new field without default"
