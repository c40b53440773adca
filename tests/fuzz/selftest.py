"""Whether the fuzzer notices bugs: every mutant against the recorded cases (`make fuzz-selftest`).

python -m tests.fuzz.selftest [--seconds 600] [--workers 2] [--cases N] [MUTANT …]

Each mutant runs in a process of its own, which stops at the first case that differs. The exit code is 1 when fewer than
REQUIRED_SHARE of them are found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.fuzz.mutants import MUTANTS, SOURCES, Mutant, plant

REQUIRED_SHARE = 0.9
WORKERS = 2


@dataclass(frozen=True)
class Finding:
    """What became of a mutant."""

    seed: int | None
    """The case that noticed it; None when none did."""
    cases: int
    """How many were replayed."""
    seconds: float


def hunted(mutant: Mutant, *, cases: int | None, seconds: float) -> Finding:
    """Replay cases against a mutant in a fresh process."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz.selftest", "--child", mutant.name]
    if cases is not None:
        command += ["--cases", str(cases)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=SOURCES.parent, timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        return Finding(None, 0, time.monotonic() - began)
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: {done.stderr}")
    seed, count = json.loads(done.stdout)
    return Finding(seed, count, time.monotonic() - began)


def child(name: str, cases: int | None) -> None:
    """In the mutant's process: print [the seed that notices it or null, cases replayed]."""
    (mutant,) = (m for m in MUTANTS if m.name == name)
    plant(mutant)
    from tests.fuzz.judge import Verdict, judged
    from tests.fuzz.recorded import recorded_cases

    count = 0
    for count, case in enumerate(recorded_cases(), start=1):
        verdict, _ = judged(case.definition, case.batch_size, case.answer, planned=True)
        if verdict is not Verdict.EQUAL:
            print(json.dumps([case.seed, count]))
            return
        if count == cases:
            break
    print(json.dumps([None, count]))


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.selftest")
    parser.add_argument("names", nargs="*", metavar="MUTANT")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.child:
        child(parsed.child, parsed.cases)
        return 0
    chosen = [m for m in MUTANTS if not parsed.names or m.name in parsed.names]
    began = time.monotonic()

    def hunt(mutant: Mutant) -> Finding:
        return hunted(mutant, cases=parsed.cases, seconds=parsed.seconds - (time.monotonic() - began))

    with ThreadPoolExecutor(parsed.workers) as pool:
        findings = []
        for mutant, finding in zip(chosen, pool.map(hunt, chosen), strict=True):
            findings.append(finding)
            by = f"found by seed {finding.seed}" if finding.seed is not None else "NOT FOUND"
            print(
                f"{mutant.name:<38} {by:<22} {finding.cases:>5} cases {finding.seconds:>6.1f} s   {mutant.wrong}",
                flush=True,
            )
    found = sum(finding.seed is not None for finding in findings)
    print(f"\n{found} of {len(chosen)} planted bugs found in {time.monotonic() - began:.0f} s")
    return 0 if found >= REQUIRED_SHARE * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
