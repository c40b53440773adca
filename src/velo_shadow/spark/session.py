"""A session of Spark whose SQL means what the kernel's means."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, VeloError

_INSTALL = "pip install 'velostream[spark]'"
_MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a value that does not fit its type is an error, not NULL
    "spark.sql.caseSensitive": "true",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.timeType.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""Settings that decide what a statement means: whatever Spark's own configuration says."""


@contextmanager
def spark_session(master: str) -> Iterator[Any]:
    """A `pyspark.sql.SparkSession`, stopped at the end. Where the process has one already, a second one of the same
    application, wherever `master` is, which leaves the first as it is.

    What else Spark is told (memory, packages, credentials of a store) stands in its own `spark-defaults.conf`.

    Errors: INFRASTRUCTURE_MISSING without PySpark or Java, or when Spark does not start.
    """
    session_class = _pyspark()
    active = session_class.getActiveSession()
    session = _started(session_class, master) if active is None else active.newSession()
    for name, value in _MEANING.items():
        session.conf.set(name, value)
    # Errors are raised, with their reason; this logger writes each with its Java stack to stderr as well.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    try:
        yield session
    finally:
        if active is None:
            session.stop()


def reason_of(error: Exception) -> str:
    """What Spark says of an error, without stack and statement; of one in a worker's Python its last line."""
    lines = [line for line in str(error).split(" SQLSTATE:")[0].splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1 if "Traceback (most recent call last)" in lines[0] + "".join(lines[1:2]) else 0].strip()


def _pyspark() -> Any:
    try:
        import pyspark
    except ModuleNotFoundError:
        message = "the engine spark needs PySpark, which is not installed"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=_INSTALL) from None
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import arrow_udf  # noqa: F401
    except ImportError:
        message = f"the engine spark needs PySpark 4.1 or newer, and {pyspark.__version__} is installed"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=_INSTALL) from None
    return SparkSession


def _started(session_class: Any, master: str) -> Any:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if java is None:
        where = f"JAVA_HOME, {home}, has no bin/java" if home else "there is no java on the PATH"
        hint = "install Java 17 or newer (Debian package openjdk-17-jre-headless), or set JAVA_HOME"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"the engine spark needs Java: {where}", hint=hint)
    builder = session_class.builder.appName("velo shadow").master(master)
    progress = str(sys.stderr.isatty()).lower()
    builder = builder.config("spark.ui.showConsoleProgress", progress).config("spark.log.level", "FATAL")
    if master.startswith("local"):
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        # The workers are of this machine, too, and need what is installed here. There is no other way to say it.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "SPARK_CONF_DIR" not in os.environ:
        quiet = Path(__file__).with_name("log4j2.properties").as_uri()
        os.environ.setdefault("SPARK_SUBMIT_OPTS", f"-Dlog4j2.configurationFile={quiet}")
    try:
        return builder.getOrCreate()
    except Exception as error:  # of the gateway, of py4j or of Spark, which have no class in common
        message = f'Spark does not start at "{master}": {reason_of(error)}'
        hint = "--spark-master names it: local[*], spark://HOST:PORT, yarn or k8s://…"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint) from None
