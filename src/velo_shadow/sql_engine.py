"""What runs the comparison's SQL: the kernel in this process, or Spark over many machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from velo_engine.functions.python_function import PythonFunction


class SqlEngine(Protocol):
    """An engine for SELECTs written in the kernel's SQL. `velo_engine.kernel.Kernel` is one."""

    def query_written(self, sql: str, tables: Mapping[str, pa.Table], /) -> pa.Table:
        """The rows of one SELECT, which may read `tables` under their names. Errors: EXPRESSION_FAILED."""

    def add_function(self, function: PythonFunction, /) -> None:
        """Let SQL call `function`; adding the same one again does nothing."""
