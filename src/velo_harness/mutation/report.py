"""The report of a mutation run, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from velo_engine.errors import underlined
from velo_harness.mutation.results import Fate, MutantResult, MutationRun, ProgramMutants, score
from velo_harness.reports.json_report import json_text
from velo_harness.reports.shown_values import printable_lines

SCHEMA_VERSION = 1
KIND = "mutation"
"""Says what a report is about, beside other reports in a folder."""


def mutation_text(run: MutationRun, threshold: float | None = None) -> str:
    """The report for people."""
    lines: list[str] = []
    for program in run.programs:
        lines += [*_program_lines(program), ""]
    for broken in run.file_errors:
        lines += [printable_lines(str(broken.error)), ""]
    lines += _folder_lines(run)
    counts = ", ".join(f"{run.count(fate)} {fate.value}" for fate in Fate)
    lines.append(f"{len(run.mutants)} mutants: {counts}, in {run.duration_ms / 1000:.1f} s")
    lines.append(f"mutation score: {_percent(run.score)}" + _against(run.score, threshold))
    return printable_lines("\n".join(lines))


def _folder_lines(run: MutationRun) -> Iterator[str]:
    """The score of each folder, where there are several."""
    folders: dict[str, list[MutantResult]] = {}
    for program in run.programs:
        folders.setdefault(str(Path(program.file).parent), []).extend(program.mutants)
    if len(folders) > 1:
        for folder, mutants in folders.items():
            yield f"{folder:<34} {_percent(score(mutants)):>16}"
        yield ""


def _against(found: float | None, threshold: float | None) -> str:
    if threshold is None:
        return ""
    reached = found is not None and found >= threshold
    return f" ({'at least' if reached else 'below'} the threshold of {_percent(threshold)})"


def _percent(value: float | None) -> str:
    return "no mutant counts" if value is None else f"{value * 100:.1f} %"


def _program_lines(program: ProgramMutants) -> Iterator[str]:
    yield f"{program.file}: {_percent(score(program.mutants))}"
    for statement in dict.fromkeys(mutant.statement for mutant in program.mutants):
        own = program.of(statement)
        killed = sum(m.fate in (Fate.KILLED, Fate.TIMEOUT) for m in own)
        counted = killed + sum(m.fate is Fate.SURVIVED for m in own)
        yield f"  {statement:<32} {killed:>4} of {counted:>4} killed  {_percent(score(own)):>8}"
    for name in program.unchecked:
        yield f"  {name:<32} not checked by any query: not mutated"
    for reason in program.unusable:
        yield f"  cannot judge: {reason}"
    for fate, title in (
        (Fate.SURVIVED, "survived"),
        (Fate.TIMEOUT, "killed by the time limit"),
        (Fate.EQUIVALENT, "equivalent, not counted"),
    ):
        mutants = [m for m in program.mutants if m.fate is fate]
        if mutants:
            yield from ("", f"  {title}:")
        for mutant in mutants:
            yield from _mutant_lines(mutant)
    for entry in program.stale:
        yield from ("", f"  mutants.yaml is wrong: {entry.problem}", *(f"  {x}" for x in underlined(entry.location)))


def _mutant_lines(mutant: MutantResult) -> Iterator[str]:
    shown = mutant.shown
    yield f"    {mutant.operator} in {mutant.statement}"
    yield from (f"    {line}" for line in underlined(shown.location))
    number = str(shown.location.line)
    yield f"    {number} > {shown.mutated}"
    before = " " * (len(number) + 3 + max(0, shown.mutated_column - 1))
    yield f"    {before}{'^' * max(1, shown.mutated_length)}"
    if mutant.fate is Fate.SURVIVED:
        yield f"      to kill it: {mutant.kill}"
    else:
        yield f"      {mutant.verdict.reason}"


def mutation_json(run: MutationRun, threshold: float | None = None) -> str:
    """The report for programs; see docs/mutation.md."""
    return json_text(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "score": run.score,
            "threshold": threshold,
            "duration_ms": round(run.duration_ms, 3),
            "counts": {fate.value: run.count(fate) for fate in Fate},
            "programs": [_program_value(program) for program in run.programs],
            "file_errors": [{"file": f.file, "message": f.error.message} for f in run.file_errors],
        }
    )


def _program_value(program: ProgramMutants) -> dict[str, Any]:
    statements = dict.fromkeys(mutant.statement for mutant in program.mutants)
    return {
        "file": program.file,
        "score": score(program.mutants),
        "statements": [{"name": name, "score": score(program.of(name))} for name in statements],
        "unchecked": list(program.unchecked),
        "unusable_queries": list(program.unusable),
        "stale_entries": [{"problem": e.problem, "line": e.location.line} for e in program.stale],
        "mutants": [_mutant_value(mutant) for mutant in program.mutants],
    }


def _mutant_value(mutant: MutantResult) -> dict[str, Any]:
    return {
        "operator": mutant.operator,
        "statement": mutant.statement,
        "line": mutant.shown.location.line,
        "column": mutant.shown.location.column,
        "original": mutant.shown.original,
        "mutated": mutant.shown.mutated,
        "outcome": mutant.fate.value,
        "reason": mutant.verdict.reason,
        "to_kill": mutant.kill,
    }
