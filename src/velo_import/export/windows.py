"""WINDOW clauses as Flink's window table functions; as its older group windows where those alone mean the same.

A session behind WHERE, a window over a join, and queries that call `TUMBLE_START` and its like are group windows: they
are cut after WHERE, whatever FROM holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from velo_engine.plan.windows import WINDOW_BOUNDS
from velo_engine.sql.node_spans import Span
from velo_engine.sql.syntax import KeyColumn, WindowClause
from velo_import.export.names import flink_name, interval
from velo_import.mapped_text import Edit

if TYPE_CHECKING:
    from velo_import.export.queries import QueryText

_FUNCTIONS = {"tumbling": "TUMBLE", "sliding": "HOP", "session": "SESSION", "cumulating": "CUMULATE"}
_BOUND_CALLS = {
    f"{function}_{word}"
    for function in ("TUMBLE", "HOP", "SESSION", "CUMULATE")
    for word in ("START", "END", "ROWTIME", "PROCTIME")
}
_GROUP_WINDOW_WORDS = {"window_start": "START", "window_end": "END", "window_time": "ROWTIME"}


@dataclass(frozen=True, slots=True)
class _Window:
    """A WINDOW clause, read."""

    function: str
    column: str
    lengths: tuple[str, ...]
    """In Flink's order: slide or step before the size."""
    clause: Span
    """With the word WINDOW."""
    divides: bool = True
    """Whether the advance divides the size; Flink's HOP of a table wants that."""


def window_edits(query: QueryText, select: exp.Select) -> None:
    """Adds the edits that make the WINDOW clause of `select` Flink's."""
    clause = select.args.get("window_clause")
    if not isinstance(clause, WindowClause):
        return
    window = _window(query, select, clause)
    if window is None:
        return
    if _fits_a_group_window(select, window):
        _as_group_window(query, select, window)
    elif select.args.get("joins") or select.args.get("from_") is None:
        query.refuse("WINDOW CUMULATING over a join", clause, "write the join as a stream of its own")
    else:
        _as_table_function(query, select, window)


def _window(query: QueryText, select: exp.Select, clause: WindowClause) -> _Window | None:
    span = query.spanned.span(clause)
    assert span is not None, "the parser has seen the clause"
    word = max(t.start for t in query.spanned.tokens if t.start < span.start and t.text.upper() == "WINDOW")
    written = list(_arguments(query, span))
    if clause.args.get("time_column") is not None:
        column_text, written = written[0], written[1:]
    else:
        column_text = ""
    column = _time_column(query, select, clause) or column_text
    if not column:
        query.refuse("a window without an event time that Flink knows", clause, "name the column: TUMBLING(column, …)")
        return None
    kind = str(clause.args["kind"])
    sizes = [clause.args["size_ms"], clause.args.get("slide_ms")]
    in_order = sizes if kind != "cumulating" else sizes[::-1]
    pairs = zip(written, in_order, strict=False)
    texts = [text if text[:8].upper() == "INTERVAL" else interval(int(ms)) for text, ms in pairs]
    lengths = tuple(texts[::-1] if kind == "sliding" else texts)
    divides = kind != "sliding" or int(sizes[0]) % int(sizes[1]) == 0
    return _Window(_FUNCTIONS[kind], column, lengths, Span(word, span.end), divides)


def _arguments(query: QueryText, clause: Span) -> Iterator[str]:
    """The arguments of `TUMBLING(…)` as they are written in Flink."""
    tokens = query.spanned.tokens_in(clause)[2:-1]
    start, depth = None, 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and not depth and start is not None:
            yield query.slice(Span(start, token.start)).strip()
            start = None
        elif start is None:
            start = token.start
    if start is not None:
        yield query.slice(Span(start, tokens[-1].end + 1)).strip()


def _time_column(query: QueryText, select: exp.Select, clause: WindowClause) -> str | None:
    """What Flink calls the event time of the one relation of a query."""
    source = select.args.get("from_")
    relation = source.this if source is not None else None
    if not isinstance(relation, exp.Table):
        return None
    known = query.reading.times.get(relation.name)
    if known is None or (clause.args.get("time_column") is not None and relation.name not in query.reading.computed):
        return None
    return flink_name(known)


def _fits_a_group_window(select: exp.Select, window: _Window) -> bool:
    if window.function == "CUMULATE":
        return False
    own = list(_own(select))
    calls = any(isinstance(n, exp.Anonymous) and str(n.this).upper() in _BOUND_CALLS for n in own)
    source = select.args.get("from_")
    filtered_session = window.function == "SESSION" and (
        select.args.get("where") is not None
        or source is None
        or not isinstance(source.this, exp.Table)
        or not all(isinstance(key, exp.Column) for key in _keys(select))
    )
    of_table = source is not None and isinstance(source.this, exp.Table | exp.Subquery)
    if source is not None and not of_table:  # MATCH_RECOGNIZE: no table function takes it
        return True
    return calls or filtered_session or not window.divides or "." in window.column or bool(select.args.get("joins"))


def _keys(select: exp.Select) -> list[exp.Expr]:
    group = select.args.get("group")
    return [] if group is None else list(group.expressions)


# --- the two spellings ---


