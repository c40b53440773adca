"""The statements in a program's string literals, with their places in the program.

A literal counts as SQL when it is given to a method that runs SQL, or is a statement by its structure. What begins as a
statement and is neither is told of in the report, and is never made a table of.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import FlinkScript, parse_script
from velo_engine.sql.flink.unclosed import Stretch
from velo_engine.sql.source_text import SourceText, WrittenText
from velo_import.inputs.programs.chains import Chain, Program
from velo_import.inputs.programs.literals import Hole, Known, Part
from velo_import.inputs.programs.tokens import Language

LANGUAGES = {".java": Language.JAVA, ".scala": Language.SCALA, ".py": Language.PYTHON}
"""Suffixes of the programs that are looked into."""

_RUNS_SQL = frozenset(
    (
        *("executesql", "execute_sql", "sqlquery", "sql_query", "sqlupdate", "sql_update"),
        *("addinsertsql", "add_insert_sql", "explainsql", "explain_sql", "compileplansql", "compile_plan_sql"),
    )
)
"""Methods of Flink's tables, in small letters."""
_HANDS_ON = frozenset(("dedent", "cleandoc", "format", "text", "string"))
"""Functions that give what they are given to the one around them."""
_GROWS = frozenset(("stringbuilder", "stringbuffer", "append"))
_TELLS = re.compile(
    r"print\w*|log\w*|info|debug|warn\w*|error|trace|fatal|critical|exception|fail|write|puts|echo|input|help|\w+exception"
    r"|\w+error|argument|add_argument|require|assert\w*",
    re.IGNORECASE,
)
"""Functions that show a text to people."""
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:CREATE\s+(?:OR\s+(?:REPLACE|ALTER)\s|TEMPORARY\s|TABLE\b|VIEW\b|FUNCTION\b|CATALOG\b"
    r"|DATABASE\b|MODEL\b|MATERIALIZED\s)|INSERT\s+INTO\b|INSERT\s+OVERWRITE\b|SELECT\b|WITH\s+\S+\s+AS\b"
    r"|EXECUTE\s+(?:STATEMENT|INSERT)\b|BEGIN\s+STATEMENT\b|DROP\s+(?:TEMPORARY\s+)?(?:TABLE|VIEW)\b|ALTER\s+TABLE\b"
    r"|SET\s+'[\w.-]+'\s*=)",
    re.IGNORECASE | re.DOTALL,
)
_CLEARLY = re.compile(
    r"CREATE\s+.*?\b(?:TABLE|VIEW)\b[^(]*(?:\(|\bAS\b)|INSERT\s.*?\b(?:SELECT|VALUES|TABLE)\b|SELECT\b.*?\bFROM\b.*[*=()<>]",
    re.IGNORECASE | re.DOTALL,
)
"""A statement with the structure of one, though it may not parse."""
_BEYOND_WORDS = re.compile(r"[*,().=<>'`$]|\b(?:WHERE|JOIN|GROUP\s+BY|ORDER\s+BY|UNION|WINDOW|LIMIT)\b", re.IGNORECASE)
_VARIABLE = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*\Z")


@dataclass(slots=True)
class _Found:
    """A text that may be SQL."""

    chain: Chain
    parts: list[Part]
    is_run: bool
    """Given to a method that runs SQL."""
    unknown: str | None
    """Why its whole text is not known."""

    @property
    def begins(self) -> str:
        """What is known of its text until the first hole."""
        first = self.parts[0] if self.parts else None
        return first.text if isinstance(first, Known) else ""


class _Sql:
    """The text of all statements, and where it comes from."""

    def __init__(self, program: str, file: str) -> None:
        self.file = file
        self.program = SourceText(file, program)
        self.texts: list[str] = []
        self.offsets = array("l")
        self.refused: list[Stretch] = []

    def add(self, text: str, offsets: tuple[int, ...]) -> None:
        self.texts.append(text)
        self.offsets.extend(offsets)

    def refuse(self, start: int, text: str, error: VeloError) -> None:
        """`text`, which was added at `start`, is not read."""
        lead = len(text) - len(text.lstrip())
        self.refused.append(Stretch(start + lead, start + max(len(text.rstrip()), lead + 1), error))


