"""A sample of each side's rows, for what is asked of rows that have left: how many hold a value, what columns are like.

The rows with the smallest fingerprints: as good as drawn at random, and the same however the stream was cut and
whenever it was killed. Of a side with no more rows than the sample has places it holds all: nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from velo_shadow.alignment import Relation
from velo_shadow.model import ComparisonPlan, Difference, Segment, Side, TimeBin
from velo_shadow.over_time import Span as TimeSpan
from velo_shadow.over_time import over_time
from velo_shadow.profile import SideProfile, profile
from velo_shadow.segments import segments
from velo_shadow.stream.judging import named_rows
from velo_shadow.stream.rows import BESIDE, Rows
from velo_shadow.stream.saved import State

PLACES = 20_000
"""Rows of a side in its sample."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rows beside the differences are like."""

    segments: tuple[Segment, ...]
    over_time: tuple[TimeBin, ...]
    profile: Mapping[Side, SideProfile]


def sample_new(rows: Rows, state: State) -> None:
    """Let rows that have come take their places; before copies are left out."""
    names = ", ".join((*rows.columns, *BESIDE))
    for side in Side:
        of_side = state.sides[side]
        places = f" WHERE velo_f0 <= {of_side.sampled_up_to}" if of_side.sampled_up_to is not None else ""
        new = f"SELECT {names} FROM {rows.new(side)} AS n{places}"
        of_side.rows_seen += rows.number(f"SELECT COUNT(*) AS n FROM {rows.new(side)} AS n")
        if of_side.sample is not None:
            if not rows.number(f"SELECT COUNT(*) AS n FROM ({new}) AS n"):
                continue
            new = f"SELECT {names} FROM {rows.file(of_side.sample)} AS s UNION ALL {new}"
        name = f"sample-{side}-{state.step:08d}.parquet"
        held = rows.write(name, f"SELECT * FROM ({new}) AS a ORDER BY velo_f0, velo_f1, velo_n LIMIT {PLACES}")
        of_side.sample = name
        if held == PLACES:
            of_side.sampled_up_to = rows.number(f"SELECT MAX(velo_f0) AS n FROM {rows.file(name)}")


def sampled_surroundings(
    rows: Rows, state: State, spans: Sequence[TimeSpan], differences: Sequence[Difference]
) -> Surroundings:
    """From the samples, counts brought up to all rows."""
    relations = [_relation(rows, state, side) for side in Side]
    found = surroundings(rows, (relations[0], relations[1]), spans, differences)
    seen = {side: state.sides[side].rows_seen for side in Side}
    more = {side: max(1.0, count / PLACES) for side, count in seen.items()}
    most = max(more.values())
    return Surroundings(
        tuple(replace(one, rows=round(one.rows * most)) for one in found.segments),
        tuple(replace(one, rows=round(one.rows * most)) for one in found.over_time),
        {
            side: replace(
                one,
                nulls={name: round(count * more[side]) for name, count in one.nulls.items()},
                rows=round(one.rows * more[side]),
            )
            for side, one in found.profile.items()
        },
    )


def surroundings(
    rows: Rows, relations: tuple[Relation, Relation], spans: Sequence[TimeSpan], differences: Sequence[Difference]
) -> Surroundings:
    """From all rows of both sides."""
    plan: ComparisonPlan = rows.plan
    return Surroundings(
        segments(rows.kernel, plan, relations, differences, {}),
        over_time(rows.kernel, plan, relations, spans, differences, {}),
        profile(rows.kernel, plan, relations, differences, {}),
    )


def _relation(rows: Rows, state: State, side: Side) -> Relation:
    name = state.sides[side].sample
    assert name is not None, "a step samples before anything is asked"
    return named_rows(rows.plan, rows.file(name))
