"""How many recorded cases there are of each group in each situation: `python -m tests.oracle.matrix`.

For operators every situation of ASKED counts: one without a case is a hole, unless impossible.yaml says why it means
nothing there. A test fails while there is a hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from tests.oracle.case import Case, Situation, load, recorded_paths
from tests.oracle.situations import situations_of

IMPOSSIBLE = Path(__file__).parent / "impossible.yaml"

ASKED = (
    Situation.NULLS,
    Situation.TIES,
    Situation.DUPLICATES,
    Situation.LATE,
    Situation.EMPTY,
    Situation.RETRACTING,
    Situation.TWO_STEPS,
    Situation.MANY_KEYS,
)
"""What every operator must have been asked in."""


@lru_cache
def impossible() -> Mapping[tuple[str, str], str]:
    """Pairs of group and situation that mean nothing, each with the reason; and the groups that are no operators."""
    data = yaml.safe_load(IMPOSSIBLE.read_text(encoding="utf-8"))
    pairs = {}
    for reason, groups in data.items():
        for group, situations in groups.items():
            for situation in [s.value for s in ASKED] if situations == "all" else situations.split():
                pairs[group, Situation(situation).value] = reason
    return pairs


def counted(cases: Iterable[Case]) -> Counter[tuple[str, str]]:
    """Cases by group and situation; under `cases` all of the group."""
    counts: Counter[tuple[str, str]] = Counter()
    for case in cases:
        counts[case.definition.group, "cases"] += 1
        counts.update((case.definition.group, situation.value) for situation in situations_of(case))
    return counts


def holes(counts: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of group and asked situation that have no case and are not impossible."""
    groups = sorted({group for group, _ in counts})
    pairs = [(group, situation.value) for group in groups for situation in ASKED]
    return [pair for pair in pairs if not counts[pair] and pair not in impossible()]


def matrix(counts: Counter[tuple[str, str]]) -> str:
    """A table for people: groups down, situations across; `-` impossible, `HOLE`, `.` not asked for and none."""
    groups = sorted({group for group, _ in counts})
    missing = set(holes(counts))
    width = max(len(group) for group in groups)
    lines = [" " * width + "  " + "  ".join([*Situation, "cases"])]
    for group in groups:
        cells = [_cell(counts, missing, group, s).rjust(len(s)) for s in Situation]
        lines.append("  ".join([group.ljust(width), *cells, str(counts[group, "cases"]).rjust(5)]))
    sums = [str(sum(counts[group, s.value] for group in groups)).rjust(len(s)) for s in Situation]
    total = sum(counts[group, "cases"] for group in groups)
    lines.append("  ".join(["all".ljust(width), *sums, str(total).rjust(5)]))
    lines += [f"hole: no case of {group} with {situation}" for group, situation in sorted(missing)]
    return "\n".join(lines)


def _cell(counts: Counter[tuple[str, str]], missing: set[tuple[str, str]], group: str, situation: Situation) -> str:
    pair = group, situation.value
    if counts[pair]:
        return str(counts[pair])
    return "HOLE" if pair in missing else "-" if pair in impossible() else "."


if __name__ == "__main__":
    print(matrix(counted(load(path) for path in recorded_paths())))
