"""docs/functions.md says what the function table holds."""

from __future__ import annotations

from pathlib import Path

from velo_engine.functions.documentation import page
from velo_engine.functions.table import CATEGORIES, FUNCTIONS, UNAVAILABLE, WRITTEN

PAGE = Path(__file__).parents[3] / "docs" / "functions.md"


def test_the_page_is_the_one_the_table_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m velo_engine.functions.documentation > docs/functions.md"
    )


def test_every_function_has_a_name_of_its_own() -> None:
    everything = [function for _, functions in CATEGORIES for function in functions]
    spellings = [name for f in everything if not f.operator for name in (f.name.upper(), *f.aliases)]

    assert len(FUNCTIONS) == len(everything)
    assert len(WRITTEN) == len(spellings)
    assert not WRITTEN.keys() & UNAVAILABLE.keys()
