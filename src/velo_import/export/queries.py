"""A query's text with Flink's spelling: names, casts, functions, aliases, windows. What Flink cannot say is refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from velo_engine.errors import Location
from velo_engine.sql.node_spans import Span, SpannedStatement
from velo_engine.sql.source_text import SourceText
from velo_engine.sql.syntax import KeyColumn, RowsWindowBuffer, WindowTable
from velo_import.export.functions import ABSENT, RENAMED, TYPES
from velo_import.export.names import flink_name, interval
from velo_import.export.relations import Notes, Reading, known_columns
from velo_import.export.stars import stars
from velo_import.export.windows import window_edits
from velo_import.mapped_text import Edit, MappedText

_METADATA = {"_timestamp", "_offset", "_partition", "_topic"}
_UNKNOWN_HERE = {"_key", "_processing_time", "_event_time"}
_ORDER = ("from_", "joins", "where", "group", "having", "windows", "order", "limit", "offset")
_FETCH_ORDER = (*_ORDER[:-2], "offset", "limit")


class QueryText:
    """The text of one statement's query, as Flink has it."""

    def __init__(self, source: SourceText, spanned: SpannedStatement, reading: Reading, notes: Notes) -> None:
        self.source = source
        self.spanned = spanned
        self.reading = reading
        self.notes = notes
        self.edits: list[Edit] = []
        self.metadata: set[tuple[str, str]] = set()
        """(relation, system column) that the query speaks of."""

    def text(self) -> str:
        """The query, without what stands around it: EMIT, INTO, WITH (…)."""
        query = self.spanned.statement.query
        assert query is not None, "the statement has a query"
        start, end, edits = self._extent()
        self.edits += edits
        for node in query.walk():
            self._node(node)
        self._tokens()
        for select in query.find_all(exp.Select):
            window_edits(self, select)
        for select in reversed(list(query.find_all(exp.Select))):
            self._aliases(select)
        return self.slice(Span(start, end)).strip()

    def slice(self, span: Span) -> str:
        """The characters of `span` with the edits that lie in it."""
        inside = [edit for edit in self.edits if span.start <= edit.start and edit.end <= span.end]
        text = MappedText()
        text.copy(self.source.text, span.start, span.end, _outermost(inside))
        return text.text

    def location(self, node: exp.Expr) -> Location:
        """Where a node stands; the statement when it cannot be told."""
        span = self.spanned.span(node)
        if span is None:
            return self.spanned.statement.location
        return self.source.location(span.start, span.end)

    def refuse(self, message: str, node: exp.Expr, hint: str | None = None) -> None:
        """Flink cannot say `node`."""
        self.notes.refuse(message, self.location(node), hint)

    def before(self, position: int) -> int:
        """Where the blanks before `position` begin."""
        while position and self.source.text[position - 1] in " \t\r\n":
            position -= 1
        return position

    # --- the frame ---

    def _extent(self) -> tuple[int, int, list[Edit]]:
        """Where the query begins and ends, and the clauses of the statement within, which go."""
        tokens = self.spanned.tokens
        first = self._first()
        edits: list[Edit] = []
        depth, end = 0, tokens[-1].end + 1
        number = first
        while number < len(tokens):
            token = tokens[number]
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            stop = number if depth else self._clause_end(number)
            if stop > number:
                edits.append(Edit(self.before(token.start), tokens[stop - 1].end + 1, ""))
                number = stop
            else:
                number += 1
        return tokens[first].start, end, edits

    def _first(self) -> int:
        """The token with which the query begins."""
        depth = 0
        tokens = self.spanned.tokens
        query = self.spanned.statement.query
        span = None if query is None else self.spanned.span(query)
        for number, token in enumerate(tokens):
            word = token.text.upper()
            follows = tokens[number + 1].text if number + 1 < len(tokens) else ""
            opens = word in ("SELECT", "VALUES") or (word == "WITH" and follows != "(")
            if not depth and token.token_type != TokenType.IDENTIFIER and opens:
                return number
            if not depth and token.text == "(" and follows.upper() in ("SELECT", "VALUES", "WITH", "("):
                return number
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        assert span is not None, "the parser has seen the query"
        return next(n for n, token in enumerate(tokens) if token.start >= span.start)

    def _clause_end(self, number: int) -> int:
        """Behind EMIT …, INTO … and WITH (…) that begin at a token; the token itself when none does."""
        tokens = self.spanned.tokens
        words = [token.text.upper() for token in tokens[number : number + 3]] + ["", "", ""]
        if tokens[number].token_type == TokenType.IDENTIFIER:
            return number
        if words[0] == "EMIT" and words[1] in ("CHANGES", "FINAL"):
            return number + 2
        if words[:3] == ["ON", "CONFLICT", "DO"]:
            return number + 4
        if words[0] == "INTO":
            stop = number + 2
            while stop < len(tokens) and tokens[stop].text == ".":
                stop += 2
            return stop
        if words[0] == "WITH" and words[1] == "(":
            depth = 0
            for stop in range(number + 1, len(tokens)):
                depth += {"(": 1, ")": -1}.get(tokens[stop].text, 0)
                if not depth:
                    return stop + 1
        return number

    # --- nodes ---

    def _node(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Table):
            self._table(node)
        elif isinstance(node, exp.Identifier):
            self._identifier(node)
        elif isinstance(node, exp.Column):
            self._column(node)
        elif isinstance(node, exp.Anonymous):
            self._call(node)
        elif isinstance(node, exp.Cast | exp.TryCast):
            self._cast(node)
        elif isinstance(node, exp.DataType):
            self._type(node)
        elif isinstance(node, RowsWindowBuffer):
            self._rows_window_buffer(node)
        elif isinstance(node, exp.Join):
            self._join(node)
        elif isinstance(node, KeyColumn):
            self._key(node)
        elif isinstance(node, exp.Select):
            self._clause_order(node)
            stars(self, node)
        elif isinstance(node, WindowTable):
            self._window_table(node)

    def _table(self, node: exp.Table) -> None:
        name = node.name
        renamed = self.reading.names.get(name, name)
        identifier = node.this
        if renamed == name or not isinstance(identifier, exp.Identifier) or "start" not in identifier.meta:
            return
        text = flink_name(renamed)
        if "://" not in name and not node.alias and not isinstance(node.parent, WindowTable):
            text += f" AS {flink_name(name)}"
        start = int(identifier.meta["start"])
        self.edits.append(Edit(start, int(identifier.meta["end"]) + 1, text))

    def _identifier(self, node: exp.Identifier) -> None:
        renamed = isinstance(node.parent, exp.Table) and self.reading.names.get(node.name, node.name) != node.name
        if "start" not in node.meta or renamed:
            return
        start, end = int(node.meta["start"]), int(node.meta["end"]) + 1
        written = self.source.text[start:end]
        wanted = flink_name(node.name)
        if written[:1] == '"' or (written[:1] not in "`$" and written != wanted):
            self.edits.append(Edit(start, end, "`" + node.name.replace("`", "``") + "`"))

    def _column(self, node: exp.Column) -> None:
        name = node.name.lower()
        if name in _UNKNOWN_HERE:
            self.refuse(f"the system column {node.name}", node, "declare a column of the source for it")
        elif name in _METADATA:
            owner = self._owner(node)
            if owner is None:
                self.refuse(
                    f"the system column {node.name} of this relation",
                    node,
                    "name it with its source: source._timestamp",
                )
            else:
                self.metadata.add((owner, name))

    def _owner(self, node: exp.Column) -> str | None:
        """The relation that a system column is of."""
        select = node.find_ancestor(exp.Select)
        source = None if select is None else select.args.get("from_")
        tables = [source.this] if source is not None else []
        tables += [join.this for join in (select.args.get("joins") if select is not None else None) or ()]
        named = [t for t in tables if isinstance(t, exp.Table)]
        if node.table:
            named = [t for t in named if t.alias_or_name == node.table]
        return named[0].name if len(named) == 1 and (node.table or len(tables) == 1) else None

    def _call(self, node: exp.Anonymous) -> None:
        name = str(node.this).upper()
        if name in ABSENT:
            self.refuse(f"the function {name}", node, ABSENT[name])
            return
        span = self.spanned.span(node)
        if span is None:
            return
        if name in RENAMED and not (name in ("FIRST", "LAST") and _in_pattern(node)):
            self.edits.append(Edit(span.start, span.start + len(name), RENAMED[name]))
            self._unit(node)
        elif name in ("MEDIAN", "COUNT_DISTINCT", "APPROX_COUNT_DISTINCT") and len(node.expressions) == 1:
            argument = self.spanned.span(node.expressions[0])
            if argument is None:
                return
            if name == "MEDIAN":
                self.edits.append(Edit(span.start, span.start + len(name), "PERCENTILE"))
                self.edits.append(Edit(argument.end, argument.end, ", 0.5"))
            else:
                self.edits.append(Edit(span.start, span.start + len(name), "COUNT"))
                self.edits.append(Edit(argument.start, argument.start, "DISTINCT "))

    def _unit(self, node: exp.Anonymous) -> None:
        """A unit of time that is written as a text is a word in Flink."""
        first = node.expressions[0] if node.expressions else None
        if not isinstance(first, exp.Literal) or RENAMED[str(node.this).upper()] != "TIMESTAMPADD":
            return
        span = self.spanned.span(first)
        if span is not None and first.is_string:
            self.edits.append(Edit(span.start, span.end, first.name.upper()))

    def _cast(self, node: exp.Cast) -> None:
        this, to = self.spanned.span(node.this), self.spanned.span(node.to)
        if this is None or to is None or this.start > to.start:
            return
        if "::" in self.source.text[this.end : to.start]:
            self.edits.append(Edit(this.start, this.start, "CAST("))
            self.edits.append(Edit(this.end, to.start, " AS "))
            self.edits.append(Edit(to.end, to.end, ")"))

    def _type(self, node: exp.DataType) -> None:
        span = self.spanned.span(node)
        if span is None:
            return
        first = next(iter(self.spanned.tokens_in(span)), None)
        if first is not None and (known := TYPES.get(first.text.upper())) is not None:
            self.edits.append(Edit(first.start, first.end + 1, known))

    def _rows_window_buffer(self, node: RowsWindowBuffer) -> None:
        size = node.args["size"]
        rows = size.name if isinstance(size, exp.Literal) else size
        hint = "OVER (PARTITION BY … ORDER BY event_time ROWS BETWEEN n PRECEDING AND CURRENT ROW) goes by event time"
        window = node.parent if isinstance(node.parent, exp.Expr) else node
        self.refuse(f"ROWS WINDOW BUFFER {rows} ROWS", window, hint)

    def _join(self, node: exp.Join) -> None:
        within = node.args.get("within_ms")
        if within is not None:
            self._within(node, int(within))
        if node.args.get("kind") in ("SEMI", "ANTI") or node.args.get("side") in ("SEMI", "ANTI"):
            self.refuse("SEMI and ANTI JOIN", node, "write WHERE [NOT] EXISTS (SELECT …)")

    def _within(self, node: exp.Join, within: int) -> None:
        """`WITHIN INTERVAL … ON c` as `ON c AND right_time BETWEEN left_time - … AND left_time + …`."""
        select = node.parent
        source = select.args.get("from_") if isinstance(select, exp.Select) else None
        left = source.this if source is not None else None
        right, condition = node.this, node.args.get("on")
        sides = [side for side in (left, right) if isinstance(side, exp.Table) and side.name in self.reading.times]
        first = isinstance(select, exp.Select) and select.args["joins"][0] is node
        span = None if condition is None else self.spanned.span(condition)
        if len(sides) != 2 or span is None or not first:
            self.refuse("WITHIN of this join", node, "compare the event times of both sides in ON")
            return
        one, other = (f"{flink_name(s.alias_or_name)}.{flink_name(self.reading.times[s.name])}" for s in sides)
        length = interval(within)
        bound = f" AND {other} BETWEEN {one} - {length} AND {one} + {length}"
        whole = self.spanned.span(node)
        assert whole is not None, "the parser has seen the join"
        tokens = [t for t in self.spanned.tokens_in(whole) if t.start < span.start]
        start = max(t.start for t in tokens if t.text.upper() == "WITHIN")
        on = max(t.start for t in tokens if t.text.upper() == "ON")
        self.edits.append(Edit(self.before(start), self.before(on), ""))
        if isinstance(condition, exp.Or):
            self.edits += [Edit(span.start, span.start, "("), Edit(span.end, span.end, ")" + bound)]
        else:
            self.edits.append(Edit(span.end, span.end, bound))

    def _key(self, node: KeyColumn) -> None:
        span = self.spanned.span(node)
        for token in self.spanned.tokens_in(span) if span is not None else ():
            if token.token_type == TokenType.PRIMARY_KEY:
                self.edits.append(Edit(self.before(token.start), token.end + 1, ""))

    def _window_table(self, node: WindowTable) -> None:
        """`TABLE (SELECT …)` is `(SELECT …)` in Flink."""
        table = node.args["table"]
        span = self.spanned.span(node)
        if not isinstance(table, exp.Subquery) or span is None:
            return
        tokens = self.spanned.tokens_in(span)
        for before, token in pairwise(tokens):
            inner = token.text == "(" and before.token_type == TokenType.TABLE and before is not tokens[0]
            if inner:
                self.edits.append(Edit(before.start, token.start, ""))
                return

    def _clause_order(self, select: exp.Select) -> None:
        """Flink takes the clauses in one order only."""
        found = []
        for key in _FETCH_ORDER if self._fetches(select) else _ORDER:
            value = select.args.get(key)
            nodes = value if isinstance(value, list) else [value]
            spans = [span for node in nodes if isinstance(node, exp.Expr) and (span := self.spanned.span(node))]
            found += [span.start for span in spans]
        if found != sorted(found):
            self.refuse(
                "clauses in another order than Flink's",
                select,
                "write FROM, JOIN, WHERE, GROUP BY, HAVING, WINDOW, ORDER BY, LIMIT in this order",
            )

    def _fetches(self, select: exp.Select) -> bool:
        """Whether the limit is written as FETCH NEXT … ROWS ONLY, which stands behind OFFSET."""
        limit = select.args.get("limit")
        span = None if limit is None else self.spanned.span(limit)
        before = [token for token in self.spanned.tokens if span is not None and token.start <= span.start]
        return any(token.text.upper() == "FETCH" for token in before[-3:])

    def _tokens(self) -> None:
        self.edits += [Edit(t.start, t.end + 1, "<>") for t in self.spanned.tokens if t.text == "!="]

    # --- aliases ---

    def _aliases(self, select: exp.Select) -> None:
        """Flink does not know the aliases of a select list within it, nor in WHERE, GROUP BY and HAVING."""
        columns = known_columns(select, self.reading)
        if columns is None:
            return
        known: dict[str, exp.Expr] = {}
        for item in select.expressions:
            for column in _bare_columns(item, select):
                self._replace(column, known, columns)
            inner = item.this if isinstance(item, KeyColumn) else item
            if isinstance(inner, exp.Alias) and not inner.this.find(exp.Window):
                known[inner.alias] = inner.this
        for key in ("where", "group", "having"):
            clause = select.args.get(key)
            for column in _bare_columns(clause, select) if clause is not None else ():
                self._replace(column, known, columns)

    def _replace(self, column: exp.Column, known: dict[str, exp.Expr], columns: set[str]) -> None:
        meant = known.get(column.name)
        span = self.spanned.span(column)
        if meant is None or column.name in columns or span is None:
            return
        below = self.spanned.span(meant)
        if below is None:
            return
        text = self.slice(below)
        simple = isinstance(meant, exp.Column | exp.Literal | exp.Anonymous | exp.Paren | exp.Cast)
        self.edits = [e for e in self.edits if not (span.start <= e.start and e.end <= span.end)]
        self.edits.append(Edit(span.start, span.end, text if simple else f"({text})"))


