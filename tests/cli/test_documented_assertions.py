"""docs/assertions.md lists every assertion type as the program has it. `python tests/cli/test_documented_assertions.py` prints it."""

from __future__ import annotations

from pathlib import Path

from velo_harness.assertion_types import ASSERTION_TYPES, Compares
from velo_harness.assertions.context import View
from velo_harness.assertions.registry import BUILT_IN

PAGE = Path(__file__).parents[2] / "docs/assertions.md"
ROWS = {View.RECORDS: "records", View.FINAL: "final", View.NONE: "none"}


def type_table() -> str:
    lines = ["| type | what holds | rows | parameters |", "|---|---|---|---|"]
    for kind in BUILT_IN:
        described = ASSERTION_TYPES[kind.name]
        parameters = [f"`{key.name}`" for key in described.parameters]
        if described.compares is not Compares.NO:
            parameters.append("a comparison")
        lines.append(f"| `{kind.name}` | {described.doc} | {ROWS[kind.view]} | {', '.join(parameters)} |")
    return "\n".join(lines) + "\n"


def test_the_page_has_the_table_of_types() -> None:
    assert type_table() in PAGE.read_text()


if __name__ == "__main__":
    print(type_table(), end="")
