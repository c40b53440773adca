"""How many recorded cases there are of each group in each situation: `python -m tests.oracle.matrix`."""

from __future__ import annotations

from collections import Counter

from tests.oracle.case import Definition, Situation, load, recorded_paths


def matrix(definitions: list[Definition]) -> str:
    """A table for people: groups down, situations across, `.` for none."""
    groups = sorted({d.group for d in definitions})
    counts = Counter((d.group, s) for d in definitions for s in d.situations)
    totals = Counter(d.group for d in definitions)
    width = max(len(group) for group in groups)
    lines = [" " * width + "  " + "  ".join([*Situation, "cases"])]
    for group in groups:
        cells = [str(counts[group, s] or ".").rjust(len(s)) for s in Situation]
        lines.append("  ".join([group.ljust(width), *cells, str(totals[group]).rjust(5)]))
    sums = [str(sum(counts[group, s] for group in groups)).rjust(len(s)) for s in Situation]
    lines.append("  ".join(["all".ljust(width), *sums, str(len(definitions)).rjust(5)]))
    return "\n".join(lines)


if __name__ == "__main__":
    print(matrix([load(path).definition for path in recorded_paths()]))
