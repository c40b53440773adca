"""Which part of a saved state each step of a program takes over, also when the program has changed meanwhile.

A step takes the state of the step with the same name: the same statement, operator, parameters and input types. So a
changed filter, an added statement or another sink leave state alone; another key, aggregate or window is another step,
and its old state has nobody to go to. Source: Flink's rules for savepoints (operators match by id, state that matches
nothing is refused unless `--allowNonRestoredState`).

A source goes on at the positions of the source with the same name. Under another name it would be read once more, into
state that has its records already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import Checkpoint, JobState
from velo_engine.runtime.job import JOB_TIME


@dataclass(frozen=True, slots=True)
class Restored:
    """What of a saved state fits."""

    operators: JobState
    """By step of the program."""
    empty: tuple[str, ...] = field(default=())
    """Steps that keep state and begin without, and sources that begin at their own start."""
    lost: tuple[str, ...] = field(default=())
    """Steps of the saved program whose state nobody takes, and sources whose positions nobody takes."""


def restored_operators(
    plan: str, names: Mapping[int, str], sources: Collection[str], saved: Checkpoint, *, allow_lost: bool
) -> Restored:
    """The state for the steps `names` and the `sources` of the program with the fingerprint `plan`.

    Raises VeloError STATE_MISMATCH when state or positions would be lost and `allow_lost` does not permit it.
    """
    if saved.plan == plan:
        return Restored(saved.operators)
    left, begin = _sources(sources, saved, allow_lost=allow_lost)
    waiting: defaultdict[str, list[int]] = defaultdict(list)
    for step, name in saved.steps.items():
        waiting[name].append(step)
    taken: dict[int, int] = {}
    """Old steps to new ones."""
    empty = []
    for step, name in names.items():
        if waiting[name]:
            taken[waiting[name].pop(0)] = step
        else:
            empty.append(name)
    lost = tuple(saved.steps[step] for step in saved.operators if step not in taken and _rows(saved.operators[step]))
    if lost and not allow_lost:
        raise VeloError(
            ErrorCode.STATE_MISMATCH,
            "the saved state does not fit the program, which has changed since: nothing takes the state of\n"
            + "\n".join(f"  {name}" for name in lost)
            + ("\nand these begin without state:\n" + "\n".join(f"  {name}" for name in empty) if empty else ""),
            hint="run the program that wrote it; or leave that state behind with --allow-lost-state; "
            "or begin anew with --fresh",
        )
    operators = {taken[step]: tables for step, tables in saved.operators.items() if step in taken}
    operators[JOB_TIME] = _moved(operators[JOB_TIME], taken)
    return Restored(operators, (*empty, *begin), (*lost, *left))


def _sources(sources: Collection[str], saved: Checkpoint, *, allow_lost: bool) -> tuple[list[str], list[str]]:
    """The sources of the saved program that this one has not, and those of this one that begin at their own start.

    Raises VeloError when there are both, as one may be the other under a new name, unless `allow_lost`.
    """
    left = [f"the source {name}" for name in saved.positions if name not in sources]
    begin = [f"the source {name}" for name in sources if name not in saved.positions]
    if left and begin and not allow_lost:
        raise VeloError(
            ErrorCode.STATE_MISMATCH,
            "the saved state does not fit the program, which has changed since: nothing goes on at the positions of\n"
            + "\n".join(f"  {name}" for name in left)
            + "\nand these would be read from their own start, into the state that is there:\n"
            + "\n".join(f"  {name}" for name in begin),
            hint="give a source that was renamed its old name; or read the new one from its start with "
            "--allow-lost-state; or begin anew with --fresh",
        )
    return left, begin


def _rows(tables: Mapping[str, pa.Table]) -> int:
    return sum(table.num_rows for table in tables.values())


def _moved(time: Mapping[str, pa.Table], taken: Mapping[int, int]) -> dict[str, pa.Table]:
    """The job's time with the steps under their new numbers."""
    aligned = [row | {"step": taken[row["step"]]} for row in time["alignments"].to_pylist() if row["step"] in taken]
    return {**time, "alignments": pa.Table.from_pylist(aligned, schema=time["alignments"].schema)}
