"""Speed and cost of the two sides beside each other, in words; what nobody measured is called missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from velo_shadow.model import Performance, SidePerformance

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One figure of both sides."""

    name: str
    left: str
    right: str
    remark: str
    """How the right compares with the left; empty where a side's figure is missing, or they are about the same."""


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    of: Callable[[SidePerformance], float | None]
    text: Callable[[float], str]
    more: str
    """What the right is when its figure is the larger."""
    less: str


_ABOUT_THE_SAME = 1.05


def performance_rows(performance: Performance) -> list[PerformanceRow]:
    """Every figure, in the order in which one asks for them."""
    return [_row(figure, performance) for figure in _FIGURES]


def milliseconds_text(value: float) -> str:
    """A latency."""
    for limit, divisor, unit in ((1e3, 1.0, "ms"), (120e3, 1e3, "s"), (7200e3, 60e3, "min"), (172800e3, 3600e3, "h")):
        if value < limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value / 86400e3:,.0f} days"


def bytes_text(value: float) -> str:
    """A size, in powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _row(figure: _Figure, performance: Performance) -> PerformanceRow:
    left, right = figure.of(performance.left), figure.of(performance.right)
    shown = [MISSING if value is None else figure.text(value) for value in (left, right)]
    remark = ""
    if left and right:
        factor = max(left, right) / min(left, right)
        if factor >= _ABOUT_THE_SAME:
            remark = f"{_factor_text(factor)} x {figure.more if right > left else figure.less}"
    return PerformanceRow(figure.name, shown[0], shown[1], remark)


def _factor_text(factor: float) -> str:
    return f"{factor:.2f}" if factor < 1.95 else f"{factor:.1f}" if factor < 99.5 else f"{factor:,.0f}"


_FIGURES = (
    _Figure("latency, average", lambda side: side.latency_avg_ms, milliseconds_text, "slower", "faster"),
    _Figure("latency, p50", lambda side: side.latency_p50_ms, milliseconds_text, "slower", "faster"),
    _Figure("latency, p95", lambda side: side.latency_p95_ms, milliseconds_text, "slower", "faster"),
    _Figure("latency, p99", lambda side: side.latency_p99_ms, milliseconds_text, "slower", "faster"),
    _Figure(
        "rows a second",
        lambda side: side.rows_per_second,
        lambda value: f"{value:,.4g}" if value < 1000 else f"{value:,.0f}",
        "more",
        "fewer",
    ),
    _Figure("memory", lambda side: side.memory_bytes, bytes_text, "more", "less"),
    _Figure("CPU", lambda side: side.cpu_cores, lambda value: f"{value:.2g} cores", "more", "less"),
)
