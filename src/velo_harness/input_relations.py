"""The inputs of a run as checks see them; files that the SQL itself names are read when a check asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_harness.inputs import reads_own_file
from velo_harness.relation import Relation
from velo_harness.unread_inputs import UnreadInputs

_ROWS_AT_ONCE = 1_000_000


class InputRelations(Mapping[str, Relation]):
    """Relations by source name: those that the query reads, then those that only checks and foreign keys look at."""

    def __init__(
        self, given: Mapping[str, Relation], program: PlannedProgram, base_dir: Path, unread: UnreadInputs | None
    ) -> None:
        self._relations = dict(given)
        self._unread: Mapping[str, Relation] = {} if unread is None else unread
        known = {*given, *self._unread}
        self._files = {n: s for n, s in program.sources.items() if n not in known and reads_own_file(s)}
        self._base_dir = base_dir

    def __getitem__(self, name: str) -> Relation:
        if name in self._unread:
            return self._unread[name]
        if name not in self._relations and name in self._files:
            self._relations[name] = own_rows(self._files[name], self._base_dir)
        return self._relations[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._relations
        yield from (name for name in self._files if name not in self._relations)
        yield from self._unread

    def __len__(self) -> int:
        return len(set(self._relations) | set(self._files)) + len(self._unread)

    def __contains__(self, name: object) -> bool:
        return name in self._relations or name in self._files or name in self._unread


def own_rows(source: SourceTable, base_dir: Path) -> Relation:
    """The rows of the file that the SQL gives to a source; paths start at `base_dir`. Errors: of the connector."""
    from velo_engine.connectors.topics import TopicStore
    from velo_engine.runtime.open_connector import open_source

    opened = open_source(source, None, TopicStore(), base_dir, None)
    parts = []
    try:
        while (batch := opened.read(_ROWS_AT_ONCE)) is not None:
            parts.append(batch.table)
    finally:
        opened.close()
    schema = source.schema
    table = pa.concat_tables(parts) if parts else schema.physical().empty_table()
    return Relation(source.name, schema, pa.table(table.columns, schema=schema.arrow()))
