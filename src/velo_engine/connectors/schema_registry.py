"""The schema registry (Confluent's protocol): schemas by id and by subject, cached, with errors for people.

Options of a source or sink:

| option | meaning |
|---|---|
| `schema.registry.url` (`avro-confluent.url`) | one or more URLs; `mock://name` is a registry inside the process |
| `schema.registry.basic.auth.user.info` (`avro-confluent.basic-auth.user-info`) | `user:password` |
| `schema.registry.bearer.auth.token` (`avro-confluent.bearer-auth.token`) | a token |
| `schema.registry.ssl.ca.location`, `ssl.certificate.location`, `ssl.key.location`, `ssl.key.password` | PEM files |
| any other `schema.registry.<key>` | passed to confluent-kafka's SchemaRegistryClient as `<key>` |

Nothing is asked before it is needed. An id is asked for once, whether the registry knows it or not.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from velo_engine.connectors.circuit import CircuitBreaker
from velo_engine.errors import ErrorCode, VeloError

_T = TypeVar("_T")

URL_OPTION = "schema.registry.url"
_URL_OPTIONS = (URL_OPTION, "avro-confluent.url", "protobuf-confluent.url")

_PREFIXES = ("schema.registry.", "avro-confluent.", "protobuf-confluent.", "debezium-avro-confluent.")
_FLINK_KEYS = {
    "basic-auth.user-info": "basic.auth.user.info",
    "bearer-auth.token": "bearer.auth.token",
}
_NOT_CLIENT_KEYS = frozenset(
    {"url", "subject", "schema", "basic-auth.credentials-source", "bearer-auth.credentials-source"}
)
_NUMBERS = frozenset(
    {"timeout", "max.retries", "retries.wait.ms", "retries.max.wait.ms", "cache.capacity", "cache.latest.ttl.sec"}
)
_DEFAULTS = {"timeout": 10.0, "max.retries": 2, "retries.wait.ms": 100, "retries.max.wait.ms": 1000}
"""A registry that is away is reported within seconds."""

_FAILURES = 3
"""In a row, after which the registry is left alone for a while."""

MAX_UNKNOWN_IDS = 10_000
"""Ids remembered as unknown."""


@dataclass(frozen=True, slots=True)
class RegistrySchema:
    """A schema as the registry keeps it."""

    text: str
    kind: str = "AVRO"
    """`AVRO`, `PROTOBUF` or `JSON`."""
    references: tuple[tuple[str, str, int], ...] = ()
    """Other schemas that it imports: name, subject, version."""


class SchemaRegistry:
    """One registry. Every method raises VeloError INFRASTRUCTURE_MISSING when it cannot be reached."""

    def __init__(self, url: str, settings: Mapping[str, object]) -> None:
        """`settings` are those of confluent-kafka's SchemaRegistryClient. Nothing is opened yet."""
        self.url = without_credentials(url)
        self.circuit = CircuitBreaker(f"the schema registry {self.url}", threshold=_FAILURES)
        self._settings = {"url": url, **settings}
        self._client: Any = None
        self._by_id: dict[int, RegistrySchema] = {}
        self._unknown: set[int] = set()
        self._ids: dict[tuple[str, RegistrySchema], int] = {}

    def schema_by_id(self, schema_id: int, *, serialized: bool = False) -> RegistrySchema | None:
        """The schema with this id; None when the registry has none.

        With `serialized` a Protobuf schema comes as its descriptor in base64, from a registry that can do so.
        """
        known = self._by_id.get(schema_id)
        if known is not None or schema_id in self._unknown:
            return known
        form = "serialized" if serialized else None
        found = self._asked(lambda client: client.get_schema(schema_id, None, form), f"for schema {schema_id}")
        if found is None:
            if len(self._unknown) < MAX_UNKNOWN_IDS:
                self._unknown.add(schema_id)
            return None
        schema = self._by_id[schema_id] = _registry_schema(found)
        return schema

    def register(self, subject: str, schema: RegistrySchema) -> int:
        """The id of `schema` under `subject`, as a new version when it is not there yet.

        Raises VeloError SCHEMA_MISMATCH when the registry refuses it as incompatible.
        """
        known = self._ids.get((subject, schema))
        if known is not None:
            return known
        what = f"to add a schema to {subject}"
        made = self._asked(lambda client: client.register_schema(subject, _client_schema(schema)), what)
        if made is None:
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f"there is no schema registry at {self.url}: not found, when asked {what}",
                hint="check the path of schema.registry.url",
            )
        self._ids[subject, schema] = int(made)
        self._unknown.discard(int(made))
        return int(made)

    def lookup(self, subject: str, schema: RegistrySchema) -> int | None:
        """The id of `schema` under `subject`; None when it is not registered there."""
        found = self._asked(lambda c: c.lookup_schema(subject, _client_schema(schema)), f"for {subject}")
        return None if found is None else int(found.schema_id)

    def latest(self, subject: str, *, serialized: bool = False) -> tuple[int, RegistrySchema] | None:
        """The newest version of `subject`; None when there is none."""
        form = "serialized" if serialized else None
        found = self._asked(lambda c: c.get_latest_version(subject, form), f"for {subject}")
        return None if found is None else (int(found.schema_id), _registry_schema(found.schema))

    def version(self, subject: str, version: int, *, serialized: bool = False) -> RegistrySchema | None:
        """One version of `subject`."""
        form = "serialized" if serialized else None
        what = f"for {subject} version {version}"
        found = self._asked(lambda c: c.get_version(subject, version, False, form), what)
        return None if found is None else _registry_schema(found.schema)

    def version_of(self, subject: str, schema: RegistrySchema) -> int:
        """The version of a schema that is registered under `subject`."""
        found = self._asked(lambda c: c.lookup_schema(subject, _client_schema(schema)), f"for {subject}")
        return 1 if found is None else int(found.version)

    def _asked(self, ask: Callable[[Any], _T], what: str) -> _T | None:
        """The answer; None for "not found". A registry that keeps failing is left alone for a while."""
        return self.circuit.call(lambda: self._answer(ask, what))

    def _answer(self, ask: Callable[[Any], _T], what: str) -> _T | None:
        from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError

        try:
            if self._client is None:
                self._client = self._opened()
            return ask(self._client)
        except SchemaRegistryError as problem:
            if problem.http_status_code == 404:
                return None
            raise self._refused(problem, what) from None
        except (OAuthTokenError, OSError) as problem:
            raise self._unreachable(problem, what) from None
        except Exception as problem:
            # httpx has no stable module name here; its errors are all about the connection.
            if type(problem).__module__.partition(".")[0].startswith("http"):
                raise self._unreachable(problem, what) from None
            raise

    def _opened(self) -> Any:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        try:
            client = SchemaRegistryClient.new_client(dict(self._settings))
        except (ValueError, TypeError, OSError) as problem:
            raise VeloError(
                ErrorCode.BAD_PROPERTY, f"the schema registry {self.url} cannot be used: {problem}"
            ) from None
        # Formats have no end of their own; connections end with them.
        weakref.finalize(self, client.close)
        return client

    def _refused(self, problem: Any, what: str) -> VeloError:
        message = str(problem.error_message)
        match problem.http_status_code:
            case 409:
                return VeloError(
                    ErrorCode.SCHEMA_MISMATCH,
                    f"the schema registry {self.url}, asked {what}, refuses an incompatible schema: {message}",
                    hint="change the columns compatibly (new ones nullable), or the subject's compatibility level",
                )
            case 401 | 403:
                return VeloError(
                    ErrorCode.INFRASTRUCTURE_MISSING,
                    f"the schema registry {self.url} refuses the credentials: {message}",
                    hint="set schema.registry.basic.auth.user.info = 'user:password'",
                )
            case 422:
                return VeloError(ErrorCode.SCHEMA_MISMATCH, f"the schema registry {self.url}, asked {what}: {message}")
            case status:
                return VeloError(
                    ErrorCode.INFRASTRUCTURE_MISSING,
                    f"the schema registry {self.url}, asked {what}, answers {status}: {message}",
                )

    def _unreachable(self, problem: Exception, what: str) -> VeloError:
        return VeloError(
            ErrorCode.INFRASTRUCTURE_MISSING,
            f"the schema registry {self.url}, asked {what}, does not answer: {problem}",
            hint="start it, or set schema.registry.url",
        )


