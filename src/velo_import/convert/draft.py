"""The converted job while it grows: what the statements that were read so far came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.source_text import SourceText
from velo_import.catalog import Catalog
from velo_import.convert.connectors import ConvertedOptions
from velo_import.convert.failures import failure
from velo_import.convert.features import features
from velo_import.convert.inference.relations import OpenTable
from velo_import.convert.inference.undeclared import Undeclared
from velo_import.convert.program import Piece
from velo_import.convert.secrets import SecretNames
from velo_import.convert.settings import Settings
from velo_import.convert.tables import Definition
from velo_import.model import Construct, ConvertedStatement, ConvertedTable, Outcome, Role


@dataclass(slots=True, eq=False)
class Relation:
    """A table or view of the scripts."""

    name: str
    piece: Piece | None
    """None: it is not converted, `failure` says why."""
    definition: Definition | None = None
    options: ConvertedOptions | None = None
    failure: VeloError | None = None
    inferred: OpenTable | None = None
    """What its declaration is inferred from; None: the input declares it."""
    roles: set[Role] = field(default_factory=set)

    def converted(self) -> ConvertedTable | None:
        """The declared table that it became; None when it is a view, or not converted."""
        if self.definition is None or self.options is None or self.piece is None:
            return None
        return ConvertedTable(
            name=self.name,
            schema=self.definition.schema,
            definition=self.definition.statement,
            connector=self.options.connector,
            roles=frozenset(self.roles),
            production=self.options.production,
            stand_in=self.inferred is not None or self.options.reason is not None,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """Where the statement of a piece stands."""

    position: int
    """Among the job's statements."""
    place: flink.Place
    query: exp.Query
    source: SourceText
    is_bare: bool


@dataclass(slots=True)
class Draft:
    """A job whose scripts are being read."""

    catalog: Catalog[Relation] = field(default_factory=Catalog)
    settings: Settings = field(default_factory=Settings)
    relations: list[Relation] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    """Of the converted program, in order."""
    names: dict[int, str] = field(default_factory=dict)
    """Of the tables and views, by the ids of their pieces."""
    made: dict[int, Made] = field(default_factory=dict)
    """Of each piece that makes rows, by its id."""
    statements: list[ConvertedStatement] = field(default_factory=list)
    constructs: list[Construct] = field(default_factory=list)
    undeclared: Undeclared = field(default_factory=Undeclared)
    secrets: SecretNames = field(default_factory=SecretNames)
    lookups: set[str] = field(default_factory=set)
    """Last parts of the names of tables that are looked up."""
    written: set[str] = field(default_factory=set)
    """Those of tables that are looked up and written: each is declared twice, the system holds what is looked up."""
    comments: dict[int, str] = field(default_factory=dict)
    """Those above the statements of the script that is read now, by where these start, until one is used."""
    source: SourceText = field(default_factory=lambda: SourceText("", ""))
    """The script that is read now."""
    rowtime: bool = False
    """Whether the scripts speak of the event time that Confluent's tables have without saying so."""

    def comment_above(self, place: flink.Place) -> str:
        """The comment above a statement; it stands once in the program."""
        return self.comments.pop(place.start, "")

    def define(self, name: str, relation: Relation) -> None:
        """From now on `name` means `relation`."""
        self.add(relation)
        self.catalog.define(name, relation)

    def add(self, relation: Relation) -> None:
        """A table or view of the program, which a statement may mean."""
        self.relations.append(relation)
        if relation.piece is not None:
            self.names[id(relation.piece)] = relation.name

    def note(self, place: Location, written: str, feature: str, became: str, outcome: Outcome, reason: str) -> None:
        """A row of the report."""
        self.constructs.append(Construct(place, written, feature, became, outcome, reason))

    def note_failure(self, error: VeloError, place: flink.Place, feature: str) -> None:
        """The row of a statement of the script that is read now."""
        self.constructs.append(failure(error, place, feature, self.source))

    def fail_relation(self, name: str, error: VeloError, place: flink.Place, feature: str) -> None:
        """A table or view that is not converted."""
        self.define(name, Relation(name, None, failure=error))
        self.note_failure(error, place, feature)

    def fail_statement(self, name: str, error: VeloError, place: flink.Place, query: exp.Query) -> None:
        """A statement that makes rows, and is not converted."""
        construct = failure(error, place, features(query)[0], self.source)
        self.constructs.append(construct)
        self.statements.append(ConvertedStatement(name, None, place.location, (), None, (construct,)))

    def last_failure(self) -> VeloError:
        """Why the statement that was read last is not converted."""
        return VeloError(ErrorCode.SQL_UNSUPPORTED, self.constructs[-1].reason or "it is not converted")
