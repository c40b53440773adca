"""The engine's public face: parse, plan, run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from velo_engine.connectors.dead_letters import DEFAULT_MAX_SIZE
from velo_engine.connectors.source import Sink, Source
from velo_engine.connectors.topics import TopicStore
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, SourceTable
from velo_engine.runtime.inputs import Input
from velo_engine.runtime.options import EmitSemantics, FailureStrategy, JobOptions
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Program

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.client import KafkaCluster
    from velo_engine.connectors.records import RecordWriter
    from velo_engine.kernel import Kernel
    from velo_engine.runtime.checkpoints import CheckpointFolder
    from velo_engine.runtime.job import Job
    from velo_engine.runtime.live_job import LiveJob, LiveOptions
    from velo_engine.runtime.result import JobResult
    from velo_engine.runtime.timeline import Clock
    from velo_engine.udf import UserFunction


class Engine:
    """Runs streaming SQL over in-memory topics, files and given rows.

    Relative paths of a program start at `base_dir`; when `root` is given no path may leave it. Topics are those of the
    cluster `kafka`, whatever a program says; without it those of the cluster that the program names, else in memory.

    `functions` are functions in Python that every program may call (`velo_engine.udf`); a program names others in
    `-- @udf` annotations, which are looked for in the folders `udf_paths` and among what is installed. They are
    imported when a job is made, never when a program is parsed, planned or explained; so a plan needs their types, from
    the annotation. `load_functions` imports them when planning, too: for a caller that is about to run the program.
    """

    def __init__(
        self,
        *,
        base_dir: Path | None = None,
        root: Path | None = None,
        functions: Sequence[UserFunction] = (),
        udf_paths: Sequence[Path] = (),
        load_functions: bool = False,
        kafka: KafkaCluster | None = None,
    ) -> None:
        self.base_dir = base_dir if base_dir is not None else Path.cwd()
        self.root = root
        self.kafka = kafka
        self.topics = TopicStore()
        self._functions = tuple(functions)
        self._udf_paths = tuple(udf_paths)
        self._load_functions = load_functions

    def parse(self, text: str, *, file: str = "<sql>", variables: Mapping[str, str] | None = None) -> Program:
        """The statements of `text`; `variables` are for `${NAME}`. Raises VeloError at the first syntax error."""
        from velo_engine.sql.parser import parse_program

        return parse_program(text, file=file, variables=variables)

    def plan(
        self,
        program: Program | str,
        *,
        schemas: Mapping[str, RowSchema | SourceTable] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> PlannedProgram:
        """The typed plan of `program`.

        `schemas` are the columns of sources that the program does not declare; files without either are looked into.
        `variables` are for `${NAME}` in the configuration files that the program names.
        """
        from velo_engine.functions.user_functions import in_scope
        from velo_engine.plan.planner import plan_program
        from velo_engine.sql.properties import ConfigFiles

        parsed = self.parse(program, variables=variables) if isinstance(program, str) else program
        files = ConfigFiles(self.base_dir, variables or {}, self.root)
        functions = self._functions_of(parsed)
        with in_scope(functions):
            planned = plan_program(parsed, schemas=schemas or {}, infer=self._inferred, files=files)
        return replace(planned, functions=functions)

    def run(
        self,
        program: PlannedProgram,
        *,
        targets: Sequence[str] | None = None,
        inputs: Mapping[str, Input] | None = None,
        options: JobOptions | None = None,
        on_job: Callable[[Job], None] = lambda _: None,
    ) -> JobResult:
        """Run `targets` (default: every statement) and all they read, to the end of the input.

        `inputs` replace the connectors of the sources they name. `on_job` is given the job before it runs, and each one
        that goes on from it after a restart.
        """

        def made(clock: Clock | None = None, previous: Job | None = None) -> Job:
            one = self.job(program, targets=targets, inputs=inputs, options=options, clock=clock, previous=previous)
            on_job(one)
            return one

        if options is not None and any(tick.restart for tick in options.timeline):
            from velo_engine.runtime.restarts import run_with_restarts

            return run_with_restarts(made, options)
        job = made()
        try:
            return job.run()
        finally:
            job.kernel.close()

    def job(
        self,
        program: PlannedProgram,
        *,
        targets: Sequence[str] | None = None,
        inputs: Mapping[str, Input] | None = None,
        options: JobOptions | None = None,
        clock: Clock | None = None,
        previous: Job | None = None,
    ) -> Job:
        """The job that `run` runs, for callers that drive it span by span.

        `clock` instead of what the options say; `previous` is the job that it goes on from, see `Job`.
        """
        from velo_engine.runtime.job import Job

        given = inputs or {}
        for name in given:
            if name not in program.sources:
                raise VeloError(
                    ErrorCode.UNKNOWN_TABLE,
                    f'the program reads no source "{name}"',
                    hint=did_you_mean(name, program.sources, noun="source"),
                )
        wanted = tuple(targets) if targets is not None else tuple(program.statements)
        settings = with_properties(options or JobOptions(), program.properties, program.locations)
        return Job(
            program,
            wanted,
            settings,
            self._kernel(program, settings),
            lambda source: self._open_source(source, given.get(source.name)),
            self._open_sink,
            clock,
            settings.on_letter,
            previous=previous,
        )

    def live_job(
        self,
        program: PlannedProgram,
        *,
        name: str,
        targets: Sequence[str] | None = None,
        folder: CheckpointFolder | None = None,
        live: LiveOptions | None = None,
        options: JobOptions | None = None,
    ) -> LiveJob:
        """A job over topics that goes on until it is stopped or its input ends: `start` it, then `run` it.

        `name` tells it from other jobs on the cluster; runs with the same name and folder go on from each other. `live`
        is by default what the program's properties say.
        """
        from velo_engine.runtime.open_live import open_live_job

        settings = with_properties(options or JobOptions(), program.properties, program.locations)
        return open_live_job(
            program,
            tuple(targets) if targets is not None else tuple(program.statements),
            settings,
            live,
            self._kernel(program, settings),
            name=name,
            kafka=self.kafka,
            topics=self.topics,
            folder=folder,
            open_source=lambda source: self._open_source(source, None),
            open_sink=self._open_sink,
        )

    def _kernel(self, program: PlannedProgram, settings: JobOptions) -> Kernel:
        from velo_engine.kernel import Kernel

        kernel = Kernel(memory_limit=settings.memory_limit)
        if program.functions:
            self._provide(program.functions, kernel)
        return kernel

    def _functions_of(self, program: Program) -> tuple[UserFunction, ...]:
        """The functions that a program may call: those given, and those that it names itself, which come first."""
        named = [value for name, value in program.annotations if name == "udf"]
        if not named:
            return self._functions
        from velo_engine.functions.declarations import declared

        own = [declared(value.value, value.location, self._udf_paths, load=self._load_functions) for value in named]
        return (*self._functions, *own)

    def _provide(self, functions: Sequence[UserFunction], kernel: Kernel) -> None:
        """Import what is only declared, and let the kernel call the scalar ones."""
        from velo_engine.functions.declarations import load_declared
        from velo_engine.functions.user_calls import kernel_function
        from velo_engine.functions.user_functions import plan_name
        from velo_engine.udf import FunctionKind

        for function in functions:
            name = plan_name(load_declared(function, self._udf_paths))
            if function.kind in (FunctionKind.SCALAR, FunctionKind.VECTORIZED):
                kernel.add_function(kernel_function(name))

    def _open_source(self, source: SourceTable, given: Input | None) -> Source:
        from velo_engine.plan.sources import placed_at
        from velo_engine.runtime.open_connector import open_source

        with placed_at(source.locations):
            return open_source(source, given, self.topics, self.base_dir, self.root, self.kafka)

    def _open_sink(self, statement: PlannedStatement, writer: RecordWriter | None = None) -> Sink | None:
        from velo_engine.plan.sources import placed_at
        from velo_engine.runtime.open_connector import open_sink

        sink = statement.sink
        with placed_at({} if sink is None else sink.locations):
            return open_sink(statement, self.topics, self.base_dir, self.root, self.kafka, writer)

    def _inferred(self, name: str, properties: Mapping[str, str]) -> RowSchema | None:
        from velo_engine.runtime.open_connector import inferred_schema

        return inferred_schema(name, properties, self.base_dir, self.root)


NO_LOCATIONS: Mapping[str, Location] = MappingProxyType({})

FAILURE_STRATEGIES = {
    "logandcontinue": FailureStrategy.DEAD_LETTER,
    "sendtodlq": FailureStrategy.DEAD_LETTER,
    "retrywithbackoff": FailureStrategy.DEAD_LETTER,
    "failbatch": FailureStrategy.FAIL,
}


def with_properties(
    options: JobOptions, properties: Mapping[str, str], locations: Mapping[str, Location] = NO_LOCATIONS
) -> JobOptions:
    """`options`, with what they leave open taken from the program's job properties, written at `locations`.

    Raises VeloError BAD_PROPERTY for a value that means nothing.
    """
    try:
        return _with_properties(options, properties)
    except BadPropertyError as problem:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, str(problem), location=locations.get(problem.key), hint=problem.hint
        ) from None


def _with_properties(options: JobOptions, properties: Mapping[str, str]) -> JobOptions:
    if options.emit is None:
        text = properties.get("emit.semantics", EmitSemantics.VELOSTREAM.value)
        known = {e.value: e for e in EmitSemantics}
        if text not in known:
            raise _bad("emit.semantics", text, known)
        options = replace(options, emit=known[text])
    if options.failure_strategy is None:
        text = properties.get("failure_strategy", "SendToDLQ")
        strategy = FAILURE_STRATEGIES.get(text.replace("_", "").casefold())
        if strategy is None:
            raise _bad("failure_strategy", text, ("LogAndContinue", "RetryWithBackoff", "SendToDLQ", "FailBatch"))
        options = replace(options, failure_strategy=strategy)
    if options.time_zone is None:
        options = replace(options, time_zone=_time_zone(properties.get("time.zone", "UTC")))
    if options.dead_letter_max_size is None:
        text = properties.get("job.dlq_max_size", str(DEFAULT_MAX_SIZE))
        if not text.strip().isdecimal():
            raise BadPropertyError("job.dlq_max_size", f'job.dlq_max_size is a whole number, not "{text}"')
        options = replace(options, dead_letter_max_size=int(text))
    return options


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message, hint = f'there is no time zone "{name}"', "write a name such as Europe/Berlin"
        raise BadPropertyError("time.zone", message, hint) from None
    return name


class BadPropertyError(Exception):
    """A job property whose value means nothing."""

    def __init__(self, key: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.hint = hint


def _bad(key: str, text: str, known: Mapping[str, object] | Sequence[str]) -> BadPropertyError:
    return BadPropertyError(key, f'"{text}" is not a value of {key}', did_you_mean(text, known, noun="value"))
