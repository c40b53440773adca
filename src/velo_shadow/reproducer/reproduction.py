"""From the key of a row that differs to few records of the inputs that show it, and a spec of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.schema import Column, RowSchema
from velo_harness.reports.shown_values import text_of
from velo_shadow.alignment import Relation, output_name, side_rows
from velo_shadow.compared import Compared
from velo_shadow.config import ShadowConfig, ShadowSink
from velo_shadow.control import ignorable_columns, subtract, without_columns
from velo_shadow.judgement import judged
from velo_shadow.model import ComparisonPlan, Difference, Kind, Side
from velo_shadow.offline import SideFile, compare_files
from velo_shadow.planning import plan_for
from velo_shadow.reports.document import ShadowReport
from velo_shadow.reproducer.case_spec import Case, CaseRow, shown_value, spec_text
from velo_shadow.reproducer.left_rows import final_rows
from velo_shadow.reproducer.program_runs import Chosen, ProgramRuns, chosen, relative_path
from velo_shadow.reproducer.records_behind import Behind, records_behind
from velo_shadow.reproducer.reported_causes import reported_differences, with_reported_causes
from velo_shadow.reproducer.row_keys import parse_key, rows_with, typed_key
from velo_shadow.reproducer.shrinking import smallest

_NO_DAY = date(1, 1, 1)
"""Of a judgement without waivers, for which no day matters."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A row that differs, with what is behind it."""

    sink: str
    key: Mapping[str, Any]
    left: tuple[Mapping[str, Any], ...]
    """The rows of the key on the left."""
    ours: tuple[Mapping[str, Any], ...]
    """What the program gives for it."""
    differences: tuple[Difference, ...]
    """With causes. Empty: the program gives what the left has."""
    records: Mapping[str, tuple[int, int]]
    """By source how many records are in the spec, and how many there are."""
    complete: bool
    """No record can be left out that the plan does not tie to the key; otherwise the trials ran out."""
    spec: str = ""
    """The spec; empty without a difference."""
    right_is_other: bool = False
    """Without a difference: the right as it lies there has something else than the program gives now."""
    left_until: Any = None
    """The last event time of the left, where it lies before that of a row that only our program gives."""
    shows: bool = True
    """The program gives for the records of the spec what it gives for all."""

    @property
    def shown_key(self) -> str:
        """The key as a command takes it."""
        return ",".join(f"{name}={shown_value(value)}" for name, value in self.key.items())


def reproduce(
    config: ShadowConfig,
    sink: ShadowSink,
    key_text: str,
    folder: Path,
    *,
    report: ShadowReport | None = None,
    variables: Mapping[str, str] | None = None,
) -> Reproduction:
    """The reproduction of one row; a spec in `folder` may be written of it.

    `report` knows causes better, `variables` are for `${NAME}` in the program.
    Errors: of the key, of reading the left, the inputs and the program; BAD_VALUE when no side has such a row.
    """
    return _Reproducing(sink, ProgramRuns(config, sink, folder, variables), folder, report).of(
        parse_key(key_text, sink.key)
    )


