"""What sampled rows show of a job's sources, in the form that drafts of data schemas take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from velo_engine.plan.nodes import PlannedProgram
from velo_engine.types import INTEGERS, STRINGS, TIMESTAMPS, SqlType
from velo_harness.drafting.column_names import is_personal, rule_of, words
from velo_harness.drafting.field_values import FieldValues
from velo_harness.drafting.source_drafts import KnownSource, reference_order
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.event_times import event_time_columns
from velo_harness.inference.constraints import shown_constraints

if TYPE_CHECKING:
    import pyarrow as pa

MOST_RECORDS = 1000
"""As record_count, however long a sample is."""
LEAST_KEYS = 5
"""Different values of a key that are too few to be recognised in another table."""
INCLUDED = 0.8
"""Share of rows whose value the other table must have to be a foreign key."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A sampled column."""

    source: str
    name: str
    type: SqlType
    values: Sequence[Any]

    @property
    def present(self) -> list[Any]:
        """The values that are not NULL."""
        return [value for value in self.values if value is not None]


def known_from_samples(
    program: PlannedProgram, known: Mapping[str, KnownSource], samples: Mapping[str, pa.Table]
) -> dict[str, KnownSource]:
    """`known` with what the samples show; columns that a sample does not have stay as they are known."""
    columns = {name: list(_columns(program, name, table)) for name, table in samples.items() if name in known}
    times = event_time_columns(program)
    keys = _foreign_keys(program, columns)
    found = dict(known)
    for name, sampled in columns.items():
        values = dict(known[name].values)
        for column in sampled:
            if column.present:
                shown = keys.get((name, column.name)) or _shown(column, is_event_time=times.get(name) == column.name)
                if _is_primary_key(program, column):
                    shown = _unique(shown, column, samples[name].num_rows)
                values[column.name] = _with_nulls(shown, column)
        records = min(samples[name].num_rows, MOST_RECORDS) or known[name].records
        found[name] = replace(known[name], values=values, records=records, origin="sample")
    return found


def _columns(program: PlannedProgram, source: str, table: pa.Table) -> Iterator[_Column]:
    for column in program.sources[source].schema.columns:
        if column.name in table.column_names:
            yield _Column(source, column.name, column.type, table.column(column.name).to_pylist())


def _is_primary_key(program: PlannedProgram, column: _Column) -> bool:
    source = program.sources[column.source]
    return [source.schema.names[i] for i in source.primary_key] == [column.name]


def _unique(shown: FieldValues, column: _Column, rows: int) -> FieldValues:
    """The values of a key, none twice."""
    if "unique: true" in shown.constraints or any(made.startswith("sequence") for made in shown.constraints):
        return shown
    if column.type.name in INTEGERS:
        room = max(column.present) - min(column.present) + 1
        wide = room >= 2 * min(rows, MOST_RECORDS) and any(made.startswith("range") for made in shown.constraints)
        made = (*shown.constraints, "unique: true") if wide else ("sequence: true",)
        return replace(shown, constraints=tuple(one for one in made if not one.startswith("distribution")))
    if column.type.name in STRINGS:
        prefix = "".join(c for c in column.name if c.isascii() and c.isalnum())[:12]
        return replace(shown, constraints=(f'pattern: "{prefix}[0-9]{{6}}"', "unique: true"))
    return shown


def _with_nulls(shown: FieldValues, column: _Column) -> FieldValues:
    absent = len(column.values) - len(column.present)
    if not absent or not column.type.nullable:
        return shown
    return replace(shown, null_probability=str(max(round(absent / len(column.values), 3), 0.001)))


def _shown(column: _Column, *, is_event_time: bool) -> FieldValues:
    """The values of one column. Of one that may be personal nothing of the sample is written down."""
    count = len(column.present)
    if is_event_time:
        return _event_times(column)
    if is_personal(column.name) and column.type.name not in TIMESTAMPS:
        return _without_values(column)
    constraints = tuple(shown_constraints(column.values, column.type))
    fitted = any(constraint.startswith("distribution") for constraint in constraints)
    tested = ", which a test does not tell from this distribution" if fitted else ""
    return FieldValues(constraints, f"{count} rows of a sample{tested}", few=True)


