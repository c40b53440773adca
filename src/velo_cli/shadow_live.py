"""Where a comparison stands, on stderr: lines kept up to date on a terminal, else some every half minute."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from velo_cli.status_line import EVERY_S, PLAIN_EVERY_S, RATE_OVER_S, elapsed_text, span_text, wrapped
from velo_harness.reports.shown_values import printable_lines
from velo_shadow.model import Side
from velo_shadow.stream.comparator import StreamView

if TYPE_CHECKING:
    from rich.live import Live

_ECHO = 4
"""Columns that stay free: a Ctrl-C that the terminal writes behind the line must not begin a new one."""
_SHOWN_COLUMNS = 4
_BEHIND_MS = 1000
"""A side that is less behind is not."""


class ShadowLive:
    """Shows the sinks of a comparison from `__enter__` to `__exit__`; several threads may tell of them."""

    def __init__(self, sinks: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._began_s = clock()
        self._shown_s: float | None = None
        self._views: dict[str, StreamView | None] = dict.fromkeys(sinks)
        self._read: dict[str, deque[tuple[float, int]]] = {name: deque() for name in sinks}
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()
        self._live: Live | None = None

    def __enter__(self) -> ShadowLive:
        if self._terminal:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, sink: str, view: StreamView) -> None:
        """Where a sink stands, as often as it is known."""
        with self._lock:
            self._take(sink, view, self._clock())

    def _take(self, sink: str, view: StreamView, now: float) -> None:
        self._views[sink] = view
        read = self._read[sink]
        read.append((now, view.left + view.right))
        while len(read) > 2 and now - read[0][0] > RATE_OVER_S:
            read.popleft()
        every_s = EVERY_S if self._terminal else PLAIN_EVERY_S
        since = self._began_s if self._shown_s is None and not self._terminal else self._shown_s
        if since is None or now - since >= every_s:
            self._shown_s = now
            self._show(now - self._began_s)

    def _show(self, elapsed_s: float) -> None:
        several = len(self._views) > 1
        lines = [
            [elapsed_text(elapsed_s), *([name] if several else []), *view_fields(view, self._rate(name, view))]
            for name, view in self._views.items()
            if view is not None
        ]
        shown = [[printable_lines(field).replace("\n", " ") for field in fields] for fields in lines]
        if self._live is None:
            for fields in shown:
                print("  ".join(fields), file=sys.stderr, flush=True)
            return
        from rich.text import Text

        width = self._live.console.width - _ECHO
        text = Text("\n".join(line for fields in shown for line in wrapped(fields, width)), no_wrap=True)
        text.highlight_regex(r"\b[1-9][\d,]* different", "bold red")
        text.highlight_regex(r"\b[\d,]+ equal", "green")
        self._live.update(text, refresh=True)

    def _rate(self, sink: str, view: StreamView) -> float:
        """Records a second: on a terminal of the last seconds, else of the whole run."""
        read = self._read[sink]
        if not self._terminal or len(read) < 2 or read[-1][0] <= read[0][0]:
            return view.rows_per_second
        return (read[-1][1] - read[0][1]) / (read[-1][0] - read[0][0])


def view_fields(view: StreamView, rate: float) -> list[str]:
    """What is said of a sink; `rate`: records read a second."""
    fields = [f"read {view.left:,} left, {view.right:,} right ({rate:,.0f}/s)"]
    fields += [f"{view.matched:,} equal", f"{view.different:,} different", f"{view.pending:,} pending"]
    if view.warm_up:
        fields.append(f"{view.warm_up:,} warm-up")
    if view.copies:
        fields.append(f"{view.copies:,} delivered again")
    left, right = (view.latest_ms.get(side) for side in Side)
    if left is not None and right is not None and abs(left - right) >= _BEHIND_MS:
        fields.append(f"{'right' if right < left else 'left'} {span_text(abs(left - right) / 1000)} behind")
    worst = sorted(view.by_column.items(), key=lambda found: (-found[1], found[0]))
    if worst:
        named = ", ".join(f"{name} {count:,}" for name, count in worst[:_SHOWN_COLUMNS])
        fields.append(f"in {named}" + (" …" if len(worst) > _SHOWN_COLUMNS else ""))
    return fields