class _Reproducing:
    def __init__(self, sink: ShadowSink, runs: ProgramRuns, folder: Path, report: ShadowReport | None) -> None:
        self._sink = sink
        self._runs = runs
        self._folder = folder
        self._report = report

    def of(self, texts: Mapping[str, str]) -> Reproduction:
        runs = self._runs
        left = self._left()
        everything = runs.all()
        output = runs.output(everything)
        ours = self._ours(output)
        sink = self._sink
        beside = self._beside(left)
        ignorable = () if beside is None else ignorable_columns(beside)
        plan = without_columns(self._plan(left, ours), ignorable)
        key = typed_key(texts, _schema(plan), f'the sink "{sink.name}"')
        left_rows, our_rows = (_rows_of(plan, side, key) for side in (left, ours))
        if not left_rows and not our_rows:
            message = f'neither side of "{sink.name}" has a row of {", ".join(f"{n}={v}" for n, v in texts.items())}'
            raise VeloError(ErrorCode.BAD_VALUE, message)
        differences, whole = _differences(plan, left, ours, key, beside)
        if self._report is not None:
            differences = with_reported_causes(differences, reported_differences(self._report, sink.name, key))
        found = Reproduction(sink.name, key, tuple(left_rows), tuple(our_rows), differences, {}, complete=True)
        span = whole.spans[Side.LEFT]
        if span is not None and any(one.kind is Kind.EXTRA and one.time and one.time > span[1] for one in differences):
            found = replace(found, left_until=span[1])
        if not found.differences:
            return replace(found, right_is_other=self._right_is_other(ours, key))
        own_key = typed_key(texts, runs.schema, runs.statement)

        def own_rows(some: pa.Table) -> list[str]:
            return self._own_rows(some, own_key, plan)

        wanted = own_rows(output)
        counts = whole.diff.counts
        behind = records_behind(
            runs,
            own_key,
            left_rows[0] if len(left_rows) == 1 else None,
            zones_agree=counts.matched > counts.different,
        )
        records, complete = self._fewest(behind, lambda some: own_rows(runs.output(some)) == wanted)
        total = everything.records
        sizes = {name: (len(numbers), len(total[name])) for name, numbers in records.records.items()}
        case = self._case(found, plan, records)
        spec = spec_text(case, in_order=False)
        shows = own_rows(runs.output_of_spec(spec)) == wanted
        if not shows and len(records.records) > 1:
            spec = spec_text(case, in_order=True)
            shows = own_rows(runs.output_of_spec(spec)) == wanted
        return replace(found, records=sizes, complete=complete, spec=spec, shows=shows)

    def _beside(self, left: SideFile) -> Compared | None:
        """The comparison of the left with its control."""
        sink = self._sink
        if sink.control is None:
            return None
        control = final_rows(sink.control, sink, self._runs.schema, Side.RIGHT)
        return compare_files(left, control, self._plan(left, control))

    def _right_is_other(self, ours: SideFile, key: Mapping[str, Any]) -> bool:
        """Whether the right as it lies there, if it can be read, has other rows than the program gives."""
        sink = self._sink
        if sink.right is None:
            return False
        try:
            right = final_rows(sink.right, sink, self._runs.schema)
            return bool(_differences(self._plan(right, ours), right, ours, key)[0])
        except VeloError:
            return False

    def _plan(self, left: SideFile, ours: SideFile) -> ComparisonPlan:
        sink = self._sink
        return plan_for(
            left, ours, key=sink.key, equality=sink.equality, ignored=sink.ignored, time_column=sink.time_column
        )

    def _left(self) -> SideFile:
        """The rows that the left has, at its present end."""
        return final_rows(self._sink.left, self._sink, self._runs.schema)

    def _ours(self, output: pa.Table) -> SideFile:
        schema = self._runs.schema
        types = {column.name: column.type for column in schema.columns}
        return SideFile(self._runs.program_path, Relation("velo_right", tuple(types)), types, output)

    def _own_rows(self, output: pa.Table, key: Mapping[str, Any], plan: ComparisonPlan) -> list[str]:
        """The program's rows of a key in the columns that are compared, in an order of their own."""
        names = [name for name in (*plan.key_names, *plan.column_names) if name in output.column_names]
        rows = rows_with(output, key, self._runs.schema).select(names).to_pylist()
        return sorted(repr(row) for row in rows)

    def _fewest(self, behind: Behind, same: Callable[[Chosen], bool]) -> tuple[Chosen, bool]:
        """The records that the spec has: those behind the key, and the fewest others that leave the rows the same.

        Records behind the key stay although the program may do without: it is wrong about some of them.
        """
        everything = self._runs.all()
        open_ones = Chosen({n: r for n, r in everything.records.items() if n in behind.open})
        enough = (one.joined(open_ones) for one in (behind.near, behind.of_key) if one.joined(open_ones))
        whole = next((one for one in enough if same(one)), everything)
        core = behind.near if behind.core is None else behind.core
        sources = tuple(everything.records)
        found = smallest(whole.without(core).listed(), lambda some: same(core.joined(chosen(some, sources))))
        return core.joined(chosen(found.items, sources)), found.complete

    def _case(self, found: Reproduction, plan: ComparisonPlan, records: Chosen) -> Case:
        runs = self._runs
        kept = set(records.listed())
        rows = [
            CaseRow(arrival.source, arrival.index, place, arrival.record.partition)
            for place, arrival in enumerate(runs.order)
            if (arrival.source, arrival.index) in kept
        ]
        streamed = {arrival.source for arrival in runs.order}
        rows += [CaseRow(name, number, 0) for name, number in records.listed() if name not in streamed]
        relations = {}
        for name in runs.sources:
            relation = runs.rows(name)
            if relation is None:
                message = f'the records of "{name}" change rows: a spec of them cannot be written yet'
                raise VeloError(ErrorCode.SQL_UNSUPPORTED, message, hint="what differs is in the report")
            relations[name] = relation
        columns = {column.name: column for column in (*plan.key, *plan.columns)}
        return Case(
            runs.statement,
            relative_path(runs.program_path, self._folder),
            f"{found.sink} of {found.shown_key}",
            "; ".join(f"{'; '.join(told)} ({cause})" for cause, told in by_cause(found.differences)),
            found.key,
            tuple(columns[name] for name in found.key),
            tuple(column for name, column in columns.items() if name not in found.key),
            found.left,
            tuple(rows),
            relations,
            runs.partitions,
            runs.variables,
        )


