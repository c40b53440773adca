"""What topics of the SQL are called on a broker: by the spec's `topic_naming`, another name for each run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.keys import Fields, bad_value

DEFAULT_PATTERN = "test_{run_id}_{base}"
MAX_TOPIC_LENGTH = 249
"""Kafka's limit."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ALWAYS_KNOWN = ("run_id", "base")
_GIVEN = ("namespace", "branch", "user")
_DIGEST_LENGTH = 8
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True)
class TopicNaming:
    """How names are made. Without `{run_id}` in the pattern it is put at the end: runs must not meet."""

    pattern: str = DEFAULT_PATTERN
    values: Mapping[str, str] = field(default_factory=dict)
    """What the spec gives for `{namespace}`, `{branch}`, `{user}`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment variables that give the others."""
    hash_long_names: bool = True
    """A name over the limit is cut and ends in a digest; otherwise it is an error."""
    max_topic_length: int = MAX_TOPIC_LENGTH
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False)


def topic_naming(fields: Fields | None) -> TopicNaming:
    """The naming that a spec says. Errors: BAD_VALUE for a key or placeholder that has no effect, MISSING_KEY."""
    if fields is None:
        return TopicNaming()
    pattern: str = fields["pattern"]
    used = _PLACEHOLDER.findall(pattern)
    for name in used:
        if name not in (*_ALWAYS_KNOWN, *_GIVEN):
            hint = did_you_mean(name, (*_ALWAYS_KNOWN, *_GIVEN), noun="placeholder")
            raise bad_value(f'"{{{name}}}" is not a placeholder of topic names', fields.at("pattern"), hint=hint)
    if "base" not in used:
        hint = "put {base}, the topic's own name, into it"
        raise bad_value("all topics would have the same name", fields.at("pattern"), hint=hint)
    for name in _GIVEN:
        _check_given(fields, name, used=name in used)
    return TopicNaming(
        pattern,
        {name: fields[name] for name in _GIVEN if fields[name] is not None},
        {name: text for name in ("branch", "user") if (text := fields[f"{name}_from_env"]) is not None},
        fields["hash_long_names"],
        fields["max_topic_length"],
        fields.locations,
    )


def _check_given(fields: Fields, name: str, *, used: bool) -> None:
    """A value that the pattern uses is given, once, and one that is given is used."""
    keys = [key for key in (name, f"{name}_from_env") if key in fields.locations and fields[key] is not None]
    if used and not keys:
        message = f'the pattern uses {{{name}}}, and "{name}" is not given'
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.at("pattern"))
    if keys and not used:
        message = f"{keys[0]} has no effect: the pattern has no {{{name}}}"
        raise bad_value(message, fields.key_locations[keys[0]])
    if len(keys) > 1:
        raise bad_value(f"{keys[0]} and {keys[1]} both give {{{name}}}", fields.key_locations[keys[1]])


def topic_name(naming: TopicNaming, base: str, run_id: str, environment: Mapping[str, str]) -> str:
    """The name of the topic that the SQL calls `base`, in the run `run_id`.

    Characters that no topic may have become dashes. Errors: UNSET_VARIABLE, and BAD_VALUE for a name over the limit.
    """
    pattern = naming.pattern if "{run_id}" in naming.pattern else naming.pattern + "_{run_id}"
    values = {"run_id": run_id, "base": base, **naming.values}
    for name, variable in naming.variables.items():
        if not environment.get(variable):
            message = f"the environment variable {variable} is not set"
            place = naming.locations.get(f"{name}_from_env")
            raise VeloError(ErrorCode.UNSET_VARIABLE, message, location=place, hint=f"set it, or give {name}")
        values[name] = environment[variable]
    name = _NOT_IN_NAMES.sub("-", _PLACEHOLDER.sub(lambda found: values[found[1]], pattern))
    if len(name) <= naming.max_topic_length:
        return name
    if not naming.hash_long_names:
        message = f'the topic name "{name}" is longer than {naming.max_topic_length} characters'
        place = naming.locations.get("max_topic_length") or naming.locations.get("pattern")
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint="let hash_long_names shorten it")
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: naming.max_topic_length - _DIGEST_LENGTH - 1]}-{digest}"
