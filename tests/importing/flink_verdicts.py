"""Which statements of the corpora Flink's planner itself refuses: `python -m tests.importing.flink_verdicts` asks it.

Flink's parser takes more than its planner: `refused.json` holds, by the digest of a statement, what the planner of a
streaming job says of it. Its tables are those that the scripts declare; tables that no script declares stand there as
the import infers them, of all statements and of this one alone, and what Flink says then counts only when no schema
could change it (`STRUCTURAL`): that a column is not there does when it is not, though all such tables have it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from tests.flink_dialect import corpora
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.source_text import SourceText
from velo_harness.flink.server import Flink, InputTable, SinkTable
from velo_import.convert.definitions import Item, ItemKind, items_of
from velo_import.convert.job import convert_job
from velo_import.convert.queries import query_start, readings
from velo_import.inputs.files import JobInput, read_jobs
from velo_import.model import ConvertedJob

VERDICTS = Path(__file__).parent / "refused.json"

STRUCTURAL = re.compile(
    "|".join(
        (
            "Sort on a non-time-attribute field is not supported",
            "The window can only be ordered",
            "OVER windows' ordering in stream mode",
            "Unsupported use of OVER windows",
            "FETCH is miss",
            "is not being grouped",
            "Processing-time temporal join is not supported",
            "Column count mismatch",
            "Supported signatures are",
            "must have matching call to group function",
            "signature DEFAULT",
            "RANK.*on streaming table",
            "OverAggregate doesn't support consuming update",
        )
    )
)
"""What no schema of the tables could change."""

UNKNOWN_FUNCTION = re.compile(
    r"No match found for function signature (?!DEFAULT\b)(\w+)(?:(?!Supported signatures are).)*\Z", re.DOTALL
)
"""No function is called so: of one that there is, but for other arguments, Flink gives the signatures."""

SCHEMATIC = re.compile(
    "|".join(
        (
            "Column '.*' not found in",
            "Unknown identifier",
            "List of column aliases must have same degree",
            "WHERE clause must be a condition",
            "Invalid data type of time field for watermark definition",
            "Flink doesn't support ENFORCED mode",
            "Table '.*' not found",
            "Cannot apply '.*' to arguments",
            "event-time temporal|Event-Time Temporal|Temporal Table Join requires",
        )
    )
)
"""What counts when the input declares all tables."""

WRITTEN = re.compile(
    "Different number of columns|Incompatible types for sink column|doesn't support consuming (?:update|delete)"
)
"""What counts of a table that the job itself declares, and that takes all rows of a query."""


def refused() -> dict[str, str]:
    """What Flink's planner says of the statements that it refuses, by digest."""
    return dict(json.loads(VERDICTS.read_text(encoding="utf-8"))) if VERDICTS.exists() else {}


@dataclass(frozen=True, slots=True)
class Question:
    """A statement as Flink is asked about it."""

    digest: str
    query: str
    tables: Mapping[str, str]
    """Column lists by name."""
    uncertain: frozenset[str]
    """The tables whose columns are inferred."""
    sink: SinkTable | None
    """The table which an INSERT writes as a whole, as the job itself declares it."""
    functions: frozenset[str]
    """The functions, in capitals, of which the script says where they are; `*` when a module may have any."""


def questions(job: ConvertedJob, declared: Declared) -> Iterator[Question]:
    """The statements of a job that make rows, each with the tables as the job has them."""
    inferred = {name: _body(job.app_sql, name) for name in job.tables if name not in declared.bodies}
    functions = frozenset(name for script in job.scripts for one in script.statements for name in _functions(one))
    for script in job.scripts[-1:]:
        source = SourceText(script.file, script.text)
        for statement in script.statements:
            inserts = statement.inserts if isinstance(statement, flink.StatementSet) else (statement,)
            for one in inserts:
                query = getattr(one, "query", None)
                if not isinstance(query, exp.Expr):
                    continue
                place = one.place
                digest = corpora.digest(next(corpora.split(script.text[place.start : place.end]), ""))
                start = query_start(source, place.start, place.end)
                text, names = declared.with_views(query, _short_names(query, script.text[start : place.end], start))
                tables = {n: declared.bodies.get(n) or inferred.get(n.rpartition(".")[2], "") for n in names}
                uncertain = frozenset(n for n in names if n not in declared.bodies)
                sink = None
                if isinstance(one, flink.Insert) and not one.columns and not one.partition:
                    sink = declared.sinks.get(one.target.rpartition(".")[2])
                yield Question(digest, text, tables, uncertain, sink, functions)


