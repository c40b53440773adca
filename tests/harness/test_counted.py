"""Numbers with their nouns."""

import pytest

from velo_harness.counted import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows"), (12345, "12,345 rows")]
)
def test_one_is_singular(count: int, text: str) -> None:
    assert counted(count, "row") == text


def test_a_phrase_has_its_own_plural() -> None:
    assert [counted(n, "row repeats a key", "rows repeat a key") for n in (1, 3)] == [
        "1 row repeats a key",
        "3 rows repeat a key",
    ]
