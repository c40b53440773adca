"""The kernel: SQL over Arrow tables and state tables, in process. The only module that imports duckdb.

All jobs of a process share one in-memory instance (opening one costs 13-60 ms, a cursor 0.01 ms); each `Kernel` is a
connection with a schema of its own. The instance is locked before any generated SQL reaches it: no files, no
extensions, no settings, no Python variables.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from types import TracebackType
from typing import Any

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError

DEBUG_VARIABLE = "VELO_DEBUG"
"""Environment variable: when set, an internal error shows the SQL that failed."""

_numbers = itertools.count(1)
_lock = threading.Lock()
_shared: Any = None


class Kernel:
    """One connection with its own state tables. Not for use from two threads at once."""

    def __init__(self, *, memory_limit: str | None = None, threads: int = 1) -> None:
        """Connect to the shared instance or, when `memory_limit` (for example '200MB') is given, to a private one."""
        private = memory_limit is not None
        self._instance = _open(memory_limit, threads) if private else None
        self._connection = (self._instance or _shared_instance()).cursor()
        self._schema = f"velo_{next(_numbers)}"
        self._has_schema = False
        self._closed = False

    def query(self, sql: str, /, **tables: pa.Table) -> pa.Table:
        """The rows of one SELECT, which may read `tables` under their keyword names besides state tables."""
        try:
            for name, table in tables.items():
                self._connection.register(name, table)
            try:
                return self._connection.sql(sql).to_arrow_table()
            finally:
                for name in tables:
                    self._connection.unregister(name)
        except _engine_errors() as error:
            raise _internal(sql, error) from None

    def execute(self, sql: str, /, **tables: pa.Table) -> None:
        """Run one statement without a result: CREATE, INSERT, DELETE, UPDATE, MERGE, BEGIN, COMMIT, ROLLBACK."""
        try:
            for name, table in tables.items():
                self._connection.register(name, table)
            try:
                self._connection.execute(sql).fetchall()
            finally:
                for name in tables:
                    self._connection.unregister(name)
        except _engine_errors() as error:
            raise _internal(sql, error) from None

    def table(self, name: str) -> str:
        """The qualified, quoted name under which SQL of this kernel refers to its state table `name`."""
        if not self._has_schema:
            self.execute(f"CREATE SCHEMA {self._schema}")
            self._has_schema = True
        return f'{self._schema}."{name.replace(chr(34), chr(34) * 2)}"'

    def close(self) -> None:
        """Drop the state tables and the connection. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._has_schema:
            self.execute(f"DROP SCHEMA {self._schema} CASCADE")
        self._connection.close()
        if self._instance is not None:
            self._instance.close()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _shared_instance() -> Any:
    global _shared  # one instance per process: connections are cheap, instances are not
    with _lock:
        if _shared is None:
            _shared = _open(None, 1)
        return _shared


def _open(memory_limit: str | None, threads: int) -> Any:
    """A locked in-memory instance."""
    import duckdb

    from velo_engine.functions.python_functions import KERNEL_FUNCTIONS

    settings = {
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": os.path.join(tempfile.gettempdir(), f"velo-kernel-{os.getpid()}"),
        "threads": str(threads),
    }
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    instance = duckdb.connect(":memory:", config=settings)
    for function in KERNEL_FUNCTIONS:
        instance.create_function(
            function.name,
            function.vector,
            list(function.parameters),
            function.returns,
            type="arrow",
            null_handling="special",
        )
    instance.execute("SET enable_external_access = false").fetchall()
    instance.execute("SET lock_configuration = true").fetchall()
    return instance


def _engine_errors() -> type[Exception]:
    import duckdb

    return duckdb.Error  # type: ignore[no-any-return]


def _internal(sql: str, error: Exception) -> VeloError:
    """What a person sees of an error in generated SQL: that it is ours, and the SQL only when they ask for it."""
    if os.environ.get(DEBUG_VARIABLE):
        return VeloError(ErrorCode.INTERNAL, f"generated SQL failed: {error}\n{sql}")
    return VeloError(
        ErrorCode.INTERNAL,
        f"generated SQL failed ({type(error).__name__})",
        hint=f"set {DEBUG_VARIABLE}=1 to see the statement, and please report it",
    )
