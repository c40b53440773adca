"""Fuzzing: generated queries on Flink and on the engine (`make fuzz SECONDS=600`).

python -m tests.fuzz.run --seconds 600 [--seed 0]    new cases from a seed on, for so long
python -m tests.fuzz.run --seeds 17 99               these cases, with what they ask and what differs
python -m tests.fuzz.run --replay FILE …             stored cases again, without Flink

Differing cases are made smaller and stored in tests/fuzz/found/. The exit code is 1 when there is any.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fuzz.flink_side import CONFIRMING_QUIET_MS, TIMEOUT_MS, Flink, FlinkSays, ask, outcomes
from tests.fuzz.found import FOUND, store
from tests.fuzz.generate import ROUND, Generated, generated
from tests.fuzz.judge import DEFECTS, Outcome, Verdict, judged
from tests.fuzz.shrink import shrunk
from tests.oracle.case import Answer, Definition, load

PROGRESS_SECONDS = 30.0
SHRUNK_PER_KIND = 1
"""Differences of one operator with the same words that are made smaller; the others are only counted."""
MOST_SHRUNK = 25
SHOWN_REASONS = 40
CASES_PER_JVM = 2000
"""Then another is started: every query leaves generated classes behind."""


class Report:
    """Outcomes as they come."""

    def __init__(self) -> None:
        self.by_operator: Counter[tuple[str, Verdict]] = Counter()
        self.reasons: Counter[tuple[Verdict, str]] = Counter()
        self.defects: list[Outcome] = []
        self._kinds: Counter[tuple[str, str]] = Counter()

    @property
    def cases(self) -> int:
        """How many there were."""
        return sum(self.by_operator.values())

    def add(self, outcome: Outcome) -> bool:
        """Count it; whether it is a defect of a kind not seen often yet."""
        self.by_operator[outcome.case.operator, outcome.verdict] += 1
        if outcome.verdict in DEFECTS:
            self.defects.append(outcome)
            kind = outcome.case.operator, _essence(outcome)
            self._kinds[kind] += 1
            return self._kinds[kind] <= SHRUNK_PER_KIND
        if outcome.verdict is not Verdict.EQUAL:
            self.reasons[
                outcome.verdict, re.sub(r"\d+", "#", outcome.reason.splitlines()[0][:140] if outcome.reason else "")
            ] += 1
        return False

    def table(self) -> str:
        """Outcomes by operator, for people."""
        verdicts = [v for v in Verdict if any(verdict is v for _, verdict in self.by_operator)]
        operators = sorted({operator for operator, _ in self.by_operator})
        width = max([len(operator) for operator in operators] + [3])
        lines = [" " * width + "  " + "  ".join(f"{v:>13}" for v in verdicts)]
        for operator in operators:
            cells = "  ".join(f"{self.by_operator[operator, v] or '.':>13}" for v in verdicts)
            lines.append(f"{operator:<{width}}  {cells}")
        sums = "  ".join(f"{sum(n for (_, v), n in self.by_operator.items() if v is w):>13}" for w in verdicts)
        return "\n".join([*lines, f"{'all':<{width}}  {sums}"])

    def refusals(self) -> str:
        """Why cases have no verdict, the frequent reasons first."""
        lines = [f"{n:>6}  {verdict}: {reason}" for (verdict, reason), n in self.reasons.most_common(SHOWN_REASONS)]
        more = len(self.reasons) - SHOWN_REASONS
        return "\n".join([*lines, *([f"        and {more} more reasons"] if more > 0 else [])])


def _essence(outcome: Outcome) -> str:
    """What tells two differences apart: the words without their numbers, the end of a trace."""
    lines = outcome.reason.strip().splitlines()
    line = lines[-1] if outcome.verdict is Verdict.CRASHED else lines[0]
    return re.sub(r"[\d'`\"]+.*", "", line)[:60]


def fuzz(seconds: float, seed: int) -> int:
    """Run for so long; the exit code."""
    report, shrunken, began, told = Report(), 0, time.monotonic(), time.monotonic()
    flink = Flink(TIMEOUT_MS)
    print(f"Flink {flink.version} on Java {flink.java}", flush=True)
    for cases in _rounds(seed):
        if time.monotonic() - began > seconds:
            break
        if not flink.alive or report.cases % CASES_PER_JVM > CASES_PER_JVM - ROUND:
            flink.close()
            flink = Flink(TIMEOUT_MS)
        for outcome in outcomes(flink, cases):
            if report.add(outcome):
                shrunken += 1
                tell(flink, outcome, smaller=shrunken <= MOST_SHRUNK and time.monotonic() - began < seconds)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            spent = told - began
            print(
                f"{spent:.0f} s: {report.cases} cases, {report.cases / spent:.1f}/s, {len(report.defects)} defects",
                flush=True,
            )
    spent = time.monotonic() - began
    flink.close()
    print(f"\n{report.table()}\n\n{report.refusals()}\n")
    print(
        f"{report.cases} cases in {spent:.0f} s ({report.cases / spent:.1f}/s), from seed {seed}: {len(report.defects)} defects"
    )
    print("defective seeds: " + " ".join(str(outcome.case.seed) for outcome in report.defects))
    return 1 if report.defects else 0


def _rounds(seed: int) -> Iterator[list[Generated]]:
    first = seed // ROUND * ROUND
    while True:
        yield [generated(seed) for seed in range(first, first + ROUND)]
        first += ROUND


def tell(flink: Flink, outcome: Outcome, *, smaller: bool) -> None:
    """Print a defect, made smaller if wanted, and where it is stored."""
    definition, answer, reason = outcome.definition, outcome.answer, outcome.reason
    if smaller:
        definition, answer, reason = _smallest(flink, outcome)
    path = store(definition, answer, flink.version, flink.java)
    print(f"\n{outcome.verdict.upper()} seed {outcome.case.seed}: {outcome.case.shape}")
    print(f"  {definition.query}")
    for name, i in definition.arrivals():
        print(f"    {name}: {dict(definition.tables[name].rows[i])}")
    print("  " + "\n  ".join(reason.splitlines()[-12:]))
    print(
        f"  stored: python -m tests.fuzz.run --replay {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}",
        flush=True,
    )


def _smallest(flink: Flink, outcome: Outcome) -> tuple[Definition, Answer, str]:
    last: list[tuple[Definition, Answer, str]] = [(outcome.definition, outcome.answer, outcome.reason)]
    essence = _essence(outcome)

    def differs(candidate: Definition) -> bool:
        if outcome.verdict is Verdict.CRASHED:  # whatever Flink says
            said = FlinkSays(outcome.answer, planned=True)
        else:
            try:
                said = ask(flink, candidate, CONFIRMING_QUIET_MS[0])
            except RuntimeError:
                return False
        verdict, reason = judged(candidate, outcome.case.batch_size, said.answer, planned=said.planned)
        same = Outcome(outcome.case, candidate, said.answer, verdict, reason)
        if verdict is not outcome.verdict or _essence(same) != essence:
            return False
        last.append((candidate, said.answer, reason))
        return True

    shrunk(outcome.definition, differs)
    return last[-1]


def these(seeds: Sequence[int]) -> int:
    """Ask single cases, and show everything; the exit code."""
    worst = 0
    with Flink(TIMEOUT_MS) as flink:
        for seed in seeds:
            case = generated(seed)
            print(
                f"seed {seed}: {case.shape}, {case.definition.compare.rule}, batches of {case.batch_size}\n  {case.definition.query}"
            )
            (outcome,) = outcomes(flink, [case])
            print(f"  {outcome.verdict} {outcome.reason}", flush=True)
            if outcome.verdict in DEFECTS:
                worst = 1
                tell(flink, outcome, smaller=True)
    return worst


def replay(paths: Sequence[Path]) -> int:
    """Hold the engine against stored cases; the exit code."""
    worst = 0
    for path in paths:
        case = load(path)
        results = {judged(case.definition, size, case.answer, planned=True) for size in (1, 1000)}
        for verdict, reason in sorted(results):
            print(f"{path.stem}: {verdict} {reason}")
            worst = max(worst, int(verdict in DEFECTS))
    return worst


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--replay", type=Path, nargs="*", metavar="FILE")
    parsed = parser.parse_args(arguments)
    if parsed.replay is not None:
        return replay(parsed.replay or sorted(FOUND.glob("*.json")))
    return these(parsed.seeds) if parsed.seeds else fuzz(parsed.seconds, parsed.seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
