"""`SELECT *` of tables that have further columns in Flink: the columns that it means in the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from velo_engine.sql.syntax import WindowTable
from velo_import.export.names import flink_name
from velo_import.export.relations import WINDOW_COLUMNS, named_query
from velo_import.mapped_text import Edit

if TYPE_CHECKING:
    from velo_import.export.queries import QueryText

_HINT = "name the columns"


def stars(query: QueryText, select: exp.Select) -> None:
    """Adds the edits that write out the stars of `select`, where a table in Flink has more columns."""
    source = select.args.get("from_")
    joins = select.args.get("joins") or []
    relations = [*([] if source is None else [source.this]), *(join.this for join in joins)]
    if not any(_further(query, select, relation) for relation in relations):
        return
    for item in select.expressions:
        of = item.table if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else None
        if of is None and not isinstance(item, exp.Star):
            continue
        span = query.spanned.span(item)
        meant = [one for one in relations if of is None or _name(query, one) == of]
        if of is not None and not any(_further(query, select, one) for one in meant):
            continue
        if span is None or any(join.args.get("using") or join.args.get("method") for join in joins):
            query.refuse("* of a join by names of columns", item, _HINT)
            continue
        parts = [_written(query, select, one, qualified=len(relations) > 1 or of is not None) for one in meant]
        if None in parts:
            query.refuse("* of a join with a query without a name", item, _HINT)
            continue
        query.edits.append(Edit(span.start, span.end, ", ".join(part for part in parts if part)))


def _table(relation: exp.Expr) -> exp.Table | None:
    inner = relation.args["table"] if isinstance(relation, WindowTable) else relation
    return inner if isinstance(inner, exp.Table) else None


def _further(query: QueryText, select: exp.Select, relation: exp.Expr) -> bool:
    """Whether a relation is a table with further columns in Flink."""
    table = _table(relation)
    return table is not None and table.name in query.reading.extended and named_query(table.name, select) is None


def _name(query: QueryText, relation: exp.Expr) -> str:
    """What the query calls a relation; empty when it has no name."""
    table = _table(relation)
    if relation.alias or table is None or isinstance(relation, WindowTable):
        return str(relation.alias)
    return query.reading.names.get(table.name, table.name) if "://" in table.name else str(table.alias_or_name)


def _written(query: QueryText, select: exp.Select, relation: exp.Expr, *, qualified: bool) -> str | None:
    """The columns of a relation; None when they cannot be written."""
    name = _name(query, relation)
    before = f"{flink_name(name)}." if qualified else ""
    if qualified and not name:
        return None
    if not _further(query, select, relation):
        return f"{before}*"
    table = _table(relation)
    assert table is not None, "what has further columns is a table"
    alias = relation.args.get("alias")
    renamed = [column.name for column in alias.args.get("columns") or ()] if alias is not None else []
    columns = renamed or [*query.reading.columns[_plain(query, table)], *_window(relation)]
    return ", ".join(before + flink_name(column) for column in columns)


def _plain(query: QueryText, table: exp.Table) -> str:
    return table.name if table.name in query.reading.columns else query.reading.names.get(table.name, table.name)


def _window(relation: exp.Expr) -> tuple[str, ...]:
    return WINDOW_COLUMNS if isinstance(relation, WindowTable) else ()
