"""What a registry keeps: schemas by id, versions by subject, compatibility levels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeAlias

from velo_engine.errors import VeloError
from velo_engine.formats.avro.schema import parse_avro_schema
from velo_harness.kafka.registry.compatibility import LEVELS, breaches

Json: TypeAlias = Any

TYPES = ("AVRO", "JSON", "PROTOBUF")


class RegistryError(Exception):
    """An answer other than 200, with Confluent's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status: the first three digits of the code."""
        return int(str(self.code)[:3])


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """A schema as it was registered."""

    kind: str
    text: str
    references: tuple[tuple[str, str, int], ...] = ()

    @property
    def identity(self) -> tuple[str, str, tuple[tuple[str, str, int], ...]]:
        """Equal for equal schemas, whatever the white space in them."""
        text = self.text if self.kind == "PROTOBUF" else json.dumps(json.loads(self.text), sort_keys=True)
        return self.kind, text, self.references

    def to_json(self) -> dict[str, Json]:
        """As an answer has it."""
        references = [{"name": n, "subject": s, "version": v} for n, s, v in self.references]
        kind = {} if self.kind == "AVRO" else {"schemaType": self.kind}
        return {"schema": self.text, **kind, **({"references": references} if references else {})}


@dataclass(slots=True)
class SchemaStore:
    """The state of one registry; every method may be called from any thread."""

    level: str = "BACKWARD"
    _schemas: list[StoredSchema] = field(default_factory=list)
    """The schema with the id *i* at *i* - 1."""
    _subjects: dict[str, dict[int, int]] = field(default_factory=dict)
    """By subject the id of each version."""
    _levels: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def schema(self, schema_id: int) -> StoredSchema:
        """By id."""
        with self._lock:
            if not 1 <= schema_id <= len(self._schemas):
                raise RegistryError(40403, f"Schema {schema_id} not found")
            return self._schemas[schema_id - 1]

    def subjects(self) -> list[str]:
        """All of them."""
        with self._lock:
            return list(self._subjects)

    def versions(self, subject: str) -> list[int]:
        """Of one subject."""
        with self._lock:
            return list(self._versions(subject))

    def version(self, subject: str, version: str) -> tuple[int, int, StoredSchema]:
        """Version, id and schema; `latest` and `-1` name the newest."""
        with self._lock:
            known = self._versions(subject)
            number = max(known) if version in ("latest", "-1") else int(version) if version.isdigit() else 0
            if number not in known:
                raise RegistryError(40402, f"Version {version} not found")
            return number, known[number], self._schemas[known[number] - 1]

    def register(self, subject: str, schema: StoredSchema) -> int:
        """The id of the schema, which becomes the newest version when it is not one yet."""
        _check_schema(schema)
        with self._lock:
            known = self._subjects.get(subject, {})
            schema_id = self._id_of(schema)
            if schema_id in known.values():
                return schema_id
            problems = self._breaches(subject, schema)
            if problems:
                message = "Schema being registered is incompatible with an earlier schema for subject"
                raise RegistryError(409, f'{message} "{subject}": {problems[0]}')
            if not schema_id:
                self._schemas.append(schema)
                schema_id = len(self._schemas)
            self._subjects.setdefault(subject, {})[max(known, default=0) + 1] = schema_id
            return schema_id

    def lookup(self, subject: str, schema: StoredSchema) -> tuple[int, int]:
        """Version and id of a schema that is registered under the subject."""
        _check_schema(schema)
        with self._lock:
            known = self._versions(subject)
            schema_id = self._id_of(schema)
            found = next((version for version, own in known.items() if own == schema_id), None)
            if found is None:
                raise RegistryError(40403, "Schema not found")
            return found, schema_id

    def delete(self, subject: str) -> list[int]:
        """Forgets the subject; its schemas keep their ids."""
        with self._lock:
            versions = list(self._versions(subject))
            del self._subjects[subject]
            return versions

    def is_compatible(self, subject: str, schema: StoredSchema) -> list[str]:
        """Why the schema could not be registered; empty when it could."""
        _check_schema(schema)
        with self._lock:
            return self._breaches(subject, schema)

    def level_of(self, subject: str | None, *, or_global: bool = True) -> str:
        """The compatibility level of a subject; None: the global one."""
        with self._lock:
            if subject is None or (or_global and subject not in self._levels):
                return self.level
            if subject not in self._levels:
                raise RegistryError(40408, f"Subject {subject} does not have subject-level compatibility configured")
            return self._levels[subject]

    def set_level(self, subject: str | None, level: str) -> None:
        """Sets the level of a subject, or the global one."""
        if level not in LEVELS:
            raise RegistryError(42203, f"Invalid compatibility level {level}: it is one of {', '.join(LEVELS)}")
        with self._lock:
            if subject is None:
                self.level = level
            else:
                self._levels[subject] = level

    def _versions(self, subject: str) -> dict[int, int]:
        known = self._subjects.get(subject)
        if known is None:
            raise RegistryError(40401, f"Subject {subject} not found")
        return known

    def _id_of(self, schema: StoredSchema) -> int:
        """0 when it is not known."""
        identity = schema.identity
        return next((i for i, known in enumerate(self._schemas, 1) if known.identity == identity), 0)

    def _breaches(self, subject: str, schema: StoredSchema) -> list[str]:
        if schema.kind != "AVRO":
            return []
        known = [self._schemas[i - 1] for i in self._subjects.get(subject, {}).values()]
        if any(old.kind != "AVRO" for old in known):
            return ["the subject has schemas of another type"]
        types = [parse_avro_schema(old.text, "an old schema") for old in known]
        return breaches(self._levels.get(subject, self.level), parse_avro_schema(schema.text, "the new schema"), types)


def _check_schema(schema: StoredSchema) -> None:
    if schema.kind not in TYPES:
        raise RegistryError(42201, f"Unknown schema type {schema.kind}")
    try:
        if schema.kind == "AVRO":
            parse_avro_schema(schema.text, "the schema")
        elif schema.kind == "JSON":
            json.loads(schema.text)
    except (VeloError, ValueError) as problem:
        reason = problem.message if isinstance(problem, VeloError) else str(problem)
        raise RegistryError(42201, f"Invalid schema: {reason}") from None
