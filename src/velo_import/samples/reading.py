"""Sampled rows of a job's sources: from files, and from the beginning of their topics."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from velo_engine import Engine
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import SourceTable
from velo_harness import data_files
from velo_harness.spec import DataFile, DataFormat
from velo_harness.topic_inputs import record_format
from velo_import.convert.connectors import modern_options
from velo_import.model import ConvertedJob

SAMPLE_ROWS = 10_000
"""Rows of a source that are looked at."""
SAMPLE_SECONDS = 20.0
"""How long a topic is read for at most."""
KEPT = "samples"
"""The folder of a project that kept samples lie in."""
_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a person asks to be sampled."""

    files: tuple[str, ...] = ()
    """`TABLE=PATH`, or a path alone for a job of one source."""
    topics: bool = False
    brokers: str | None = None
    """Of all topics; None: those that the DDL names."""
    rows: int = SAMPLE_ROWS
    seconds: float = SAMPLE_SECONDS


@dataclass(slots=True)
class Sampled:
    """The rows of a job's sources."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    """By source; columns as the program declares them."""
    notes: list[str] = field(default_factory=list)
    """What could not be sampled, and why."""

    def kept_files(self) -> dict[str, str]:
        """The rows as json lines, by their paths in the project."""
        return {f"{KEPT}/{name}.jsonl": _json_lines(table) for name, table in self.tables.items()}


def sampled(jobs: Sequence[ConvertedJob], sampling: Sampling) -> dict[str, Sampled]:
    """By the names of the jobs the rows of their sources that `sampling` names; a file goes before a topic.

    Errors: UNKNOWN_TABLE for a file of a table that no job reads, BAD_VALUE, FILE_NOT_FOUND, FILE_UNREADABLE,
    SCHEMA_MISMATCH.
    """
    if not (sampling.files or sampling.topics):
        return {}
    sources = {job.name: Engine().plan(job.app_sql, variables=os.environ).sources for job in jobs}
    paths = _named(sampling.files, [name for of_job in sources.values() for name in of_job])
    silent: dict[str, VeloError] = {}
    return {job.name: _of_job(job, sources[job.name], paths, sampling, silent) for job in jobs}


def _of_job(
    job: ConvertedJob,
    sources: Mapping[str, SourceTable],
    paths: Mapping[str, Path],
    sampling: Sampling,
    silent: dict[str, VeloError],
) -> Sampled:
    """`silent` are the brokers that did not answer: none is waited for twice."""
    found = Sampled()
    for name, source in sources.items():
        if name in paths:
            _read_file(paths[name], source, sampling, found)
        elif sampling.topics and "topic" in source.properties and not _stands_in(job, name):
            _read_topic(replace(source, properties=_with_secrets(job, source)), sampling, found, silent)
    return found


def _with_secrets(job: ConvertedJob, source: SourceTable) -> dict[str, str]:
    """A source's properties with the secrets of the DDL, which the program has variables for."""
    table = job.tables.get(source.name)
    written = (
        {} if table is None else modern_options({key: option.value for key, option in table.definition.options.items()})
    )
    known = {key: value for key, value in written.items() if key in source.properties and "${" not in value}
    return {**source.properties, **known}


def _stands_in(job: ConvertedJob, name: str) -> bool:
    table = job.tables.get(name)
    return table is not None and table.stand_in


def _named(files: Iterable[str], sources: Iterable[str]) -> dict[str, Path]:
    """By table the file that is a sample of it."""
    known = list(dict.fromkeys(sources))
    found: dict[str, Path] = {}
    for text in files:
        name, given, path = text.partition("=")
        if not given and len(known) != 1:
            message = f'"{text}" does not say which table it is a sample of'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"write TABLE={text}; tables: {', '.join(known)}")
        if not given:
            name, path = known[0], text
        if name not in known:
            hint = did_you_mean(name, known, noun="table")
            raise VeloError(ErrorCode.UNKNOWN_TABLE, f'no statement reads a table "{name}"', hint=hint)
        found[name] = Path(path)
    return found


