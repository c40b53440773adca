"""Which reports a run writes and where to, and what of a query is plotted."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness.running.test_reports import query

from velo_engine import Progress
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import BIGINT, DOUBLE, STRING
from velo_harness.profile import ReadingCurve, histogram, profile_of
from velo_harness.reports.json_reading import read_report
from velo_harness.reports.outputs import Outputs, outputs
from velo_harness.result import Histogram


@pytest.mark.parametrize(
    ("output", "files", "formats", "stdout"),
    [
        (None, [], [], None),
        ("text", [], [], None),
        ("json", [], [], "json"),
        (
            None,
            ["a.json", "a.html", "a.HTM", "a.md", "a.xml", "a.txt"],
            ["json", "html", "html", "markdown", "junit", "text"],
            None,
        ),
        ("markdown", ["summary"], ["markdown"], None),
        ("markdown", ["step.abc"], ["markdown"], None),
        ("github", ["a.json"], ["json"], "github"),
        ("json", ["a.json"], ["json"], None),
        (None, ["a"], ["text"], None),
    ],
)
def test_endings_say_the_format(output, files: list[str], formats: list[str], stdout: str | None) -> None:
    paths = [Path(file) for file in files]
    assert outputs(output, paths) == Outputs(tuple(zip(paths, formats, strict=True)), stdout)


@pytest.mark.parametrize(("output", "files"), [("htlm", []), (None, ["a.pdf"])])
def test_a_format_that_there_is_not_is_an_error(output: str | None, files: list[str]) -> None:
    with pytest.raises(VeloError) as refused:
        outputs(output, [Path(file) for file in files])
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert "html" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("html", "--report report.html writes it to a file, --output html to stdout"),
        ("junit", "--report report.xml writes it to a file, --output junit to stdout"),
        ("github", "--output github writes it to stdout"),
    ],
)
def test_a_format_where_a_file_is_to_be_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(VeloError, match=f'"{name}" is a format of reports, and no file') as refused:
        outputs("json", [Path("a.json"), Path(name)])
    assert (refused.value.code, refused.value.hint) == (ErrorCode.BAD_VALUE, hint)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, ErrorCode.FILE_NOT_FOUND),
        ("{", ErrorCode.BAD_VALUE),
        ("[]", ErrorCode.BAD_VALUE),
        ('{"schema_version": 2, "queries": []}', ErrorCode.BAD_VALUE),
        ('{"schema_version": 1, "queries": [{"id": 3}]}', ErrorCode.BAD_VALUE),
    ],
)
def test_what_is_no_report_is_an_error_that_names_the_file(
    tmp_path: Path, content: str | None, code: ErrorCode
) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(VeloError, match=r"old\.json") as refused:
        read_report(path)
    assert refused.value.code is code


def test_numeric_columns_are_profiled(relation) -> None:
    columns = {
        "n": (BIGINT, [1, 2, 2, 4, None]),
        "x": (DOUBLE, [0.5, float("nan"), float("inf"), 1.5, None]),
        "t": (STRING, ["a"] * 5),
        "empty": (DOUBLE, [None] * 5),
    }
    late = relation("late", {"late_by_ms": (BIGINT, [5, 5])})
    profile = profile_of(relation("out", columns), late, "late_by_ms", None)

    assert [(c.name, c.nulls, c.mean) for c in profile.columns] == [("n", 1, 2.25), ("x", 1, 1.0), ("empty", 5, None)]
    assert profile.columns[0].histogram == Histogram(1.0, 4.0, (1, 2, 0, 1))
    assert profile.columns[2].histogram is None
    assert profile.lateness_ms == Histogram(5.0, 5.0, (2,))


def test_numbers_at_the_ends_of_their_range_are_profiled(relation) -> None:
    import json

    from velo_harness.reports.html import run_html
    from velo_harness.reports.json_report import run_json
    from velo_harness.result import RunResult

    output = relation(
        "out", {"x": (DOUBLE, [1.7e308, 1.7e308, -1.7e308, 5e-324]), "n": (BIGINT, [2**63 - 1, -(2**63), 0, 1])}
    )
    late = relation("late", {"late_by_ms": (BIGINT, [])})
    run = RunResult((query(profile=profile_of(output, late, "late_by_ms", None)),))
    assert json.loads(run_json(run))["queries"][0]["profile"]["columns"][0]["histogram"]["counts"] == [4]
    assert "<figure>" in run_html(run)


def test_a_histogram_counts_every_finite_value_once() -> None:
    import numpy as np

    values = np.linspace(-3, 7, 1001)
    found = histogram(values)
    assert found is not None
    assert (found.low, found.high, sum(found.counts)) == (-3.0, 7.0, 1001)
    assert max(found.counts) - min(found.counts) <= 2


@pytest.mark.parametrize(
    "values", [[0.0, 5e-324], [0.0, 5e-323], [1.0, 1.0000000000000002], [-1.7e308, 1.7e308], [7.0, 7.0]]
)
def test_values_between_which_no_bins_fit_are_one_bin(values: list[float]) -> None:
    import numpy as np

    assert histogram(np.array(values)) == Histogram(values[0], values[1], (2,))


def test_of_a_long_curve_points_are_left_out_evenly() -> None:
    heard = []
    curve = ReadingCurve(heard.append)
    for number in range(1000):
        curve(Progress(number, False))
    assert len(heard) == 1000
    counts = [count for _, count in curve.points]
    assert len(counts) <= 120
    assert counts == sorted(counts)
    assert counts[-1] == 999
