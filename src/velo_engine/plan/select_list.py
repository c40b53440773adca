"""The select list: stars expanded, items named as Flink names them.

An item is called by its alias, else by its column, else `EXPR$<number of different names before it>`. A name that an
earlier item has gets a number: `id`, `id0` (Calcite's SqlValidatorUtil.uniquify). The same alias twice is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode, did_you_mean
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation
from velo_engine.sql.syntax import KeyColumn
from velo_engine.types import NULL, TypeName


@dataclass(frozen=True, slots=True)
class SelectItem:
    """One output column as written."""

    node: exp.Expr
    """The value, without alias and PRIMARY KEY."""
    alias: str | None
    name: str
    """Of the output column; unique in the list."""
    key: bool = False
    """Marked PRIMARY KEY."""


def select_items(select: exp.Select, relation: Relation, text: ProgramText) -> tuple[SelectItem, ...]:
    """The items of `select` over `relation`."""
    written = [part for item in select.expressions for part in _expanded(item, relation, text)]
    return _named(written, text)


def is_star(node: exp.Expr) -> bool:
    """Whether a select item is `*` or `t.*`."""
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def unwrapped(item: exp.Expr) -> tuple[exp.Expr, str | None, bool]:
    """Value, alias and PRIMARY KEY mark of a select item; mark and alias stand in either order."""
    alias, key = None, False
    while isinstance(item, KeyColumn | exp.Alias):
        if isinstance(item, KeyColumn):
            key = True
        else:
            alias = item.alias
        item = item.this
    return item, alias, key


def _expanded(item: exp.Expr, relation: Relation, text: ProgramText) -> list[tuple[exp.Expr, str | None, bool]]:
    if not is_star(item):
        return [unwrapped(item)]
    star = item if isinstance(item, exp.Star) else item.this
    if any(star.args.values()):
        raise text.unsupported("* with EXCEPT, REPLACE or RENAME", item, "list the columns")
    if not isinstance(item, exp.Column) or not item.table:
        if not relation.star():
            raise text.error(ErrorCode.SQL_SYNTAX, "there are no columns for * without FROM", item)
        return [(_column_node(field, item), None, False) for field in relation.star()]
    path = [part.name for key in ("catalog", "db", "table") if (part := item.args.get(key)) is not None]
    if len(path) == 1 and path[0] in relation.aliases:
        return [(_column_node(field, item), None, False) for field in relation.star(path[0])]
    return [(node, None, False) for node in _row_fields(path, item, relation, text)]


def _row_fields(path: Sequence[str], star: exp.Column, relation: Relation, text: ProgramText) -> list[exp.Expr]:
    """The fields of the ROW column that `path` names: `r.*`, `t.r.*`."""
    qualified = len(path) > 1 and path[0] in relation.aliases
    name, *inner = path[1:] if qualified else path
    found = [f for f in relation.fields if f.name == name and (f.relation == path[0] if qualified else f.bare)]
    if not found:
        raise text.error(
            ErrorCode.UNKNOWN_TABLE,
            f'nothing in FROM is called "{path[-1]}"',
            star,
            did_you_mean(path[-1], relation.aliases, noun="relation"),
        )
    kind = relation.node.schema.types[found[0].position]
    for part in inner:
        kind = dict(kind.fields).get(part, NULL)
    if kind.name is not TypeName.ROW:
        message = f'"{".".join(path)}" is no ROW with fields for the *: it is {kind.as_nullable()}'
        raise text.error(ErrorCode.TYPE_MISMATCH, message, star)
    return [exp.Dot(this=_path(path, star), expression=_identifier(field, star)) for field, _ in kind.fields]


def _path(path: Sequence[str], star: exp.Expr) -> exp.Expr:
    parts = [_identifier(name, star) for name in path]
    return exp.Column(**dict(zip(("this", "table", "db"), reversed(parts), strict=False)))


def _identifier(name: str, star: exp.Expr) -> exp.Identifier:
    """A name at the place of the star."""
    identifier = exp.Identifier(this=name, quoted=True)
    identifier.meta.update(star.meta or star.this.meta)
    return identifier


def _column_node(field: Field, star: exp.Expr) -> exp.Column:
    """The column that a star stands for, at the star's place."""
    table = None if field.relation is None else exp.Identifier(this=field.relation, quoted=True)
    return exp.Column(this=_identifier(field.name, star), table=table)


def _named(written: Sequence[tuple[exp.Expr, str | None, bool]], text: ProgramText) -> tuple[SelectItem, ...]:
    aliases: set[str] = set()
    seen: set[str] = set()
    """Names as written."""
    taken: set[str] = set()
    items = []
    for node, alias, key in written:
        if alias is not None:
            if alias in aliases:
                raise text.error(
                    ErrorCode.DUPLICATE_NAME, f'two columns are called "{alias}"', node, "rename one of them"
                )
            aliases.add(alias)
        wanted = alias or _own_name(node) or f"EXPR${len(seen)}"
        seen.add(wanted)
        name = unique_name(wanted, taken)
        taken.add(name)
        items.append(SelectItem(node, alias, name, key))
    return tuple(items)


def unique_name(name: str, taken: Iterable[str]) -> str:
    """`name`, or with the first number that makes it unique."""
    if name not in taken:
        return name
    number = 0
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"


def _own_name(node: exp.Expr) -> str | None:
    """The last part of a path of names; `(r).b` and `a[1].b` are expressions, which have no name."""
    first = node
    while isinstance(first, exp.Dot):
        first = first.this
    return node.name if isinstance(first, exp.Column) else None