def _functions(statement: flink.Statement | flink.Unread) -> Iterator[str]:
    if isinstance(statement, flink.CreateFunction):
        yield statement.name.rpartition(".")[2].upper()
    elif isinstance(statement, flink.Command) and statement.name == "LOAD MODULE":
        yield "*"


def _names(query: exp.Expr) -> list[str]:
    """The tables that a query names, by the last part of their names."""
    return list(dict.fromkeys(str(reading.node.name) for reading in readings(query)))


def _short_names(query: exp.Expr, text: str, start: int) -> str:
    """The text of a query, which begins at `start` of its script, with tables of one name without their database."""
    edits = {}
    for reading in readings(query):
        found = [part for part in reading.node.find_all(exp.Identifier) if "start" in part.meta]
        parts = sorted(found, key=lambda part: int(part.meta["start"]))
        if "." in reading.written and len(parts) > 1 and parts[0].parent is not parts[-1]:
            named = [part for part in parts if part.name in reading.written.split(".")]
            edits[int(named[0].meta["start"]) - start] = (
                int(named[-1].meta["end"]) + 1 - start,
                f"`{reading.node.name}`",
            )
    for begin, (end, name) in sorted(edits.items(), reverse=True):
        text = text[:begin] + name + text[end:]
    return text


@dataclass(frozen=True, slots=True)
class Declared:
    """What the scripts of a job declare, by the last part of their names; what is declared twice and differently is not
    there, for it is not clear which is meant."""

    bodies: Mapping[str, str]
    """The column lists of tables."""
    sinks: Mapping[str, SinkTable]
    """The columns that are written of those that have no metadata, which may be written or not."""
    views: Mapping[str, tuple[exp.Expr, str]]
    """The queries of views and of CREATE TABLE … AS, and their texts as items of WITH."""

    def with_views(self, query: exp.Expr, text: str) -> tuple[str, list[str]]:
        """The text of a query with the views that it reads, and the tables that both name."""
        items: list[str] = []
        tables: dict[str, None] = {}

        def visit(node: exp.Expr) -> None:
            for name in _names(node):
                if name in self.views:
                    below, item = self.views[name]
                    if item not in items:
                        visit(below)
                        items.append(item)
                else:
                    tables[name] = None

        visit(query)
        if items and (own := re.match(r"\s*WITH\b", text, re.IGNORECASE)):
            text = f"WITH {', '.join(items)}, {text[own.end() :]}"
        elif items:
            text = f"WITH {', '.join(items)}\n{text}"
        return text, list(dict.fromkeys(tables))


