"""docs/exit-codes.md and docs/report.md say what the program does."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from velo_engine.errors import ErrorCode, ExitCode

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, cells: int) -> list[list[str]]:
    """The table rows of a page with so many cells, code marks taken off."""
    found = []
    for line in (DOCS / page).read_text().splitlines():
        parts = [part.strip().strip("`") for part in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(parts) == cells and not set(line) <= set("|-"):
            found.append(parts)
    return found


def test_every_error_code_is_documented_as_it_is() -> None:
    documented = [row for row in rows("exit-codes.md", 4) if row[0].startswith("VELO")]
    assert documented == [[e.code, e.name, str(int(e.exit_code)), e.meaning] for e in ErrorCode]


def test_every_exit_code_is_documented() -> None:
    documented = {int(row[0]) for row in rows("exit-codes.md", 2) if row[0].isdigit()}
    assert documented == {int(code) for code in ExitCode}


def test_error_codes_are_unique_and_well_formed() -> None:
    codes = [e.code for e in ErrorCode]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"VELO[1-59]\d{3}", code) for code in codes)


def test_every_key_of_the_report_is_documented() -> None:
    schema = json.loads((files("velo_harness") / "schemas/report.schema.json").read_text())
    text = (DOCS / "report.md").read_text()
    objects = [schema, *(schema["$defs"][name] for name in ("query", "failure", "error", "location"))]
    keys = {key for described in objects for key in described["properties"]}
    assert {key for key in keys if f"`{key}`" not in text} == set()
