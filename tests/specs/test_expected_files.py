"""What the example suites expect comes from an independent computation, not from the engine."""

from __future__ import annotations

import pytest

from tests.specs.expected_files import FILES, rendered
from tests.specs.independent import ROOT


@pytest.mark.parametrize("name", FILES)
def test_the_expectation_file_is_what_the_independent_computation_gives(name: str) -> None:
    assert (ROOT / "specs" / name).read_text(encoding="utf-8") == rendered(FILES[name]())
