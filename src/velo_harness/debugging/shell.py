"""The debugger's commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.debugging import views
from velo_harness.debugging.breakpoints import breakpoint_of, known_statement
from velo_harness.debugging.command_reader import CommandReader
from velo_harness.debugging.screen import Screen
from velo_harness.debugging.session import DebugSession, Goal, LeftJobError, Reach
from velo_harness.updating.rows_files import file_content


@dataclass(frozen=True, slots=True)
class Command:
    """One command: how it is written, and what it does."""

    usage: str
    doc: str
    aliases: tuple[str, ...] = ()


COMMANDS: Mapping[str, Command] = {
    "step": Command("step [n]", "handle the next record, or the next n", ("s",)),
    "next": Command("next [n]", "go on to where the next statement has given out its changes", ("n",)),
    "into": Command("into [n]", "go on by one operator", ("i",)),
    "continue": Command("continue", "go on to the next breakpoint, or to the end", ("c",)),
    "break": Command(
        "break QUERY[:RECORD] | break [QUERY] when PREDICATE",
        "pause when a query gives out a change, behind a record, or when a SQL predicate is true of a change",
        ("b",),
    ),
    "delete": Command("delete [number]", "remove a breakpoint, or all", ("d",)),
    "breakpoints": Command("breakpoints", "list the breakpoints", ("list", "l")),
    "inspect": Command(
        "inspect QUERY | steps | step N | state [QUERY] | watermark | input [SOURCE] | output [QUERY] | record",
        "show rows, state or watermarks",
        ("p", "print"),
    ),
    "filter": Command("filter [QUERY] PREDICATE", "show the rows of a query for which a SQL predicate is true", ("f",)),
    "where": Command("where", "show where the job is: record, statement, watermarks, processing time", ("w",)),
    "history": Command(
        "history [QUERY] [n] | history back N [QUERY]",
        "show the last changes, or the contents as they were N records ago",
        ("h",),
    ),
    "explain": Command("explain ROW", "say why a row of the present query is missing so far, or where a record went"),
    "export": Command("export QUERY FILE", "write a query's rows to a csv, json, jsonl or parquet file", ("x",)),
    "restart": Command("restart", "run the job again from the start, with the same breakpoints", ("r",)),
    "help": Command("help [command]", "show the commands, or one", ("?",)),
    "quit": Command("quit", "leave", ("q", "exit")),
}

_RESUMING = {"step": Reach.RECORD, "next": Reach.STATEMENT, "into": Reach.STEP, "continue": Reach.BREAKPOINT}


class DebugShell:
    """Reads commands where the job pauses, until one lets it go on."""

    def __init__(
        self,
        screen: Screen,
        reader: CommandReader,
        query: str,
        *,
        shows_intermediate: bool,
        tells_pauses: bool,
        assumes_yes: bool,
    ) -> None:
        """`query` is the statement that commands mean when they name none."""
        self.failed = False
        """Whether a command of a script was wrong."""
        self._screen = screen
        self._reader = reader
        self._query = query
        self._shows_intermediate = shows_intermediate
        self._tells_pauses = tells_pauses
        self._assumes_yes = assumes_yes
        self._session: DebugSession | None = None
        self._told = 0
        self._written: set[Path] = set()
        self._actions: Mapping[str, Callable[[str], None]] = {
            "break": self._break,
            "delete": self._delete,
            "breakpoints": lambda _: self._list(),
            "inspect": self._inspect,
            "filter": self._filter,
            "where": lambda _: self._where(),
            "history": self._history,
            "explain": self._explain,
            "export": self._export,
            "help": self._help,
        }

    def attach(self, session: DebugSession) -> None:
        """Looks at this run of the job from now on."""
        self._session, self._told = session, 0
        session.pause = self.pause

    @property
    def session(self) -> DebugSession:
        """The run that is looked at."""
        assert self._session is not None
        return self._session

    def words(self) -> list[str]:
        """What may be completed."""
        statements = [] if self._session is None else list(self.session.program.statements)
        return [*COMMANDS, *statements, "steps", "step", "state", "watermark", "input", "output", "record", "when"]

    def pause(self, reason: str) -> Goal:
        """Shows where the job is and obeys until a command lets it go on. Raises LeftJobError."""
        self._show_pause(reason)
        while True:
            typed = self._reader.read()
            if typed is None:
                raise LeftJobError(restarts=False)
            goal = self._obeyed(typed) if typed else None
            if goal is not None:
                return goal

    def _show_pause(self, reason: str) -> None:
        session = self.session
        if self._tells_pauses:
            self._screen.headline(f"paused: {reason}")
            self._screen.line("  " + next(views.position_lines(session)))
            fresh = session.history[self._told :]
            if fresh:
                self._screen.table("changes", views.change_rows(fresh))
        if self._shows_intermediate:
            views.show_intermediate(session, self._screen)
        self._told = len(session.history)

    def _obeyed(self, typed: str) -> Goal | None:
        """The goal of a command that lets the job go on; None after any other. Its errors are shown."""
        word, _, rest = typed.partition(" ")
        try:
            name = command_named(word)
            if name == "quit":
                raise LeftJobError(restarts=False)
            if name == "restart":
                raise LeftJobError(restarts=True)
            if name in _RESUMING:
                return self._goal(name, rest.strip())
            self._actions[name](rest.strip())
        except VeloError as error:
            self.failed = True
            self._screen.line(error.message + (f" ({error.hint})" if error.hint else ""))
        return None

    def _goal(self, name: str, rest: str) -> Goal | None:
        if self.session.finished:
            self._screen.line("the job has ended: restart, or quit")
            return None
        return Goal(_RESUMING[name], _count(rest) if rest else 1)

    def _break(self, rest: str) -> None:
        if not rest:
            self._list()
            return
        session = self.session
        number = max((b.number for b in session.breakpoints), default=0) + 1
        found = breakpoint_of(rest, number, session.program, session.time_zone)
        session.breakpoints.append(found)
        self._screen.line(f"breakpoint {number}: {found}")

    def _delete(self, rest: str) -> None:
        breakpoints = self.session.breakpoints
        number = _count(rest) if rest else None
        if number is not None and all(b.number != number for b in breakpoints):
            raise VeloError(ErrorCode.BAD_VALUE, f"there is no breakpoint {number}")
        gone = [b for b in breakpoints if number in (None, b.number)]
        breakpoints[:] = [b for b in breakpoints if b not in gone]
        self._screen.line(f"removed {len(gone)} breakpoint" + ("" if len(gone) == 1 else "s"))

    def _list(self) -> None:
        for one in self.session.breakpoints:
            self._screen.line(f"{one.number}: {one}")
        if not self.session.breakpoints:
            self._screen.line("no breakpoints")

    def _inspect(self, rest: str) -> None:
        session, screen = self.session, self._screen
        what, _, argument = rest.partition(" ")
        argument = argument.strip()
        match what:
            case "steps":
                views.show_steps(session, screen)
            case "step":
                views.show_step(session, screen, _count(argument, least=0))
            case "state":
                views.show_state(session, screen, (argument and known_statement(argument, session.program)) or None)
            case "watermark":
                screen.line("\n".join(views.watermark_lines(session)) or "no statement has a watermark")
            case "input":
                views.show_input(session, screen, argument or None)
            case "output" | "":
                views.show_output(session, screen, argument or self._query)
            case "record":
                views.show_intermediate(session, screen)
            case _:
                views.show_output(session, screen, what)

    def _filter(self, rest: str) -> None:
        first, _, others = rest.partition(" ")
        named = first in self.session.program.statements and others.strip()
        statement, predicate = (first, others.strip()) if named else (self._query, rest)
        if not predicate:
            raise _usage("filter")
        views.show_filtered(self.session, self._screen, statement, predicate)

    def _where(self) -> None:
        self._screen.line("\n".join(views.position_lines(self.session)))

    def _history(self, rest: str) -> None:
        words = rest.split()
        if words[:1] == ["back"]:
            back = _count(words[1] if len(words) > 1 else "1")
            statement = words[2] if len(words) > 2 else self._query
            views.show_output(self.session, self._screen, statement, max(0, self.session.record - back))
            return
        count = int(words.pop()) if words and words[-1].isdecimal() else views.SHOWN_CHANGES
        only = known_statement(words[0], self.session.program) if words else None
        changes = [c for c in self.session.history if only in (None, c.statement)]
        self._screen.table("changes", views.change_rows(changes[-count:] if count else []))

    def _explain(self, rest: str) -> None:
        from velo_harness.debugging.row_answers import explained_so_far

        self._screen.line(explained_so_far(self.session, self._query, rest))

    def _export(self, rest: str) -> None:
        statement, _, name = rest.partition(" ")
        if not name.strip():
            raise _usage("export")
        found = views.contents(self.session, statement)
        path = Path(name.strip())
        asks = path.exists() and path.resolve() not in self._written and not self._assumes_yes
        if asks and not self._reader.confirmed(f"{path} exists; overwrite it?"):
            raise VeloError(ErrorCode.FILE_EXISTS, f"{path} exists")
        try:
            path.write_bytes(file_content(path, found.schema, found.table, "\n"))
        except OSError as error:
            raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be written: {error.strerror}') from None
        self._written.add(path.resolve())
        self._screen.line(f"{len(found)} rows of {statement} are in {path}")

    def _help(self, rest: str) -> None:
        for name in [command_named(rest)] if rest else COMMANDS:
            command = COMMANDS[name]
            also = f" (also {', '.join(command.aliases)})" if command.aliases else ""
            fits = len(command.usage) <= _USAGE_WIDTH
            if not fits:
                self._screen.line(f"  {command.usage}")
            self._screen.line(f"  {(command.usage if fits else '').ljust(_USAGE_WIDTH)}  {command.doc}{also}")


_USAGE_WIDTH = 24


def command_named(word: str) -> str:
    """The command that a word, an alias or the unique beginning of a command means. Errors: BAD_VALUE."""
    found = next((n for n, c in COMMANDS.items() if word == n or word in c.aliases), None)
    begun = [name for name in COMMANDS if name.startswith(word)]
    if found is None and len(begun) != 1:
        hint = f"{' or '.join(begun)}?" if begun else did_you_mean(word, COMMANDS, noun="command")
        raise VeloError(ErrorCode.BAD_VALUE, f'there is no command "{word}"', hint=hint)
    return found or begun[0]


def _count(text: str, *, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is not a number from {least}')
    return int(text)


def _usage(name: str) -> VeloError:
    return VeloError(ErrorCode.BAD_VALUE, f"write {COMMANDS[name].usage}")
