"""Every expression has Flink's type and, for every row, Flink's value: recorded from Flink 2.3.0 on JDK 17."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from tests.engine.expressions.known_differences import ACCEPTED_HERE, ANSWERED_DIFFERENTLY, REFUSED_HERE
from tests.engine.expressions.recorded_expressions import FOLDER, Case, Recording, bind, evaluate, load

from velo_engine.errors import VeloError
from velo_engine.kernel import Kernel

FILES = sorted(path.stem for path in FOLDER.glob("*.json"))
REAL_FUNCTIONS = ("POWER", "SQRT", "LN", "LOG", "EXP", "SIN", "COS", "TAN", "COT", "ATAN", "ACOS", "COSH")
"""Their last digit is the platform's mathematical library's."""

_load = cache(load)


def _cases() -> list[object]:
    return [
        pytest.param(file, index, id=f"{file}: {case.expression}")
        for file in FILES
        for index, case in enumerate(_load(file).cases)
    ]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


@pytest.mark.parametrize(("file", "index"), _cases())
def test_expression_is_answered_as_flink_answers(kernel: Kernel, file: str, index: int) -> None:
    recorded = _load(file)
    case = recorded.cases[index]
    listed = _listed(f"{file}: {case.expression}")
    found = _difference(kernel, recorded, case, listed)
    if listed is None:
        assert found is None, found
    else:
        assert found == listed, f"{case.expression} is listed as a difference"


def test_every_listed_difference_is_recorded() -> None:
    recorded = {f"{file}: {case.expression}" for file in FILES for case in _load(file).cases}
    assert {*ANSWERED_DIFFERENTLY, *REFUSED_HERE, *ACCEPTED_HERE} <= recorded


def _listed(name: str) -> str | None:
    if name in REFUSED_HERE:
        return "refused"
    if name in ACCEPTED_HERE:
        return "accepted"
    return "different" if name in ANSWERED_DIFFERENTLY else None


def _difference(kernel: Kernel, recorded: Recording, case: Case, listed: str | None) -> str | None:
    """None when ours is Flink's answer; for an unlisted case, what differs."""
    try:
        bound = bind(case.expression, recorded.schema)
    except VeloError as problem:
        return None if case.refused else "refused" if listed else f"refused: {problem}"
    if case.refused:
        return "accepted" if listed else f"Flink refuses it: {case.refused}"
    got = evaluate(kernel, bound, recorded)
    wrong = [(g, w) for g, w in zip(got, case.values, strict=True) if not _same(g, w, case)]
    if str(bound.type) == case.type and not wrong:
        return None
    return "different" if listed else f"type {bound.type}, Flink {case.type}; got and wanted: {wrong}"


def _same(got: str | None, want: str | None, case: Case) -> bool:
    if got is None or want is None or want.startswith("!!"):
        return got == want or (got is not None and want is not None and got.startswith("!!"))
    if got == want:
        return True
    if case.type.startswith("MAP<"):  # Flink's entries stand in hash order
        return sorted(got[1:-1].split(", ")) == sorted(want[1:-1].split(", "))
    if case.type.startswith("FLOAT"):
        # JDK 17 spells some floats with more digits than they need; ours are the shortest, as since JDK 19.
        return bool(np.float32(got) == np.float32(want)) and len(got) <= len(want)
    if case.type.startswith("DOUBLE") and case.expression.startswith(REAL_FUNCTIONS):
        return math.isclose(float(got), float(want), rel_tol=4 * 2**-52)
    return False
