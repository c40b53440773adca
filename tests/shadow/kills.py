"""A comparison that is killed and goes on finds what an uninterrupted one does: `python -m tests.shadow.kills --kills 50`.

A child compares two streams made from a seed. It ends itself (`os._exit`) at a random one of the moments around every
file that is written, synced, moved or removed, or is killed (SIGKILL) while it runs; the next child goes on. Each
kind of stream is compared until its result is there, then the result is held against that of one run. Prints the kills
of each and fails when a result differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.shadow.stream.streams import Change, Feed, I, comparator, plan
from tests.shadow.stream.test_comparator import appended, disturbed, updated, windows

from velo_engine.kernel import Kernel
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.stream import saved

KINDS = {
    "append by key": (Changelog.APPEND, ("id", "at")),
    "append, a bag": (Changelog.APPEND, ()),
    "upsert": (Changelog.UPSERT, ("id",)),
    "retract": (Changelog.RETRACT, ("id",)),
    "windows, updated": (Changelog.UPSERT, ("id", "at")),
}
ROWS = 400
_ENDED_ITSELF = 9


def sides(kind: str, seed: int, rows: int) -> dict[Side, Sequence[Change]]:
    """Two streams with faults."""
    rng = random.Random(seed)
    if KINDS[kind][0] is Changelog.APPEND:
        left = appended(rng, rows)
        return {Side.LEFT: left, Side.RIGHT: disturbed(left, rng)}
    left = windows(rng, rows) if "at" in KINDS[kind][1] else updated(rng, rows)
    return {Side.LEFT: left, Side.RIGHT: [c for c in left if c[0] == I or rng.random() < 0.95]}


def run(kind: str, seed: int, rows: int, folder: Path, told: Callable[[], None] = lambda: None) -> str:
    """Compare, from where the folder says; the result as text. `told` is called at every step."""
    changelog, key = KINDS[kind]
    with comparator(folder, plan(*key), changelog) as compared:
        start = compared.restore()
        if compared.is_finished:
            return repr(compared.finish(True, {}))
        step = compared.step

        def step_and_tell(positions: Any) -> None:
            step(positions)
            told()

        compared.step = step_and_tell  # type: ignore[method-assign]
        feed = Feed(sides(kind, seed, rows), random.Random(os.getpid()), largest=40, step_share=0.2)
        return repr(feed.run(compared, start=start))


def end_after(moments: int) -> None:
    """Let this process end at the moment of this number, before or after what happens then."""
    left = moments

    def passing(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(_ENDED_ITSELF)
            result = call(*args, **named)
            left -= 1
            if left == 0:
                os._exit(_ENDED_ITSELF)
            return result

        return counted

    Kernel.execute = passing(Kernel.execute)  # type: ignore[method-assign]
    saved._sync = passing(saved._sync)
    Path.replace = passing(Path.replace)  # type: ignore[method-assign]
    Path.unlink = passing(Path.unlink)  # type: ignore[method-assign]


def killed_until_done(kind: str, seed: int, rows: int, kills: int, rng: random.Random) -> tuple[int, str]:
    """How often it was killed, at most `kills` times, and the result."""
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        while True:
            by_itself = rng.random() < 0.5
            moments = rng.randint(1, 300) if by_itself and done < kills else 0
            steps = rng.randint(1, 6) if not by_itself and done < kills else 0
            command = [
                sys.executable,
                "-m",
                "tests.shadow.kills",
                "--child",
                kind,
                folder,
                *map(str, (seed, rows, moments)),
            ]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    if line.startswith("Compared"):
                        result = line.rstrip("\n")
                    else:
                        steps -= 1
                        if steps == 0:
                            child.send_signal(signal.SIGKILL)
            if child.returncode == 0:
                return done, result
            assert child.returncode in (_ENDED_ITSELF, -signal.SIGKILL), child.returncode
            done += 1


def check(kills: int, seed: int, kinds: Sequence[str] = tuple(KINDS), rows: int = ROWS) -> int:
    """Kill each kind of stream in turn until so many kills have been; how many results differed."""
    rng = random.Random(seed)
    done = wrong = 0
    while done < kills:
        for kind in kinds:
            stream_seed = rng.randrange(10**6)
            with tempfile.TemporaryDirectory() as folder:
                expected = run(kind, stream_seed, rows, Path(folder))
            count, result = killed_until_done(kind, stream_seed, rows, max(1, min(8, kills - done)), rng)
            done += count
            wrong += result != expected
            print(f"{kind}, seed {stream_seed}: {count} kills, {'as' if result == expected else 'NOT as'} in one run")
            if done >= kills:
                break
    print(f"{done} kills, {wrong} results differ (--seed {seed})")
    return wrong


def main() -> int:
    """The command, and the child that it starts."""
    if sys.argv[1:2] == ["--child"]:
        kind, folder, seed, rows, moments = sys.argv[2:]
        if int(moments):
            end_after(int(moments))
        print(run(kind, int(seed), int(rows), Path(folder), lambda: print("step", flush=True)), flush=True)
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    return 1 if check(arguments.kills, arguments.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
