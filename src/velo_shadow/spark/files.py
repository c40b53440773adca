"""Sides that Spark reads: Parquet files, folders of them and stores, and tables of its catalogue.

Files of other formats are read by this process, as without Spark, and given to it: they are not what is too large.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from velo_engine.connectors.infer import sql_type
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType, TypeName
from velo_shadow.alignment import Relation
from velo_shadow.compared import Compared
from velo_shadow.config import FileStream
from velo_shadow.folding import Changelog
from velo_shadow.model import ComparisonPlan, Side
from velo_shadow.offline import SideFile, compare_sides, folded_side, read_side
from velo_shadow.spark.engine import SparkEngine
from velo_shadow.spark.session import reason_of

TABLE = "table://"
"""Before the name of a table, such as `table://lake.sales.totals`."""


class SparkFiles:
    """Reads and compares sides by a session of Spark (`session.spark_session`)."""

    def __init__(self, session: Any) -> None:
        """Over a `pyspark.sql.SparkSession`."""
        self._session = session
        self._engine = SparkEngine(session)
        self._numbers = itertools.count(1)

    def read(self, stream: FileStream, side: Side) -> SideFile:
        """A side, of which Spark has looked at nothing but the columns.

        Errors: FILE_NOT_FOUND, FILE_UNREADABLE; BAD_VALUE for changes that only this process could fold.
        """
        path = stream.path
        is_ours = not stream.address and (path.suffix.lower() == ".parquet" or path.is_dir())
        if not (stream.address or is_ours) or (is_ours and path.is_file() and stream.changelog is not Changelog.APPEND):
            return read_side(path, side, stream.changelog)
        shown = stream.address or str(path)
        if not stream.address and not path.exists():
            raise VeloError(ErrorCode.FILE_NOT_FOUND, f'the {side} side: there is no file "{path}"')
        if stream.changelog is not Changelog.APPEND:
            message = f'"{shown}": Spark compares rows that stay, not the changes of a stream ({stream.changelog})'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint="compare the tables that the changes make")
        return self._side(shown, self._frame(stream, shown, side), side)

    def compare(self, left: SideFile, right: SideFile, plan: ComparisonPlan) -> Compared:
        """Compare two sides that were read by this object. Errors: as `compare_sides`, and SCHEMA_MISMATCH for maps."""
        for column in (*plan.key, *plan.columns):
            if _has_map(column.type):
                message = f'column "{column.name}" is {column.type}: Spark does not compare maps'
                raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=f"leave it out: --ignore {column.name}")
        with Kernel() as kernel:
            left, right = (folded_side(kernel, side, plan.key_names) for side in (left, right))
        return compare_sides(self._engine, left, right, plan)

    def _frame(self, stream: FileStream, shown: str, side: Side) -> Any:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            if stream.address.startswith(TABLE):
                return self._session.table(stream.address.removeprefix(TABLE))
            return self._session.read.parquet(stream.address or f"file:{stream.path.absolute()}")
        except (PySparkException, Py4JError) as error:
            condition = error.getCondition() if isinstance(error, PySparkException) else None
            code = ErrorCode.FILE_NOT_FOUND if condition in _NOT_THERE else ErrorCode.FILE_UNREADABLE
            raise VeloError(code, f'the {side} side: Spark does not read "{shown}": {reason_of(error)}') from None

    def _side(self, shown: str, frame: Any, side: Side) -> SideFile:
        schema = frame.limit(0).toArrow().schema
        view = f"velo_{side}_{next(self._numbers)}"
        self._engine.add_view(view, frame)
        types = {field.name: sql_type(field.type) for field in schema}
        return SideFile(Path(shown), Relation(view, tuple(types)), types)


def _has_map(kind: SqlType) -> bool:
    parts = [kind.element, kind.key, *(child for _, child in kind.fields)]
    return kind.name in (TypeName.MAP, TypeName.MULTISET) or any(part is not None and _has_map(part) for part in parts)


_NOT_THERE = ("PATH_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND")
