"""How many rows a CPU-second generates, and how many JSON messages it generates and writes.

    python benchmarks/generation.py

CPU time of this process, the best of several runs; compare the lines of one run, not runs with each other.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyarrow as pa
from decode import report

from velo_engine.formats import open_format
from velo_harness.data_schema import DataSchema, data_schema_of
from velo_harness.generation import generate
from velo_harness.spec import DEFAULT_NOW
from velo_harness.yaml_source import parse_yaml

ROWS = 200_000
SMALL_ROWS = 1_000

SIMPLE = """
name: trades
fields:
  - { name: id, type: bigint, constraints: { sequence: true } }
  - { name: symbol, type: string, constraints: { enum: [AAPL, MSFT, GOOG] } }
  - { name: price, type: decimal, precision: 10, scale: 2, constraints: { min: 1, max: 999.99 } }
  - { name: quantity, type: integer, constraints: { min: 1, max: 9999 } }
  - { name: live, type: boolean }
  - { name: at, type: timestamp, constraints: { start: "-1h", end: now } }
"""
SHAPED = """
name: trades
fields:
  - { name: symbol, type: string, constraints: { enum: { values: [A, B, C, D, E, F], weights: [9, 5, 4, 3, 2, 1] } } }
  - name: price
    type: decimal
    precision: 10
    scale: 4
    constraints: { min: 10, max: 900, distribution: { type: random_walk, group_by: symbol } }
  - { name: quantity, type: integer, constraints: { min: 1, max: 1000, distribution: log_normal } }
  - { name: at, type: timestamp, constraints: { start: "-1d", end: now, seasonality: daily } }
  - { name: customer, type: string, constraints: { pattern: "CUST-[0-9]{6}" } }
  - { name: trader, type: string, constraints: { faker: name } }
"""


def made(schema: DataSchema, rows: int) -> pa.Table:
    """Generated rows."""
    return generate(schema, records=rows, seed=1, now=DEFAULT_NOW)


def messages(schema: DataSchema, rows: int) -> list[bytes]:
    """Generated rows as JSON messages, the way an input of a spec becomes a topic."""
    columns = schema.row_schema()
    table = pa.table(made(schema, rows).columns, schema=columns.physical())
    return open_format("json", columns, {}).encode(table)


def main() -> None:
    """Prints the table."""
    for name, text in (("six simple fields", SIMPLE), ("six shaped fields", SHAPED)):
        schema = data_schema_of(parse_yaml(text, name))
        size = sum(map(len, messages(schema, SMALL_ROWS))) / SMALL_ROWS
        for rows in (ROWS, SMALL_ROWS):
            report(f"{name}: rows", rows, partial(made, schema, rows))
            report(f"{name}: JSON messages ({size:.0f} bytes)", rows, partial(messages, schema, rows))
        for field in schema.fields if name == "six simple fields" else ():
            one = replace(schema, fields=(field,))
            report(f"  {field.name} ({field.type.as_nullable()})", ROWS, partial(made, one, ROWS))


if __name__ == "__main__":
    main()
