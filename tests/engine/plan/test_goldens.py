"""Plans as text: every case of goldens/*.txt, `== name`, the program, `-- plan`, the plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.plan.planning import text

GOLDENS = Path(__file__).parent / "goldens"


def _cases() -> list[object]:
    return list(_read())


def _read() -> Iterator[object]:
    for path in sorted(GOLDENS.glob("*.txt")):
        for block in path.read_text(encoding="utf-8").split("== ")[1:]:
            name, _, rest = block.partition("\n")
            sql, _, expected = rest.partition("-- plan\n")
            yield pytest.param(sql, expected.strip("\n"), id=f"{path.stem}: {name}")


@pytest.mark.parametrize(("sql", "expected"), _cases())
def test_the_plan_of(sql: str, expected: str) -> None:
    assert text(sql).strip("\n") == expected
