"""Programs of Velostream's, exported, as cases for a real Flink.

`python -m tests.importing.exported` writes tests/oracle/definitions/exported.yaml again; `python -m tests.oracle.record new
exported` asks Flink what is new there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from velo_engine.engine import Engine
from velo_import.export.model import ExportedProgram, Form
from velo_import.export.program import export_program

PROGRAMS = Path(__file__).with_name("exported_programs.yaml")
DEFINITIONS = Path(__file__).parents[1] / "oracle" / "definitions" / "exported.yaml"


def programs() -> dict[str, dict[str, Any]]:
    """The entries of `exported_programs.yaml`, each with its defaults."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load(PROGRAMS.read_text(encoding="utf-8"))
    entries.pop("events")
    defaults = entries.pop("defaults")
    return {name: {**defaults, **own} for name, own in entries.items()}


def exported(program: str) -> ExportedProgram:
    """The program in Flink SQL; nothing of it is refused."""
    found = export_program(program, "program.sql", engine=Engine())
    assert not found.refused, found.refused
    return found


def question(found: ExportedProgram) -> tuple[dict[str, str], str]:
    """The column lists of the sources, and the query of the last statement with the views that it may read."""
    inserts = [one for one in found.statements if one.form in (Form.INSERT, Form.QUERY)]
    views = [one for one in found.statements if one.form is Form.VIEW]
    written = {one.name for one in inserts}
    sources = {
        one.name: _line(one.columns) for one in found.statements if one.form is Form.TABLE and one.name not in written
    }
    query = str(inserts[-1].query)
    named = ", ".join(f"`{view.name}` AS ({view.query})" for view in views)
    return sources, _line(f"WITH {named} {query}" if named else query)


def _line(text: str) -> str:
    return " ".join(text.split())


def _definition(entry: Mapping[str, Any]) -> dict[str, Any]:
    columns, query = question(exported(entry["program"]))
    assert columns.keys() == entry["inputs"].keys(), columns
    inputs = {}
    for name, given in entry["inputs"].items():
        rows = given if "rows" in given and "columns" in given else _rows(given)
        inputs[name] = {"columns": columns[name], "rows": rows["rows"]}
    rest = {key: entry[key] for key in ("order", "situations", "compare") if key in entry}
    return {"query": query, "inputs": inputs, **rest}


def _rows(given: Mapping[str, Any]) -> dict[str, Any]:
    from tests.oracle import generated_rows

    found = generated_rows.events(given["events"], given["rows"])
    return {"rows": [[row[key] for key in ("k", "px", "q", "id", "ts")] for row in found]}


def main() -> None:
    """Write the definitions."""
    found = {name: _definition(entry) for name, entry in programs().items()}
    head = "# Written by `python -m tests.importing.exported` from tests/importing/exported_programs.yaml.\n"
    DEFINITIONS.write_text(head + yaml.safe_dump(found, sort_keys=False, width=110, default_flow_style=None), "utf-8")
    print(f"{len(found)} cases")


if __name__ == "__main__":
    main()