def _in_pattern(node: exp.Expr) -> bool:
    """Whether a node is part of MATCH_RECOGNIZE, where FIRST and LAST are Flink's own."""
    above = node.parent
    while isinstance(above, exp.Expr) and not isinstance(above, exp.Select):
        if "match" in type(above).__name__.lower():
            return True
        above = above.parent
    return False


def _bare_columns(node: exp.Expr, select: exp.Select) -> Iterator[exp.Column]:
    """The columns without a relation's name in `node`, those of queries in it left out."""
    for column in node.find_all(exp.Column):
        inside = column.find_ancestor(exp.Select)
        if not column.table and not isinstance(column.this, exp.Star) and inside is select:
            yield column


def _outermost(edits: list[Edit]) -> list[Edit]:
    """Edits that do not overlap, of those that lie in one another the outer one; in the order of the text."""
    ordered = sorted(enumerate(edits), key=lambda pair: (pair[1].start, -pair[1].end, pair[0]))
    found: list[Edit] = []
    insertions = [edit for _, edit in ordered if edit.start == edit.end]
    reach = -1
    for _, edit in ordered:
        if edit.start == edit.end:
            continue
        if edit.start >= reach:
            found.append(edit)
            reach = edit.end
    kept = [i for i in insertions if not any(e.start < i.start < e.end for e in found)]
    return sorted((*found, *kept), key=lambda edit: (edit.start, edit.end))
