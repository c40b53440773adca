"""The one family of errors: a stable code, the place, a message in the user's terms, and what to do next."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell."""

    PASSED = 0
    FAILED = 1
    WRONG_INPUT = 2
    NO_INFRASTRUCTURE = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130


class ErrorCode(Enum):
    """Every error a person can meet: `(code, exit code, meaning)`. Codes are never reused or renumbered."""

    # 1xxx: the SQL program
    SQL_SYNTAX = ("VELO1001", ExitCode.WRONG_INPUT, "the SQL text does not parse")
    SQL_UNSUPPORTED = ("VELO1002", ExitCode.WRONG_INPUT, "the statement uses a construct that this engine does not run")
    UNKNOWN_COLUMN = ("VELO1003", ExitCode.WRONG_INPUT, "a column that the input does not have")
    AMBIGUOUS_COLUMN = ("VELO1004", ExitCode.WRONG_INPUT, "a column name that two inputs have")
    UNKNOWN_TABLE = ("VELO1005", ExitCode.WRONG_INPUT, "a stream or table that nothing defines")
    UNKNOWN_FUNCTION = ("VELO1006", ExitCode.WRONG_INPUT, "a function that does not exist")
    TYPE_MISMATCH = ("VELO1007", ExitCode.WRONG_INPUT, "operand types that do not fit")
    DUPLICATE_NAME = ("VELO1008", ExitCode.WRONG_INPUT, "a name defined twice")
    MISSING_EVENT_TIME = ("VELO1009", ExitCode.WRONG_INPUT, "a time operation over an input without event time")
    BAD_PROPERTY = ("VELO1010", ExitCode.WRONG_INPUT, "a property with a value that cannot be used")
    UNSET_VARIABLE = ("VELO1011", ExitCode.WRONG_INPUT, "a ${VARIABLE} without value or default")
    INVALID_GROUPING = ("VELO1012", ExitCode.WRONG_INPUT, "a column neither grouped nor aggregated")

    # 2xxx: specs, schemas and configuration files
    YAML_SYNTAX = ("VELO2001", ExitCode.WRONG_INPUT, "the YAML text does not parse")
    UNKNOWN_KEY = ("VELO2002", ExitCode.WRONG_INPUT, "a key that has no meaning here")
    BAD_VALUE = ("VELO2003", ExitCode.WRONG_INPUT, "a value of the wrong type or outside its range")
    MISSING_KEY = ("VELO2004", ExitCode.WRONG_INPUT, "a required key is missing")
    UNKNOWN_QUERY = ("VELO2005", ExitCode.WRONG_INPUT, "a query name that the SQL does not define")
    NOTHING_CHECKED = ("VELO2006", ExitCode.WRONG_INPUT, "a query or assertion that checks nothing")
    UNKNOWN_SCHEMA = ("VELO2007", ExitCode.WRONG_INPUT, "a data schema that does not exist")
    UNRESOLVED_TEMPLATE = ("VELO2008", ExitCode.WRONG_INPUT, "a {{ template }} that names nothing")
    PATH_OUTSIDE_PROJECT = ("VELO2009", ExitCode.WRONG_INPUT, "a path that leaves the project")
    NO_TESTS = ("VELO2010", ExitCode.WRONG_INPUT, "nothing to run was found")
    NOT_YET_SUPPORTED = ("VELO2011", ExitCode.WRONG_INPUT, "a part of the format that this version does not do")

    UNUSED_ROWS = ("VELO2012", ExitCode.FAILED, "a file of expected rows that no spec names")
    PLUGIN_FAILED = ("VELO2013", ExitCode.WRONG_INPUT, "a plugin of yours or of a package that cannot be used")
    UNKNOWN_ASSERTION = ("VELO2014", ExitCode.WRONG_INPUT, "an assertion type that does not exist")

    # 3xxx: files, topics and records
    FILE_NOT_FOUND = ("VELO3001", ExitCode.WRONG_INPUT, "a file that does not exist")
    FILE_UNREADABLE = ("VELO3002", ExitCode.WRONG_INPUT, "a file that cannot be read")
    FILE_EXISTS = ("VELO3003", ExitCode.WRONG_INPUT, "a file that this run did not create and will not overwrite")
    RECORD_MALFORMED = ("VELO3004", ExitCode.FAILED, "a record that does not decode")
    SCHEMA_MISMATCH = ("VELO3005", ExitCode.WRONG_INPUT, "data that does not have the declared columns")
    EMPTY_INPUT = ("VELO3006", ExitCode.WRONG_INPUT, "an input without a single row where rows are needed")

    # 4xxx: the run
    EXPRESSION_FAILED = ("VELO4001", ExitCode.FAILED, "an expression that has no value for a row")
    JOB_FAILED = ("VELO4002", ExitCode.FAILED, "the job stopped at an error it may not skip")
    TIMEOUT = ("VELO4003", ExitCode.FAILED, "the query did not finish in its time")
    STATE_MISMATCH = ("VELO4004", ExitCode.WRONG_INPUT, "saved state that this program or this version cannot use")

    # 5xxx: what should be there and is not
    INFRASTRUCTURE_MISSING = ("VELO5001", ExitCode.NO_INFRASTRUCTURE, "a broker, daemon or tool that is not there")

    # 9xxx: ours
    INTERNAL = ("VELO9001", ExitCode.FAILED, "a defect of this program")

    def __init__(self, code: str, exit_code: ExitCode, meaning: str) -> None:
        self.code = code
        self.exit_code = exit_code
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file. `line` and `column` count from 1; `length` is the number of characters to underline."""

    file: str
    line: int
    column: int = 1
    length: int = 1
    text: str = ""
    """The whole source line, shown underlined; empty when it is not at hand."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class VeloError(Exception):
    """An error that a person caused or can mend; never shown as a traceback."""

    def __init__(
        self, code: ErrorCode, message: str, *, location: Location | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.location = location
        self.hint = hint

    @property
    def exit_code(self) -> ExitCode:
        """What the command that meets this error tells the shell."""
        return self.code.exit_code

    def __str__(self) -> str:
        """The error as a person reads it: code and message, the underlined place, the hint."""
        lines = [f"error[{self.code.code}]: {self.message}"]
        if self.location is not None:
            lines += underlined(self.location)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def underlined(location: Location) -> list[str]:
    """The place as `--> file:line:column` and, when the text is known, the line with its part underlined."""
    lines = [f"  --> {location}"]
    if location.text:
        number = str(location.line)
        margin = " " * len(number)
        start = max(location.column - 1, 0)
        before, marked = _shown(location.text[:start]), _shown(location.text[start : start + max(location.length, 1)])
        after = _shown(location.text[start + max(location.length, 1) :])
        carets = "^" * max(1, _width(marked))
        lines += [f"{margin} |", f"{number} | {before}{marked}{after}", f"{margin} | {' ' * _width(before)}{carets}"]
    return lines


def _shown(text: str) -> str:
    return text.replace("\t", "    ")


def _width(text: str) -> int:
    """Columns that `text` takes in a terminal, where characters of East Asian scripts take two."""
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text if not c.isascii())


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a person most likely meant by `name` (case is ignored), or None when none is close."""
    by_fold = {c.casefold(): c for c in candidates}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(name: str, candidates: Iterable[str], *, noun: str) -> str:
    """A hint: the nearest candidate, else all of them (capped)."""
    names = sorted(set(candidates))
    close = nearest(name, names)
    if close is not None:
        return f'did you mean "{close}"?'
    if not names:
        return f"there is no {noun} here"
    shown = ", ".join(names[:SHOWN_CANDIDATES])
    more = len(names) - SHOWN_CANDIDATES
    return f"known: {shown}" + (f", and {more} more" if more > 0 else "")


SHOWN_CANDIDATES = 12
