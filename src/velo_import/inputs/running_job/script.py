"""A running job as a script: what Flink's REST interface says of it, as INSERTs whose tables are not declared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.flink.script import FlinkScript, parse_script
from velo_engine.sql.flink.statements import Place, Unread
from velo_import.inputs.compiled_plan.logical_types import quoted
from velo_import.inputs.running_job.descriptions import Operator, UnreadOperator, sinks_of
from velo_import.inputs.running_job.operators import JobQuery
from velo_import.model import Construct, Outcome

LEFT_OUT = (
    "the plan of a running job has no types, no options of tables, no watermarks and no settings: its tables are "
    "inferred from the statements, watch their columns"
)
BETTER = "import the job's script, or the plan that COMPILE PLAN writes"


def job_script(plan: Mapping[str, Any], *, name: str, identity: str, parallelism: int | None = None) -> FlinkScript:
    """The script of a job's plan, as `/jobs/<id>/plan` gives it; sinks that cannot be read are `Unread` statements.

    VeloError SQL_UNSUPPORTED when the job has no operators of Flink SQL.
    """
    file = f"{_file_name(name)}.sql"
    inserts: list[str] = []
    missing: list[tuple[str, UnreadOperator]] = []
    try:
        sinks = sinks_of(plan)
    except UnreadOperator as unread:
        sinks, missing = (), [(name, unread)]
    except (KeyError, TypeError, AttributeError) as problem:
        message = f"what Flink says of the job {name} is no plan: {problem!r}"
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, message, hint=BETTER) from None
    for sink in sinks:
        table = _table(sink)
        try:
            inserts.append(f"INSERT INTO {quoted(table)}\n{JobQuery().text(sink)};\n")
        except UnreadOperator as unread:
            missing.append((table, unread))
    if not inserts and not missing:
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, f"the job {name} has no sink of Flink SQL", hint=BETTER)
    ran = f", which ran with parallelism {parallelism}" if parallelism else ""
    head = f"-- Rebuilt from the plan of the running job {name} ({identity}){ran}.\n"
    text = head + "".join(f"\n{one}" for one in inserts)
    script = parse_script(text, file=file)
    return replace(script, statements=(*script.statements, *(_unread(text, file, *one) for one in missing)))


def note_of(script: FlinkScript, name: str) -> Construct:
    """The row of the report that says where the SQL is from."""
    place = Location(script.file, 1)
    return Construct(
        place, f"job {name}", "running job", "SQL rebuilt from its plan", Outcome.DIFFERS, LEFT_OUT, BETTER
    )


def _table(sink: Operator) -> str:
    return sink.values.get("table", "").rpartition(".")[2].strip("[]") or "sink"


def _unread(text: str, file: str, table: str, unread: UnreadOperator) -> Unread:
    place = Location(file, 1)
    message = f"the INSERT INTO {table}: {unread.reason}; the operator is {unread.text}"
    error = VeloError(ErrorCode.SQL_UNSUPPORTED, message, location=place, hint=BETTER)
    return Unread(Place(place, 0, text.index("\n")), error)


def _file_name(name: str) -> str:
    plain = name.removeprefix("insert-into_").replace("default_catalog.default_database.", "")
    return re.sub(r"[^\w.-]+", "_", plain).strip("._") or "job"
