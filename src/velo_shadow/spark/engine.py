"""Spark as an engine for the comparison's SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.python_function import PythonFunction
from velo_shadow import equality
from velo_shadow.spark.dialect import spark_sql
from velo_shadow.spark.session import reason_of


class SparkEngine:
    """A `velo_shadow.sql_engine.SqlEngine` over a session of Spark (`session.spark_session`)."""

    def __init__(self, session: Any) -> None:
        """Over a `pyspark.sql.SparkSession`, whose temporary views it makes and replaces."""
        self._session = session
        self._views: dict[str, pa.Table] = {}
        self._functions: set[str] = set()

    def query_written(self, sql: str, tables: Mapping[str, pa.Table], /) -> pa.Table:
        """The rows of one SELECT in the kernel's SQL. Errors: EXPRESSION_FAILED with what Spark says."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            for name, table in tables.items():
                if self._views.get(name) is not table:
                    self.add_view(name, self._session.createDataFrame(table))
                    self._views[name] = table
            return self._session.sql(spark_sql(sql)).toArrow()
        except (PySparkException, Py4JError) as error:
            raise VeloError(ErrorCode.EXPRESSION_FAILED, f"the query failed: {reason_of(error)}") from None

    def add_function(self, function: PythonFunction, /) -> None:
        """Let SQL call `function`. It is sent to the workers as a whole, which need PyArrow but not this package."""
        from pyspark import cloudpickle
        from pyspark.sql.functions import arrow_udf

        if function.name in self._functions:
            return
        assert function.returns == "VARCHAR", "the functions of equality give texts"
        cloudpickle.register_pickle_by_value(equality)
        self._session.udf.register(function.name, arrow_udf(function.vector, "string"))
        self._functions.add(function.name)

    def add_view(self, name: str, frame: Any) -> None:
        """Let SQL read the rows of a `pyspark.sql.DataFrame` under a name."""
        self._views.pop(name, None)
        frame.createOrReplaceTempView(name)
