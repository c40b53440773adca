"""What an export knows of the relations of a program: their columns, and what they are called in Flink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import Location
from velo_engine.sql.syntax import KeyColumn, WindowTable
from velo_import.export.model import Note, NoteKind

WINDOW_COLUMNS = ("window_start", "window_end", "window_time")


@dataclass(slots=True)
class Notes:
    """What is to be said of the export, in the order in which it was found."""

    found: list[Note] = field(default_factory=list)

    def refuse(self, message: str, location: Location, hint: str | None = None) -> None:
        """A construct that Flink cannot say."""
        self._add(Note(NoteKind.REFUSED, message, location, hint))

    def differs(self, message: str, location: Location, hint: str | None = None) -> None:
        """A construct whose result is not quite the same."""
        self._add(Note(NoteKind.DIFFERS, message, location, hint))

    def note(self, message: str, location: Location, hint: str | None = None) -> None:
        """Something to know."""
        self._add(Note(NoteKind.NOTE, message, location, hint))

    @property
    def refusals(self) -> int:
        """How much is refused so far."""
        return sum(note.kind is NoteKind.REFUSED for note in self.found)

    def _add(self, note: Note) -> None:
        if note not in self.found:
            self.found.append(note)


@dataclass(frozen=True, slots=True)
class Reading:
    """How one statement reads its relations."""

    columns: Mapping[str, tuple[str, ...]]
    """The columns of every relation of the program, by its name there."""
    names: Mapping[str, str]
    """The names of relations in Flink, where they differ."""
    times: Mapping[str, str]
    """The column that is the event time, by the name of the relation in the program."""
    computed: frozenset[str] = frozenset()
    """Relations whose event time is a column that only Flink's table has."""
    extended: frozenset[str] = frozenset()
    """Relations whose table in Flink has more columns than the program's: computed ones, those of the record."""
    goes_by_clock: bool = False
    """Whether its windows are of processing time."""


def known_columns(select: exp.Expr, reading: Reading) -> set[str] | None:
    """The columns that the query `select` may speak of; None when they cannot be told."""
    found: set[str] = set()
    source = select.args.get("from_")
    relations = [source.this] if source is not None else []
    relations += [join.this for join in select.args.get("joins") or ()]
    for relation in relations:
        columns = _columns(relation, select, reading)
        if columns is None:
            return None
        found |= columns
    return found


def _columns(relation: exp.Expr, select: exp.Expr, reading: Reading) -> set[str] | None:
    if isinstance(relation, WindowTable):
        inner = _columns(relation.args["table"], select, reading)
        return None if inner is None else inner | set(WINDOW_COLUMNS)
    alias = relation.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return {column.name for column in alias.args["columns"]}
    if isinstance(relation, exp.Table):
        named = named_query(relation.name, select)
        if named is not None:
            return _outputs(named, reading)
        columns = reading.columns.get(relation.name)
        return None if columns is None else set(columns)
    if isinstance(relation, exp.Subquery):
        return _outputs(relation.this, reading)
    return None


def named_query(name: str, select: exp.Expr) -> exp.Expr | None:
    """The query of WITH that is called `name` where `select` stands."""
    node: exp.Expr | None = select
    while node is not None:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            if cte.alias == name:
                query: exp.Expr = cte.this
                return query
        node = node.parent
    return None


def _outputs(query: exp.Expr, reading: Reading) -> set[str] | None:
    """The names of the columns that a query gives."""
    while isinstance(query, exp.SetOperation):
        query = query.this
    if isinstance(query, exp.Subquery):
        return _outputs(query.this, reading)
    if not isinstance(query, exp.Select):
        return None
    found: set[str] = set()
    for item in query.expressions:
        item = item.this if isinstance(item, KeyColumn) else item
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            below = known_columns(query, reading)
            if below is None:
                return None
            found |= below
        else:
            found.add(item.alias_or_name)
    return found
