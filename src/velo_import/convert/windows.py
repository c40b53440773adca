"""Flink's windows as WINDOW clauses: edits of a statement's text, each of which may be made or left.

| Flink | clause |
|---|---|
| `GROUP BY k, TUMBLE(ts, size)`, `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size))` | `WINDOW TUMBLING(ts, size)` |
| `HOP(ts, slide, size)`, `HOP(TABLE t, DESCRIPTOR(ts), slide, size)` | `WINDOW SLIDING(ts, size, slide)` |
| `CUMULATE(TABLE t, DESCRIPTOR(ts), step, size)` | `WINDOW CUMULATING(ts, step, size)` |
| `SESSION(ts, gap)`, `SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), gap)` | `WINDOW SESSION(ts, gap)` |

Nothing here knows whether a clause means the same: `window_clauses` has both texts planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.grouping import is_aggregating
from velo_engine.plan.windows import WINDOW_BOUNDS
from velo_engine.sql.node_spans import Span, SpannedStatement, spanned_statements
from velo_engine.sql.syntax import GroupWindow, WindowTable
from velo_import.mapped_text import Edit, MappedText

_CLAUSES = {"tumble": "TUMBLING", "hop": "SLIDING", "cumulate": "CUMULATING", "session": "SESSION"}
_LENGTHS = {"tumble": ("SIZE",), "hop": ("SLIDE", "SIZE"), "cumulate": ("STEP", "SIZE"), "session": ("GAP",)}
"""In the order in which Flink takes them."""
_CLAUSE_LENGTHS = {**_LENGTHS, "hop": ("SIZE", "SLIDE")}
"""In the order in which the clause takes them."""
_TIME = "window_time"
_BOUNDS = {"start": "window_start", "end": "window_end", "rowtime": _TIME, "proctime": _TIME}
_BOUND_CALLS = {f"{kind}_{word}": name for kind in ("tumble", "hop", "session") for word, name in _BOUNDS.items()}
_LINE = 100
"""A clause that makes a line longer than this begins one of its own."""


@dataclass(frozen=True, slots=True)
class WindowRewrite:
    """One window of a statement."""

    feature: str
    """What the report calls it, as `features` does."""
    clause: str
    """`WINDOW TUMBLING(…)`."""
    edits: tuple[Edit, ...]
    """What makes the window a clause."""
    bounds: tuple[Edit, ...] = ()
    """What makes `TUMBLE_START(…)` and TUMBLE_END `window_start` and `window_end`; the clause is right without."""
    times: tuple[Edit, ...] = ()
    """The same of TUMBLE_ROWTIME, which may be NULL where `window_time` may not."""

    @property
    def variants(self) -> tuple[tuple[Edit, ...], ...]:
        """Edits that each write the window as a clause, the best first."""
        return (*self.edits, *self.bounds, *self.times), (*self.edits, *self.bounds), self.edits


@dataclass(frozen=True, slots=True)
class Rewrites:
    """What of a statement can be written as Velostream's own syntax does."""

    windows: tuple[WindowRewrite, ...]
    others: Mapping[str, str]
    """Windows that no clause can say, and why; by feature."""
    emit: Edit | None
    """Says when the result is given out; None where there is nothing to say, or it is said already."""


def rewrites(text: str) -> Rewrites:
    """The rewrites of the statement `text`, which the engine can parse."""
    (spanned,) = spanned_statements(text, variables={})
    statement = _Statement(text, spanned)
    query = spanned.statement.query
    windows: list[WindowRewrite] = []
    others: dict[str, str] = {}
    for select in query.find_all(exp.Select) if query is not None else ():
        for node in _windows_of(select):
            feature = f"{'window table' if isinstance(node, WindowTable) else 'group window'} {node.args['kind']}"
            try:
                windows.append(WindowRewrite(feature, *statement.window(select, node)))
            except _NoClauseError as reason:
                others.setdefault(feature, str(reason))
    return Rewrites(tuple(windows), others, statement.emit([edit for one in windows for edit in one.variants[0]]))


