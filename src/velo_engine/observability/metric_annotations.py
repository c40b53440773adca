"""`@metric` annotations: which metrics a program declares, as written. Columns are looked up in `metric_columns`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.observability.alert_annotations import AlertDefinition, alert_definition, alert_groups
from velo_engine.sql.durations import parse_duration
from velo_engine.sql.program import Program, Property

OWN_METRICS = "velo_job_"
"""What the names of the engine's own metrics begin with."""

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a histogram without `@metric_buckets`: those of Prometheus' client libraries."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_REFUSED = {
    "metric_sample_rate": "every row is counted, whole batches at a time: leave it out",
}


class MetricType(Enum):
    """What a metric says of the rows."""

    COUNTER = "counter"
    """How many there were, or the sum of a column."""
    GAUGE = "gauge"
    """The newest value of a column."""
    HISTOGRAM = "histogram"
    """How the values of a column are distributed."""


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric over the rows that a statement gives out."""

    name: str
    type: MetricType
    statement: str
    help: str
    labels: tuple[Property, ...]
    """Columns, or fields of columns."""
    field: Property | None
    """The column whose value counts; None: each row counts 1."""
    condition: Property | None
    """Which rows count."""
    buckets: tuple[float, ...]
    """Upper bounds, increasing; of a histogram."""
    location: Location
    window_ms: int | None = None
    """How often new values come: the length of the query's window. Rates look back at least twice that."""
    alerts: tuple[AlertDefinition, ...] = ()


def metric_definitions(program: Program) -> list[MetricDefinition]:
    """All metrics of a program, in order. VeloError BAD_VALUE, DUPLICATE_NAME, NOT_YET_SUPPORTED at their place."""
    found: list[MetricDefinition] = []
    for statement in program.statements:
        for group in _groups(statement.annotations):
            definition = _definition(statement.name, group.about, alert_groups(group.alerts))
            if any(_exposed(definition) == _exposed(other) for other in found):
                raise VeloError(
                    ErrorCode.DUPLICATE_NAME,
                    f"the metric {definition.name} is defined twice",
                    location=_at(group.about),
                )
            found.append(definition)
    return found


def _exposed(definition: MetricDefinition) -> str:
    """The name without the ending that Prometheus gives to counters."""
    return definition.name.removesuffix("_total")


@dataclass(frozen=True, slots=True)
class _Group:
    """One `@metric` with what is said of it."""

    about: dict[str, Property] = field(default_factory=dict)
    alerts: list[tuple[str, Property]] = field(default_factory=list)


def _groups(annotations: Sequence[tuple[str, Property]]) -> list[_Group]:
    """Each `@metric` with the annotations about it that follow."""
    groups: list[_Group] = []
    for name, value in annotations:
        is_alert = name == "alert" or name.startswith("alert_")
        if name == "metric":
            groups.append(_Group())
        elif not is_alert and not name.startswith("metric_"):
            continue
        elif not groups:
            message = f"@{name} stands before the @metric that it is about"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=value.name_location, hint="begin with @metric: NAME")
        elif is_alert:
            groups[-1].alerts.append((name, value))
            continue
        elif name in groups[-1].about:
            message = f"the metric {groups[-1].about['metric'].value} has two @{name}"
            raise VeloError(ErrorCode.DUPLICATE_NAME, message, location=value.name_location)
        groups[-1].about[name] = value
    return groups


def _definition(
    statement: str, given: Mapping[str, Property], alerts: Sequence[Mapping[str, Property]]
) -> MetricDefinition:
    name = given["metric"].value
    for refused, hint in _REFUSED.items():
        if refused in given:
            raise VeloError(
                ErrorCode.NOT_YET_SUPPORTED,
                f"@{refused} of the metric {name} is not supported",
                location=given[refused].name_location,
                hint=hint,
            )
    if not _NAME.fullmatch(name):
        raise _bad(given["metric"], f'"{name}" is not the name of a metric', "letters, digits, _ and : make a name")
    if name.startswith(OWN_METRICS):
        raise _bad(given["metric"], f"{name} is a name of the engine's own metrics", f"leave {OWN_METRICS} to them")
    kind = _type(name, given)
    shown = given.get("metric_field")
    if shown is None and kind is not MetricType.COUNTER:
        raise _bad(given["metric"], f"the {kind.value} {name} has no @metric_field", "name the column that it shows")
    if "metric_buckets" in given and kind is not MetricType.HISTOGRAM:
        raise _bad(given["metric_buckets"], f"{name} is a {kind.value}, and only histograms have buckets")
    return MetricDefinition(
        name=name,
        type=kind,
        statement=statement,
        help=given["metric_help"].value if "metric_help" in given else f"{kind.value} over {statement}",
        labels=_listed(given["metric_labels"]) if "metric_labels" in given else (),
        field=shown,
        condition=given.get("metric_condition"),
        buckets=_buckets(given["metric_buckets"]) if "metric_buckets" in given else DEFAULT_BUCKETS,
        location=_at(given),
        window_ms=_window(given["metric_window"]) if "metric_window" in given else None,
        alerts=tuple(
            alert_definition(alert, name, None if shown is None else shown.value, counts=kind is MetricType.COUNTER)
            for alert in alerts
        ),
    )


def _type(name: str, given: Mapping[str, Property]) -> MetricType:
    known = {kind.value: kind for kind in MetricType}
    if "metric_type" not in given:
        raise _bad(given["metric"], f"the metric {name} has no @metric_type", f"it is one of {', '.join(known)}")
    written = given["metric_type"]
    kind = known.get(written.value.strip().casefold())
    if kind is None:
        hint = did_you_mean(written.value, known, noun="type")
        raise _bad(written, f'"{written.value}" is not a type of metric', hint)
    return kind


def _buckets(written: Property) -> tuple[float, ...]:
    try:
        bounds = tuple(float(part) for part in written.value.strip("[] ").split(","))
    except ValueError:
        raise _bad(written, "buckets are numbers with commas between them, such as 0.1, 0.5, 1") from None
    if any(math.isnan(b) or math.isinf(b) for b in bounds):
        raise _bad(written, "buckets are finite numbers; the one for all values is always there")
    if any(a >= b for a, b in pairwise(bounds)):
        raise _bad(written, "buckets are upper bounds, each greater than the one before")
    return bounds


def _window(written: Property) -> int:
    try:
        found = parse_duration(written.value)
    except ValueError:
        found = 0
    if found <= 0:
        raise _bad(written, f'"{written.value}" is not a length of time', "write for example 1m or 30s")
    return found


def _listed(written: Property) -> tuple[Property, ...]:
    """The parts between commas, each at the place of the whole."""
    parts = [part.strip() for part in written.value.strip("[] ").split(",")]
    if not all(parts):
        raise _bad(written, "labels are columns with commas between them")
    return tuple(Property(part, written.location, written.name_location) for part in parts)


def _bad(written: Property, message: str, hint: str | None = None) -> VeloError:
    return VeloError(ErrorCode.BAD_VALUE, message, location=written.location, hint=hint)


def _at(given: Mapping[str, Property]) -> Location:
    return given["metric"].location
