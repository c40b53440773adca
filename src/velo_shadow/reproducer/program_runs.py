"""Our program over the inputs of a comparison, and over few of their records."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from velo_engine import TableInput, TopicInput
from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_engine.schema import RowSchema
from velo_harness.discovery import PathPolicy
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.execution import needed_sources
from velo_harness.inputs import RunInputs, reads_own_file
from velo_harness.permutation.orders import Order, inputs_in, order_of
from velo_harness.preparation import PreparedQuery
from velo_harness.programs import shown_path
from velo_harness.query_run import QueryRun
from velo_harness.relation import Relation
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml
from velo_shadow.config import FileStream, ShadowConfig, ShadowSink
from velo_shadow.reproducer.event_times import EventTimes
from velo_shadow.reproducer.input_records import with_records

_T = TypeVar("_T")
_SPEC_FILE = "velo_shadow.test.yaml"
"""Where the spec would lie that gives the program all its inputs."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some records of the inputs: by source their numbers among its records, rising."""

    records: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return sum(len(numbers) for numbers in self.records.values())

    def joined(self, other: Chosen) -> Chosen:
        """The records of both."""
        names = dict.fromkeys((*self.records, *other.records))
        return Chosen({n: tuple(sorted({*self.records.get(n, ()), *other.records.get(n, ())})) for n in names})

    def without(self, other: Chosen) -> Chosen:
        """The records that are not the other's."""
        found = {}
        for name, numbers in self.records.items():
            gone = set(other.records.get(name, ()))
            found[name] = tuple(number for number in numbers if number not in gone)
        return Chosen(found)

    def listed(self) -> list[tuple[str, int]]:
        """Source and number of each."""
        return [(name, number) for name, numbers in self.records.items() for number in numbers]


def chosen(records: Sequence[tuple[str, int]], sources: Sequence[str]) -> Chosen:
    """The records listed; every source of `sources` is there, with none if need be."""
    found: dict[str, list[int]] = {name: [] for name in sources}
    for name, number in records:
        found[name].append(number)
    return Chosen({name: tuple(sorted(numbers)) for name, numbers in found.items()})


