"""A line on the terminal while something takes longer than a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0


class ProgressLine:
    """Shows what is going on, on stderr, once it has taken a second; not at all where stderr is no terminal."""

    def __init__(self, total: int | None = None) -> None:
        """`total` steps, when their number is known."""
        self._total = total
        self._done = 0
        self._text = ""
        self._began = time.monotonic()
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._wanted = sys.stderr.isatty()

    def step(self, done: int, text: str) -> None:
        """`done` steps are finished, `text` is being done."""
        self._done, self._text = done, text
        self.touch("")

    def touch(self, detail: str) -> None:
        """Something moved on: `detail` stands behind the text."""
        if not self._wanted or time.monotonic() - self._began < PATIENCE_SECONDS:
            return
        if self._live is None:
            self._start()
        assert self._live is not None
        assert self._task is not None
        self._live.update(self._task, completed=self._done, description=f"{self._text} {detail}".strip())

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        counted = [BarColumn(), MofNCompleteColumn()] if self._total is not None else []
        columns = (SpinnerColumn(), *counted, TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        self._live = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._live.add_task("", total=self._total)
        self._live.start()
