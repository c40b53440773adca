"""Where every syntax node stands in its text, from its first to its last character: for edits of SQL as text.

`locate` gives the place of one token, which is enough to underline a cause. Whoever replaces a node needs all of it,
closing brackets and keywords included; only the parser knows that, so it is asked while it parses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlglot import exp
from sqlglot.tokenizer_core import Token

from velo_engine.sql.parser import parse_program, program_tokens, statement_tokens
from velo_engine.sql.program import Statement
from velo_engine.sql.reading import parsed, source_text
from velo_engine.sql.source_text import SourceText
from velo_engine.sql.statement_parser import Setting, StatementParser

ParserClass = TypeVar("ParserClass", bound=type[StatementParser])

_LENGTHS = ("_parse_fixed_length", "_parse_distance")
_WRAPPERS = (
    "_parse_wrapped",
    "_parse_csv",
    "_parse_query_modifiers",
    "_parse_set_operations",
    "_parse_window_time",
    "_parse_call_body",
)
"""Methods whose result does not stand where they began, or has brackets around it that are not its own."""


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from `start` to `end` (exclusive) of a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SpannedStatement:
    """A statement and the places of its parts."""

    statement: Statement
    tokens: tuple[Token, ...]
    """Each with its first and last character in the text as written."""
    spans: Mapping[int, Span]
    """By `id` of a node of the statement's trees."""
    lengths: tuple[Span, ...]
    """Lengths of time that leave no node (window sizes, WITHIN, EXPIRE AFTER), in the order of the text."""
    kept: tuple[Any, ...]
    """The nodes that `spans` speaks of: an `id` is one node's as long as that lives."""

    def span(self, node: exp.Expr) -> Span | None:
        """Where `node` stands; of a node that the parser put together, from its first to its last child."""
        own = self.spans.get(id(node))
        if own is not None:
            return own
        below = [found for child in node.iter_expressions() if (found := self.span(child)) is not None]
        if "start" in node.meta:  # the name of a function whose call was put together with what follows it
            below.append(Span(int(node.meta["start"]), int(node.meta["end"]) + 1))
        if not below:
            return None
        return self._closed(Span(min(s.start for s in below), max(s.end for s in below)))

    def _closed(self, span: Span) -> Span:
        """`span` and the brackets behind it that close those within."""
        words = [token.text for token in self.tokens_in(span)]
        missing = words.count("(") - words.count(")")
        for token in self.tokens if missing > 0 else ():
            if token.start >= span.end and missing:
                if token.text not in ("(", ")"):
                    continue
                missing += 1 if token.text == "(" else -1
                span = Span(span.start, token.end + 1)
        return span

    def tokens_in(self, span: Span) -> tuple[Token, ...]:
        """The tokens that lie in `span`."""
        return tuple(token for token in self.tokens if span.start <= token.start and token.end < span.end)


def spanned_statements(
    text: str, *, file: str = "<sql>", variables: Mapping[str, str] | None = None
) -> tuple[SpannedStatement, ...]:
    """The statements of `text` with the places of their nodes. Errors: as of `parser.parse_program`."""
    source = source_text(text, file)
    program = parse_program(text, file=file, variables=variables)
    found: list[SpannedStatement] = []
    for tokens in statement_tokens(program_tokens(source, os.environ if variables is None else variables), source):
        parser = _RecordingParser(source)
        statement = parsed(parser.parse_statement, tokens, source)
        if not isinstance(statement, Setting):
            named = program.statements[len(found)]
            kept = (statement, *parser.nodes)
            lengths = parser.all_lengths(_trees(statement))
            own = Statement(**{f: getattr(statement, f) for f in Statement.__slots__} | {"name": named.name})
            found.append(SpannedStatement(own, tuple(tokens), parser.spans, lengths, kept))
    return tuple(found)


def _trees(statement: Statement) -> list[exp.Expr]:
    """The trees of a statement: its query, its computed columns, its watermark."""
    found = [statement.query, *(column.expression for column in statement.columns)]
    if statement.watermark is not None:
        found.append(statement.watermark.expression)
    return [tree for tree in found if isinstance(tree, exp.Expr)]


def _recorded(name: str) -> Callable[..., Any]:
    parse = getattr(StatementParser, name)

    def method(self: _RecordingParser, *args: Any, **kwargs: Any) -> Any:
        begin = self.reached()
        result = parse(self, *args, **kwargs)
        if isinstance(result, exp.Expr):
            given = next((a for a in (*args, *kwargs.values()) if isinstance(a, exp.Expr)), None)
            self.record(result, begin, given)
        elif name in _LENGTHS and isinstance(result, int):
            self.record_length(begin)
        return result

    return method


def _recording(parser: ParserClass) -> ParserClass:
    """`parser` with every method that gives a node telling where it began and ended."""
    for name in dir(StatementParser):
        if name.startswith("_parse_") and not name.startswith(_WRAPPERS) and callable(getattr(StatementParser, name)):
            setattr(parser, name, _recorded(name))
    return parser


@_recording
class _RecordingParser(StatementParser):
    """The parser, and the places of the nodes that it made."""

    def __init__(self, source: SourceText) -> None:
        super().__init__(source)
        self.spans: dict[int, Span] = {}
        self.lengths: list[Span] = []
        self.nodes: list[exp.Expr] = []

    def reached(self) -> int:
        """The position of the next token."""
        return int(self._index)

    def record(self, node: exp.Expr, begin: int, given: exp.Expr | None) -> None:
        """`node` came of the tokens from `begin` on, and of the node `given` before them."""
        if self._index <= begin and given is None:
            return
        known = [s for s in (self.spans.get(id(node)), self.spans.get(id(given)) if given is not None else None) if s]
        if self._index > begin:
            known.append(Span(self._tokens[begin].start, self._tokens[self._index - 1].end + 1))
        if known:
            self.nodes.append(node)
            self.spans[id(node)] = Span(min(s.start for s in known), max(s.end for s in known))

    def record_length(self, begin: int) -> None:
        """A length of time came of the tokens from `begin` on."""
        span = Span(self._tokens[begin].start, self._tokens[self._index - 1].end + 1)
        if span not in self.lengths:
            self.lengths.append(span)

    def all_lengths(self, trees: list[exp.Expr]) -> tuple[Span, ...]:
        """Those of grammar rules, and intervals that became numbers of a node (`GROUP BY TUMBLE(ts, INTERVAL …)`)."""
        alive = {id(node) for tree in trees for node in tree.walk()}
        gone = (self.spans[id(n)] for n in self.nodes if isinstance(n, exp.Interval) and id(n) not in alive)
        return tuple(sorted({*self.lengths, *gone}, key=lambda span: span.start))
