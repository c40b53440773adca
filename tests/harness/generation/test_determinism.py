"""The same seed gives the same bytes: in another process, with other columns beside, and with another order of columns."""

import hashlib
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from velo_harness.data_schema import data_schema_of
from velo_harness.generation import generate
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 1, 1, tzinfo=UTC)

FIELDS = """\
  - {name: symbol, type: string, constraints: {enum: {values: [A, B, C], weights: [3, 2, 1]}}}
  - {name: side, type: string, constraints: {enum: [BUY, SELL]}}
  - {name: price, type: decimal, precision: 10, scale: 4, constraints: {min: 10, max: 900, distribution: {random_walk: {group_by: symbol}}}}
  - {name: quantity, type: integer, constraints: {min: 1, max: 1000, distribution: log_normal}}
  - {name: score, type: double, constraints: {min: 0, max: 1, distribution: normal}}
  - {name: rank, type: integer, constraints: {min: 1, max: 500, distribution: zipf}}
  - {name: event_time, type: timestamp, constraints: {range: relative, start: -1h, end: now}}
  - {name: customer, type: string, constraints: {pattern: "CUST-[0-9]{6}(-x|-yy)?"}}
  - {name: trader, type: string, nullable: true, null_probability: 0.1, constraints: {faker: name}}
  - {name: id, type: uuid}
  - {name: payload, type: bytes}
  - {name: note, type: string}
  - {name: day, type: date}
  - {name: flag, type: boolean, constraints: {probability: 0.3}}
  - {name: unique_id, type: integer, constraints: {min: 1, max: 3000, unique: true}}
  - {name: tags, type: array, items: {type: string, constraints: {enum: [x, y]}}}
  - {name: busy_at, type: timestamp, constraints: {start: -7d, end: now, seasonality: daily, bursts: {count: 3, length: 5m}}}
  - {name: counts, type: map, items: {type: integer, constraints: {min: 1, max: 9}}}
  - {name: total, type: decimal, precision: 20, scale: 4, constraints: {derived: price * quantity}}
"""


def schema(fields):
    return data_schema_of(parse_yaml("name: trades\nfields:\n" + fields, "s"))


def made(fields=FIELDS, seed=42, records=2000, **settings):
    return generate(schema(fields), records=records, seed=seed, now=NOW, **settings)


def ipc(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_two_processes_give_the_same_bytes():
    script = f"""
        import hashlib, sys
        sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
        from test_determinism import ipc, made
        print(hashlib.sha256(ipc(made())).hexdigest())
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    runs = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert runs == {hashlib.sha256(ipc(made())).hexdigest()}


def test_another_seed_gives_other_values_in_every_drawn_column():
    one, other = made(), made(seed=43)
    assert [name for name in one.column_names if one[name].equals(other[name])] == []


def test_another_name_gives_other_values():
    assert not made()["quantity"].equals(made(name="other")["quantity"])


def test_removing_and_reordering_columns_changes_no_other_column():
    lines = FIELDS.splitlines(keepends=True)
    whole = made()
    fewer = made("".join(line for line in reversed(lines) if "side" not in line and "note" not in line))
    assert set(fewer.column_names) == set(whole.column_names) - {"side", "note"}
    for name in fewer.column_names:
        assert fewer[name].equals(whole[name]), name


def test_nulls_do_not_change_the_values_that_remain():
    without = made(FIELDS.replace("nullable: true, null_probability: 0.1, ", ""))["trader"].to_pylist()
    with_nulls = made()["trader"].to_pylist()
    assert 100 < with_nulls.count(None) < 300
    assert all(b is None or a == b for a, b in zip(without, with_nulls, strict=True))


@pytest.mark.parametrize("records", [0, 1, 2])
def test_few_rows_and_none(records):
    table = made(records=records)
    assert (table.num_rows, table.schema) == (records, schema(FIELDS).row_schema().arrow())
