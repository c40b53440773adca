"""Reading where and how the output of a query is captured: `output`, `capture_format`, `capture_schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.discovery import PathPolicy
from velo_harness.keys import Fields, bad_value
from velo_harness.spec import Capture


def capture_of(fields: Fields, folder: Path, policy: PathPolicy) -> Capture:
    """What a query says of its capture. Errors: BAD_VALUE, MISSING_KEY, FILE_NOT_FOUND, PATH_OUTSIDE_PROJECT."""
    found: dict[str, Any] = {}
    places: dict[str, Location] = {}
    if fields["output"] is not None:
        _read_sink(fields["output"], folder, policy, found, places)
    if fields["capture_format"] is not None:
        found["format"], places["format"] = fields["capture_format"], fields.at("capture_format")
    if fields["capture_schema"] is not None:
        found["schema"] = _schema(fields, folder, policy)
        places["schema"] = fields.at("capture_schema")
    return Capture(**found, locations=places)


def _read_sink(
    output: Fields, folder: Path, policy: PathPolicy, found: dict[str, Any], places: dict[str, Location]
) -> None:
    given = output["sink_type"]
    places["sink"] = output.at("sink_type")
    if not isinstance(given, Fields):
        found["sink"] = given
        return
    kind = found["sink"] = given["type"]
    for name, owner in (("topic", "kafka"), ("path", "file"), ("format", "file")):
        if given[name] is None:
            continue
        if kind != owner:
            raise bad_value(f"{name} has no effect on a sink of the type {kind}", given.key_locations[name])
        value = given[name] if name != "path" else policy.resolve(given[name], folder, given.at(name))
        found["file_format" if name == "format" else name] = value
        places[name] = given.at(name)
    if "format" in places:
        places["file_format"] = places.pop("format")


def _schema(fields: Fields, folder: Path, policy: PathPolicy) -> Path:
    place = fields.at("capture_schema")
    if fields["capture_format"] is None:
        message = "capture_schema needs capture_format: avro or protobuf"
        raise VeloError(ErrorCode.MISSING_KEY, message, location=place)
    if fields["capture_format"] == "json":
        raise bad_value("capture_schema has no effect on json", place)
    path = policy.resolve(fields["capture_schema"], folder, place)
    if not path.is_file():
        beside = [p.name for p in sorted(path.parent.glob("*"))] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside, noun="file there")
        message = f'there is no file "{fields["capture_schema"]}"'
        raise VeloError(ErrorCode.FILE_NOT_FOUND, message, location=place, hint=hint)
    return path