def _windows_of(select: exp.Select) -> Iterator[GroupWindow | WindowTable]:
    """The windows in GROUP BY, FROM and JOIN."""
    group, source = select.args.get("group"), select.args.get("from_")
    places = [*(group.expressions if group else ()), source.this if source else None]
    places += [join.this for join in select.args.get("joins") or ()]
    yield from (node for node in places if isinstance(node, GroupWindow | WindowTable))


_Parts: TypeAlias = tuple[str, tuple[Edit, ...], tuple[Edit, ...], tuple[Edit, ...]]
"""Of a WindowRewrite: all but the feature."""


class _Statement:
    """A parsed statement and its text."""

    def __init__(self, text: str, spanned: SpannedStatement) -> None:
        self._text = text
        self._spanned = spanned
        self._tokens = spanned.tokens
        self._at = {token.start: number for number, token in enumerate(spanned.tokens)}

    def window(self, select: exp.Select, node: GroupWindow | WindowTable) -> _Parts:
        """The clause for `node`, a window of `select`. Raises _NoClauseError."""
        group = select.args.get("group")
        if group is not None and isinstance(node, GroupWindow):
            return self._of_group(select, node, group)
        if group is None or isinstance(node, GroupWindow) or select.args.get("joins"):
            raise _NoClauseError("a WINDOW clause is for windows that are aggregated where they are cut")
        return self._of_table(select, node, group)

    def emit(self, edits: Sequence[Edit]) -> Edit | None:
        """EMIT FINAL of a window, EMIT CHANGES of any other aggregate, when the statement gives out its rows; behind
        what `edits` make of the windows."""
        query, statement = self._spanned.statement.query, self._spanned.statement
        if statement.emit is not None or not isinstance(query, exp.Select) or not is_aggregating(query):
            return None
        tokens = self._tokens[:-4] if statement.conflict is not None else self._tokens
        windowed = any(isinstance(node, WindowTable | GroupWindow) for node in _own_nodes(query))
        end = tokens[-1].end + 1
        words = "EMIT FINAL" if windowed else "EMIT CHANGES"
        return Edit(end, end, self._separator(query, end, words, edits) + words)

    # --- the two spellings ---

    def _of_group(self, select: exp.Select, window: GroupWindow, group: exp.Expr) -> _Parts:
        kind = str(window.args["kind"])
        call = self._call(self._at[int(window.meta["start"])])
        column, *lengths = call.arguments
        clause = _clause(kind, self._slice(column), dict(zip(_LENGTHS[kind], map(self._slice, lengths), strict=True)))
        edits = self._grouped(select, group, clause, lambda item: item.start == call.start)
        named = list(self._bound_calls(select))
        bounds = tuple(edit for edit in named if edit.text != _TIME)
        return clause, tuple(edits), bounds, tuple(edit for edit in named if edit.text == _TIME)

    def _of_table(self, select: exp.Select, table: WindowTable, group: exp.Expr) -> _Parts:
        kind = str(table.args["kind"])
        call = self._call(self._at[int(table.meta["start"])])
        named = self._named_arguments(kind, call)
        if named.keys() != {"DATA", "TIMECOL", *_LENGTHS[kind]}:
            raise _NoClauseError("a WINDOW clause has no offset")
        whole = self._wrapped(call)
        data = self._data(named["DATA"])
        column = self._call(self._at[named["TIMECOL"].start]).arguments[0]
        comments = [
            *self._comments_in(Span(whole.start, named["DATA"].start)),
            *self._comments_in(Span(named["DATA"].end, whole.end)),
        ]
        lengths = {word: self._slice(span) for word, span in named.items()}
        clause = _clause(kind, self._slice(column), lengths)
        if comments:
            lead = self._separator(select, whole.start, " " * _LINE) + "    "
            source = "".join(f"{lead}{comment}" for comment in comments) + lead + self._slice(data)
            around = [Edit(len(self._text[: whole.start].rstrip()), whole.end, source)]
        else:  # what is windowed may have windows of its own
            around = [Edit(whole.start, data.start, ""), Edit(data.end, whole.end, "")]
        edits = [*around, *self._grouped(select, group, clause, self._is_bound, around)]
        return clause, (*edits, *self._unqualified(select, table)), (), ()

    def _named_arguments(self, kind: str, call: _Call) -> dict[str, Span]:
        """The arguments of a window table function by their names, also of those without."""
        names = iter(("DATA", "TIMECOL", *_LENGTHS[kind], "OFFSET"))
        found = {}
        for span in call.arguments:
            first, arrow, *_ = (*self._tokens_of(span), None)
            name = next(names, "")
            if arrow is not None and arrow.token_type == TokenType.FARROW:
                assert first is not None, "there is a token before the second"
                name = first.text.upper()
                span = Span(self._tokens[self._at[arrow.start] + 1].start, span.end)
            found[name] = span
        return found

    def _data(self, span: Span) -> Span:
        """What is windowed: the argument without TABLE before and PARTITION BY behind it."""
        tokens = list(self._tokens_of(span))
        if tokens[0].token_type == TokenType.TABLE:
            tokens = tokens[1:]
        depth, end = 0, tokens[-1].end + 1
        for before, token in pairwise(tokens):
            depth += {"(": 1, ")": -1}.get(before.text, 0)
            if not depth and token.token_type == TokenType.PARTITION_BY:
                end = before.end + 1
                break
        return Span(tokens[0].start, end)

    # --- GROUP BY ---

    def _grouped(
        self,
        select: exp.Select,
        group: exp.Expr,
        clause: str,
        is_window: Callable[[Span], bool],
        around: Sequence[Edit] = (),
    ) -> Iterator[Edit]:
        """GROUP BY without the items that are the window, and the clause behind it; `around`: the other edits."""
        whole = self._spanned.span(group)
        assert whole is not None, "the parser has seen GROUP BY"
        items = self._separated(self._at[whole.start] + 1, whole.end)
        kept = [not is_window(item) for item in items]
        for item, stays in zip(items, kept, strict=True):
            if not stays:
                self._check_comments(item.start, item.end)
        if not any(kept):
            self._check_comments(whole.start, whole.end)
            yield Edit(whole.start, whole.end, clause)
            return
        last = max(number for number, stays in enumerate(kept) if stays)
        removed: list[Edit] = []
        for number, item in enumerate(items):
            if kept[number]:
                continue
            start = item.start if number < last else items[number - 1].end
            end = items[number + 1].start if number < last else item.end
            removed.append(Edit(start, end, self._comments(start, end, item)))
        yield from removed
        separator = self._separator(select, whole.end, clause, [*around, *removed])
        yield Edit(whole.end, whole.end, separator + clause)

    def _comments(self, start: int, end: int, item: Span) -> str:
        """What stands between the tokens around an item, if that is more than space."""
        around = self._text[start : item.start] + self._text[item.end : end]
        comments = around.replace(",", "", 1)
        return comments.rstrip() + "\n" if comments.strip() else ""

    def _separator(self, select: exp.Select, position: int, clause: str, edits: Sequence[Edit] = ()) -> str:
        """A new line, indented as that of the clauses of `select`, when those begin lines or theirs, edited, gets too
        long."""
        clauses = [select.args[key] for key in ("from_", "group") if select.args.get(key)]
        spans = [span for node in clauses if (span := self._spanned.span(node)) is not None]
        leads = [self._text[self._line_start(span.start) : span.start] for span in spans]
        indents = [lead for lead in leads if not lead.strip()]
        if indents:
            return "\n" + indents[-1]
        start = self._line_start(position)
        above = MappedText()
        above.copy(self._text, start, position, [edit for edit in edits if edit.start >= start])
        line = above.text.rpartition("\n")[2]
        if len(line) + len(clause) <= _LINE:
            return " "
        return "\n" + line[: len(line) - len(line.lstrip())]

    def _line_start(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1

    # --- bounds ---

    def _bound_calls(self, select: exp.Select) -> Iterator[Edit]:
        """`TUMBLE_START(…)` and its like, but for those from which a column of the result has its name."""
        for node in _own_nodes(select):
            name = _BOUND_CALLS.get(function_name(node) or "")
            if name is None or isinstance(node.parent, exp.Select):
                continue
            call = self._call(self._at[int(node.meta["start"])])
            end = call.end
            if isinstance(node.parent, exp.Alias) and node.parent.alias == name:
                named = self._spanned.span(node.parent)
                end = call.end if named is None else named.end
            self._check_comments(call.start, end)
            yield Edit(call.start, end, name)

    def _is_bound(self, item: Span) -> bool:
        """Whether an item of GROUP BY is a bound of the window, with or without the name of a table."""
        words = [token.text for token in self._tokens_of(item)]
        return words[-1] in WINDOW_BOUNDS and (len(words) == 1 or (len(words) == 3 and words[1] == "."))

    def _unqualified(self, select: exp.Select, table: WindowTable) -> Iterator[Edit]:
        """`t.window_start` is `window_start`: the bounds of a clause belong to no table."""
        group = select.args["group"]
        for node in _own_nodes(select):
            inside = isinstance(node, exp.Column) and node.name in WINDOW_BOUNDS and node.table == table.alias
            if not inside or not node.args.get("table") or node.find_ancestor(exp.Group) is group:
                continue
            span = self._spanned.span(node)
            if span is not None:
                yield Edit(span.start, self._tokens_of(span)[-1].start, "")

    # --- tokens ---

    def _call(self, number: int) -> _Call:
        """The call whose name is token `number`."""
        end = self._closing(number + 1)
        arguments = self._separated(number + 2, self._tokens[end].start)
        return _Call(self._tokens[number].start, self._tokens[end].end + 1, tuple(arguments))

    def _wrapped(self, call: _Call) -> Span:
        """A window table function with the TABLE( … ) that may stand around it."""
        number = self._at[call.start]
        before = [token.text.upper() for token in self._tokens[max(number - 2, 0) : number]]
        if before != ["TABLE", "("]:
            return Span(call.start, call.end)
        return Span(self._tokens[number - 2].start, self._tokens[self._closing(number - 1)].end + 1)

    def _closing(self, number: int) -> int:
        """The bracket that closes token `number`."""
        depth = 0
        for at in range(number, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[at].text, 0)
            if not depth:
                return at
        raise AssertionError("the parser has seen the closing bracket")

    def _separated(self, number: int, end: int) -> list[Span]:
        """What commas separate from token `number` to the character `end`."""
        found: list[list[Token]] = [[]]
        depth = 0
        for token in self._tokens[number:]:
            if token.start >= end:
                break
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
            if token.token_type == TokenType.COMMA and not depth:
                found.append([])
            else:
                found[-1].append(token)
        return [Span(tokens[0].start, tokens[-1].end + 1) for tokens in found if tokens]

    def _tokens_of(self, span: Span) -> Sequence[Token]:
        return self._spanned.tokens_in(span)

    def _slice(self, span: Span) -> str:
        return self._text[span.start : span.end]

    def _check_comments(self, start: int, end: int) -> None:
        """Nothing that a person wrote may be lost. Raises _NoClauseError."""
        if self._comments_in(Span(start, end)):
            raise _NoClauseError("a comment stands within the window")

    def _comments_in(self, span: Span) -> list[str]:
        """What stands between the tokens of `span`."""
        tokens = self._spanned.tokens_in(span)
        starts = [span.start, *(token.end + 1 for token in tokens)]
        ends = [*(token.start for token in tokens), span.end]
        gaps = (self._text[start:end].strip() for start, end in zip(starts, ends, strict=True))
        return [gap for gap in gaps if gap]


class _NoClauseError(Exception):
    """Why a window is not written as a clause."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call, from its name to its closing bracket."""

    start: int
    end: int
    arguments: tuple[Span, ...]


def _clause(kind: str, column: str, lengths: dict[str, str]) -> str:
    parts = [column, *(" ".join(lengths[word].split()) for word in _CLAUSE_LENGTHS[kind])]
    return f"WINDOW {_CLAUSES[kind]}({', '.join(parts)})"


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a query without those of the queries in it."""
    for node in select.walk(prune=lambda found: isinstance(found, exp.Query) and found is not select):
        if node is select or not isinstance(node, exp.Query):
            yield node
