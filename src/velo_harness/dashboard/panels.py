"""The panels of a Grafana dashboard, as far as the local page draws them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.dashboard.promql_syntax import SHOWN_RANGE, Expression, PromqlError, parse_promql

MOST_PANELS = 100
COLUMNS = 24
"""Of Grafana's grid."""
_KINDS = {
    "timeseries": "lines",
    "graph": "lines",
    "stat": "stat",
    "gauge": "bars",
    "bargauge": "bars",
    "barchart": "bars",
    "piechart": "bars",
    "heatmap": "heatmap",
    "table": "table",
    "row": "row",
    "text": "text",
}
"""How the page shows each of Grafana's types."""
_INTERVALS = {"__rate_interval": "1m", "__interval": "15s", "__range": SHOWN_RANGE}
_EVERYTHING = (".+", ".*")
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    text: str
    legend: str
    """With `{{label}}`; empty for the labels as they are."""
    query: Expression | None
    problem: str | None
    """Why there is no query."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From this value on, this colour."""

    value: float | None
    """None: from the least value."""
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel and its place on the grid."""

    title: str
    description: str
    kind: str
    """`lines`, `stat`, `bars`, `heatmap`, `table`, `row` or `text`."""
    unit: str
    """Grafana's name of it, such as `s` or `bytes`."""
    decimals: int | None
    least: float | None
    most: float | None
    thresholds: tuple[Threshold, ...]
    place: tuple[int, int, int, int]
    """Column, row, width, height."""
    targets: tuple[Target, ...]
    stacked: bool = False
    """Series upon each other."""
    content: str = ""
    """Of a text."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What stands in the file."""

    title: str
    job: str
    """The label `job` of the series that it shows."""
    panels: tuple[Panel, ...]
    document: Mapping[str, Any]
    """The file itself, for a Grafana."""


def load_dashboard(path: Path) -> Dashboard:
    """A dashboard's file. Errors: FILE_UNREADABLE, BAD_VALUE when it is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8"
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be read: {reason}') from None
    return dashboard_of(text, str(path))


def dashboard_of(text: str, file: str) -> Dashboard:
    """The dashboard that a text of JSON says. Errors: BAD_VALUE, at its place."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as problem:
        place = Location(file, problem.lineno, problem.colno)
        raise VeloError(ErrorCode.BAD_VALUE, f"this is no JSON: {problem.msg}", location=place) from None
    except RecursionError:
        raise _no_dashboard(file) from None
    if isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
        document = document["dashboard"]
    if not isinstance(document, dict) or not isinstance(document.get("panels"), list):
        raise _no_dashboard(file)
    variables = _variables(document)
    panels = [_panel(one, variables) for one in _flat(document["panels"])]
    title = _text(document.get("title")) or "dashboard"
    job = variables.get("job", "")
    return Dashboard(title, title if job in ("", *_EVERYTHING) else job, tuple(panels[:MOST_PANELS]), document)


def _no_dashboard(file: str) -> VeloError:
    hint = "a dashboard is an object with a list of panels, as Grafana exports it"
    return VeloError(ErrorCode.BAD_VALUE, "this is no Grafana dashboard", location=Location(file, 1), hint=hint)


def _flat(panels: Sequence[object]) -> Iterator[Mapping[str, Any]]:
    """Panels, those in closed rows too."""
    for panel in panels:
        if isinstance(panel, dict):
            yield panel
            if panel.get("type") == "row":
                yield from _flat(_list(panel.get("panels")))


def _panel(given: Mapping[str, Any], variables: Mapping[str, str]) -> Panel:
    defaults = _mapping(_mapping(given.get("fieldConfig")).get("defaults"))
    place = _mapping(given.get("gridPos"))
    steps = [step for step in _list(_mapping(defaults.get("thresholds")).get("steps")) if isinstance(step, dict)]
    targets = tuple(_target(t, variables) for t in _list(given.get("targets")) if isinstance(t, dict))
    decimals = _number(defaults.get("decimals"))
    return Panel(
        title=_substituted(_text(given.get("title")), variables),
        description=_text(given.get("description")),
        kind=_KINDS.get(_text(given.get("type")), "lines"),
        unit=_text(defaults.get("unit")),
        decimals=None if decimals is None else min(max(int(decimals), 0), 10),
        least=_number(defaults.get("min")),
        most=_number(defaults.get("max")),
        thresholds=tuple(Threshold(_number(s.get("value")), _text(s.get("color"))) for s in steps),
        place=(
            _within(place.get("x"), 0, 0, COLUMNS - 1),
            _within(place.get("y"), 0, 0, 10_000),
            _within(place.get("w"), 12, 1, COLUMNS),
            _within(place.get("h"), 8, 1, 40),
        ),
        targets=targets,
        stacked=_text(_mapping(_mapping(defaults.get("custom")).get("stacking")).get("mode")) == "normal",
        content=_text(_mapping(given.get("options")).get("content")),
    )


def _target(given: Mapping[str, Any], variables: Mapping[str, str]) -> Target:
    text = _substituted(_text(given.get("expr")), variables)
    legend = _text(given.get("legendFormat"))
    try:
        return Target(text, "" if legend == "__auto" else legend, parse_promql(text), None)
    except PromqlError as problem:
        return Target(text, legend, None, str(problem))


def _variables(document: Mapping[str, Any]) -> dict[str, str]:
    """What the dashboard's variables stand for in a query; all their values where none is chosen."""
    found = dict(_INTERVALS)
    for variable in _list(_mapping(document.get("templating")).get("list")):
        given = _mapping(variable)
        chosen = _mapping(given.get("current")).get("value")
        values = [_text(one) for one in (chosen if isinstance(chosen, list) else [chosen])]
        if not any(values) or "$__all" in values:
            values = [_text(given.get("allValue")) or _EVERYTHING[0]]
        found[_text(given.get("name"))] = values[0] if len(values) == 1 else f"({'|'.join(values)})"
    return found


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2] or match[3], match[0])

    return _VARIABLE.sub(value, text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _within(value: object, default: int, least: int, most: int) -> int:
    number = _number(value)
    return default if number is None else int(min(max(number, least), most))