def _as_table_function(query: QueryText, select: exp.Select, window: _Window) -> None:
    relation = select.args["from_"].this
    partition = ""
    if window.function == "SESSION" and _keys(select):
        names = [flink_name(key.name) for key in _keys(select)]
        partition = f" PARTITION BY {names[0]}" if len(names) == 1 else f" PARTITION BY ({', '.join(names)})"
    column = window.column.rpartition(".")[2]
    tail = f"{partition}, DESCRIPTOR({column}), {', '.join(window.lengths)}))"
    span = query.spanned.span(relation)
    assert span is not None, "the parser has seen the relation"
    if isinstance(relation, exp.Table):
        _wrap_table(query, select, relation, (f"TABLE({window.function}(TABLE ", tail))
    elif isinstance(relation, exp.Subquery):
        closing = _closing(query, span.start)
        query.edits.append(Edit(span.start, span.start, f"TABLE({window.function}("))
        query.edits.append(Edit(closing, closing, tail))
    else:
        query.refuse("a WINDOW clause over this relation", relation, "write the relation as a stream of its own")
        return
    bounds = ["window_start", "window_end"]
    names_used = {WINDOW_BOUNDS.get(n.name.lower()) for n in _own(select) if isinstance(n, exp.Column)}
    if "window_time" in names_used:
        bounds.append("window_time")
    _group_by(query, select, window, ", ".join(bounds))
    for column_node in _own(select):
        if isinstance(column_node, exp.Column) and column_node.name[:1] == "_":
            bound = WINDOW_BOUNDS.get(column_node.name.lower())
            own = query.spanned.span(column_node)
            if bound is not None and own is not None:
                _replace(query, own, bound + (f" AS {column_node.name}" if _is_item(column_node) else ""))


def _wrap_table(query: QueryText, select: exp.Select, relation: exp.Table, around: tuple[str, str]) -> None:
    identifier = relation.this
    parts = [relation.args.get(key) for key in ("catalog", "db", "this")]
    starts = [int(p.meta["start"]) for p in parts if isinstance(p, exp.Identifier) and "start" in p.meta]
    span = Span(min(starts), int(identifier.meta["end"]) + 1)
    name = query.reading.names.get(relation.name, relation.name)
    written = flink_name(name) if name != relation.name else query.source.text[span.start : span.end]
    text = around[0] + written + around[1]
    qualified = any(isinstance(n, exp.Column) and n.table == relation.name for n in _own(select))
    if not relation.alias and qualified:
        text += f" AS {flink_name(relation.name)}"
    _replace(query, span, text)


def _as_group_window(query: QueryText, select: exp.Select, window: _Window) -> None:
    arguments = ", ".join((window.column, *window.lengths))
    _group_by(query, select, window, f"{window.function}({arguments})")
    for node in _own(select):
        called = isinstance(node.parent, exp.Anonymous) and str(node.parent.this).upper() in _BOUND_CALLS
        if not isinstance(node, exp.Column) or node.table or called:
            continue
        bound = WINDOW_BOUNDS.get(node.name) or WINDOW_BOUNDS.get(node.name.lower() if node.name[:1] == "_" else "")
        span = query.spanned.span(node)
        ordered = node.find_ancestor(exp.Order, exp.Select)
        if bound is None or span is None or (isinstance(ordered, exp.Order) and node.name in _outputs(select)):
            continue
        word = _GROUP_WINDOW_WORDS[bound]
        if word == "ROWTIME" and query.reading.goes_by_clock:
            word = "PROCTIME"
        text = f"{window.function}_{word}({arguments})"
        _replace(query, span, text + (f" AS {flink_name(node.name)}" if _is_item(node) else ""))


def _is_item(node: exp.Column) -> bool:
    """Whether a column is an item of a select list, whose name it gives."""
    return isinstance(node.parent, exp.Select | KeyColumn) and node.arg_key in ("expressions", "this")


def _outputs(select: exp.Select) -> set[str]:
    """The names of the columns of a query, which ORDER BY may use."""
    return {item.output_name for item in select.expressions}


def _group_by(query: QueryText, select: exp.Select, window: _Window, items: str) -> None:
    """GROUP BY with further items; the clause is gone."""
    group = select.args.get("group")
    span = None if group is None else query.spanned.span(group)
    if span is None:
        _replace(query, window.clause, f"GROUP BY {items}")
        return
    start = query.before(window.clause.start)
    query.edits = [e for e in query.edits if not (start <= e.start and e.end <= window.clause.end and e.start < e.end)]
    if select.args.get("having") is None and start > span.end:  # what stands between is a comment: it stays there
        line = query.source.text.rfind("\n", 0, window.clause.start)
        query.edits.append(Edit(span.end, span.end, ","))
        query.edits.append(Edit(start, window.clause.end, query.source.text[line : window.clause.start] + items))
        return
    query.edits.append(Edit(span.end, span.end, f", {items}"))
    query.edits.append(Edit(start, window.clause.end, ""))


def _replace(query: QueryText, span: Span, text: str) -> None:
    """The characters of `span` are `text`, whatever was to become of them."""
    query.edits = [e for e in query.edits if not (span.start <= e.start and e.end <= span.end)]
    query.edits.append(Edit(span.start, span.end, text))


def _closing(query: QueryText, start: int) -> int:
    """Behind the bracket that closes the one at `start`."""
    depth = 0
    for token in query.spanned.tokens:
        if token.start >= start:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if not depth:
                return token.end + 1
    raise AssertionError("the parser has seen the closing bracket")


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a query without those of the queries in it."""
    for node in select.walk(prune=lambda found: isinstance(found, exp.Query) and found is not select):
        if node is select or not isinstance(node, exp.Query):
            yield node