def embedded_script(text: str, language: Language, *, file: str = "<sql>") -> FlinkScript:
    """The statements in a program, which is `file`, in the order in which they stand. VeloError as `parse_script`."""
    program = Program(text, language)
    found: list[_Found] = []
    behind = 0
    for chain in program.chains():
        one = _candidate(program, chain) if chain.start >= behind else None
        if one is not None:
            found.append(one)
            behind = chain.end
    sql = _Sql(text, file)
    for one in found:
        if one.is_run or program.name_of(one.chain) not in program.used:
            _put(sql, one, program.tokens[one.chain.end - 1].end - 1)
    return parse_script(
        "".join(sql.texts), file=file, written=WrittenText(text, sql.offsets), refused=tuple(sql.refused)
    )


def _candidate(program: Program, chain: Chain) -> _Found | None:
    """A text that is run, or begins as a statement and is not shown to people."""
    callees = [name for name in program.callees(chain) if name.lower() not in _HANDS_ON]
    callee = callees[0] if callees else ""
    name = program.name_of(chain)
    is_run = callee.lower() in _RUNS_SQL
    if not is_run and name is not None:
        calls = "|".join(_RUNS_SQL)
        is_run = bool(re.search(rf"\b(?:{calls})\s*\(\s*{re.escape(name)}\s*[,).]", program.text, re.IGNORECASE))
    if not is_run and _TELLS.fullmatch(callee):
        return None
    one = _Found(chain, program.parts(chain), is_run, None)
    if not (_STATEMENT.match(one.begins) or (is_run and callee.lower() in _RUNS_SQL and "".join(one.begins.split()))):
        return None
    holes = [part for part in one.parts if isinstance(part, Hole) and not _VARIABLE.match(part.written)]
    if holes:
        one.unknown = f"`{holes[0].written}` is known only when the program runs"
    elif callee.lower() in _GROWS or (name is not None and program.is_in_place(name)):
        one.unknown = "more text is added to it later"
    return one


def _put(sql: _Sql, one: _Found, last: int) -> None:
    """The text of a statement with a semicolon behind it; `last` is the offset of its last character."""
    start, first = len(sql.offsets), len(sql.texts)
    for part in one.parts:
        if isinstance(part, Known):
            sql.add(part.text, part.offsets)
            continue
        is_variable = _VARIABLE.match(part.written)
        written = "".join(part.written.split()).replace(".", "_") if is_variable else re.sub(r"\W+", "_", part.written)
        written = f"${{{written}}}" if is_variable else f"{{{written}}}"
        sql.add(written, (part.at,) * len(written))
    text = "".join(sql.texts[first:])
    error = _reason(sql, one, start, text)
    if error is not None:
        sql.refuse(start, text, error)
    sql.add("\n;\n", (last,) * 3)


def _reason(sql: _Sql, one: _Found, start: int, text: str) -> VeloError | None:
    """Why a text is not read as SQL."""
    holes = [part for part in one.parts if isinstance(part, Hole)]
    unknown = next((hole for hole in holes if not _VARIABLE.match(hole.written)), None)
    why = one.unknown
    if why is None and holes and parse_script(text).unread:
        unknown = holes[0]
        why = f"`{unknown.written}` is known only when the program runs; a variable can stand within quotes alone"
    if why is not None:
        message = f"the text of the statement is assembled from pieces: {why}"
        hint = "put what varies into a constant of the same file, or into the value of a literal: '${NAME}'"
    elif one.is_run or _is_statement(text):
        return None
    else:
        message = "this text begins as a statement, but it has not the structure of one, and nothing runs it"
        hint = "if it is SQL, give the literal to executeSql or execute_sql; otherwise nothing is missing"
    place = sql.program.location(sql.offsets[start] if unknown is None else unknown.at)
    return VeloError(ErrorCode.SQL_SYNTAX, message, location=place, hint=hint)


def _is_statement(text: str) -> bool:
    """Whether a text that nothing is known to run is SQL."""
    statements = parse_script(text).statements
    if any(isinstance(statement, flink.Unread) for statement in statements):
        return _CLEARLY.match(text.strip()) is not None
    queries = [one for one in statements if isinstance(one, flink.Query)]
    return not queries or (re.search(r"\bFROM\b", text, re.IGNORECASE) and _BEYOND_WORDS.search(text)) is not None