def _read_file(path: Path, source: SourceTable, sampling: Sampling, found: Sampled) -> None:
    """The first rows of a file; notes on what of it is of no use."""
    file = _data_file(path)
    try:
        table = data_files.read_table(file, source.schema)
    except VeloError as error:
        if error.code is not ErrorCode.RECORD_MALFORMED:
            raise
        message = f'"{path}" cannot be read: {error.message}'
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, location=error.location, hint=error.hint) from None
    found.tables[source.name] = table.slice(0, sampling.rows)
    found.notes += _notes_on(file, table, source)


def _notes_on(file: DataFile, table: pa.Table, source: SourceTable) -> Iterator[str]:
    about = f"{source.name}: the sample {file.path.name}"
    if not table.num_rows:
        yield f"{about} has no rows: nothing is taken from it"
    else:
        further = [name for name in data_files.column_names(file) if name not in source.schema.names]
        if further:
            yield f"{about} has columns that the table does not have, they are left out: {', '.join(further)}"
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, "\0")).as_py():
            yield f"{about} has NUL bytes in {name}: is it another encoding, or no text?"


def _data_file(path: Path) -> DataFile:
    form = _FORMATS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if form is None:
        message = f'the ending of "{path}" says no format'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"known: {', '.join(_FORMATS)}")
    if not path.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file "{path}"')
    return DataFile(path.absolute(), form, Location(str(path), 1))


def _read_topic(source: SourceTable, sampling: Sampling, found: Sampled, silent: dict[str, VeloError]) -> None:
    """The first records of a source's topic; a note when there are none to be had."""
    brokers = sampling.brokers or source.properties.get("bootstrap.servers")
    if not brokers:
        found.notes.append(f"{source.name}: nothing says where its topic is; name brokers: --sample-kafka HOST:PORT")
        return
    try:
        messages = _first_records(brokers, source, sampling, silent)
        table = _decoded(messages, source, found)
    except VeloError as error:
        found.notes.append(f"{source.name}: not sampled: {error.message}")
        return
    if table.num_rows:
        found.tables[source.name] = table
    else:
        found.notes.append(f"{source.name}: not sampled: its topic has no record that can be read")


def _first_records(brokers: str, source: SourceTable, sampling: Sampling, silent: dict[str, VeloError]) -> list[bytes]:
    if brokers in silent:
        raise silent[brokers]
    from velo_engine.connectors.kafka.client import KafkaCluster, cluster_from, settings_of
    from velo_engine.connectors.kafka.cluster_view import ClusterView
    from velo_engine.connectors.kafka.tail import records_of

    named = cluster_from(brokers, None, os.environ)
    assert named is not None, "it has an address"
    own = settings_of(source.properties, given=sampling.brokers is not None)
    cluster = KafkaCluster(brokers, {**own, **named.properties})
    try:
        topics = ClusterView(cluster)
    except VeloError as error:
        silent[brokers] = error
        raise
    view = topics.topic(source.properties["topic"])
    stop = threading.Event()
    timer = threading.Timer(sampling.seconds, stop.set)
    timer.daemon = True
    timer.start()
    found: list[bytes] = []
    records = records_of(cluster, view, last=None, follow=False, stop=stop)
    try:
        for messages in records:
            found += [value for message in messages if (value := message.value()) is not None]
            if len(found) >= sampling.rows:
                break
    finally:
        timer.cancel()
        records.close()  # type: ignore[attr-defined]
    return found[: sampling.rows]


def _decoded(messages: Sequence[bytes], source: SourceTable, found: Sampled) -> pa.Table:
    """The rows of records; those that do not decode are left out, with a note, and so are deletions."""
    from velo_engine.formats import open_format

    decoded = open_format(record_format(source.properties), source.schema, source.properties).decode(list(messages))
    if decoded.failures:
        number = f"{len(decoded.failures):,} of {len(messages):,} records of its topic could not be read"
        # Not why: the reasons show values.
        found.notes.append(f"{source.name}: {number} as {record_format(source.properties)}: they are not in the sample")
    names = list(source.schema.names)
    return decoded.table.select(range(len(names))).rename_columns(names)


def _json_lines(table: pa.Table) -> str:
    import json

    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in table.to_pylist())
