"""A checkpoint: what is read is what was written, in the same types and order; what cannot be read is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from velo_engine import Engine, ErrorCode, VeloError
from velo_engine.connectors.records import Records
from velo_engine.runtime.checkpoint_file import Checkpoint, fingerprint, read_checkpoint, write_checkpoint

TABLE = pa.table(
    {
        "a": pa.array([3, None, 1], pa.int8()),
        "A": pa.array(["x", None, "ü"]),
        "d": pa.array(
            [Decimal("1.10"), None, Decimal("-99999999999999999999999999999999999.99")], pa.decimal128(38, 2)
        ),
        "t": pa.array([1, None, -5], pa.timestamp("us")),
        "l": pa.array([[1, None], None, []], pa.list_(pa.int32())),
        "m": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())),
        "r": pa.array(
            [{"p": 1, "q": "z"}, None, {"p": None, "q": None}], pa.struct([("p", pa.int64()), ("q", pa.string())])
        ),
        "b": pa.array([b"\x00\xff", None, b""], pa.binary()),
        "f": pa.array([float("nan"), None, -0.0]),
        "n": pa.nulls(3),
    }
)


def checkpoint(epoch: int, **tables: pa.Table) -> Checkpoint:
    return Checkpoint(plan="plan", epoch=epoch, positions={}, operators={1: tables})


def test_types_values_and_order_come_back(tmp_path: Path) -> None:
    empty = pa.table({"k": pa.array([], pa.decimal128(10, 2))})
    state = {2: {"rows": TABLE, "keys": empty}, 5: {}}
    written = Checkpoint("plan", 41, {"s": {("t", 0): 7, ("t", 1): 0}}, state, {2: "join", 5: "filter"})
    size = write_checkpoint(tmp_path / "c", written)

    read = read_checkpoint(tmp_path / "c")

    assert (read.plan, read.epoch, read.positions, read.steps) == ("plan", 41, written.positions, written.steps)
    assert read.operators[5] == {}
    assert read.operators[2]["rows"].schema == TABLE.schema
    # NaN is not equal to itself: compare texts, where -0.0 shows too.
    assert str(read.operators[2]["rows"].to_pylist()) == str(TABLE.to_pylist())
    assert read.operators[2]["keys"] == empty
    assert size == (tmp_path / "c").stat().st_size


def test_the_outbox_comes_back(tmp_path: Path) -> None:
    full = Records(
        topic="out",
        values=[b"v", None, b""],
        keys=[b"k", b"", None],
        timestamps_ms=np.array([1, -1, 3]),
        headers=[(("a", b"1"), ("a", None)), (), (("", b""),)],
        partitions=np.array([0, 2, 1], np.int32),
    )
    bare = Records(topic="other", values=[b"x"])
    write_checkpoint(tmp_path / "c", Checkpoint("plan", 1, {}, {}, outbox=(full, bare)))

    first, second = read_checkpoint(tmp_path / "c").outbox

    assert (first.topic, first.values, first.keys, first.headers) == (full.topic, full.values, full.keys, full.headers)
    assert first.timestamps_ms is not None
    assert first.timestamps_ms.tolist() == [1, -1, 3]
    assert first.partitions is not None
    assert first.partitions.tolist() == [0, 2, 1]
    assert second == bare


def test_a_second_write_replaces_the_first(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(1, a=TABLE, b=TABLE))
    write_checkpoint(tmp_path / "c", checkpoint(2, b=TABLE.slice(1, 1)))

    read = read_checkpoint(tmp_path / "c")

    assert read.epoch == 2
    assert read.operators[1].keys() == {"b"}
    assert read.operators[1]["b"].num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(1, a=TABLE))
    (tmp_path / ".c.tmp").mkdir()  # in the way of the next write
    with pytest.raises(VeloError) as refused:
        write_checkpoint(tmp_path / "c", checkpoint(2, a=TABLE.slice(0, 1)))

    assert refused.value.code is ErrorCode.FILE_UNREADABLE
    assert read_checkpoint(tmp_path / "c").epoch == 1


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(1))
    content = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(content.replace(b"checkpoint 1\n", b"checkpoint 99\n", 1))

    with pytest.raises(VeloError, match="format 99") as refused:
        read_checkpoint(tmp_path / "c")
    assert refused.value.code is ErrorCode.STATE_MISMATCH


@pytest.mark.parametrize("keep", [0, 10, 60, 0.5, -1])
def test_a_damaged_file_is_refused(tmp_path: Path, keep: float) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(1, a=TABLE))
    content = (tmp_path / "c").read_bytes()
    cut = int(len(content) * keep) if isinstance(keep, float) else keep
    (tmp_path / "c").write_bytes(content[:cut])

    with pytest.raises(VeloError) as refused:
        read_checkpoint(tmp_path / "c")
    assert refused.value.code is ErrorCode.STATE_MISMATCH


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(1, a=TABLE))
    content = bytearray((tmp_path / "c").read_bytes())
    content[-40] ^= 1
    (tmp_path / "c").write_bytes(content)

    with pytest.raises(VeloError, match="not what was written"):
        read_checkpoint(tmp_path / "c")


def test_a_missing_one_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(VeloError) as refused:
        read_checkpoint(tmp_path / "c")
    assert refused.value.code is ErrorCode.FILE_NOT_FOUND


def test_the_manifest_can_be_read_by_people(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", checkpoint(3, a=TABLE))

    title, manifest, _ = (tmp_path / "c").read_bytes().split(b"\n", 2)

    assert title == b"velostream checkpoint 1"
    assert json.loads(manifest)["epoch"] == 3


def test_programs_with_the_same_plan_have_the_same_fingerprint() -> None:
    engine = Engine()
    table = "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"

    plans = [
        engine.plan(f"{table} {query};")
        for query in ("SELECT a + 1 AS b FROM t", "select (a+1) b from t", "SELECT a FROM t")
    ]

    first, same, other = (fingerprint(plan) for plan in plans)
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    "manifest", ["{}", "[]", "7", '{"steps": [], "tables": []}', '{"steps": {"x": "y"}, "tables": []}']
)
def test_a_manifest_of_something_else_is_refused(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_text(f"velostream checkpoint 1\n{manifest}\n")
    with pytest.raises(VeloError, match="its manifest is not what was written") as refused:
        read_checkpoint(tmp_path / "c")
    assert refused.value.code is ErrorCode.STATE_MISMATCH