def declared(job_input: JobInput) -> Declared:
    """What the job itself declares, and scripts of its folder: what is found elsewhere may be another table."""
    bodies: dict[str, str] = {}
    sinks: dict[str, SinkTable] = {}
    views: dict[str, tuple[exp.Expr, str]] = {}
    seen: dict[str, str] = {}
    twice: set[str] = set()
    own = _folder(job_input.scripts[-1].file)
    for script in (one for one in job_input.scripts if not one.is_found or _folder(one.file) == own != ""):
        source = SourceText(script.file, script.text)
        for statement in script.statements:
            if not isinstance(statement, flink.CreateTable | flink.CreateView):
                continue
            name = statement.name.rpartition(".")[2]
            text = " ".join(script.text[statement.place.start : statement.place.end].split())
            if seen.setdefault(name, text) != text:
                twice.add(name)
            if statement.query is not None:
                place = statement.place
                start = query_start(source, place.start, place.end)
                names = statement.columns if isinstance(statement, flink.CreateView) else ()
                columns = f" ({', '.join(f'`{one}`' for one in names)})" if names else ""
                text = _short_names(statement.query, script.text[start : place.end], start)
                views[name] = statement.query, f"`{name}`{columns} AS (\n{text}\n)"
            elif isinstance(statement, flink.CreateTable) and statement.like is None:
                items = items_of(statement, source)
                bodies[name] = ", ".join(map(_quoted, items))
                if all(item.kind in _PLAIN for item in items):
                    columns = ", ".join(_quoted(item) for item in items if item.kind is ItemKind.PHYSICAL)
                    takes_only_new = _option(statement, "connector") == "filesystem"
                    sinks[name] = SinkTable(_KEY.sub("", columns), "+I" if takes_only_new else "+I -U +U -D")
    for name in twice:
        for found in (bodies, sinks, views):
            found.pop(name, None)
    return Declared(bodies, sinks, views)


def _option(statement: flink.CreateTable, key: str) -> str | None:
    found = statement.options.get(key)
    return None if found is None else found.value


_KEY = re.compile(r"\bPRIMARY\s+KEY(?:\s+NOT\s+ENFORCED)?", re.IGNORECASE)
_PLAIN = (ItemKind.PHYSICAL, ItemKind.GENERATED, ItemKind.WATERMARKS, ItemKind.CONSTRAINTS)


def _folder(file: str) -> str:
    """The folder of a script in its collection, whose files are called by their paths."""
    return file.rpartition("__")[0]


def _quoted(item: Item) -> str:
    """An item of a column list whose column may be called like a word of Flink's."""
    name = item.name
    is_column = item.kind not in (ItemKind.WATERMARKS, ItemKind.CONSTRAINTS)
    return f"`{name}`{item.text[len(name) :]}" if is_column and item.text.startswith(name) else item.text


def _body(program: str, name: str) -> str:
    match = re.search(rf"CREATE TABLE `?{re.escape(name)}`? \(\n(.*?)\n\)", program, re.DOTALL)
    if match is None:
        return ""
    quoted = re.sub(r"^(\s*)(?!WATERMARK |PRIMARY )(\w+) ", r"\1`\2` ", match[1], flags=re.MULTILINE)
    quoted = re.sub(r"(?m)^(\s*WATERMARK FOR )(\w+) AS (\w+)", r"\1`\2` AS `\3`", quoted)
    return re.sub(r"PRIMARY KEY \((\w+)\)", r"PRIMARY KEY (`\1`)", quoted)


def counts(said: str, *, is_inferred: bool, functions: frozenset[str] = frozenset("*")) -> bool:
    """Whether it is the statement that Flink refuses, not the question: tables of Confluent's have a `$rowtime`."""
    if "$rowtime" in said:
        return False
    unknown = UNKNOWN_FUNCTION.search(said)
    if unknown is not None and not functions & {unknown[1].upper(), "*"}:
        return True
    return STRUCTURAL.search(said) is not None or (not is_inferred and SCHEMATIC.search(said) is not None)


