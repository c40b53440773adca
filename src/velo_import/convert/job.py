"""A job's statements, one after the other, to a converted program; each is kept only if the engine plans it.

`draft` holds what was read so far; `declared` reads tables, `rows` the statements that make rows (the text of a query
changes in `queries.query_edits` and nowhere else), `commands` and `settings` the rest; `settling` looks at the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.names import last_part
from velo_engine.sql.flink.script import FlinkScript
from velo_import.convert import commands
from velo_import.convert.altering import alter_table
from velo_import.convert.comments import comments_above
from velo_import.convert.declared import declare_table
from velo_import.convert.draft import Draft
from velo_import.convert.inference.undeclared import undeclared_tables
from velo_import.convert.program import Assembly
from velo_import.convert.queries import readings
from velo_import.convert.rows import convert_insert, convert_query, convert_table_as, convert_view
from velo_import.convert.settling import settle
from velo_import.model import ConvertedJob, ConvertedStatement, Outcome, Role

_WOULD_MAKE_ROWS = re.compile(r"(?:INSERT|SELECT|WITH|-- Rebuilt)\b", re.IGNORECASE)
"""How a statement that does not parse begins, if it counts as one that makes rows; a rebuilt one has no text."""


def convert_job(name: str, scripts: Sequence[FlinkScript]) -> ConvertedJob:
    """The converted job of `scripts`, which are read in this order."""
    lookups = {name for script in scripts for name in _lookups(script)}
    written = {name for script in scripts for name in _written(script)} & lookups
    draft = _drafted(scripts, lookups, written)
    used = {name for made in draft.made.values() for name in _looked_up(made.query)}
    sinks = {last_part(r.definition.statement.name) for r in draft.relations if r.definition and Role.SINK in r.roles}
    if not (lookups <= used and written <= sinks):
        # A statement that is left out says nothing of the tables of those that are there.
        draft = _drafted(scripts, lookups & used, written & used & sinks)
    return _job(draft, name, tuple(scripts))


def _drafted(scripts: Sequence[FlinkScript], lookups: set[str], written: set[str]) -> Draft:
    """The scripts, read; `lookups`: the tables that they look up, `written`: those of them that they write."""
    draft = Draft(undeclared=undeclared_tables(scripts), lookups=lookups, written=written)
    draft.rowtime = any("$rowtime" in script.text for script in scripts)
    for script in scripts:
        draft.source = script.source
        draft.comments = comments_above(script)
        for statement in script.statements:
            _read(draft, statement, is_lent=script.is_found)
    settle(draft)
    return draft


def _lookups(script: FlinkScript) -> set[str]:
    """Which tables a script looks up: those are tables of rows, not of changes, from where they are declared."""
    queries = (getattr(one, "query", None) for one in _single(script))
    return {name for query in queries if isinstance(query, exp.Expr) for name in _looked_up(query)}


def _written(script: FlinkScript) -> set[str]:
    """Which tables a script writes, by the last parts of their names."""
    return {last_part(one.target) for one in _single(script) if isinstance(one, flink.Insert)}


def _single(script: FlinkScript) -> Iterator[flink.Statement | flink.Unread]:
    """The statements, those of statement sets by themselves."""
    for statement in script.statements:
        yield from statement.inserts if isinstance(statement, flink.StatementSet) else (statement,)


def _looked_up(query: exp.Expr) -> set[str]:
    """The last parts of the names of tables that a query looks up."""
    return {last_part(reading.written) for reading in readings(query) if reading.is_lookup}


def _read(draft: Draft, statement: flink.Statement | flink.Unread, *, is_lent: bool) -> None:
    match statement:
        case flink.Unread():
            draft.note_failure(statement.error, statement.place, "statement that does not parse")
            if not is_lent and _WOULD_MAKE_ROWS.match(draft.source.text, statement.place.start):
                place, lost = statement.place.location, (draft.constructs[-1],)
                draft.statements.append(ConvertedStatement(f"query_line_{place.line}", None, place, (), None, lost))
        case flink.SetOption():
            draft.constructs.append(draft.settings.set(statement))
        case flink.ResetOption():
            draft.constructs.append(draft.settings.reset(statement))
        case flink.CreateTable() if statement.query is None:
            declare_table(draft, statement, is_lent=is_lent)
        case flink.CreateTable():
            convert_table_as(draft, statement)
        case flink.CreateView():
            convert_view(draft, statement)
        case flink.Insert():
            convert_insert(draft, statement)
        case flink.Query():
            convert_query(draft, statement)
        case flink.StatementSet():
            reason = "its INSERTs are statements of the job"
            place = statement.place.location
            draft.note(place, "STATEMENT SET", "statement set", "no frame", Outcome.SAME, reason)
            for insert in statement.inserts:
                convert_insert(draft, insert)
        case flink.Explain():
            draft.constructs.append(commands.explained(statement))
        case flink.CreateFunction():
            draft.constructs.append(commands.function(statement))
        case flink.CreateNamed():
            draft.constructs.append(commands.named(statement))
        case flink.Command():
            _command(draft, statement)


def _command(draft: Draft, statement: flink.Command) -> None:
    """A command; some change what names mean from here on."""
    catalog = draft.catalog
    words = [word for word in statement.words if word.upper() not in ("IF", "EXISTS")]
    name = "".join(words)
    if statement.name in ("USE", "USE CATALOG"):
        catalog.use(name, catalog=statement.name == "USE CATALOG")
    elif statement.name in ("DROP TABLE", "DROP VIEW", "DROP TEMPORARY TABLE", "DROP TEMPORARY VIEW"):
        catalog.drop(name)
        statement = replace(statement, name=statement.name.replace(" TEMPORARY", ""))
    elif statement.name == "DROP TEMPORARY FUNCTION":
        statement = replace(statement, name="DROP FUNCTION")
    elif statement.name == "ALTER TABLE" and (at := commands.renaming(words)) is not None:
        moved = catalog.drop("".join(words[:at]))
        if moved is not None:
            catalog.define("".join(words[at + 2 :]), moved)
            written = " ".join((statement.name, *statement.words))
            reason = "later statements see it under the new name"
            draft.note(statement.place.location, written, "alter table", "no effect", Outcome.SAME, reason)
            return
    elif statement.name == "ALTER TABLE" and alter_table(draft, statement):
        return
    draft.constructs.append(commands.command(statement))


def _job(draft: Draft, name: str, scripts: tuple[FlinkScript, ...]) -> ConvertedJob:
    """What all statements came to."""
    kept = [piece for piece in draft.pieces if piece.text.length]
    return ConvertedJob(
        name=name,
        scripts=scripts,
        tables={r.name: table for r in draft.relations if (table := r.converted()) is not None},
        statements=tuple(draft.statements),
        app_sql=_head(scripts) + Assembly(draft.settings.current, kept).text() + _foot(draft),
        constructs=tuple(draft.constructs),
        settings=dict(draft.settings.current),
    )


def _head(scripts: tuple[FlinkScript, ...]) -> str:
    """What the program says of itself."""
    lines = [f"-- Converted from: {' '.join(script.file.split())}" for script in scripts]
    return "\n".join((*lines, "", ""))


def _foot(draft: Draft) -> str:
    """What the program does not have."""
    missing = [construct for construct in draft.constructs if construct.outcome is Outcome.NOT_CONVERTED]
    return "".join(
        f"-- Not converted: {' '.join(f'{c.location.file}:{c.location.line}: {c.reason}'.split())}\n" for c in missing
    )
