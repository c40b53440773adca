"""WITH (…) properties sorted by who reads them: each source, each sink, the statement itself, the job.

`'<name>.<key>'` belongs to the source or sink `<name>`, `'source.<key>'` and `'sink.<key>'` to the only one there is. A
key without a name belongs to the relation that the statement makes (and to its sink), to event time, or to the job.
Keys come out canonical (`property_keys.py`); so do the values of `type`: `kafka`, `file`, or another connector's name.
Flink's `connector` is a `type` and also kept as it is, since it says that the relation is meant as Flink means it.
What a `.config_file` says is overridden by what stands in WITH.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError, nearest
from velo_engine.sql.config_file import read_config_file
from velo_engine.sql.event_time import EventTimeProperties, event_time_properties
from velo_engine.sql.program import Program, Property, Statement, Warning
from velo_engine.sql.property_keys import (
    EVENT_TIME_KEYS,
    JOB_KEYS,
    RELATION_KEYS,
    PropertyKey,
    PropertyKind,
    fixed_option,
    fixed_setting,
    implied_type,
    property_key,
)

_AMBIGUOUS = "?"
"""Before a key that could belong to several sources or sinks; no known key starts so."""
_TYPES = {
    "filesystem": "file",
    "kafka_consumer": "kafka",
    "kafka_producer": "kafka",
    "upsert-kafka": "kafka",
    "upsert_kafka": "kafka",
}


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Where `.config_file` paths are looked for, and the variables in the files."""

    folder: Path = field(default_factory=Path)
    """The folder of the SQL file."""
    variables: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    """No file outside it is read; None: any."""


@dataclass(frozen=True, slots=True)
class RelationProperties:
    """What the properties say about one source or sink."""

    values: Mapping[str, Property] = field(default_factory=dict)
    """For the connector and the format, by canonical key."""
    client: Mapping[str, Property] = field(default_factory=dict)
    """For the Kafka client, by its own names."""
    event_time: EventTimeProperties = field(default_factory=EventTimeProperties)

    def get(self, key: str) -> str | None:
        """The value of a canonical key."""
        found = self.values.get(key)
        return None if found is None else found.value

    def texts(self) -> dict[str, str]:
        """All values by key; those of the client under `properties.`."""
        texts = {key: found.value for key, found in self.values.items()}
        return texts | {f"properties.{key}": found.value for key, found in self.client.items()}


@dataclass(frozen=True, slots=True)
class StatementProperties:
    """The properties of one statement, sorted."""

    sources: Mapping[str, RelationProperties]
    sinks: Mapping[str, RelationProperties]
    own: RelationProperties
    """Of the relation that the statement makes or declares. Its `event_time` is the statement's: that of every source
    which says nothing else (it is already part of theirs)."""
    job: Mapping[str, Property]
    warnings: tuple[Warning, ...]


@dataclass(slots=True)
class _Group:
    """The properties of one reader while they are collected."""

    values: dict[str, Property] = field(default_factory=dict)
    client: dict[str, Property] = field(default_factory=dict)
    event_time: dict[str, Property] = field(default_factory=dict)
    job: dict[str, Property] = field(default_factory=dict)


def split_properties(
    statement: Statement,
    sources: Iterable[str] = (),
    sinks: Iterable[str] = (),
    *,
    files: ConfigFiles | None = None,
) -> StatementProperties:
    """The properties of `statement`, which reads `sources` and writes `sinks`.

    Config files are read only with `files`. Properties without meaning are warnings, with the nearest known name.
    VeloError BAD_PROPERTY for a value that cannot be used, and what `read_config_file` raises.
    """
    splitter = _Splitter(tuple(sources), tuple(sinks), files)
    return splitter.split(statement.properties)


def job_properties(program: Program) -> tuple[dict[str, Property], tuple[Warning, ...]]:
    """The job-wide properties that SET gives, and a warning for each setting without meaning."""
    job: dict[str, Property] = {}
    warnings: list[Warning] = []
    for written, found in program.settings.items():
        fixed = fixed_setting(written)
        if fixed is not None:
            _check_fixed(*fixed, found)
            continue
        key = property_key(written)
        if key.kind in (PropertyKind.JOB, PropertyKind.EVENT_TIME):
            job[key.name] = found
        else:
            candidates = (*JOB_KEYS, *EVENT_TIME_KEYS)
            warnings.append(_warning(written, key, found, candidates, "setting"))
    return job, tuple(warnings)


def _check_fixed(key: str, value: str, found: Property) -> None:
    if found.value.casefold() != value:
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{key} = {found.value} is not supported",
            location=found.location,
            hint=f"there is only {value.upper()}" if value else "leave it out",
        )


