"""Our engine answers every recorded case as Flink did, however its input is cut into batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.oracle.case import load, recorded_paths
from tests.oracle.comparison import difference
from tests.oracle.engine_runner import run
from tests.oracle.known_differences import ANSWERED_DIFFERENTLY, REFUSED, REFUSED_BY_BOTH
from velo_engine import VeloError

BATCH_SIZES = (1, 7)
"""Besides the whole input at once: one of them for a case, by its name, so that each group sees both."""

UNCUT = frozenset({"imported"})
"""Groups of queries whose operators have groups of their own, where they are cut."""

NAMES = {f"{path.parent.name}/{path.stem}": path for path in recorded_paths()}


def _expected_failure(name: str) -> list[pytest.MarkDecorator]:
    if name in ANSWERED_DIFFERENTLY:
        return [pytest.mark.xfail(reason=ANSWERED_DIFFERENTLY[name], raises=pytest.fail.Exception, strict=True)]
    for refused in (name, name.split("/")[0]):
        if refused in REFUSED:
            reason = f"not supported: {REFUSED[refused]}"
            return [pytest.mark.xfail(reason=reason, raises=VeloError, strict=True)]
    return []


CASES: list[Any] = [pytest.param(path, id=name, marks=_expected_failure(name)) for name, path in NAMES.items()]


@pytest.mark.parametrize("path", CASES)
def test_the_engine_answers_as_flink(path: Path) -> None:
    case = load(path)
    if f"{path.parent.name}/{path.stem}" in REFUSED_BY_BOTH:
        assert case.answer.error is not None, "Flink answers this"
        with pytest.raises(VeloError):
            run(case.definition, batch_size=10_000)
        return
    whole = run(case.definition, batch_size=10_000)
    if (found := difference(case.answer, whole, case.definition.compare)) is not None:
        pytest.fail(found, pytrace=False)
    assert whole.events == case.answer.events, "the same changes, caused by other rows"
    if case.definition.group not in UNCUT:
        batch_size = BATCH_SIZES[crc32(path.stem.encode()) % len(BATCH_SIZES)]
        cut = run(case.definition, batch_size)
        assert (cut.schema, cut.changelog, cut.events) == (whole.schema, whole.changelog, whole.events), batch_size
        assert (cut.error is None) == (whole.error is None)


def test_known_differences_name_recorded_cases() -> None:
    groups = {name.split("/")[0] for name in NAMES}
    assert ANSWERED_DIFFERENTLY.keys() <= NAMES.keys()
    assert REFUSED.keys() <= NAMES.keys() | groups
    assert NAMES.keys() >= REFUSED_BY_BOTH
