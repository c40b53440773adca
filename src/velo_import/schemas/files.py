"""The data schemas of a converted job, by their paths in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from velo_engine import Engine
from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_harness.drafting.column_uses import Uses, column_uses
from velo_harness.drafting.lineage import SourceColumn
from velo_harness.drafting.new_files import editor_line
from velo_harness.drafting.source_drafts import KnownSource, schema_drafts
from velo_import.convert.connectors import modern_options
from velo_import.model import ConvertedJob, ConvertedTable
from velo_import.samples.known import known_from_samples
from velo_import.schemas.generators import GeneratedTable, generated_table

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "schemas"


def schema_files(job: ConvertedJob, samples: Mapping[str, pa.Table] | None = None) -> dict[str, str]:
    """`schemas/<source>.schema.yaml` for every table that a converted statement reads.

    `samples` are rows of tables by name: what they show goes before what the DDL says and what is guessed.
    """
    plan = Engine().plan(job.app_sql, variables={})
    uses = column_uses(plan)
    known = {name: _known(source, job.tables.get(name), uses) for name, source in plan.sources.items()}
    if samples:
        known = known_from_samples(plan, known, samples)
    drafts = schema_drafts(plan, uses, editor_line("data", depth=1), known)
    return {f"{FOLDER}/{draft.source}.schema.yaml": draft.text for draft in drafts}


def schema_notes(job: ConvertedJob) -> tuple[str, ...]:
    """What the options of generated tables say and no constraint can: for the report."""
    plan: PlannedProgram = Engine().plan(job.app_sql, variables={})
    return tuple(
        f"{name}: {note}"
        for name, source in plan.sources.items()
        if name in job.tables
        for note in _generated(source, job.tables[name]).notes
    )


def _generated(source: SourceTable, table: ConvertedTable) -> GeneratedTable:
    types = {column.name: column.type for column in source.schema.columns}
    return generated_table(table.connector, modern_options(table.production), types)


def _known(source: SourceTable, table: ConvertedTable | None, uses: Uses) -> KnownSource:
    """What the declaration of a table says. Event times are those of the windows that read them."""
    if table is None:
        return KnownSource()
    generated = _generated(source, table)
    is_time = {name for name in generated.values if uses[SourceColumn(source.name, name)].delay_ms is not None}
    options = modern_options(table.production)
    return KnownSource(
        values={name: values for name, values in generated.values.items() if name not in is_time},
        descriptions={c.name: c.comment for c in table.definition.columns if c.comment},
        description=table.definition.comment,
        records=generated.records,
        origin="flink_ddl",
        topic=options.get("topic") if table.connector.endswith("kafka") else None,
    )
