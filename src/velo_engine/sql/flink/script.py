"""A Flink SQL script to its statements: the way in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot.tokenizer_core import Token

from velo_engine.errors import VeloError
from velo_engine.sql.failures import SyntaxFailure, as_error
from velo_engine.sql.flink.dialect import Flink, without_comments
from velo_engine.sql.flink.statement_parser import FlinkStatementParser
from velo_engine.sql.flink.statements import Insert, Place, Statement, StatementSet, Unread
from velo_engine.sql.flink.unclosed import Stretch, masked, unclosed_statements
from velo_engine.sql.reading import chunks, parsed, source_text, tokenized
from velo_engine.sql.source_text import SourceText, WrittenText


@dataclass(frozen=True, slots=True)
class FlinkScript:
    """A script's statements in order; those that do not parse stand among them."""

    file: str
    text: str
    statements: tuple[Statement | Unread, ...]
    is_found: bool = False
    """Whether it is not of the job itself: it was found by the names of what it declares."""
    is_excerpt: bool = False
    """Whether it makes rows, too, and only its definitions are here."""
    written: WrittenText | None = field(default=None, repr=False, compare=False)
    """The program that the SQL stands in; None: the file is the SQL."""

    @property
    def source(self) -> SourceText:
        """Its text with the places in its file."""
        return SourceText(self.file, self.text, self.written)

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read."""
        return tuple(statement for statement in self.statements if isinstance(statement, Unread))


def parse_script(
    text: str, *, file: str = "<sql>", written: WrittenText | None = None, refused: Sequence[Stretch] = ()
) -> FlinkScript:
    """The statements of a Flink SQL script. `file` is named in errors; `${…}` templates stay as they are.

    A statement that does not parse, or is refused by name, is `Unread` and has the error with its place; the script
    goes on behind the next semicolon, behind a quote that is never closed at the next one that ends a line. The
    stretches of `refused` are not looked into. VeloError SQL_SYNTAX when the text is too long, or has no tokens.
    """
    whole = source_text(text, file)
    source = SourceText(file, text, written) if written else whole
    refused = (*refused, *unclosed_statements(source, masked(text, refused)))
    readable = SourceText(file, masked(text, refused))
    tokens = tokenized(source, without_comments(readable), Flink(), lambda start, end: (start, end))
    statements: list[Statement | Unread] = [*_statements(chunks(tokens), source)]
    statements += [Unread(Place(source.location(s.start, s.end), s.start, s.end), s.error) for s in refused]
    statements.sort(key=lambda statement: statement.place.start)
    return FlinkScript(file, text, tuple(statements), written=written)


def _statements(statements: Iterable[list[Token]], source: SourceText) -> Iterator[Statement | Unread]:
    parser = FlinkStatementParser(source)
    opened: Token | None = None
    inserts: list[Insert] = []
    for tokens in statements:
        words = [token.text.upper() for token in tokens[:4]]
        if words[:3] == ["BEGIN", "STATEMENT", "SET"] or words == ["EXECUTE", "STATEMENT", "SET", "BEGIN"]:
            if opened is not None:
                yield from _unclosed(opened, inserts, source)
            opened, inserts = tokens[0], []
            tokens = tokens[3 if words[0] == "BEGIN" else 4 :]
        elif words == ["END"] and opened is not None:
            yield StatementSet(_span(opened, tokens[-1], source), tuple(inserts))
            opened = None
            continue
        if not tokens:
            continue
        statement = _statement(parser, tokens, source)
        if opened is not None and isinstance(statement, Insert):
            inserts.append(statement)
        else:
            yield statement
    if opened is not None:
        yield from _unclosed(opened, inserts, source)


def _unclosed(opened: Token, inserts: list[Insert], source: SourceText) -> Iterator[Statement | Unread]:
    """The INSERTs of a statement set without END, and its beginning as what could not be read."""
    yield from inserts
    failure = SyntaxFailure("the statement set that starts here has no END", opened)
    yield Unread(_span(opened, opened, source), as_error(failure, source, []))


def _statement(parser: FlinkStatementParser, tokens: list[Token], source: SourceText) -> Statement | Unread:
    try:
        return parsed(parser.parse_statement, tokens, source)
    except VeloError as error:
        return Unread(_span(tokens[0], tokens[-1], source), error)


def _span(first: Token, last: Token, source: SourceText) -> Place:
    return Place(source.location(first.start, first.end + 1), first.start, last.end + 1)
