"""Every problem of a spec: of its keys, of the program under test, of each query against the program's plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from velo_engine.errors import VeloError
from velo_harness.discovery import PathPolicy, find_sql
from velo_harness.preparation import PreparedQuery, QueryPreparation, config_warnings, query_named
from velo_harness.programs import ParsedProgram, ProgramText, Stand, declared_data_schema, program_text
from velo_harness.query_run import expected_error
from velo_harness.relation import Relation
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import Query, Spec
from velo_harness.spec_loader import spec_of
from velo_harness.validating.output_columns import column_problems
from velo_harness.validating.programs import CheckedProgram, checked_program, warning_finding
from velo_harness.validating.yaml_pruning import PrunedTree, Pruning
from velo_harness.validation import Finding
from velo_harness.yaml_source import read_yaml

MOST_FINDINGS = 200
"""Of one spec; what has more is no spec."""


@dataclass(slots=True)
class SpecCheck:
    """What is found in one spec."""

    findings: list[Finding] = field(default_factory=list)
    program: Path | None = None
    """The file of the program under test, which is checked with it."""

    def tell(self, *errors: VeloError) -> None:
        """Adds errors that were not told before."""
        self.findings += [finding for error in errors if (finding := Finding.of(error)) not in self.findings]


def check_spec(shown: Path, settings: RunSettings, sql: Path | None = None) -> SpecCheck:
    """All problems of the spec in a file and of its program; `sql` is the program when the spec names none.

    Nothing is run and no code of users is imported.
    """
    check = SpecCheck()
    try:
        tree = PrunedTree(read_yaml(shown))
    except VeloError as error:
        check.tell(error)
        return check
    checking = _Checking(shown, settings, sql, PathPolicy.for_file(shown, settings.allowed), tree, check)
    while len(check.findings) < MOST_FINDINGS and not checking.once():
        pass
    return check


@dataclass(slots=True)
class _Checking:
    """A spec that is read again each time when something was taken out of its tree."""

    shown: Path
    settings: RunSettings
    sql: Path | None
    policy: PathPolicy
    tree: PrunedTree
    check: SpecCheck
    program: CheckedProgram | None = None
    finished: set[str] = field(default_factory=set)
    """The items that are checked: queries of the spec and of its scenarios."""

    def once(self) -> bool:
        """Reads the spec and checks what is not checked yet; whether that is all."""
        try:
            spec = spec_of(self.tree.root, self.shown, self.policy)
            if self.program is None:
                self.program = self._checked_program(spec)
        except VeloError as error:
            pruning = self.tree.prune(error)
            if pruning.tell:
                self.check.tell(error)
            return not pruning.goes_on
        if self.program.plan is None:
            return True
        return all(self._query_done(run, query, self.program) for run, query in spec.runs())

    def _checked_program(self, spec: Spec) -> CheckedProgram:
        """The program under test, checked. Errors: those of finding and reading it."""
        sql = self.sql
        if sql is not None and spec.sql is None and spec.sql_file is None and find_sql(spec.file) is None:
            spec = replace(spec, sql_file=sql)
        text = program_text(spec)
        if spec.sql is None:
            self.check.program = (spec.sql_file or find_sql(spec.file) or Path(text.file)).resolve()
        finder = SchemaFinder(spec, self.policy)
        program = checked_program(text, self._of(spec).variables, lambda found: _stand(found, spec, finder))
        if not any(_expects_error(query) for query in spec.queries):
            self.check.findings += program.findings
        self.check.findings += [warning_finding(warning) for warning in config_warnings(spec)]
        return program

    def _query_done(self, spec: Spec, query: Query, program: CheckedProgram) -> bool:
        """Checks a query; False when something was taken out of the tree, so that the spec must be read again."""
        item = spec.item_name(query)
        if item in self.finished or query.name in program.blanked.names or _is_reason_only(query):
            return True
        finder = SchemaFinder(spec, self.policy)
        self.finished.add(item)
        try:
            settings = self._of(spec)
            prepared = _prepared(spec, query, settings, finder, program.text)
            self.check.tell(*column_problems(query, prepared))
            self.check.tell(*_generation_problems(prepared, settings, finder))
        except VeloError as error:
            if program.blanked.is_consequence(error) or _expects_error(query):
                return True
            own = error.location is not None and error.location.file == str(spec.file)
            pruning = self.tree.prune(error) if own else Pruning(tell=True, goes_on=False)
            if pruning.tell:
                self.check.tell(error)
            if pruning.goes_on:
                self.finished.discard(item)
                return False
        return True

    def _of(self, spec: Spec) -> RunSettings:
        """The settings, with the variables of the spec."""
        return replace(self.settings, variables={**spec.variables, **self.settings.variables})


def _expects_error(query: Query) -> bool:
    """Whether the query is to end with an error, so that one is no finding."""
    return expected_error(query) is not None


def _is_reason_only(query: Query) -> bool:
    """Whether it stands for a statement that is not there: it says why, and checks nothing."""
    checks = query.assertions or query.outputs or query.expect is not None
    return query.refusal is not None or (query.skip is not None and not checks)


def _stand(program: ParsedProgram, spec: Spec, finder: SchemaFinder) -> Stand:
    """What stands for sources: the data schemas of the first inputs that name them.

    Where rows of another query stand for a source, only that query's preparation knows the columns.
    """
    given = {one.source: one for query in reversed(spec.queries) for one in query.inputs}
    schemas = []
    unknown = set()
    for name in program.sources:
        chosen = given.get(name)
        if chosen is not None and chosen.from_previous is not None:
            unknown.add(name)
            continue
        found = finder.find(name, chosen)
        if found is not None:
            schemas.append((name, found.row_schema()))
    tables = frozenset(spec.reference_tables) & frozenset(program.sources)
    return Stand(tuple(schemas), frozenset(program.readers_of(unknown)), tables)


def _prepared(
    spec: Spec, query: Query, settings: RunSettings, finder: SchemaFinder, text: ProgramText
) -> PreparedQuery:
    """The query, ready to run; of queries that it reads only the columns are known."""

    def previous(name: str) -> Relation:
        read = _prepared(spec, query_named(name, spec, query), settings, finder, text)
        statement = read.program.statements[read.statement]
        schema = statement.plan.schema
        return Relation(name, schema, schema.arrow().empty_table(), statement.aliases)

    return QueryPreparation(spec, query, settings, finder, previous, text).prepared()


def _generation_problems(prepared: PreparedQuery, settings: RunSettings, finder: SchemaFinder) -> Sequence[VeloError]:
    """What is wrong with hints in the SQL about generated data."""
    problems = []
    for name, source in prepared.program.sources.items():
        try:
            if finder.find(name, prepared.given.get(name)) is None:
                declared_data_schema(prepared.text, settings.variables, source)
        except VeloError as error:
            problems.append(error)
    return problems
