"""Reading one input of a query: where its rows come from, and that only one such place is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.constraint_keys import constraints_of
from velo_harness.discovery import PathPolicy, find_data
from velo_harness.keys import Fields, bad_value
from velo_harness.spec import DataFile, DataFormat, Input, TimeSimulation
from velo_harness.timeline_loader import timeline_of

_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
    ".avro": DataFormat.AVRO,
}
_GENERATING = ("generate", "records", "seed", "null_probability", "overrides", "time_simulation", "rate_per_second")
"""Keys that have an effect on generated rows only."""


def input_of(fields: Fields, folder: Path, policy: PathPolicy, before: Sequence[str]) -> Input:
    """The input as the model has it; `before` are the names of the queries above.

    Errors: BAD_VALUE, MISSING_KEY, FILE_NOT_FOUND, PATH_OUTSIDE_PROJECT.
    """
    file, topic = _source_type(fields, folder, policy)
    if fields["data_file"] is not None:
        if file is not None:
            raise bad_value("give data_file or source_type with a path, not both", fields.at("data_file"))
        file = data_file(fields["data_file"], None, folder, policy, fields.at("data_file"))
    _check_one_origin(fields, file)
    _check_boundaries(fields)
    timeline = None if fields["timeline"] is None else timeline_of(fields["timeline"], fields["partitions"])
    return Input(
        source=fields["source"],
        schema=fields["schema"],
        records=fields["records"],
        seed=fields["seed"],
        null_probability=None if fields["null_probability"] is None else float(fields["null_probability"]),
        overrides={name: constraints_of(given) for name, given in fields["overrides"].items()},
        rows=fields["rows"] if timeline is None else timeline.rows,
        data_file=file,
        from_previous=_from_previous(fields, before),
        key_field=fields["key_field"],
        partitions=fields["partitions"],
        headers=fields["headers"],
        topic=topic,
        time_simulation=_time_simulation(fields),
        location=fields.at("source"),
        key_locations=fields.locations,
        format=fields["format"],
        boundaries=fields["generate"] is not None,
        in_time=fields["generate"] == "boundaries_in_time",
        rate_per_second=fields["rate_per_second"],
        timeline=None if timeline is None else timeline.entries,
        watched=fields["source_type"] is not None and fields["source_type"]["watch"],
    )


def data_file(text: str, kind: DataFormat | None, folder: Path, policy: PathPolicy, place: Location) -> DataFile:
    """A data file that exists, with its format. Errors: FILE_NOT_FOUND, PATH_OUTSIDE_PROJECT, BAD_VALUE."""
    path = find_data(text, folder, policy, place)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    known = kind or _FORMATS.get(suffix)
    if known is None:
        hint = f"give its format, or one of the endings {', '.join(_FORMATS)}"
        raise bad_value(f'the ending of "{text}" does not tell its format', place, hint=hint)
    return DataFile(path, known, place)


def _source_type(fields: Fields, folder: Path, policy: PathPolicy) -> tuple[DataFile | None, str | None]:
    """The file or the topic of `source_type`."""
    given: Fields | None = fields["source_type"]
    if given is None:
        return None, None
    of_files = ("path", "format", "watch")
    wanted, foreign = (("topic",), of_files) if given["type"] == "kafka" else (of_files, ("topic",))
    for name in foreign:
        if given.has(name):
            raise bad_value(f"{name} has no effect on a source of type {given['type']}", given.at(name))
    if given["type"] == "kafka":
        return None, given["topic"]
    if given["path"] is None:
        message = f'a source of type file needs the key "{wanted[0]}"'
        raise VeloError(ErrorCode.MISSING_KEY, message, location=given.at("type"))
    return data_file(given["path"], given["format"], folder, policy, given.at("path")), None


def _check_one_origin(fields: Fields, file: DataFile | None) -> None:
    """Rows come from one place, and what shapes generated rows is only given for those."""
    origins = [name for name in ("rows", "timeline", "data_file", "from_previous") if fields.has(name)]
    if file is not None and "data_file" not in origins:
        origins.append("source_type")
    if len(origins) > 1:
        message = f'"{origins[1]}" and "{origins[0]}" both give the rows of this input'
        raise bad_value(message, fields.key_locations[origins[1]])
    for name in _GENERATING if origins else ():
        if fields.has(name):
            message = f'{name} has no effect on an input whose rows come from "{origins[0]}"'
            raise bad_value(message, fields.key_locations[name])
    if "from_previous" in origins and fields.has("schema"):
        message = "schema has no effect on the output of a query, which has its own columns"
        raise bad_value(message, fields.key_locations["schema"])


def _check_boundaries(fields: Fields) -> None:
    """What the SQL decides about rows on its boundaries is given by nobody else."""
    for name in ("records", "time_simulation", "rate_per_second") if fields.has("generate") else ():
        if fields.has(name):
            message = f"{name} has no effect on rows on boundaries: the SQL decides"
            raise bad_value(message, fields.key_locations[name])


def _from_previous(fields: Fields, before: Sequence[str]) -> str | None:
    given = fields["from_previous"]
    if given is not True:
        return None if given is None else str(given)
    if not before:
        raise bad_value("there is no query before this one", fields.at("from_previous"))
    return before[-1]


def _time_simulation(fields: Fields) -> TimeSimulation | None:
    given: Fields | None = fields["time_simulation"]
    rate = fields["rate_per_second"]
    if given is None:
        if rate is None:
            return None
        return TimeSimulation(events_per_second=rate, locations=_places(fields, "rate_per_second"))
    if rate is not None and given["events_per_second"] is not None:
        place = fields.key_locations["rate_per_second"]
        raise bad_value("rate_per_second and events_per_second both space the event times", place)
    simulation = TimeSimulation(
        given["start_time"],
        given["end_time"],
        given["sequential"],
        given["jitter_ms"],
        given["events_per_second"],
        given["time_scale"],
        given["batch_size"],
        given.locations,
    )
    if rate is None:
        return simulation
    return replace(
        simulation, events_per_second=rate, locations={**given.locations, **_places(fields, "rate_per_second")}
    )


def _places(fields: Fields, name: str) -> Mapping[str, Location]:
    return {"events_per_second": fields.at(name)}
