"""CREATE TABLE of Flink's: of declared sources and sinks, and of those that a program only names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp
from sqlglot.tokenizer_core import Token

from velo_engine.schema import RowSchema
from velo_engine.sql.node_spans import Span, SpannedStatement
from velo_engine.sql.source_text import SourceText
from velo_import.export.functions import TYPES
from velo_import.export.names import flink_name, literal
from velo_import.mapped_text import Edit, MappedText

SYSTEM_COLUMNS = {
    "_timestamp": "TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
    "_offset": "BIGINT METADATA FROM 'offset' VIRTUAL",
    "_partition": "INT METADATA FROM 'partition' VIRTUAL",
    "_topic": "STRING METADATA FROM 'topic' VIRTUAL",
}


def create_table(name: str, columns: str, options: Mapping[str, str]) -> str:
    """The statement."""
    lines = ",\n    ".join(f"{literal(key)} = {literal(value)}" for key, value in options.items())
    with_ = f" WITH (\n    {lines}\n)" if lines else ""
    return f"CREATE TABLE {flink_name(name)} ({columns}\n){with_}"


def columns_of_schema(schema: RowSchema, primary_key: Iterable[str], further: Iterable[str] = ()) -> str:
    """A column list of what a plan knows."""
    keys = tuple(primary_key)
    items = [
        f"{flink_name(c.name)} {c.type if c.name not in keys or not c.type.nullable else c.type.as_nullable(False)}"
        for c in schema.columns
    ]
    items += further
    if keys:
        items.append(f"PRIMARY KEY ({', '.join(map(flink_name, keys))}) NOT ENFORCED")
    return "\n    " + ",\n    ".join(items)


def declared_columns(source: SourceText, spanned: SpannedStatement, further: Iterable[str] = ()) -> str:
    """The column list of a declaration as it is written, with Flink's names of types."""
    tokens = spanned.tokens
    opening = next(n for n, token in enumerate(tokens) if token.text == "(")
    depth = 0
    closing = opening
    for number in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[number].text, 0)
        if not depth:
            closing = number
            break
    span = Span(tokens[opening].end + 1, tokens[closing].start)
    edits = list(_edits(source, spanned, span))
    more = "".join(f",\n    {item}" for item in further)
    text = MappedText()
    text.copy(source.text, span.start, span.end, edits)
    return text.text.rstrip() + more


def _edits(source: SourceText, spanned: SpannedStatement, span: Span) -> Iterable[Edit]:
    enforced = any(token.text.upper() == "ENFORCED" for token in spanned.tokens_in(span))
    names = {column.name for column in spanned.statement.columns}
    tokens = spanned.tokens_in(span)
    starts_item = True
    depth = 0
    for number, token in enumerate(tokens):
        word = token.text.upper()
        written = source.text[token.start : token.end + 1]
        if written[:1] == '"':
            yield Edit(token.start, token.end + 1, "`" + token.text.replace("`", "``") + "`")
        elif starts_item and not depth and token.text in names and written[:1] != "`" and word != "PRIMARY":
            wanted = flink_name(token.text)
            if wanted != written:
                yield Edit(token.start, token.end + 1, wanted)
        elif word in TYPES and not starts_item:
            yield Edit(token.start, token.end + 1, TYPES[word])
        elif token.text == "!=":
            yield Edit(token.start, token.end + 1, "<>")
        elif word == "PRIMARY KEY" and not enforced:
            yield _not_enforced(tokens, number)
        depth += {"(": 1, ")": -1, "<": 1, ">": -1}.get(token.text, 0)
        starts_item = token.text == "," and not depth
    yield from _names_in_expressions(source, spanned)


def _not_enforced(tokens: tuple[Token, ...], number: int) -> Edit:
    """Flink needs NOT ENFORCED behind a primary key."""
    end = tokens[number].end + 1
    if number + 1 < len(tokens) and tokens[number + 1].text == "(":
        end = next(token.end + 1 for token in tokens[number:] if token.text == ")")
    return Edit(end, end, " NOT ENFORCED")


def _names_in_expressions(source: SourceText, spanned: SpannedStatement) -> Iterable[Edit]:
    """Names that Flink reserves, in computed columns and the watermark."""
    trees = [column.expression for column in spanned.statement.columns]
    mark = spanned.statement.watermark
    if mark is not None:
        trees.append(mark.expression)
        for before, token in zip(spanned.tokens, spanned.tokens[1:], strict=False):
            of_mark = before.text.upper() == "FOR" and token.text == mark.column
            if of_mark and source.text[token.start] not in '`"' and flink_name(token.text) != token.text:
                yield Edit(token.start, token.end + 1, flink_name(token.text))
    for tree in trees:
        for node in tree.find_all(exp.Identifier) if isinstance(tree, exp.Expr) else ():
            if "start" in node.meta and source.text[int(node.meta["start"])] not in '`"$':
                start, end = int(node.meta["start"]), int(node.meta["end"]) + 1
                wanted = flink_name(node.name)
                if source.text[start:end] != wanted:
                    yield Edit(start, end, wanted)
