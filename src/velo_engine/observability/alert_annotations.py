"""`@alert` annotations: when a metric of a program calls for a person. Prometheus evaluates the rules made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.sql.program import Property

SEVERITIES = ("critical", "warning", "info")
"""What `@alert_severity` may say, the worst first."""
DEFAULT_SEVERITY = "warning"

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_COMPARISON = re.compile(r"(?P<subject>.*?)\s*(?P<operator>>=|<=|==|!=|>|<|=)\s*(?P<threshold>\S+)")
_UPWARDS = (">", ">=")


@dataclass(frozen=True, slots=True)
class AlertDefinition:
    """One alert over a metric."""

    name: str
    operator: str | None
    """`>`, `>=`, `<`, `<=`, `==` or `!=`; None: the alert fires when the counter grows at all."""
    threshold: float
    """Of a gauge its value, of a counter its increase over the metric's window, of a histogram a quantile."""
    severity: str
    location: Location

    @property
    def condition(self) -> str:
        """In words, behind the metric's name."""
        return "grows" if self.operator is None else f"{self.operator} {number_text(self.threshold)}"


def alert_definition(given: Mapping[str, Property], metric: str, field: str | None, *, counts: bool) -> AlertDefinition:
    """The alert of one `@alert` and the annotations about it; `field` is the metric's column.

    Errors: BAD_VALUE at its place.
    """
    written = given["alert"]
    match = _COMPARISON.fullmatch(written.value.strip())
    severity = _severity(given.get("alert_severity"))
    if match is None:
        return AlertDefinition(_growing(given, metric, counts=counts), None, 0.0, severity, written.location)
    operator = "==" if match["operator"] == "=" else match["operator"]
    _check_subject(written, match["subject"], metric, field)
    try:
        threshold = float(match["threshold"])
    except ValueError:
        threshold = float("nan")
    if not math.isfinite(threshold):
        raise _bad(written, f'"{match["threshold"]}" is no number', "write for example price > 1000")
    side = "high" if operator in _UPWARDS else "low" if operator in ("<", "<=") else "unexpected"
    name = given["alert_name"].value if "alert_name" in given else f"{side}_{metric.removesuffix('_total')}"
    _check_name(given.get("alert_name", written), name)
    return AlertDefinition(name, operator, threshold, severity, written.location)


def number_text(value: float) -> str:
    """A number as short as it can be written."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{Decimal(repr(value)):f}"


def _growing(given: Mapping[str, Property], metric: str, *, counts: bool) -> str:
    """The name of an alert without a comparison."""
    written = given["alert"]
    if not counts:
        raise _bad(written, f"the alert compares {metric} with no number", "write for example price > 1000")
    name = given["alert_name"].value if "alert_name" in given else written.value.strip()
    _check_name(given.get("alert_name", written), name)
    return name


def _check_name(written: Property, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _bad(written, f'"{name}" is not the name of an alert', "letters, digits and _ make a name")


def _check_subject(written: Property, subject: str, metric: str, field: str | None) -> None:
    known = [name for name in (metric, metric.removesuffix("_total"), field) if name is not None]
    if subject not in known:
        message = f'"{subject}" is neither the metric {metric} nor its column'
        raise _bad(written, message, did_you_mean(subject, known, noun="name"))


def _severity(written: Property | None) -> str:
    if written is None:
        return DEFAULT_SEVERITY
    severity = written.value.strip().lower()
    if severity not in SEVERITIES:
        hint = did_you_mean(written.value, SEVERITIES, noun="severity")
        raise _bad(written, f'"{written.value}" is not a severity', hint)
    return severity


def alert_groups(annotations: Sequence[tuple[str, Property]]) -> list[dict[str, Property]]:
    """Each `@alert` with the annotations about it that follow. Errors: BAD_VALUE, DUPLICATE_NAME."""
    groups: list[dict[str, Property]] = []
    for name, value in annotations:
        if name == "alert":
            groups.append({})
        elif not groups:
            message = f"@{name} stands before the @alert that it is about"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=value.name_location, hint="begin with @alert")
        elif name in groups[-1]:
            message = f'the alert "{groups[-1]["alert"].value}" has two @{name}'
            raise VeloError(ErrorCode.DUPLICATE_NAME, message, location=value.name_location)
        groups[-1][name] = value
    return groups


def _bad(written: Property, message: str, hint: str | None = None) -> VeloError:
    return VeloError(ErrorCode.BAD_VALUE, message, location=written.location, hint=hint)
