"""Saved state: what is read is what was written, in the same types and order; what cannot be read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from velo_engine import Engine, ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.runtime.state_store import SavedState, StateStore, fingerprint


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


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


def test_types_values_and_order_come_back(kernel: Kernel) -> None:
    store = StateStore(kernel, "plan")
    empty = pa.table({"k": pa.array([], pa.decimal128(10, 2))})
    store.write(SavedState({2: {"rows": TABLE, "keys": empty}, 5: {}}, next_seq=41))

    read = store.read()

    assert read.next_seq == 41
    assert read.operators.keys() == {2}, "an operator without tables has no state"
    assert read.operators[2]["rows"].schema == TABLE.schema
    # NaN is not equal to itself: compare texts, where -0.0 shows too.
    assert str(read.operators[2]["rows"].to_pylist()) == str(TABLE.to_pylist())
    assert read.operators[2]["keys"] == empty


def test_a_second_write_replaces_the_first(kernel: Kernel) -> None:
    store = StateStore(kernel, "plan")
    store.write(SavedState({1: {"a": TABLE, "b": TABLE}}, 1))
    store.write(SavedState({1: {"b": TABLE.slice(1, 1)}}, 2))

    read = store.read()

    assert read.operators[1].keys() == {"b"}
    assert read.operators[1]["b"].num_rows == 1


def test_a_failed_write_leaves_what_was_there(kernel: Kernel) -> None:
    store = StateStore(kernel, "plan")
    store.write(SavedState({1: {"a": TABLE}}, 1))
    with pytest.raises(AttributeError):
        store.write(SavedState({1: {"a": TABLE.slice(0, 1), "b": None}}, 2))  # type: ignore[dict-item]

    assert store.read().operators[1]["a"].num_rows == 3
    assert store.read().next_seq == 1


def test_the_state_of_another_plan_is_refused(kernel: Kernel) -> None:
    StateStore(kernel, "plan").write(SavedState({}, 0))

    with pytest.raises(VeloError) as refused:
        StateStore(kernel, "other").read()

    assert refused.value.code is ErrorCode.STATE_MISMATCH
    assert refused.value.hint == "run the program that wrote it, or begin without state"


def test_the_state_of_another_format_is_refused(kernel: Kernel) -> None:
    store = StateStore(kernel, "plan")
    store.write(SavedState({}, 0))
    kernel.execute(f"UPDATE {kernel.table('versions')} SET format = 99")

    with pytest.raises(VeloError, match="format 99"):
        store.read()


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
