"""Writing files of expected rows, and finding those that nothing names."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_harness.discovery import is_spec_name
from velo_harness.programs import shown_path
from velo_harness.relation import python_value
from velo_harness.updating.yaml_values import raw_text
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence, read_yaml

EXPECTED_FOLDER = "expected"
"""What a folder beside specs is called in which every file is the expected rows of some query."""

_ENDINGS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet")
_NEEDS_QUOTES = frozenset(',"\r\n')


def file_content(path: Path, schema: RowSchema, rows: pa.Table, newline: str) -> bytes:
    """The rows as the format that the file's ending tells. Errors: BAD_VALUE for a format that is not written."""
    if path.suffix == ".csv":
        return _csv(schema, rows, newline)
    if path.suffix == ".parquet":
        from pyarrow import parquet

        sink = io.BytesIO()
        parquet.write_table(rows, sink)
        return sink.getvalue()
    if path.suffix in _ENDINGS:
        lines = _json_lines(schema, rows)
        if path.suffix == ".json":
            return b"[\n" + b",\n".join(b"  " + line for line in lines) + b"\n]\n" if lines else b"[]\n"
        return b"".join(line + newline.encode() for line in lines)
    message = f'expected rows are not written as "{path.name}"'
    raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"name a file that ends in {', '.join(_ENDINGS)}")


def _json_lines(schema: RowSchema, rows: pa.Table) -> list[bytes]:
    from velo_engine.formats import open_format

    physical = pa.table(rows.columns, names=[f"c{i}" for i in range(len(schema))])
    return open_format("json", schema, {}).encode(physical)


def _csv(schema: RowSchema, rows: pa.Table, newline: str) -> bytes:
    columns = [[_cell(python_value(value), kind) for value in rows.column(i)] for i, kind in enumerate(schema.types)]
    header = ",".join(_quoted(name) for name in schema.names)
    lines = [header, *(",".join(cells) for cells in zip(*columns, strict=True))]
    return "".join(line + newline for line in lines).encode()


def _cell(value: Any, kind: SqlType) -> str:
    """NULL is an empty cell, the empty text one in quotes."""
    return "" if value is None else _quoted(raw_text(value, kind))


def _quoted(text: str) -> str:
    if text and not _NEEDS_QUOTES & set(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def unused_files(specs: Iterable[Path], *, also: Sequence[Path] = ()) -> list[VeloError]:
    """An error for each file in the `expected` folders beside `specs` that no spec beside the folder names.

    `also` are further specs, those of the run, which may name files of other folders. A folder beside which some spec
    cannot be read is left alone: that spec may name any file.
    """
    errors = []
    for folder in sorted({spec.resolve().parent / EXPECTED_FOLDER for spec in specs}):
        files = [path for path in sorted(folder.rglob("*")) if path.suffix in _ENDINGS] if folder.is_dir() else []
        beside = [path for path in sorted(folder.parent.iterdir()) if is_spec_name(path)] if files else []
        try:
            named = {path for spec in dict.fromkeys([*beside, *also]) for path in _named_by(spec)}
        except VeloError:
            continue
        errors += [_unused(path) for path in files if path not in named]
    return errors


def _unused(path: Path) -> VeloError:
    message = f'no spec names the expected rows "{shown_path(path)}"'
    hint = "remove the file, or name it under rows_file"
    return VeloError(ErrorCode.UNUSED_ROWS, message, location=Location(shown_path(path), 1), hint=hint)


def _named_by(spec: Path) -> Iterator[Path]:
    """Every path that the texts in a spec may mean."""
    folder = str(spec.resolve().parent)
    for text in _texts(read_yaml(spec)):
        if text.endswith(_ENDINGS):
            yield Path(os.path.normpath(os.path.join(folder, text)))


def _texts(node: YamlNode) -> Iterator[str]:
    match node:
        case YamlScalar(text=text):
            yield text
        case YamlSequence(items=items):
            for item in items:
                yield from _texts(item)
        case YamlMapping(entries=entries):
            for _, value in entries:
                yield from _texts(value)