class _Splitter:
    """Sorts the properties of one statement."""

    def __init__(self, sources: tuple[str, ...], sinks: tuple[str, ...], files: ConfigFiles | None) -> None:
        self._sources = sources
        self._sinks = sinks
        self._files = files
        self._groups: dict[str, _Group] = {name: _Group() for name in ("", *sources, *sinks)}
        self._warnings: list[Warning] = []
        self._warned: set[str] = set()

    def split(self, written: Mapping[str, Property]) -> StatementProperties:
        owned = [(*self._owner(key), key, found) for key, found in written.items()]
        for owner, rest, _, found in owned:
            if self._files is not None and property_key(rest).name == "config_file":
                self._add_config_file(owner, found, self._files)
        for owner, rest, key, found in owned:
            self._add(owner, rest, key, found)
        statement_time = self._groups[""].event_time
        relations = {name: self._relation(name, statement_time) for name in self._groups}
        own = relations.pop("")
        sink_values = {name: self._with_defaults(relations[name], own) for name in self._sinks}
        return StatementProperties(
            sources={name: relations[name] for name in self._sources},
            sinks=sink_values,
            own=own,
            job=self._groups[""].job,
            warnings=tuple(self._warnings),
        )

    def _owner(self, key: str) -> tuple[str, str]:
        """Who owns a key ("" for the statement), and the key without the owner's name."""
        names = sorted((name for name in self._groups if name and key.startswith(name + ".")), key=len)
        if names:
            return names[-1], key[len(names[-1]) + 1 :]
        for word, only in (("source.", self._sources), ("sink.", self._sinks)):
            if key.startswith(word) and only and property_key(key).kind is not PropertyKind.JOB:
                return (only[0], key[len(word) :]) if len(only) == 1 else ("", f"{_AMBIGUOUS}{key}")
        return "", key

    def _add_config_file(self, owner: str, found: Property, files: ConfigFiles) -> None:
        try:
            read = read_config_file(files.folder / found.value, files.variables, root=files.root)
        except VeloError as error:
            if error.location is None:
                error.location = found.location
            raise
        for key, value in read.items():
            kind = implied_type(key)
            if kind is not None:
                self._groups[owner].values.setdefault("type", Property(kind, value.location, value.name_location))
            self._add(owner, key, key, value)

    def _add(self, owner: str, rest: str, written: str, found: Property) -> None:
        if rest.startswith(_AMBIGUOUS):
            place = found.name_location or found.location
            hint = "write the name of the one that is meant before the key"
            self._warnings.append(Warning(f"the property '{written}' could belong to several relations", place, hint))
            return
        fixed = fixed_option(rest)
        if fixed is not None:
            _check_fixed(*fixed, found)
            return
        key = property_key(rest)
        group = self._groups[owner]
        match key.kind:
            case PropertyKind.RELATION:
                self._add_relation(group, key.name, rest, found)
            case PropertyKind.CLIENT:
                group.client[key.name] = found
            case PropertyKind.EVENT_TIME:
                group.event_time[key.name] = found
            case PropertyKind.JOB:
                self._groups[""].job[key.name] = found
            case _:
                self._warn(written, key, found)

    def _add_relation(self, group: _Group, name: str, written_key: str, found: Property) -> None:
        if name == "type":
            if written_key == "connector":
                group.values["connector"] = found
            written = found.value.casefold()
            if written.startswith("upsert"):
                group.values["mode"] = replace(found, value="upsert")
            kind = written.removesuffix("_source").removesuffix("_sink").removesuffix("-source").removesuffix("-sink")
            found = replace(found, value=_TYPES.get(kind, kind))
        group.values[name] = found

    def _relation(self, name: str, statement_time: Mapping[str, Property]) -> RelationProperties:
        group = self._groups[name]
        inherits = not name or name in self._sources
        times = {**statement_time, **group.event_time} if inherits else group.event_time
        return RelationProperties(group.values, group.client, event_time_properties(times))

    def _with_defaults(self, sink: RelationProperties, own: RelationProperties) -> RelationProperties:
        """A sink's properties; what it does not say is said by the statement's own."""
        return replace(sink, values={**own.values, **sink.values}, client={**own.client, **sink.client})

    def _warn(self, written: str, key: PropertyKey, found: Property) -> None:
        if written not in self._warned:
            self._warned.add(written)
            owners = tuple(f"{name}.{known}" for name in (*self._sources, *self._sinks) for known in RELATION_KEYS)
            candidates = (*RELATION_KEYS, *EVENT_TIME_KEYS, *JOB_KEYS, *owners)
            self._warnings.append(_warning(written, key, found, candidates, "property"))


def _warning(written: str, key: PropertyKey, found: Property, candidates: Iterable[str], noun: str) -> Warning:
    place = found.name_location or found.location
    if key.kind is PropertyKind.UNKNOWN:
        close = nearest(written, candidates)
        hint = f"did you mean '{close}'?" if close is not None else None
        return Warning(f"the {noun} '{written}' has no meaning", place, hint)
    reason = key.reason or "it belongs to a source or sink, in WITH (…)"
    return Warning(f"the {noun} '{written}' has no effect here: {reason}", place)
