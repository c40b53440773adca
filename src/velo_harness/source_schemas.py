"""Which data schema describes a source: the input's, the spec's, or the one that is called like the source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from velo_engine.errors import Location
from velo_harness.data_schema import DataSchema, load_data_schema
from velo_harness.discovery import PathPolicy, find_schema, require_schema
from velo_harness.spec import Input, Spec

CACHED_SCHEMAS = 256


@dataclass(frozen=True, slots=True)
class SchemaFinder:
    """Finds the data schemas of one spec."""

    spec: Spec
    policy: PathPolicy

    def find(self, source: str, given: Input | None) -> DataSchema | None:
        """The data schema of a source; None when nobody names one and none is called like it.

        Errors: UNKNOWN_SCHEMA, FILE_NOT_FOUND, and those of the schema file.
        """
        folder = self.spec.file.absolute().parent
        name, location = self._named(source, given)
        if name is not None:
            return load_cached(require_schema(name, folder, self.policy, location))
        path = find_schema(source, folder, self.policy)
        return None if path is None else load_cached(path)

    def _named(self, source: str, given: Input | None) -> tuple[str | None, Location]:
        if given is not None and given.schema is not None:
            return given.schema, given.key_locations.get("schema", given.location)
        if source in self.spec.schemas:
            return self.spec.schemas[source], self.spec.location
        reference = self.spec.reference_tables.get(source)
        return (reference if isinstance(reference, str) else None), self.spec.location


def load_cached(path: Path) -> DataSchema:
    """The schema in a file, read again only when the file has changed."""
    status = path.stat()
    return _loaded(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=CACHED_SCHEMAS)
def _loaded(path: Path, _modified: int, _size: int) -> DataSchema:
    return load_data_schema(path)