def _registry_schema(found: Any) -> RegistrySchema:
    references = tuple((r.name, r.subject, int(r.version)) for r in found.references or ())
    return RegistrySchema(found.schema_str, found.schema_type or "AVRO", references)


def _client_schema(schema: RegistrySchema) -> Any:
    from confluent_kafka.schema_registry import Schema, SchemaReference

    return Schema(schema.text, schema.kind, [SchemaReference(*reference) for reference in schema.references])


_MOCKS: dict[str, SchemaRegistry] = {}
_MOCKS_LOCK = Lock()
"""Registries inside the process: what a sink registers under `mock://name`, a source of that name reads."""


def open_registry(options: Mapping[str, str]) -> SchemaRegistry | None:
    """The registry that the options of a source or sink name; None when they name none.

    Raises VeloError: an option that cannot be used.
    """
    url = next((options[key] for key in _URL_OPTIONS if key in options), None)
    if url is None:
        return None
    settings: dict[str, object] = {} if url.startswith("mock:") else dict(_DEFAULTS)
    for key, value in options.items():
        prefix = next((p for p in _PREFIXES if key.startswith(p)), None)
        name = key[len(prefix) :].removeprefix("properties.") if prefix else ""
        if name and name not in _NOT_CLIENT_KEYS:
            settings[_FLINK_KEYS.get(name, name)] = _setting(key, _FLINK_KEYS.get(name, name), value)
    if "bearer.auth.token" in settings:
        settings = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.logical.cluster": "", **settings}
    if url.startswith("mock:"):
        with _MOCKS_LOCK:
            return _MOCKS.setdefault(url, SchemaRegistry(url, {}))
    return SchemaRegistry(url, settings)


def _setting(key: str, name: str, value: str) -> object:
    if name.startswith(("ssl.truststore", "ssl.keystore")):
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{key}" names a Java key store',
            hint="give PEM files: schema.registry.ssl.ca.location, ….ssl.certificate.location, ….ssl.key.location",
        )
    if name not in _NUMBERS:
        return value
    try:
        return float(value)
    except ValueError:
        raise VeloError(ErrorCode.BAD_PROPERTY, f'"{key}" is "{value}"', hint="it is a number") from None


def without_credentials(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"//[^/@]*@", "//***@", url)
