"""The kernel: SQL over Arrow tables and state tables, in process. The only module that imports duckdb.

All jobs of a process share one in-memory instance (opening one costs 13-60 ms, a cursor 0.01 ms); each `Kernel` is a
connection with a schema of its own. The instance is locked before any generated SQL reaches it: no files, no
extensions, no settings, no Python variables. A private instance may read the files that its owner names.

A query costs under a millisecond on 1000 rows because two things are kept between calls with the same text: the
prepared plan (a long expression takes 3 ms to plan and 1 ms to run) and the registration of each input (0.4 ms), which
hands out whichever table is current. The kernel plans again by itself when a table has changed its columns.
"""

from __future__ import annotations

import atexit
import itertools
import os
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.python_function import PythonFunction

DEBUG_VARIABLE = "VELO_DEBUG"
"""Environment variable: when set, an internal error shows the SQL that failed."""

KEPT_STATEMENTS = 256
"""Statements of one kernel whose plan is kept."""

_numbers = itertools.count(1)
_lock = threading.Lock()
_shared: Any = None
_open_kernels: weakref.WeakSet[Kernel] = weakref.WeakSet()
_added: dict[Any, set[str]] = {}
"""By instance: the functions that were added to it."""


class Kernel:
    """One connection with its own state tables. Not for use from two threads at once."""

    def __init__(
        self,
        *,
        memory_limit: str | None = None,
        threads: int = 1,
        files: Sequence[str] = (),
        folders: Sequence[str] = (),
    ) -> None:
        """Connect to the shared instance or, when `memory_limit` (for example '200MB') is given, to a private one.

        SQL of a private instance can read `files`, by exactly these paths, and read and write what is in `folders`.
        """
        assert memory_limit is not None or not (files or folders), "the shared instance reads no files"
        self._instance = _open(memory_limit, threads, files, folders) if memory_limit is not None else None
        self._connection = (self._instance or _shared_instance()).cursor()
        self._schema = f"velo_{next(_numbers)}"
        self._has_schema = False
        self._closed = False
        self._names = itertools.count(1)
        self._inputs: dict[str, dict[pa.Schema, _Input]] = {}
        self._registered: dict[str, _Input] = {}
        self._statements: OrderedDict[tuple[str, tuple[_Input, ...]], str] = OrderedDict()
        _open_kernels.add(self)

    def query(self, sql: str, /, **tables: pa.Table) -> pa.Table:
        """The rows of one SELECT, which may read `tables` under their keyword names besides state tables.

        A text that is repeated is planned once. Names that belong to one operator (`input_name`) save registering
        again.
        """
        try:
            return self._rows(sql, tables)
        except _engine_errors() as error:
            raise _internal(sql, error) from None

    def query_written(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The rows of one SELECT that a person wrote; its tables and functions have been checked against closed lists.

        Raises VeloError EXPRESSION_FAILED with what the kernel says of it.
        """
        try:
            return self._rows(sql, tables)
        except _engine_errors() as error:
            reason = str(error).partition("\n\n")[0].strip()
            raise VeloError(ErrorCode.EXPRESSION_FAILED, f"the query failed: {reason}") from None

    def _rows(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        inputs = self._supply(tables)
        try:
            return self._connection.sql(self._statement(sql, inputs)).to_arrow_table()
        finally:
            _release(inputs)

    def execute(self, sql: str, /, **tables: pa.Table) -> None:
        """Run one statement without a result: CREATE, INSERT, DELETE, UPDATE, MERGE, BEGIN, COMMIT, ROLLBACK."""
        try:
            inputs = self._supply(tables)
            try:
                self._connection.execute(sql).fetchall()
            finally:
                _release(inputs)
        except _engine_errors() as error:
            raise _internal(sql, error) from None

    def add_function(self, function: PythonFunction) -> None:
        """Let SQL call `function`; adding the same name to an instance again does nothing."""
        instance = self._instance or _shared_instance()
        added = _added.setdefault(instance, set())
        if function.name not in added:
            added.add(function.name)
            _create_function(instance, function)

    def table(self, name: str) -> str:
        """The qualified, quoted name under which SQL of this kernel refers to its state table `name`."""
        if not self._has_schema:
            self.execute(f"CREATE SCHEMA {self._schema}")
            self._has_schema = True
        return f'{self._schema}."{name.replace(chr(34), chr(34) * 2)}"'

    @property
    def version(self) -> str:
        """The version of the library that is the kernel."""
        import duckdb

        return str(duckdb.__version__)

    def input_name(self, purpose: str) -> str:
        """A name for an input table that no other caller of this kernel uses."""
        return f"{purpose}_{next(self._names)}"

    def close(self) -> None:
        """Drop the state tables and the connection. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        _open_kernels.discard(self)
        for name in self._registered:
            self._connection.unregister(name)
        self._registered.clear()
        if self._has_schema:
            self.execute(f"DROP SCHEMA {self._schema} CASCADE")
        self._connection.close()
        if self._instance is not None:
            _added.pop(self._instance, None)
            self._instance.close()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _supply(self, tables: Mapping[str, pa.Table]) -> tuple[_Input, ...]:
        """Inputs with these tables, registered under their names."""
        inputs = []
        for name, table in tables.items():
            known = self._registered.get(name)
            if known is None or not known.schema.equals(table.schema):
                known = self._inputs.setdefault(name, {}).setdefault(table.schema, _Input(table.schema))
                self._connection.register(name, known)
                self._registered[name] = known
            known.table = known.readable(table)
            inputs.append(known)
        return tuple(inputs)

    def _statement(self, sql: str, inputs: tuple[_Input, ...]) -> str:
        """What runs `sql`: the text itself the first time, its prepared plan from the second time on."""
        key = (sql, inputs)
        name = self._statements.get(key)
        if name:
            self._statements.move_to_end(key)
            return f"EXECUTE {name}"
        if name is None:
            self._statements[key] = ""
            self._forget_oldest()
            return sql
        name = f"velo_statement_{next(self._names)}"
        self._connection.execute(f"PREPARE {name} AS {sql}").fetchall()
        self._statements[key] = name
        return f"EXECUTE {name}"

    def _forget_oldest(self) -> None:
        if len(self._statements) > KEPT_STATEMENTS:
            _, name = self._statements.popitem(last=False)
            if name:
                self._connection.execute(f"DEALLOCATE {name}").fetchall()


class _Input:
    """What is registered under a name: an Arrow stream of whichever table is current."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.table: pa.Table | None = None
        self._nested = [i for i, field in enumerate(schema) if _holds_struct(field.type)]

    def readable(self, table: pa.Table) -> pa.Table:
        """The table with structs inside structs copied where they are slices: DuckDB refuses to read those."""
        for i in self._nested:
            chunks = table.column(i).chunks
            if any(chunk.offset for chunk in chunks):
                whole = [pa.concat_arrays([chunk, chunk.slice(0, 0)]) if chunk.offset else chunk for chunk in chunks]
                table = table.set_column(i, self.schema.field(i), pa.chunked_array(whole, self.schema.field(i).type))
        return table

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        assert self.table is not None, "an input is read only while its query runs"
        return self.table.__arrow_c_stream__(requested_schema)


def _holds_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(pa.types.is_struct(field.type) for field in kind)


def _release(inputs: tuple[_Input, ...]) -> None:
    """Let go of the tables, not of the registrations."""
    for item in inputs:
        item.table = None


def _close_all() -> None:
    """At exit: the extension complains about connections that outlive the interpreter."""
    global _shared
    for kernel in list(_open_kernels):
        kernel.close()
    if _shared is not None:
        _shared.close()
        _shared = None


def _shared_instance() -> Any:
    global _shared  # one instance per process: connections are cheap, instances are not
    with _lock:
        if _shared is None:
            _shared = _open(None, 1)
            atexit.register(_close_all)
        return _shared


def _open(memory_limit: str | None, threads: int, files: Sequence[str] = (), folders: Sequence[str] = ()) -> Any:
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
    if folders:
        # What is written there is read once or twice: kept in memory, it fills the limit and speeds up nothing.
        settings["enable_external_file_cache"] = "false"
    instance = duckdb.connect(":memory:", config=settings)
    for function in KERNEL_FUNCTIONS:
        _create_function(instance, function)
    for setting, paths in (("allowed_paths", files), ("allowed_directories", folders)):
        if paths:
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            instance.execute(f"SET {setting} = [{listed}]").fetchall()
    instance.execute("SET enable_external_access = false").fetchall()
    instance.execute("SET lock_configuration = true").fetchall()
    return instance


def _create_function(instance: Any, function: PythonFunction) -> None:
    instance.create_function(
        function.name,
        function.vector,
        list(function.parameters),
        function.returns,
        type="arrow",
        null_handling="special",
        side_effects=function.varies,
    )


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
