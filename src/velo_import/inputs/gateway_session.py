"""The definitions of a session of Flink's SQL Gateway: its tables and views as DDL, its options, its jobs.

Source: the gateway's REST interface, v1 to v3. Nothing in the session is changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import FlinkScript, parse_script
from velo_import.inputs.compiled_plan.logical_types import quoted, text_literal
from velo_import.inputs.rest import TIMEOUT_SECONDS, RestError, ask, base_url, unlike_flink

_OPTIONS = ("table.", "execution.runtime-mode", "pipeline.", "state.", "parallelism.")
_NOT_OPTIONS = ("table.resources.", "pipeline.jars", "pipeline.classpaths")
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SessionDefinitions:
    """What a session knows."""

    settings: FlinkScript
    objects: tuple[FlinkScript, ...]
    """One for each table or view."""
    jobs: tuple[str, ...]
    """Name, id and state of each job of its cluster."""
    missing: tuple[str, ...]
    """Objects whose definition the gateway does not say, and why."""


def session_definitions(url: str, session: str | None) -> SessionDefinitions:
    """The definitions of a session; without a handle those that every session sees.

    VeloError INFRASTRUCTURE_MISSING when no gateway answers; BAD_VALUE when it does not know the session.
    """
    base = base_url(url, "--flink-gateway")
    try:
        version = _version(base)
        opened = session is None
        handle = session or ask(f"{base}/{version}/sessions", {"sessionName": "velo import"})["sessionHandle"]
        try:
            return _Session(f"{base}/{version}/sessions/{handle}").definitions()
        finally:
            if opened:
                ask(f"{base}/{version}/sessions/{handle}", method="DELETE")
    except RestError as failed:
        if session is not None and session in failed.message:
            hint = "a session ends when nobody has used it for a while (sql-gateway.session.idle-timeout)"
            raise VeloError(ErrorCode.BAD_VALUE, f"{base} does not know the session {session}", hint=hint) from None
        message = f"{base} refuses: {failed.message} (status {failed.status})"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message) from None
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as problem:
        raise unlike_flink(base, "a SQL gateway of Flink", problem) from None


def _version(base: str) -> str:
    """The highest version of the interface that both sides know."""
    offered = ask(f"{base}/api_versions")["versions"]
    if not isinstance(offered, list):
        raise TypeError("versions are a list")
    known = {str(one).lower() for one in offered}
    for version in ("v3", "v2", "v1"):
        if version in known:
            return version
    raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"{base} speaks none of v1 to v3: {', '.join(sorted(known))}")


class _Session:
    """Asks a session."""

    def __init__(self, url: str) -> None:
        self._url = url

    def definitions(self) -> SessionDefinitions:
        objects, missing = [], []
        for name, statement in self._objects():
            try:
                (row,) = self._rows(statement)
            except RestError as failed:
                missing.append(f"{name}: {failed.message}")
                continue
            objects.append(parse_script(f"{row[0].strip()};\n", file=f"session/{name}.sql"))
        jobs = tuple(f"{row[1]} ({row[0]}, {row[2]})" for row in self._rows_if_known("SHOW JOBS"))
        return SessionDefinitions(self._settings(), tuple(objects), jobs, tuple(missing))

    def _settings(self) -> FlinkScript:
        options = [
            (key, value)
            for key, value, *_ in self._rows("SET")
            if key.startswith(_OPTIONS) and not key.startswith(_NOT_OPTIONS)
        ]
        text = "".join(f"SET {text_literal(key)} = {text_literal(value)};\n" for key, value in sorted(options))
        return parse_script(text, file="session/settings.sql")

    def _objects(self) -> Iterator[tuple[str, str]]:
        """Each table and view, and what asks for its definition."""
        for (catalog,) in self._rows("SHOW CATALOGS"):
            databases = self._rows_if_known(f"SHOW DATABASES FROM {quoted(catalog)}") or self._rows("SHOW DATABASES")
            for (database,) in databases:
                place = f"{quoted(catalog)}.{quoted(database)}"
                views = {row[0] for row in self._rows_if_known(f"SHOW VIEWS FROM {place}")}
                for (name,) in self._rows_if_known(f"SHOW TABLES FROM {place}"):
                    kind = "VIEW" if name in views else "TABLE"
                    yield f"{catalog}.{database}.{name}", f"SHOW CREATE {kind} {place}.{quoted(name)}"

    def _rows_if_known(self, statement: str) -> list[Sequence[Any]]:
        """No rows when this version of Flink does not have the statement, or the catalog is not there."""
        try:
            return self._rows(statement)
        except RestError:
            return []

    def _rows(self, statement: str) -> list[Sequence[Any]]:
        operation = ask(f"{self._url}/statements", {"statement": statement})["operationHandle"]
        rows: list[Sequence[Any]] = []
        token, until = 0, time.monotonic() + TIMEOUT_SECONDS
        while True:
            answer = ask(f"{self._url}/operations/{operation}/result/{token}?rowFormat=JSON")
            if answer["resultType"] == "NOT_READY":
                if time.monotonic() > until:
                    message = f"the gateway does not answer {statement} in {TIMEOUT_SECONDS:.0f} s"
                    raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message)
                time.sleep(_PAUSE_SECONDS)
                continue
            rows += [row["fields"] for row in answer["results"]["data"]]
            if answer["resultType"] == "EOS":
                return rows
            token += 1
