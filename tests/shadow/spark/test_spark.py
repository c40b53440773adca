"""What Spark finds: the same as DuckDB, whose answers are tested by hand and against Python elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.shadow.command import velo
from tests.shadow.spark.random_sides import EQUALITIES, SCHEMA, random_sides

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.compared import Compared
from velo_shadow.config import FileStream
from velo_shadow.equality_text import parse_equalities
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for
from velo_shadow.spark.engine import SparkEngine
from velo_shadow.spark.files import SparkFiles
from velo_shadow.spark.session import spark_session

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def told(found: Compared) -> list[str]:
    """All that a comparison found, as text: NaN differs from itself."""
    profiles = {} if found.profile is None else found.profile
    profiled = [(one.unique, one.nulls, one.apart, one.rows, sorted(one.copies.items())) for one in profiles.values()]
    parts = (found.diff.counts, found.segments, found.spans, found.over_time, profiled, found.churn)
    return [*map(repr, found.diff.differences), *map(repr, parts)]


NUMBERS = ("f", "u", "z", "d", "dr", "sc", "fl", "js")


@pytest.mark.parametrize(
    ("seed", "key", "columns"),
    [(1, ["k"], [*NUMBERS, "t"]), (2, [], [name for name in SCHEMA.names if name not in NUMBERS])],
)
def test_both_engines_find_the_same(
    spark: Any, tmp_path: Path, seed: int, key: Sequence[str], columns: Sequence[str]
) -> None:
    paths = {side: tmp_path / f"{side}.parquet" for side in Side}
    for path, table in zip(paths.values(), random_sides(seed, rows=40, copies=3), strict=True):
        parquet.write_table(table, path)
    told_how = {
        "key": key,
        "equality": {name: how for name, how in parse_equalities(EQUALITIES).items() if name in columns},
        "ignored": [name for name in SCHEMA.names if name not in {*key, *columns}],
        "time_column": "t",
    }

    here = [read_side(path, side) for side, path in paths.items()]
    plan = plan_for(*here, **told_how)  # type: ignore[arg-type]
    expected = compare_files(*here, plan)
    with spark_session("local[1]") as session:
        files = SparkFiles(session)
        there = [files.read(FileStream(path), side) for side, path in paths.items()]
        found = files.compare(*there, plan_for(*there, **told_how))  # type: ignore[arg-type]

    assert found.plan == plan
    assert told(found) == told(expected)
    assert expected.diff.counts.different > 5


def test_the_command_compares_a_folder_with_a_table(spark: Any, tmp_path: Path) -> None:
    folder = tmp_path / "flink"
    folder.mkdir()
    for part in range(2):
        rows = range(part * 100, part * 100 + 100)
        parquet.write_table(
            pa.table({"k": rows, "hour": [k // 20 for k in rows], "v": rows}), folder / f"{part}.parquet"
        )
    spark.sql(
        "CREATE TABLE ours AS SELECT id AS k, id DIV 20 AS hour, id + IF(id DIV 20 = 7, 1, 0) AS v FROM range(200)"
    )

    code, output = velo(["shadow", "--left", str(folder), "--right", "table://ours", "--key", "k", "--engine", "spark"])

    assert code == 1
    assert "180 equal, 20 with other values, 0 only left, 0 only right" in output
    assert "table://ours" in output
    assert "20 of the differences where hour is 7" in output


def test_rows_of_a_csv_file_and_folded_changes(spark: Any, tmp_path: Path) -> None:
    left, right = tmp_path / "left.csv", tmp_path / "right.jsonl"
    left.write_text("k,amount\n1,1.50\n2,7.00\n")
    right.write_text(
        '{"op": "+I", "k": 1, "amount": 9}\n{"op": "-D", "k": 1, "amount": 9}\n{"op": "+I", "k": 1, "amount": 1.5}\n'
    )
    with spark_session("local[1]") as session:
        files = SparkFiles(session)
        sides = files.read(FileStream(left), Side.LEFT), files.read(FileStream(right, Changelog.RETRACT), Side.RIGHT)
        counts = files.compare(*sides, plan_for(*sides, key=["k"])).diff.counts

    assert (counts.matched, counts.differing, counts.missing, counts.extra) == (1, 0, 1, 0)


def test_what_spark_cannot_read_or_compute_is_said(spark: Any, tmp_path: Path) -> None:
    nanos, broken = tmp_path / "nanos.parquet", tmp_path / "broken.parquet"
    parquet.write_table(pa.table({"t": pa.array([1], pa.timestamp("ns"))}), nanos)
    broken.write_text("no Parquet")
    streams = [
        (FileStream(Path("x"), address="table://nowhere"), ErrorCode.FILE_NOT_FOUND),
        (FileStream(Path("x"), address=f"file://{tmp_path}/nothing"), ErrorCode.FILE_NOT_FOUND),
        (FileStream(tmp_path / "nothing.parquet"), ErrorCode.FILE_NOT_FOUND),
        (FileStream(broken), ErrorCode.FILE_UNREADABLE),
        (FileStream(tmp_path, Changelog.UPSERT), ErrorCode.BAD_VALUE),
    ]
    with spark_session("local[1]") as session:
        for stream, code in streams:
            with pytest.raises(VeloError) as raised:
                SparkFiles(session).read(stream, Side.LEFT)
            assert raised.value.code is code, stream
            assert "\n" not in raised.value.message
        with pytest.raises(VeloError, match=r"'1.5' of the type .* cannot be cast to") as raised:
            SparkEngine(session).query_written("SELECT CAST(v AS BIGINT) FROM t", {"t": pa.table({"v": ["1.5"]})})
        assert raised.value.code is ErrorCode.EXPRESSION_FAILED


def test_maps_are_refused(spark: Any, tmp_path: Path) -> None:
    for side in Side:
        table = pa.table({"k": [1], "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))})
        parquet.write_table(table, tmp_path / f"{side}.parquet")
    with spark_session("local[1]") as session:
        files = SparkFiles(session)
        sides = [files.read(FileStream(tmp_path / f"{side}.parquet"), side) for side in Side]
        with pytest.raises(VeloError, match="Spark does not compare maps"):
            files.compare(*sides, plan_for(*sides, key=["k"]))