def by_cause(differences: Sequence[Difference]) -> list[tuple[str, list[str]]]:
    """The differences for people, each as a line, under their cause with its evidence."""
    groups: dict[str, list[str]] = {}
    for one in differences:
        cause = f"{one.cause.value}{': ' + one.evidence if one.evidence else ''}"
        groups.setdefault(cause, []).append(_told(one))
    return list(groups.items())


def _told(one: Difference) -> str:
    if one.column is None:
        return f"the row is only on the {'left' if one.kind is Kind.MISSING else 'right'}"
    return f"{one.column} is {text_of(one.left)} on the left, {text_of(one.right)} on the right"


def _schema(plan: ComparisonPlan) -> RowSchema:
    return RowSchema(tuple(Column(c.name, c.type.as_nullable()) for c in (*plan.key, *plan.columns)))


def _rows_of(plan: ComparisonPlan, side: SideFile, key: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a side that have the key, in the types of the plan."""
    rows: list[Mapping[str, Any]] = _of_key(plan, side, key).to_pylist()
    return rows


def _of_key(plan: ComparisonPlan, side: SideFile, key: Mapping[str, Any]) -> pa.Table:
    files = [str(side.path.absolute())] if side.table is None else []
    tables = {} if side.table is None else {side.relation.source: side.table}
    names = [column.name for column in (*plan.key, *plan.columns)]
    outputs = ", ".join(f"a.{output_name(plan, name)}" for name in names)
    with Kernel(files=files) as kernel:
        found = kernel.query_written(f"SELECT {outputs} FROM ({side_rows(plan, side.relation)}) AS a", tables)
    return rows_with(found.rename_columns(names), key, _schema(plan))


def _differences(
    plan: ComparisonPlan, left: SideFile, ours: SideFile, key: Mapping[str, Any], beside: Compared | None = None
) -> tuple[tuple[Difference, ...], Compared]:
    """Those of the key, and the comparison of all: a cause is seen among all differences of the sides."""
    compared = compare_files(left, ours, plan)
    found = _judged(compared, key, beside)
    if not found and compared.diff.counts.different:  # it may lie behind the differences that are kept
        few = [_only(plan, side, name, key) for side, name in ((left, Side.LEFT), (ours, Side.RIGHT))]
        found = _judged(compare_files(few[0], few[1], plan), key, beside)
    return found, compared


def _judged(compared: Compared, key: Mapping[str, Any], beside: Compared | None) -> tuple[Difference, ...]:
    result = judged(compared if beside is None else subtract(compared, beside), today=_NO_DAY)
    return tuple(one for one in result.differences if all(one.row.get(name) == value for name, value in key.items()))


def _only(plan: ComparisonPlan, file: SideFile, side: Side, key: Mapping[str, Any]) -> SideFile:
    """A side with the rows of the key alone."""
    rows = _of_key(plan, file, key)
    types = {column.name: column.type for column in (*plan.key, *plan.columns)}
    return SideFile(file.path, Relation(f"velo_{side}", tuple(types)), types, rows)
