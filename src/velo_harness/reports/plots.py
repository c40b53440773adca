"""Plots as SVG text: coloured by the page's style sheet, with a title on every mark for those who point at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from velo_harness.reports.shown_values import printable_lines
from velo_harness.result import Histogram

WIDTH, HEIGHT = 320, 132
LEFT, TOP, FLOOR = 4, 16, 108
"""The drawing stands between these; below is the axis with its labels."""


def histogram_svg(histogram: Histogram, name: str, label: Callable[[float], str]) -> Markup:
    """Bars over the range of the values, with its ends and the highest count. `label` writes a value."""
    bins, most = len(histogram.counts), max(histogram.counts)
    width = (WIDTH - 2 * LEFT) / bins
    # Interpolated, since the distance of the ends may be more than a double holds.
    edges = [histogram.low * (1 - i / bins) + histogram.high * (i / bins) for i in range(bins + 1)]
    one_value = histogram.low == histogram.high
    bars = []
    for i, count in enumerate(histogram.counts):
        height = max(1.5, (FLOOR - TOP) * count / most) if count else 0.0
        span = label(histogram.low) if one_value else f"{label(edges[i])} … {label(edges[i + 1])}"
        title = f"{span}: {count:,} of {sum(histogram.counts):,}"
        gap = min(2.0, width / 6)
        shape = f'<rect class="bar" x="{LEFT + i * width + gap / 2:.1f}" y="{FLOOR - height:.1f}" '
        shape += f'width="{width - gap:.1f}" height="{height:.1f}" rx="1.5">'
        bars.append(f"{shape}<title>{escape(title)}</title></rect>")
    ends = [label(histogram.low)] if one_value else [label(histogram.low), label(histogram.high)]
    return framed(name, bars, ends, f"{most:,}")


def curve_svg(points: Sequence[tuple[float, int]], name: str) -> Markup:
    """Records read over time, as a line from the beginning."""
    last_ms, last = max(points[-1][0], 1e-9), max(points[-1][1], 1)
    places = [(0.0, 0), *points]
    xy = [(LEFT + (WIDTH - 2 * LEFT) * ms / last_ms, FLOOR - (FLOOR - TOP) * count / last) for ms, count in places]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)
    area = f"{LEFT},{FLOOR} {line} {xy[-1][0]:.1f},{FLOOR}"
    rate = f"{last:,} records in {last_ms:,.0f} ms"
    marks = [f'<polygon class="area" points="{area}"/>', f'<polyline class="line" points="{line}"/>']
    marks += [
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{ms:,.0f} ms: {count:,}</title></circle>'
        for (x, y), (ms, count) in zip(xy, places, strict=True)
    ]
    return framed(name, marks, ["0 ms", f"{last_ms:,.0f} ms"], rate)


def share_svg(parts: Sequence[tuple[str, int]]) -> Markup:
    """One bar, split into named parts (the name is the part's class in the style sheet), in their order."""
    total = sum(count for _, count in parts)
    if not total:
        return Markup()
    marks, at = [], 0.0
    for name, count in parts:
        width = 1000 * count / total
        if count:
            kind = name.replace(" ", "-")
            title = f"{name}: {count:,} of {total:,}"
            rect = f'<rect class="{escape(kind)}" x="{at:.2f}" y="0" width="{width:.2f}" height="10">'
            marks.append(f"{rect}<title>{escape(title)}</title></rect>")
        at += width
    label = ", ".join(f"{name} {count:,}" for name, count in parts if count)
    opening = '<svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" '
    return markup(f'{opening}aria-label="{escape(label)}">{"".join(marks)}</svg>')


def meter_svg(value: float, most: float) -> Markup:
    """A bar as long as `value` of `most`."""
    share = 100 * value / most if most > 0 else 0.0
    bar = f'<rect class="bar" x="0" y="0" width="{max(share, 0.8 if value else 0):.1f}" height="6" rx="1"/>'
    return markup(f'<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>')


def short(value: float) -> str:
    """A number as short as an axis needs it."""
    size = abs(value)
    if value == int(value) and size < 1e6:
        return f"{value:,.0f}"
    for limit, divisor, letter in ((1e15, 1e12, "T"), (1e12, 1e9, "G"), (1e9, 1e6, "M"), (1e6, 1e3, "k")):
        if limit > size >= divisor and size >= 1e5:
            return f"{value / divisor:.3g}{letter}"
    return f"{value:,.1f}" if 1000 <= size < 1e5 else f"{value:.4g}"


def duration(milliseconds: float) -> str:
    """A time as short as an axis needs it."""
    for limit, divisor, unit in ((1e3, 1, "ms"), (60e3, 1e3, "s"), (3600e3, 60e3, "min"), (172_800e3, 3600e3, "h")):
        if abs(milliseconds) < limit:
            return f"{milliseconds / divisor:.3g} {unit}"
    return f"{short(milliseconds / 86_400e3)} d"


def framed(name: str, marks: Sequence[str], ends: Sequence[str], top: str) -> Markup:
    """The marks, markup of the caller, above an axis with labels at its ends, or one in the middle; `top` is what the
    height means. All three texts are escaped here."""
    if len(ends) == 1:
        labels = f'<text class="middle" x="{WIDTH / 2}" y="{FLOOR + 16}">{escape(ends[0])}</text>'
    else:
        labels = f'<text x="{LEFT}" y="{FLOOR + 16}">{escape(ends[0])}</text>'
        labels += f'<text class="end" x="{WIDTH - LEFT}" y="{FLOOR + 16}">{escape(ends[1])}</text>'
    axis = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{FLOOR}" y2="{FLOOR}"/>'
    scale = f'<text class="end" x="{WIDTH - LEFT}" y="10">{escape(top)}</text>'
    opening = (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(printable_lines(name))}">'
    )
    return markup(f"{opening}{''.join(marks)}{axis}{labels}{scale}</svg>")


def markup(made: str) -> Markup:
    """Text of ours, in which everything from outside is escaped, as markup."""
    return Markup(made)  # noqa: S704 - see above