class ProgramRuns:
    """Runs the statement behind a sink. Errors: those of reading the program and its inputs."""

    def __init__(
        self, config: ShadowConfig, sink: ShadowSink, folder: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        """`variables` are for `${NAME}` in the program, over those of the environment."""
        self.variables = dict(variables or {})
        self.program_path = needed_program(config)
        self._folder = folder
        _check_files(config)
        self._run = self._without_place(lambda: self._query_run(_spec_text(config, sink, folder, self.program_path)))
        self._prepared = _decoding_all(self._without_place(self._run.prepared))
        _check_names(config, sink, self._prepared)
        made = self._without_place(lambda: self._run.inputs(self._prepared))
        self._inputs = with_records(made, self._prepared.program.sources, config.inputs)
        self._order = order_of(self._inputs)

    def _query_run(self, text: str) -> QueryRun:
        """The run of the one query of a spec that lies in the folder."""
        file = self._folder / _SPEC_FILE
        near = (self._folder, self.program_path.absolute().parent)
        policy = PathPolicy.for_file(file, near)
        settings = RunSettings(allowed=near, variables=self.variables)
        spec = spec_of(parse_yaml(text, shown_path(file)), file, policy, unfinished=True)
        query = spec.queries[0]
        return QueryRun(spec, query, settings, blank_result(spec, query, settings, item=query.name, rerun=""))

    def _without_place(self, step: Callable[[], _T]) -> _T:
        """What a step gives; an error in the spec that nobody has written has no place."""
        try:
            return step()
        except VeloError as error:
            if error.location is None or Path(error.location.file).name != _SPEC_FILE:
                raise
            raise VeloError(error.code, error.message, hint=error.hint) from None

    def output_of_spec(self, text: str) -> pa.Table:
        """What the statement gives over the inputs of a spec. Errors: of the spec and of the engine."""
        run = self._query_run(text)
        prepared = run.prepared()
        with run.executed(prepared, run.inputs(prepared)) as execution:
            return execution.result.statements[self.statement].final

    @property
    def statement(self) -> str:
        """The statement that writes the sink."""
        return self._prepared.statement

    @property
    def program(self) -> PlannedProgram:
        """The plan."""
        return self._prepared.program

    @property
    def time_zone(self) -> str:
        """In which the program shows instants."""
        return self.program.properties.get("time.zone", "UTC")

    @property
    def schema(self) -> RowSchema:
        """The columns of its output."""
        return self.program.statements[self.statement].plan.schema

    @property
    def sources(self) -> Mapping[str, SourceTable]:
        """What it reads, of which rows are given."""
        needed = needed_sources(self.program, (self.statement,))
        return {name: source for name, source in needed.items() if name in self._inputs.engine}

    @property
    def order(self) -> Order:
        """All records of streams, as they arrive."""
        return self._order

    @property
    def partitions(self) -> Mapping[str, int]:
        """By stream how many partitions its topic has."""
        engine = self._inputs.engine
        return {name: one.topic.partitions for name, one in engine.items() if isinstance(one, TopicInput)}

    def rows(self, source: str) -> Relation | None:
        """The rows of an input by number of the record; None where records change what others said."""
        found = self._inputs.relations.get(source)
        return found if found is not None and len(found) == self._count(source) else None

    def all(self) -> Chosen:
        """Every record."""
        return Chosen({name: tuple(range(self._count(name))) for name in self._inputs.engine})

    def output(self, records: Chosen, seen: EventTimes | None = None) -> pa.Table:
        """The rows that stand in the end, of these records alone. `seen` sees the steps. Errors: of the engine."""
        options = None if seen is None else replace(self._run.job_options(), on_step=seen.take)
        with self._run.executed(self._prepared, self._with(records), options) as execution:
            return execution.result.statements[self.statement].final

    def event_times(self) -> Mapping[str, Int64s]:
        """By source with event time that of each record, in milliseconds; `NO_TIME` where it has none."""
        seen = EventTimes(self.program)
        self.output(self.all(), seen)
        return seen.by_source()

    def _count(self, source: str) -> int:
        given = self._inputs.engine[source]
        return len(given.topic) if isinstance(given, TopicInput) else given.table.num_rows

    def _with(self, records: Chosen) -> RunInputs:
        kept = {name: frozenset(numbers) for name, numbers in records.records.items()}
        fewer = inputs_in(tuple(a for a in self._order if a.index in kept.get(a.source, ())), self._inputs)
        engine = dict(fewer.engine)
        for name, given in fewer.engine.items():
            if isinstance(given, TableInput):
                numbers = pa.array(records.records.get(name, ()), pa.int64())
                engine[name] = replace(given, table=given.table.take(numbers))
        return replace(fewer, engine=engine)


def _check_files(config: ShadowConfig) -> None:
    """Errors: FILE_NOT_FOUND for an input that is not there."""
    for one in config.inputs:
        if isinstance(one.stream, FileStream) and not one.stream.path.is_file():
            message = f'the input "{one.source}": there is no file "{shown_path(one.stream.path)}"'
            raise VeloError(ErrorCode.FILE_NOT_FOUND, message)


def _check_names(config: ShadowConfig, sink: ShadowSink, prepared: PreparedQuery) -> None:
    """Errors: UNKNOWN_QUERY for a sink that no statement writes, BAD_VALUE for a source without input."""
    if prepared.statement != sink.name:
        hint = did_you_mean(sink.name, prepared.program.statements, noun="statement")
        raise VeloError(ErrorCode.UNKNOWN_QUERY, f'no statement of the program writes "{sink.name}"', hint=hint)
    given = {one.source for one in config.inputs}
    for name, source in needed_sources(prepared.program, prepared.targets).items():
        if name not in given and not reads_own_file(source):
            message = f'the program reads "{name}", for which the config has no input'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"inputs: - {{ source: {name}, file: … }}")


def needed_program(config: ShadowConfig) -> Path:
    """The program of a config. Errors: MISSING_KEY when it names none."""
    if config.program is None:
        message = "the config names no program: nothing can be run again"
        raise VeloError(ErrorCode.MISSING_KEY, message, hint="name the converted job: program: app.sql")
    return config.program


def relative_path(path: Path, folder: Path) -> str:
    """A path as a spec in `folder` names it."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _spec_text(config: ShadowConfig, sink: ShadowSink, folder: Path, program: Path) -> str:
    """A spec that gives the program its inputs whole."""
    lines = ["application: explained", f"sql_file: {scalar_text(relative_path(program, folder))}"]
    lines += ["queries:", f"  - name: {scalar_text(sink.name)}"]
    if config.inputs:
        lines.append("    inputs:")
    for one in config.inputs:
        lines.append(f"      - source: {scalar_text(one.source)}")
        if isinstance(one.stream, FileStream):
            lines.append(f"        data_file: {scalar_text(relative_path(one.stream.path, folder))}")
        else:
            lines.append("        rows: []")
    return "\n".join(lines) + "\n"


def _decoding_all(prepared: PreparedQuery) -> PreparedQuery:
    """Every column is of the rows that a person is shown."""
    sources = {name: replace(source, decoded=None) for name, source in prepared.program.sources.items()}
    return replace(prepared, program=replace(prepared.program, sources=sources))
