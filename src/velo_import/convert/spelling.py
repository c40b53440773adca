"""Names and keys as Flink's own parser takes them: scripts are often written a little more freely.

The engine reads both. That a program is spelled as Flink wants it lets an export give back what an import made.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from velo_engine.sql.source_text import SourceText
from velo_import.convert.definitions import Item, ItemKind, statement_tokens
from velo_import.export.names import flink_name
from velo_import.mapped_text import Edit

_NAMED = frozenset({ItemKind.PHYSICAL, ItemKind.GENERATED, ItemKind.METADATA})


def edits_of_item(item: Item) -> Iterator[Edit]:
    """An item of a column list: its name in backticks where it has to be, NOT ENFORCED behind its primary key."""
    tokens = statement_tokens(item.source, item.start, item.end)
    first = tokens[0]
    written = item.source.text[first.start : first.end + 1]
    if item.kind in _NAMED and written[:1] not in "`$" and flink_name(first.text) != written:
        yield Edit(first.start, first.end + 1, flink_name(first.text))
    words = [token.text.upper() for token in tokens]
    if "ENFORCED" in words:
        return
    for number, token in enumerate(tokens):
        if token.token_type == TokenType.PRIMARY_KEY:
            end = token.end + 1
            if words[number + 1 : number + 2] == ["("]:
                end = next(below.end + 1 for below in tokens[number:] if below.text == ")")
            yield Edit(end, end, " NOT ENFORCED")


def edits_of_names(query: exp.Expr, source: SourceText) -> Iterator[Edit]:
    """The names of a query that Flink takes in backticks only, and those of tables that need none."""
    for node in query.find_all(exp.Identifier):
        if "start" not in node.meta:
            continue
        start, end = int(node.meta["start"]), int(node.meta["end"]) + 1
        written, wanted = source.text[start:end], flink_name(node.name)
        if written[:1] not in '`"$' and written == node.name and written != wanted:
            yield Edit(start, end, wanted)
