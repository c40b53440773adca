"""A compiled plan (`COMPILE PLAN 'file' FOR …`) as the Flink SQL script that it could come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.flink.script import FlinkScript, parse_script
from velo_engine.sql.flink.statements import Place, Unread
from velo_import.inputs.compiled_plan.logical_types import UnreadPart, quoted
from velo_import.inputs.compiled_plan.queries import QueryBuilder, UnreadNode
from velo_import.inputs.compiled_plan.reading import MALFORMED, Plan, read_plan, told
from velo_import.inputs.compiled_plan.relations import Node
from velo_import.inputs.compiled_plan.tables import Table, create_table, insert_columns, parts_of
from velo_import.model import Construct, Outcome

TESTED = "2.3"
"""The version of Flink whose plans are compared with what Flink makes of them."""
BETTER = "import the SQL that the plan was compiled from"
_HEAD = re.compile(r"-- Rebuilt from the compiled plan (.*) of Flink (.*)\.\n")
_ENFORCER = "table.exec.sink.not-null-enforcer"
_STATE_TTL = "table.exec.state.ttl"


def is_plan(text: str) -> bool:
    """Whether a text is the JSON of a plan, or at least means to be."""
    return text.lstrip().startswith("{") and '"nodes"' in text and '"flinkVersion"' in text


def plan_script(text: str, *, file: str) -> FlinkScript:
    """The script of a plan: its tables, one INSERT for each sink; sinks that cannot be read are `Unread` statements.

    It is called as the plan, with `.sql` behind.

    VeloError SQL_SYNTAX when the text is no plan.
    """
    plan = read_plan(text, file)
    try:
        return _Plan(plan, file).script()
    except MALFORMED as problem:
        message = f"the plan is not as Flink writes it: {told(problem)}"
        raise VeloError(ErrorCode.SQL_SYNTAX, message, location=Location(file, 1), hint=BETTER) from None


def note_of(script: FlinkScript) -> Construct | None:
    """The row of the report for a script of a plan that another Flink wrote than the tested one; else None."""
    head = _HEAD.match(script.text)
    if head is None or head[2] == TESTED or head[2].startswith(f"{TESTED}."):
        return None
    version = f"Flink {head[2]}" if head[2] else "a Flink that it does not name"
    reason = f"the plan is of {version}; only plans of Flink {TESTED} are tested"
    place = Location(script.file, 1)
    return Construct(
        place, f"plan of {version}", "compiled plan", "SQL rebuilt from its nodes", Outcome.DIFFERS, reason, BETTER
    )


class _Plan:
    """A plan's nodes, and the script that comes of them."""

    def __init__(self, plan: Plan, file: str) -> None:
        self._file = file
        self._script = f"{file}.sql"
        self._version, self._nodes, self._inputs = plan.version, plan.nodes, plan.inputs
        self._tables = dict(self._used_tables())
        self._names = _names(list(self._tables))

    def script(self) -> FlinkScript:
        """What the plan says, as a script."""
        head = f"-- Rebuilt from the compiled plan {self._file} of Flink {self._version}.\n"
        definitions, missing = self._definitions()
        inserts: list[str] = []
        for sink in self._sinks():
            try:
                inserts.append(self._insert(sink))
            except UnreadNode as unread:
                missing.append((sink, unread.node, unread.reason))
            except (UnreadPart, *MALFORMED) as problem:
                missing.append((sink, sink, told(problem)))
        if not inserts and not missing:
            raise VeloError(
                ErrorCode.EMPTY_INPUT, f"the plan {self._file} has no sink", location=Location(self._file, 1)
            )
        statements = [*self._settings(), *definitions]
        if len(inserts) > 1:
            statements += ["EXECUTE STATEMENT SET\nBEGIN\n" + "".join(f"{text};\n" for text in inserts) + "END"]
        else:
            statements += inserts
        text = head + "".join(f"\n{statement};\n" for statement in statements)
        script = parse_script(text, file=self._script)
        return replace(script, statements=(*script.statements, *(self._unread(text, *one) for one in missing)))

    def _unread(self, text: str, sink: Node, node: Node, reason: str) -> Unread:
        table = _table_of(sink)
        name = parts_of(table["identifier"])[-1] if table is not None else str(sink.id)
        message = f"node {node.id} of the plan ({node.data['type']}) is not read: {reason}"
        description = node.data.get("description", "")
        shown = f"; it is {description}" if description else ""
        error = VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f"the INSERT INTO {name}: {message}{shown}",
            location=Location(self._script, 1),
            hint=BETTER,
        )
        return Unread(Place(Location(self._script, 1), 0, text.index("\n")), error)

    def _sinks(self) -> Iterator[Node]:
        return (node for node in self._nodes.values() if node.kind in ("sink", "legacy-sink"))

    def _definitions(self) -> tuple[list[str], list[tuple[Node, Node, str]]]:
        made, missing = [], []
        for identifier, (node, table) in self._tables.items():
            try:
                text = create_table(self._names[identifier], table)
            except (UnreadPart, *MALFORMED) as problem:
                missing.append((node, node, told(problem)))
                continue
            if text is not None:
                made.append(text)
        return made, missing

    def _insert(self, sink: Node) -> str:
        table = _table_of(sink)
        if table is None or sink.kind == "legacy-sink":
            raise UnreadPart("a sink that is no table")
        columns = insert_columns(table)
        overwrite = "INTO"
        for ability in sink.data["dynamicTableSink"].get("abilities") or ():
            match ability["type"]:
                case "Overwrite":
                    overwrite = "OVERWRITE" if ability.get("overwrite", True) else "INTO"
                case "TargetColumnWriting":
                    columns = columns or None
                case "WritingMetadata" | "Partitioning":
                    continue
                case other:
                    raise UnreadPart(f"the ability {other} of a sink")
        names = f" ({', '.join(map(quoted, columns))})" if columns else ""
        query = QueryBuilder(self._nodes, self._inputs, self._names).text(sink)
        conflict = (sink.data.get("conflictStrategy") or {}).get("behavior")
        tail = f"\nON CONFLICT DO {conflict}" if conflict and conflict != "DEDUPLICATE" else ""
        return f"INSERT {overwrite} {self._names[table['identifier']]}{names}\n{query}{tail}"

    def _settings(self) -> list[str]:
        """What the plan's nodes were compiled with and that changes results."""
        found: dict[str, str] = {}
        for node in self._nodes.values():
            enforcer = (node.data.get("configuration") or {}).get(_ENFORCER, "ERROR")
            if enforcer.upper() != "ERROR":
                found[_ENFORCER] = enforcer
        lives = {state["ttl"] for node in self._nodes.values() for state in node.data.get("state") or ()}
        if len(lives) == 1 and not (life := lives.pop()).startswith("0 "):
            found[_STATE_TTL] = life
        zones = {
            (n.data.get("configuration") or {}).get("table.local-time-zone", "default") for n in self._nodes.values()
        }
        zone = next((zone for zone in sorted(zones) if zone != "default"), None)
        if zone is not None:
            found["table.local-time-zone"] = zone
        return [f"SET '{key}' = '{value}'" for key, value in found.items()]

    def _used_tables(self) -> Iterator[tuple[str, tuple[Node, Table]]]:
        for node in self._nodes.values():
            table = _table_of(node)
            if table is not None:
                yield table["identifier"], (node, table)


def _table_of(node: Node) -> Table | None:
    """The table that a node reads or writes."""
    places: Sequence[Sequence[str]] = (
        ("scanTableSource", "table"),
        ("dynamicTableSink", "table"),
        ("temporalTable", "lookupTableSource", "table"),
    )
    for place in places:
        found: Any = node.data
        for key in place:
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and "identifier" in found:
            return found
    return None


def _names(identifiers: Sequence[str]) -> dict[str, str]:
    """How the script calls each table: by its own name, where that is not the name of another one, too."""
    last = [parts_of(identifier)[-1] for identifier in identifiers]
    return {
        identifier: quoted(name) if last.count(name) == 1 else ".".join(map(quoted, parts_of(identifier)))
        for identifier, name in zip(identifiers, last, strict=True)
    }
