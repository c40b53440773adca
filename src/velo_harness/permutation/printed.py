"""A case in which the order of arrival matters, as YAML that a person can paste into a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from velo_engine import TopicInput
from velo_engine.schema import RowSchema
from velo_harness.inputs import RunInputs
from velo_harness.permutation.orders import Arrival, Order
from velo_harness.relation import Relation
from velo_harness.updating.yaml_values import WrittenCell, flow_row

SHOWN_RESULT = 20
"""Rows of a result that are written."""


def query_yaml(
    query: str, order: Order, inputs: RunInputs, result: tuple[RowSchema, pa.Table], description: str
) -> list[str]:
    """A query of a spec: the records in their order, and what comes out."""
    lines = [f"- name: {query}", f"  description: {description}", "  inputs:"]
    sources = dict.fromkeys(arrival.source for arrival in order)
    alone = len(sources) == 1 and all(_partitions(source, inputs) == 1 for source in sources)
    for source in sources:
        own = [(place, arrival) for place, arrival in enumerate(order) if arrival.source == source]
        lines.append(f"    - source: {source}")
        if _partitions(source, inputs) > 1:
            lines.append(f"      partitions: {_partitions(source, inputs)}")
        lines.append("      rows:" if alone else "      timeline:")
        lines += (f"        - {text}" for text in _entries(own, inputs.relations.get(source), inputs, alone=alone))
    schema, table = result
    lines += ["  expect:", "    rows:" if len(table) else "    rows: []"]
    lines += (f"      - {_row(schema, table, i)}" for i in range(min(len(table), SHOWN_RESULT)))
    if len(table) > SHOWN_RESULT:
        lines.append(f"      # and {len(table) - SHOWN_RESULT} more")
    return lines


def _entries(
    own: Sequence[tuple[int, Arrival]], relation: Relation | None, inputs: RunInputs, *, alone: bool
) -> Iterator[str]:
    """The records as rows, or as entries of a timeline that keeps the order over all sources."""
    for place, arrival in own:
        given = inputs.engine[arrival.source]
        if relation is None or (isinstance(given, TopicInput) and len(relation) != len(given.topic)):
            value = arrival.record.value
            yield f"# record {arrival.index}: {'tombstone' if value is None else value.decode(errors='replace')}"
            continue
        row = _row(relation.schema, relation.table, arrival.index)
        several = _partitions(arrival.source, inputs) > 1
        partition = f", partition: {arrival.record.partition}" if several else ""
        yield row if alone else f"{{ row: {row}{partition}, at: {place}ms }}"


def _row(schema: RowSchema, table: pa.Table, index: int) -> str:
    cells = [
        WrittenCell(column.name, column.type, table.column(i)[index].as_py())
        for i, column in enumerate(schema.columns)
        if table.column(i)[index].is_valid
    ]
    return flow_row(cells, padded=True)


def _partitions(source: str, inputs: RunInputs) -> int:
    given = inputs.engine[source]
    return given.topic.partitions if isinstance(given, TopicInput) else 1
