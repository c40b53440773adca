"""Which tables a job names and does not declare, and what all its statements together say of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import Location, VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.names import joined_name, last_part
from velo_engine.sql.flink.script import FlinkScript
from velo_engine.sql.program import ColumnDefinition
from velo_engine.sql.source_text import SourceText
from velo_engine.type_rules.spelling import parse_type
from velo_import.catalog import Catalog
from velo_import.convert.commands import renaming
from velo_import.convert.inference.queries import Queries
from velo_import.convert.inference.relations import Attributions, OpenTable, ReadRelation, TableKey
from velo_import.convert.inference.variables import Term, Variable, agree

_ROUNDS = 4
"""How often tables of other jobs are found not to be the ones that are meant: each round reads all statements again."""


@dataclass(frozen=True, slots=True)
class Undeclared:
    """What a job names and does not declare."""

    tables: Mapping[TableKey, OpenTable] = field(default_factory=dict)
    misfits: Mapping[TableKey, str] = field(default_factory=dict)
    """Of these, the ones that another script declares, and a column that they do not have there."""


def undeclared_tables(scripts: Sequence[FlinkScript]) -> Undeclared:
    """The tables that `scripts`, read in this order, name and do not declare."""
    misfits: dict[TableKey, str] = {}
    for _ in range(_ROUNDS):
        attributions = Attributions()
        tables: dict[TableKey, OpenTable] = {}
        _Names(attributions, tables, misfits).read(scripts)
        attributions.decide()
        found = _misfits(scripts, attributions)
        if not found:
            break
        misfits |= found
    if tables:
        _Names(attributions, tables, misfits).read(scripts)
    for table in tables.values():
        _share_columns(table)
    return Undeclared(tables, misfits)


def _misfits(scripts: Sequence[FlinkScript], attributions: Attributions) -> dict[TableKey, str]:
    """Tables of other scripts that are not the ones which this job means.

    Another job's table has all columns that this one names, or it is another table. In a script of definitions at least
    half of them must be missing: when most are there, the job names a column wrongly.
    """
    of_other_jobs = {
        last_part(statement.name)
        for script in scripts
        if script.is_excerpt
        for statement in script.statements
        if isinstance(statement, flink.CreateTable)
    }
    return {
        key: next(iter(names))
        for key, names in attributions.misses.items()
        if key[2] in of_other_jobs or len(names) >= len(attributions.hits.get(key, {}))
    }


def _share_columns(table: OpenTable) -> None:
    """Tables whose rows stand in one set operation have the same columns."""
    for other in table.like:
        for name in (*table.columns, *(name for name in other.columns if name not in table.columns)):
            agree(table.column(name), other.column(name))


class _Names:
    """Reads the statements of scripts in order, with what each name means where it stands."""

    def __init__(
        self, attributions: Attributions, tables: dict[TableKey, OpenTable], misfits: Mapping[TableKey, str]
    ) -> None:
        self._tables = tables
        self._misfits = misfits
        self._catalog: Catalog[ReadRelation | OpenTable] = Catalog()
        self._is_lent = False
        self._listed = list(tables.values())
        self._queries = Queries(attributions, self._listed, self._find)
        self._source = SourceText("", "")

    def read(self, scripts: Sequence[FlinkScript]) -> None:
        """All statements."""
        for script in scripts:
            self._source = script.source
            self._is_lent = script.is_found
            for statement in script.statements:
                self._statement(statement)

    def _statement(self, statement: flink.Statement | flink.Unread) -> None:
        match statement:
            case flink.CreateTable():
                self._create_table(statement)
            case flink.CreateView():
                result = self._queries.read(statement.query)
                names = statement.columns or tuple(name for name, _ in result.columns)
                columns = tuple(zip(names, (term for _, term in result.columns), strict=False))
                opens = () if statement.columns else result.opens
                self._define(statement.name, ReadRelation(columns, opens, result.takes_any))
            case flink.Insert():
                self._insert(statement)
            case flink.Query():
                self._queries.read(statement.query)
            case flink.StatementSet():
                for insert in statement.inserts:
                    self._insert(insert)
            case flink.Command():
                self._command(statement)
            case _:
                pass

    def _command(self, statement: flink.Command) -> None:
        words = [word for word in statement.words if word.upper() not in ("IF", "EXISTS")]
        name = "".join(words)
        if statement.name in ("USE", "USE CATALOG"):
            self._catalog.use(name, catalog=statement.name == "USE CATALOG")
        elif statement.name == "ALTER TABLE" and (at := renaming(words)) is not None:
            moved = self._catalog.drop("".join(words[:at]))
            if moved is not None:
                self._catalog.define("".join(words[at + 2 :]), moved)

    def _define(self, name: str, relation: ReadRelation) -> None:
        self._catalog.define(name, relation)

    def _create_table(self, statement: flink.CreateTable) -> None:
        columns = [(column.name, _declared(column)) for column in statement.columns]
        if statement.query is not None:
            result = self._queries.read(statement.query)
            given = dict(columns)
            for name, term in result.columns:
                agree(term, given.get(name))
            own = {name for name, _ in result.columns}
            for name in (one for one in given if len(result.opens) == 1 and one not in own):
                agree(result.opens[0].column(name), given[name])
            columns += [(name, term) for name, term in result.columns if name not in given]
            self._define(statement.name, ReadRelation(tuple(columns), result.opens, result.takes_any))
            return
        if statement.like is not None:
            above = self._catalog.find(statement.like.source)
            known = above.columns if isinstance(above, ReadRelation) else ()
            taken = {name for name, _ in columns}
            columns = [*((n, t) for n, t in known if n not in taken), *columns]
        key = self._catalog.full(statement.name)
        if not self._is_lent:
            self._define(statement.name, ReadRelation(tuple(columns), takes_any=not columns))
        elif key not in self._misfits:
            self._define(statement.name, ReadRelation(tuple(columns), takes_any=not columns, lent=(key,)))

    def _insert(self, statement: flink.Insert) -> None:
        result = self._queries.read(statement.query)
        target = self._catalog.find(statement.target) or self._opened(statement.target, statement.place.location)
        names = statement.columns
        if isinstance(target, OpenTable):
            _write(target, statement, result)
            return
        fixed = {*statement.partition} if statement.partition else set()
        names = names or tuple(name for name, _ in target.columns if name not in fixed)
        by_name = dict(target.columns)
        if len(result.opens) == 1 and not result.columns:
            for name in names:
                agree(result.opens[0].column(name), by_name.get(name))
        elif not result.opens:
            for name, (_, term) in zip(names, result.columns, strict=False):
                agree(term, by_name.get(name))

    def _find(self, node: exp.Table) -> ReadRelation:
        parts = [part.name for part in node.parts if isinstance(part, exp.Identifier)]
        name = joined_name(parts)
        found = self._catalog.find(name)
        if found is None:
            identifier = node.this
            start = int(identifier.meta.get("start", 0))
            place = self._source.location(start, int(identifier.meta.get("end", start)) + 1)
            found = self._opened(name, place)
        if isinstance(found, OpenTable):
            found.is_read = True
            return ReadRelation(opens=(found,))
        return found

    def _opened(self, name: str, place: Location) -> OpenTable:
        key = self._catalog.full(name)
        if key not in self._tables:
            self._tables[key] = OpenTable(key, name, place)
            self._listed.append(self._tables[key])
        self._catalog.define(name, self._tables[key])
        return self._tables[key]


def _write(table: OpenTable, statement: flink.Insert, result: ReadRelation) -> None:
    """What an INSERT says of the table that it writes."""
    if result.opens:
        return
    fixed = [name for name, value in statement.partition.items() if not isinstance(value, exp.Null)]
    named = [*statement.columns]
    if not named:
        taken = iter([name for name in table.columns if name not in fixed])
        own = [name for name, _ in result.columns]
        if table.written_columns is not None:
            named = [name for name in table.written_columns if name not in fixed]
        elif all(own) and len(set(own)) == len(own):
            named = own
        else:
            named = [name or next(taken, f"column_{at}") for at, name in enumerate(own, 1)]
    if table.written_columns is None:
        table.written_columns = (*named, *(name for name in fixed if name not in named))
    for name in fixed:
        table.column(name)
    for name, (_, term) in zip(named, result.columns, strict=False):
        agree(table.column(name), term)


def _declared(column: ColumnDefinition) -> Term:
    """The type of a declared column; one that is computed has a type that is not known here."""
    if column.type is None:
        return None
    try:
        found = parse_type(column.type)
    except VeloError:
        return None
    variable = Variable(column.name)
    variable.learn(found)
    return variable
