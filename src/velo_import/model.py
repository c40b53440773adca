"""What an import makes of Flink jobs: converted tables and statements, and what became of every construct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from velo_engine.errors import Location
from velo_engine.schema import RowSchema
from velo_engine.sql.flink.script import FlinkScript
from velo_engine.sql.flink.statements import CreateTable


class Outcome(StrEnum):
    """What became of a construct of the input."""

    SAME = "same by rule"
    PROVEN = "same, proven against recorded Flink"
    DIFFERS = "differs"
    STAND_IN = "stand-in"
    """A table whose system is not reached: a topic or file stands for it in tests, its properties are kept."""
    NOT_CONVERTED = "not converted"


class Role(StrEnum):
    """What a job does with a table."""

    SOURCE = "source"
    SINK = "sink"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class Construct:
    """One row of the conversion report."""

    location: Location
    written: str
    """The construct as it stands in the input, in one line."""
    feature: str
    """Its kind, such as `tumbling window` or `connector jdbc`: what tables of coverage count by."""
    became: str
    outcome: Outcome
    reason: str | None = None
    """Why it differs, is a stand-in, or is not converted."""
    alternative: str | None = None
    """What a person can write instead."""


@dataclass(frozen=True, slots=True)
class ConvertedTable:
    """A declared table."""

    name: str
    schema: RowSchema
    definition: CreateTable
    """As Flink has it."""
    connector: str
    """Flink's connector; empty for a managed table."""
    roles: frozenset[Role]
    production: Mapping[str, str]
    """Flink's options as written, for the day on which the stand-in is replaced."""
    stand_in: bool


@dataclass(frozen=True, slots=True)
class ConvertedStatement:
    """One statement that makes rows: an INSERT, a view, a query, CREATE TABLE … AS."""

    name: str
    sql: str | None
    """As it stands in the converted program; None: it is not converted, and `constructs` say why."""
    location: Location
    """In the input."""
    reads: tuple[str, ...]
    """Tables and views."""
    sink: str | None
    """The table that it writes."""
    constructs: tuple[Construct, ...] = ()


@dataclass(frozen=True, slots=True)
class ConvertedJob:
    """A job: one script, or the scripts that belong together."""

    name: str
    scripts: tuple[FlinkScript, ...]
    tables: Mapping[str, ConvertedTable]
    statements: tuple[ConvertedStatement, ...]
    app_sql: str
    """The converted program; `Engine().plan(app_sql)` plans it."""
    constructs: tuple[Construct, ...]
    """Every statement of the input is among them, or in one of them."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Job properties of the converted program."""

    @property
    def unconverted(self) -> tuple[ConvertedStatement, ...]:
        """The statements that the converted program does not have."""
        return tuple(statement for statement in self.statements if statement.sql is None)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A small change of the converted program that its spec does not notice."""

    statement: str
    operator: str
    line: int
    """Of app.sql."""
    original: str
    mutated: str
    kill: str
    """What input and what assertion would notice it."""


@dataclass(frozen=True, slots=True)
class MutationScore:
    """Which small changes of a converted program its spec notices."""

    killed: int
    survivors: tuple[Survivor, ...]
    tried: int
    """With those that mean the same or do not plan."""
    possible: int
    """All changes there are; more than `tried` when the import's budget was used up."""

    @property
    def counted(self) -> int:
        """The changes that a spec could notice."""
        return self.killed + len(self.survivors)

    @property
    def share(self) -> float | None:
        """The score, from 0 to 1; None when nothing is counted."""
        return self.killed / self.counted if self.counted else None


@dataclass(frozen=True, slots=True)
class Generated:
    """What stands beside a converted program."""

    schemas: int = 0
    queries: int = 0
    """Statements (of a job without any: tables) that its spec runs."""
    assertions: int = 0
    skipped: int = 0
    """Queries of the spec that say why they do not run."""
    metrics: int = 0
    panels: int = 0
    alerts: int = 0
    shadow: bool = False
    score: MutationScore | None = None
    judged: str | None = None
    """A digest of what the score depends on."""
    notes: tuple[str, ...] = ()
    """What a person should know: parts that could not be made, assertions that do not hold."""
