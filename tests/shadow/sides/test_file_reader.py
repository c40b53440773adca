"""A file that is read as if it were a topic."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import BIGINT, STRING, SqlType, decimal, timestamp
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.offline import read_side
from velo_shadow.sides import file_reader
from velo_shadow.sides.file_reader import FileReader

TYPES: dict[str, SqlType] = {"id": BIGINT, "cost": decimal(36, 18), "at": timestamp(6)}
ROWS = [{"id": i, "cost": Decimal(i) / 4, "at": datetime(2026, 1, 1, 0, 0, i)} for i in range(25)]


def parquet_file(path: Path) -> Path:
    """Rows in other types than they are wanted in, in row groups of ten."""
    zoned = [row["at"].replace(tzinfo=UTC) for row in ROWS]  # type: ignore[attr-defined]
    table = pa.table(
        {
            "id": pa.array([row["id"] for row in ROWS], pa.uint16()),
            "other": pa.array(["x"] * 25),
            "at": pa.array(zoned, pa.timestamp("ms", "Europe/Berlin")),
            "cost": pa.array([row["cost"] for row in ROWS], pa.decimal128(8, 2)),
        }
    )
    parquet.write_table(table, path, row_group_size=10)
    return path


def csv_file(path: Path) -> Path:
    """The same rows as text."""
    path.write_text("id,cost,at\n" + "".join(f"{r['id']},{r['cost']},{r['at']}\n" for r in ROWS), encoding="utf-8")
    return path


def rest(reader: FileReader, limit: int = 7) -> list[dict[str, object]]:
    """All further rows."""
    found: list[dict[str, object]] = []
    while not reader.ended:
        changes = reader.poll(limit, 0.0)
        if changes is not None:
            assert 0 < len(changes) <= limit
            found += changes.table.to_pylist()
    return found


@pytest.mark.parametrize("write", [parquet_file, csv_file])
def test_rows_come_in_order_and_go_on_where_another_reader_stopped(
    tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reader, "_PIECE", 10)
    file = read_side(write(tmp_path / f"rows.{'csv' if write is csv_file else 'parquet'}"), Side.LEFT)  # type: ignore[operator]
    first, second = FileReader(file, TYPES), FileReader(file, TYPES)
    begun = first.poll(12, 0.0)
    second.seek(first.positions())

    assert rest(FileReader(file, TYPES)) == ROWS
    assert begun is not None
    assert rest(second) == ROWS[len(begun) :]
    assert next(iter(second.positions().values())) == 25


def test_changes_keep_their_kinds(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"op": "+I", "id": 1}\n{"op": "-D", "id": 1}\n{"op": "+I", "id": 2}\n', encoding="utf-8")
    reader = FileReader(read_side(path, Side.LEFT, Changelog.RETRACT), {"id": BIGINT})

    parts = [reader.poll(2, 0.0), reader.poll(2, 0.0)]

    assert [part.kinds.tolist() for part in parts if part is not None] == [[0, 3], [0]]


def test_a_value_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    file = read_side(parquet_file(tmp_path / "rows.parquet"), Side.LEFT)
    reader = FileReader(file, {"id": BIGINT, "cost": decimal(8, 1), "other": STRING})

    with pytest.raises(VeloError, match=r"rows\.parquet: .*data loss") as error:
        reader.poll(100, 0.0)

    assert error.value.code is ErrorCode.SCHEMA_MISMATCH
