"""The kernel: queries over Arrow tables, state tables of its own, and what is kept between calls."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from velo_engine.errors import VeloError
from velo_engine.kernel import KEPT_STATEMENTS, Kernel


def test_a_query_reads_the_tables_of_its_call() -> None:
    with Kernel() as kernel:
        first = kernel.query("SELECT x + 1 AS y FROM b", b=pa.table({"x": [1, 2]}))
        second = kernel.query("SELECT x + 1 AS y FROM b", b=pa.table({"x": [10]}))

    assert first.to_pydict() == {"y": [2, 3]}
    assert second.to_pydict() == {"y": [11]}


def test_the_same_text_and_name_may_have_another_schema() -> None:
    with Kernel() as kernel:
        answers = [
            kernel.query("SELECT x FROM b", b=table).column("x").to_pylist()
            for table in (pa.table({"x": [1]}), pa.table({"x": ["a"]}), pa.table({"x": [2]}))
        ]

    assert answers == [[1], ["a"], [2]]


def test_a_table_joins_itself() -> None:
    with Kernel() as kernel:
        found = kernel.query("SELECT count(*) AS n FROM b x JOIN b y ON x.k = y.k", b=pa.table({"k": [1, 1, 2]}))

    assert found.to_pydict() == {"n": [5]}


def test_tables_are_gone_after_their_query() -> None:
    with Kernel() as kernel:
        kernel.query("SELECT x FROM b", b=pa.table({"x": [1]}))

        with pytest.raises(VeloError):
            kernel.query("SELECT x FROM c JOIN b USING (x)", c=pa.table({"x": [1]}))


def test_a_kept_statement_sees_new_state() -> None:
    with Kernel() as kernel:
        state = kernel.table("counts")
        kernel.execute(f"CREATE TABLE {state} (k INTEGER)")
        kernel.execute(f"INSERT INTO {state} SELECT k FROM b", b=pa.table({"k": [1]}))
        before = kernel.query(f"SELECT k FROM {state} ORDER BY k").to_pydict()
        kernel.execute(f"INSERT INTO {state} SELECT k FROM b", b=pa.table({"k": [2]}))
        after = kernel.query(f"SELECT k FROM {state} ORDER BY k").to_pydict()

    assert (before, after) == ({"k": [1]}, {"k": [1, 2]})


def test_a_kept_plan_does_not_outlive_what_it_assumed() -> None:
    with Kernel() as kernel:
        state = kernel.table("values")
        kernel.execute(f"CREATE TABLE {state} AS SELECT range::INTEGER AS v FROM range(5)")
        sql = f"SELECT v FROM {state} WHERE v > 10 ORDER BY v"
        empty = [kernel.query(sql).num_rows for _ in range(3)]
        kernel.execute(f"INSERT INTO {state} VALUES (20)")

        assert empty == [0, 0, 0]
        assert kernel.query(sql).to_pydict() == {"v": [20]}


def test_a_table_may_be_made_anew_with_other_columns() -> None:
    with Kernel() as kernel:
        state = kernel.table("values")
        answers = []
        for value in ("1", "'a'"):
            kernel.execute(f"CREATE OR REPLACE TABLE {state} AS SELECT {value} AS v")
            answers += [kernel.query(f"SELECT v FROM {state}").to_pydict()["v"][0] for _ in range(3)]

    assert answers == [1, 1, 1, "a", "a", "a"]


def test_two_kernels_have_tables_of_the_same_name() -> None:
    with Kernel() as one, Kernel() as other:
        for kernel, value in ((one, 1), (other, 2)):
            kernel.execute(f"CREATE TABLE {kernel.table('s')} AS SELECT {value} AS v")

        assert one.query(f"SELECT v FROM {one.table('s')}").to_pydict() == {"v": [1]}
        assert other.query(f"SELECT v FROM {other.table('s')}").to_pydict() == {"v": [2]}


def test_a_state_table_may_have_any_name() -> None:
    with Kernel() as kernel:
        table = kernel.table('a "quoted" name; --')
        kernel.execute(f"CREATE TABLE {table} (v INTEGER)")

        assert kernel.query(f"SELECT v FROM {table}").num_rows == 0


def test_closing_twice_does_nothing_and_drops_the_state() -> None:
    kernel = Kernel()
    kernel.execute(f"CREATE TABLE {kernel.table('s')} (v INTEGER)")
    name = kernel.table("s")
    kernel.close()
    kernel.close()

    with Kernel() as other, pytest.raises(VeloError):
        other.query(f"SELECT * FROM {name}")


def test_many_statements_do_not_pile_up() -> None:
    with Kernel() as kernel:
        for number in [n for n in range(KEPT_STATEMENTS + 20) for _ in range(3)]:
            assert kernel.query(f"SELECT {number} AS n").to_pydict() == {"n": [number]}

        assert (
            kernel.query("SELECT count(*) AS n FROM duckdb_prepared_statements()").to_pydict()["n"][0]
            <= KEPT_STATEMENTS
        )


def test_input_names_differ() -> None:
    with Kernel() as kernel:
        assert kernel.input_name("calc") != kernel.input_name("calc")


def test_importing_the_kernel_does_not_import_duckdb_and_exit_is_silent() -> None:
    program = (
        "import sys, velo_engine.kernel as k; assert 'duckdb' not in sys.modules;"
        "import pyarrow as pa; kernel = k.Kernel(); print(kernel.query('SELECT x FROM b', b=pa.table({'x': [7]})).to_pylist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[{'x': 7}]", "")


def test_a_slice_of_structs_in_structs_is_read() -> None:
    inner = pa.struct([("x", pa.int32())])
    kind = pa.struct([("a", pa.int32()), ("c", inner)])
    rows = [{"a": 1, "c": {"x": 5}}, None, {"a": 3, "c": None}, {"a": 4, "c": {"x": 7}}]
    table = pa.table({"r": pa.array(rows, kind)})
    with Kernel() as kernel:
        for start in range(4):
            assert kernel.query("SELECT r FROM t", t=table.slice(start)).column(0).to_pylist() == rows[start:]
        both = pa.concat_tables([table.slice(3), table.slice(0, 2)])
        assert kernel.query("SELECT r.c.x AS x FROM t", t=both).column(0).to_pylist() == [7, 5, None]
