"""What the debugger writes: lines, and rows as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from velo_harness.reports.shown_values import printable_lines, table_lines, text_of

SHOWN_ROWS = 20
"""Rows of one table; the last ones are shown."""


class Screen:
    """Writes to a stream; tables are rich's on a terminal, plain elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty()

    def line(self, text: str = "") -> None:
        """One line, or several."""
        print(printable_lines(text), file=self._stream, flush=True)

    def headline(self, text: str) -> None:
        """A line that catches the eye on a terminal."""
        if not self.is_terminal:
            self.line(text)
            return
        from rich.console import Console
        from rich.text import Text

        Console(file=self._stream).print(Text(printable_lines(text), style="bold cyan"))

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows, the last `SHOWN_ROWS` of them, under a title that says how many there are."""
        noun = "row" if len(rows) == 1 else "rows"
        more = f", the last {SHOWN_ROWS}" if len(rows) > SHOWN_ROWS else ""
        self.line(f"{title}: {len(rows)} {noun}{more}")
        shown = rows[-SHOWN_ROWS:]
        if not shown or not any(shown):
            return
        if self.is_terminal:
            self._rich_table(shown)
        else:
            self.line("\n".join(f"  {line}" for line in table_lines(shown)))

    def _rich_table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.ROUNDED)
        names = list(dict.fromkeys(name for row in rows for name in row))
        for name in names:
            right = any(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)
            table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
        for row in rows:
            style = _STYLES.get(str(row.get("op", "")), "")
            table.add_row(*(Text(text_of(row[name]) if name in row else "") for name in names), style=style)
        Console(file=self._stream).print(table)


_STYLES = {"+I": "green", "+U": "green", "-U": "red", "-D": "red"}