class Judge:
    """Flink, asked about statements."""

    def __init__(self, flink_itself: Flink) -> None:
        self._flink = flink_itself

    def verdict(self, question: Question) -> tuple[bool, str]:
        """Whether Flink refuses the statement, and what it says; nothing when it takes it."""
        said = ""
        if all(question.tables.values()):
            said = self._said(question.tables, question.query)
            if said and counts(said, is_inferred=bool(question.uncertain), functions=question.functions):
                return True, said
            if not said:
                return self._written(question)
        if question.uncertain:
            for tables in self._other_tables(question, said):
                said = self._said(tables, question.query)
                if not said or self._is_anyhow(said, tables, question):
                    return bool(said), said
        return False, said

    def _other_tables(self, question: Question, said: str) -> Iterator[dict[str, str]]:
        """The tables with what this statement alone says of those that are uncertain."""
        job = convert_job("alone", (parse_script(question.query, file="alone.sql"),))
        alone = {name: _body(job.app_sql, name.rpartition(".")[2]) for name in question.uncertain}
        if all(alone.values()):
            yield {**question.tables, **alone}
        if all(question.tables.values()) and _NO_COLUMN.search(said) is not None:
            yield dict(question.tables)

    def _is_anyhow(self, said: str, tables: Mapping[str, str], question: Question) -> bool:
        """Whether no schema could change what Flink says: a function or a form that it has not; a column that is not
        found though all uncertain tables have it, or stands twice though none has; a WHERE of texts."""
        if counts(said, is_inferred=True, functions=question.functions):
            return True
        if _NO_CONDITION in said:
            return _is_text_as_condition(question.query)
        double = _AMBIGUOUS.search(said)
        if double is not None:
            return not any(f"`{double[1]}`" in tables[name] for name in question.uncertain)
        missing = _NO_COLUMN.search(said)
        if missing is None:
            return False
        column = f"`{missing[1]}`"
        wider = {
            n: body if n not in question.uncertain or column in body else f"{column} STRING, {body}"
            for n, body in tables.items()
        }
        again = _NO_COLUMN.search(self._said(wider, question.query))
        return again is not None and again[0] == missing[0]

    def _written(self, question: Question) -> tuple[bool, str]:
        """What Flink says of the table that the rows of a query go to."""
        if question.sink is None or question.uncertain:
            return False, ""
        said = self._said(question.tables, question.query, question.sink)
        return WRITTEN.search(said) is not None, said

    def _said(self, tables: Mapping[str, str], query: str, sink: SinkTable | None = None) -> str:
        inputs = [InputTable(name, _METADATA.sub("", body), []) for name, body in tables.items()]
        try:
            self._flink.explain(inputs, query, sink=sink)
        except RuntimeError as error:
            return str(error).removeprefix("Flink has no plan: ")
        return ""


def _is_text_as_condition(query: str) -> bool:
    """Whether some WHERE of a query is a CASE all of whose results are texts, whatever its tables are."""
    (statement,) = parse_script(query, file="alone.sql").statements
    tree = getattr(statement, "query", None)
    wheres = [where.this for where in tree.find_all(exp.Where)] if isinstance(tree, exp.Expr) else []
    cases = [one for one in wheres if isinstance(one, exp.Case)]
    return any(
        all(
            isinstance(branch.args["true"], exp.Literal) and branch.args["true"].is_string for branch in one.args["ifs"]
        )
        for one in cases
    )


_NO_CONDITION = "WHERE clause must be a condition"
_METADATA = re.compile(r"\s+METADATA\b(?:\s+FROM\s+'[^']*')?(?:\s+VIRTUAL\b)?", re.IGNORECASE)
"""Where the values of a column come from is nothing to the planner, and the oracle's tables have none."""

_AMBIGUOUS = re.compile(r"Column '([^']*)' is ambiguous")
_NO_COLUMN = re.compile(r"Column '([^']*)' not found in any table")


def main() -> None:
    """Ask Flink, and write its refusals; all answers go to the file that is named."""
    answers: dict[str, list[tuple[bool, str]]] = {}
    known = corpora.verdicts()
    with Flink() as flink_itself:
        judge = Judge(flink_itself)
        for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
            for job_input in read_jobs(folder):
                job = convert_job(job_input.name, job_input.scripts)
                for question in questions(job, declared(job_input)):
                    digest = question.digest
                    if digest in known and all(is_refused for is_refused, _ in answers.get(digest, [])):
                        answers.setdefault(digest, []).append(judge.verdict(question))
    refusals = {digest: found[0][1] for digest, found in answers.items() if all(is_refused for is_refused, _ in found)}
    VERDICTS.write_text(json.dumps(refusals, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(answers, indent=0) + "\n", encoding="utf-8")
    print(f"asked {len(answers)}, refused {len(refusals)}")


if __name__ == "__main__":
    main()
