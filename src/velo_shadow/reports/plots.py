"""Plots of a comparison, as SVG in the harness's manner (`velo_harness.reports.plots`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from velo_harness.reports.plots import FLOOR, HEIGHT, LEFT, TOP, WIDTH, framed, markup, short
from velo_shadow.model import Performance, SidePerformance
from velo_shadow.reports.document import Moment, ShownBin
from velo_shadow.reports.performance_rows import bytes_text, milliseconds_text
from velo_shadow.reports.wording import seconds_text

_MIDDLE = 70
"""Where the axis of a plot with two directions is."""
_TELLING_ROWS = 1_000_000
"""Over fewer the growth of memory a million rows says nothing."""
_LEAST = 1.5
"""Height of the smallest bar: what is there is seen."""


def over_time_svg(bins: Sequence[ShownBin]) -> Markup:
    """Rows by event time upward, those that differ downward; each direction has its own scale, named in a corner."""
    places = _places(bins)
    count = places[-1] + 1
    width = (WIDTH - 2 * LEFT) / count
    gap = min(2.0, width / 6)
    most, worst = max(one.rows for one in bins), max(one.different for one in bins)
    marks = []
    for one, place in zip(bins, places, strict=True):
        x, title = (
            LEFT + place * width + gap / 2,
            f"{_short_time(one.begins)}: {one.rows:,} rows, {one.different:,} differ",
        )
        up = max(_LEAST, (_MIDDLE - TOP) * one.rows / most) if one.rows else 0.0
        down = max(_LEAST, (FLOOR - _MIDDLE - 2) * one.different / worst) if one.different else 0.0
        for kind, y, height in (("bar", _MIDDLE - up, up), ("differing", _MIDDLE + 1, down)):
            if height:
                marks.append(_rect(kind, x, y, width - gap, height, title))
    last = bins[-1].begins
    ends = [_short_time(bins[0].begins)] if count == 1 else [_short_time(bins[0].begins), _short_time(last)]
    top = f"up to {most:,} rows" + (f", up to {worst:,} that differ" if worst else "")
    return framed("rows and differences by event time", marks, ends, top)


def latency_svg(performance: Performance) -> Markup | None:
    """The latencies of both sides as bars; None when neither is known."""
    figures: tuple[tuple[str, Callable[[SidePerformance], float | None]], ...] = (
        ("p50", lambda side: side.latency_p50_ms),
        ("p95", lambda side: side.latency_p95_ms),
        ("p99", lambda side: side.latency_p99_ms),
    )
    sides = (("left", performance.left), ("right", performance.right))
    values = [(name, side, of(one)) for name, of in figures for side, one in sides]
    most = max((value for _, _, value in values if value is not None), default=None)
    if most is None:
        return None
    label, room, step = 64, 200, 19
    marks = []
    for number, (name, side, value) in enumerate(values):
        y = 4 + number * step + (number // 2) * 4
        marks.append(f'<text x="{LEFT}" y="{y + 11}">{name} {side}</text>')
        if value is None:
            marks.append(f'<text x="{label}" y="{y + 11}">missing</text>')
            continue
        length = max(_LEAST, room * value / most if most else 0.0)
        text = milliseconds_text(value)
        marks.append(_rect(side, label, y, length, 13, f"{name} of the {side}: {text}"))
        marks.append(f'<text x="{label + length + 5:.1f}" y="{y + 11}">{escape(text)}</text>')
    opening = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="latencies of both sides">'
    return markup(f"{opening}{''.join(marks)}</svg>")


@dataclass(frozen=True, slots=True)
class CourseFigure:
    """A plot of how a comparison went."""

    caption: str
    svg: Markup


def course_figures(course: Sequence[Moment]) -> list[CourseFigure]:
    """How rows, differences, pending rows and memory went; nothing for fewer than two moments."""
    if len(course) < 2:
        return []
    seconds = [one.elapsed_s for one in course]
    lines = (
        ("rows compared over time", [one.compared for one in course]),
        ("rows that differ over time", [one.different for one in course]),
        ("rows pending over time", [one.pending for one in course]),
    )
    figures = [CourseFigure(name, line_svg(seconds, values, name, seconds_text, _rows_text)) for name, values in lines]
    known = [(one.left + one.right, one.memory_bytes) for one in course if one.memory_bytes is not None]
    if len(known) >= 2 and known[-1][0] > known[0][0]:
        name = "memory of the comparison over rows read"
        tells = known[-1][0] - known[0][0] >= _TELLING_ROWS
        caption = f"{name}, {memory_slope(course):+.2f} MB a million rows" if tells else name
        rows, memory = [float(one[0]) for one in known], [one[1] for one in known]
        figures.append(CourseFigure(caption, line_svg(rows, memory, name, _rows_text, bytes_text)))
    return figures


def memory_slope(course: Sequence[Moment]) -> float:
    """By how many MB memory grew a million rows read: the least-squares line over the second half, once warm.

    At least two moments with memory are needed.
    """
    known = [(one.left + one.right, one.memory_bytes) for one in course if one.memory_bytes is not None]
    warm = known[len(known) // 2 :] if len(known) >= 8 else known
    mean_rows = sum(rows for rows, _ in warm) / len(warm)
    mean_bytes = sum(size for _, size in warm) / len(warm)
    spread = sum((rows - mean_rows) ** 2 for rows, _ in warm)
    if not spread:
        return 0.0
    return sum((rows - mean_rows) * (size - mean_bytes) for rows, size in warm) / spread


def line_svg(
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    x_label: Callable[[float], str],
    y_label: Callable[[float], str],
) -> Markup:
    """A line through at least two points with `x` that grows, on a scale from zero to the largest `y`."""
    most, first, span = max(y) or 1, x[0], max(x[-1] - x[0], 1e-9)
    places = [
        (LEFT + (WIDTH - 2 * LEFT) * (at - first) / span, FLOOR - (FLOOR - TOP) * value / most)
        for at, value in zip(x, y, strict=True)
    ]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    marks = [
        f'<polygon class="area" points="{LEFT},{FLOOR} {line} {places[-1][0]:.1f},{FLOOR}"/>',
        f'<polyline class="line" points="{line}"/>',
    ]
    for (px, py), at, value in zip(places, x, y, strict=True):
        title = f"<title>{escape(x_label(at))}: {escape(y_label(value))}</title>"
        marks.append(f'<circle class="dot" cx="{px:.1f}" cy="{py:.1f}" r="2">{title}</circle>')
    return framed(name, marks, [x_label(x[0]), x_label(x[-1])], y_label(max(y)))


def _rows_text(value: float) -> str:
    return f"{short(value)} rows"


def _rect(kind: str, x: float, y: float, width: float, height: float, title: str) -> str:
    shape = f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1">'
    return f"{shape}<title>{escape(title)}</title></rect>"


def _places(bins: Sequence[ShownBin]) -> list[int]:
    """The places of the bins on the axis, empty stretches between them left free."""
    begins = [datetime.fromisoformat(one.begins) for one in bins]
    return [round((at - begins[0]).total_seconds() / bins[0].seconds) for at in begins]


def _short_time(text: str) -> str:
    """An ISO 8601 time without what is zero in it."""
    return text.replace("T", " ").removesuffix(":00").replace(" 00:00", "")