def _without_values(column: _Column) -> FieldValues:
    why = f"{len(column.present)} rows of a sample; by its name it may be personal, so none of its values stands here"
    rule = rule_of(column.name, column.type)
    distinct = len(set(map(str, column.present)))
    if rule is not None:
        return FieldValues((rule.constraint,), why, few=True)
    if column.type.name in STRINGS:
        lengths = [len(value) for value in column.present]
        digits = len(str(max(distinct - 1, 1)))
        if distinct < len(column.present) and max(lengths) >= digits:
            return FieldValues((f'pattern: "[0-9]{{{digits}}}"',), why, few=True)
        return FieldValues((f"length: {{ min: {min(lengths)}, max: {min(max(lengths), 1000)} }}",), why)
    if column.type.name in INTEGERS:
        return FieldValues((f"range: {{ min: 1, max: {max(distinct, 1)} }}",), why, few=True)
    return FieldValues((), why)


# --- event times ---


def _event_times(column: _Column) -> FieldValues:
    """As long as the sample's, up to now; out of order by as much."""
    moments: list[datetime] = column.present
    span = (max(moments) - min(moments)).total_seconds()
    latest, behind = moments[0], 0.0
    for moment in moments:
        latest = max(latest, moment)
        behind = max(behind, (latest - moment).total_seconds())
    parts = [f'start: "-{max(round(span * 1000), 1)}ms"', "end: now"]
    why = f"the event time: {len(moments)} rows of a sample, in order"
    if behind > 0:
        parts.append(f"jitter: {max(round(behind * 1000), 1)}ms")
        why = f"the event time: {len(moments)} rows of a sample, out of order by at most {behind:g} s"
    return FieldValues(tuple(parts), why)


# --- keys ---


def _foreign_keys(
    program: PlannedProgram, columns: Mapping[str, Sequence[_Column]]
) -> dict[tuple[str, str], FieldValues]:
    """Columns whose values another table has as its key, by the names of table and column."""
    order = reference_order(program)
    every = [column for of_table in columns.values() for column in of_table]
    keys = [column for column in every if _is_key(column)]
    found: dict[tuple[str, str], FieldValues] = {}
    for column in every:
        for key in keys:
            if order[key.source] < order[column.source] and _belongs(column, key):
                matched = _share(column.present, set(key.present))
                if matched >= INCLUDED:
                    reference = f"schema: {scalar_text(key.source)}, field: {scalar_text(key.name)}"
                    rate = "" if matched == 1 else f", match_rate: {round(matched, 3)}"
                    why = f"{matched:.1%} of {len(column.present)} rows of a sample are in {key.source}.{key.name}"
                    made = f"references: {{ {reference}{rate} }}"
                    found[column.source, column.name] = FieldValues((made,), why, few=True)
                    break
    return found


def _is_key(column: _Column) -> bool:
    present = column.present
    is_kind = column.type.name in INTEGERS or column.type.name in STRINGS
    return is_kind and len(present) >= LEAST_KEYS and len(set(present)) == len(present)


def _belongs(column: _Column, key: _Column) -> bool:
    """Whether the names say that one points to the other: `customer_id` to `customers.id`, or both are called alike."""
    same_family = {column.type.name, key.type.name} <= INTEGERS or {column.type.name, key.type.name} <= STRINGS
    if not same_family or not column.present:
        return False
    own, other, table = words(column.name), words(key.name), words(key.source)
    singular = table.removesuffix("s")
    return (own == other and own != "id") or own in (f"{singular}_{other}", singular, f"{table}_{other}", other)


def _share(values: Sequence[Any], among: set[Any]) -> float:
    return sum(value in among for value in values) / len(values)
