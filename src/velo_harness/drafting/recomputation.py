"""The assertion that a statement's rows are those that one batch query over its inputs gives."""

from __future__ import annotations

from velo_engine.plan.nodes import PlannedProgram, PlannedStatement
from velo_harness.drafting.batch_relations import BatchTranslator, NotSaid, rows_of

LONGEST_QUERY = 6000
"""Characters of the query of an assertion."""


def recomputed_rows(statement: PlannedStatement, program: PlannedProgram) -> tuple[str, ...] | None:
    """The lines of an `sql` assertion; None when the plan has something that a batch query does not say."""
    translator = BatchTranslator(program.statements)
    try:
        relation = translator.relation(statement.plan)
    except (NotSaid, RecursionError):
        return None
    schema = statement.plan.schema
    columns = list(rows_of(relation, schema.names, [column.type.name for column in schema.columns]))
    lines = _in_lines(relation.select([f"{batch} AS {name}" for name, batch, _ in columns]))
    if lines is None:
        return None
    if not columns:
        head = "SELECT (SELECT COUNT(*) FROM output) - COUNT(*) FROM ("
        counted = (head, *(f"  {line}" for line in lines), ") AS expected")
        return ("type: sql", "query: |", *(f"  {line}" for line in counted), "equals: 0")
    actual = ", ".join(name if name == out else f"{out} AS {name}" for name, _, out in columns)
    compared = (
        "WITH expected AS (",
        *(f"  {line}" for line in lines),
        f"), actual AS (SELECT {actual} FROM output)",
        "(SELECT 'missing' AS row_is, * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) AS missing)",
        "UNION ALL",
        "(SELECT 'wrong' AS row_is, * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) AS wrong)",
    )
    return ("type: sql", "query: |", *(f"  {line}" for line in compared), "expect: []")


def _in_lines(text: str) -> list[str] | None:
    """The query as people read it; None for one that is too long, or that an assertion would not take."""
    import sqlglot

    if len(text) > LONGEST_QUERY:
        return None
    try:
        return sqlglot.parse_one(text, read="duckdb").sql("duckdb", pretty=True).splitlines()
    except sqlglot.errors.SqlglotError:
        return None
