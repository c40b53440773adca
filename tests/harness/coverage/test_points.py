"""What the rows of a spec cover of its SQL. All counts are made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from velo_harness.coverage.points import CoverPoint, merged, share
from velo_harness.coverage.report import annotated_text, coverage_text, reaches
from velo_harness.reports.json_reading import query_of
from velo_harness.reports.json_report import query_value
from velo_harness.result import Outcome, RunResult
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items, run_items

T = "CREATE TABLE t (id BIGINT NOT NULL, a BIGINT, b BIGINT, s STRING);\n"
U = "CREATE TABLE u (id BIGINT NOT NULL, c BIGINT);\n"
E = "CREATE TABLE e (k BIGINT NOT NULL, v BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at);\n"
F = "CREATE TABLE f (k BIGINT NOT NULL, ft TIMESTAMP(3), WATERMARK FOR ft AS ft);\n"

Cover = Callable[..., tuple[CoverPoint, ...]]


def run(folder: Path, *, coverage: bool = True) -> RunResult:
    settings = RunSettings(coverage=coverage)
    items, errors = load_items(find_spec_files([folder]), settings, ())
    assert not errors
    return run_items(items, settings)


@pytest.fixture
def cover(tmp_path: Path) -> Cover:
    """The points of `sql`, run over `inputs` (source: rows as YAML). The checks fail or pass, they do not matter."""

    def covered(sql: str, query: str = "q", **inputs: str) -> tuple[CoverPoint, ...]:
        given = "".join(f"      - {{ source: {name}, rows: {rows} }}\n" for name, rows in inputs.items())
        (tmp_path / "q.sql").write_text(sql, encoding="utf-8")
        (tmp_path / "q.test.yaml").write_text(
            f"application: c\nqueries:\n  - name: {query}\n    inputs:\n{given}"
            "    assertions: [{ type: record_count, less_than: 1000 }]\n",
            encoding="utf-8",
        )
        result = run(tmp_path)
        assert result.count(Outcome.PASSED) == 1, [q.error for q in result.queries]
        return result.coverage

    return covered


def seen(points: tuple[CoverPoint, ...], kind: str) -> dict[str, dict[str, int]]:
    """Text → outcomes, of one kind of points."""
    return {point.text: dict(point.seen) for point in points if point.kind == kind}


def test_each_part_of_a_condition_is_true_false_and_null(cover: Cover) -> None:
    points = cover(
        T + "CREATE STREAM q AS SELECT id FROM t WHERE a > 5 AND (b < 3 OR s IS NULL) AND id <> 9;",
        t="[{id: 1, a: 6, b: 2, s: x}, {id: 2, a: 5, b: 3}, {id: 3, b: 1, s: x}]",
    )

    assert seen(points, "condition") == {
        "a > 5": {"true": 1, "false": 1, "NULL": 1},
        "b < 3": {"true": 2, "false": 1, "NULL": 0},
        "s IS NULL": {"true": 1, "false": 2},
        "id <> 9": {"true": 3, "false": 0},
    }
    assert {(p.line, p.column) for p in points if p.text == "a > 5"} == {(2, 43)}


def test_each_bound_of_between_counts(cover: Cover) -> None:
    points = cover(
        T + "CREATE STREAM q AS SELECT id FROM t WHERE a BETWEEN 2 AND 4 AND s IN ('x', 'y');",
        t="[{id: 1, a: 1, s: x}, {id: 2, a: 3, s: z}]",
    )

    found = seen(points, "condition")
    assert found["a BETWEEN 2 AND 4 [>=]"] == {"true": 1, "false": 1, "NULL": 0}
    assert found["a BETWEEN 2 AND 4 [<=]"] == {"true": 2, "false": 0, "NULL": 0}
    assert found["s IN ('x', 'y')"] == {"true": 1, "false": 1, "NULL": 0}


def test_having_sees_groups(cover: Cover) -> None:
    points = cover(
        T + "CREATE TABLE q AS SELECT a, COUNT(*) AS n FROM t GROUP BY a HAVING COUNT(*) > 1;",
        t="[{id: 1, a: 1}, {id: 2, a: 1}, {id: 3, a: 2}]",
    )

    # a = 1 counts to 1 (false), then to 2 (true); a = 2 counts to 1 (false)
    assert seen(points, "condition") == {"COUNT(*) > 1": {"true": 1, "false": 2}}
    assert seen(points, "group") == {"group": {"group of several rows": 1}}


def test_branches_of_case_count_the_rows_that_take_them(cover: Cover) -> None:
    points = cover(
        T + "CREATE STREAM q AS SELECT CASE WHEN a > 9 THEN 'x' WHEN a > 5 THEN 'y' ELSE 'z' END AS k,\n"
        "CASE WHEN b > 0 THEN CASE WHEN a > 7 THEN 1 END END AS m FROM t WHERE id > 1;",
        t="[{id: 1, a: 10, b: 1}, {id: 2, a: 10, b: 1}, {id: 3, a: 6, b: 1}, {id: 4, b: 0}]",
    )

    # Row 1 is filtered before. The inner CASE is reached by rows 2 and 3.
    branches = [(p.text, p.seen["taken"]) for p in points if p.kind == "branch"]
    assert sorted(branches) == [
        ("ELSE", 1),
        ("ELSE (absent)", 1),  # the outer by row 4
        ("ELSE (absent)", 1),  # the inner by row 3
        ("WHEN a > 5", 1),
        ("WHEN a > 7", 1),
        ("WHEN a > 9", 1),
        ("WHEN b > 0", 2),
    ]


def test_defaults_of_coalesce_and_nullif(cover: Cover) -> None:
    points = cover(
        T + "CREATE STREAM q AS SELECT COALESCE(a, b, 0) AS x, NULLIF(b, 7) AS y FROM t;",
        t="[{id: 1, a: 1}, {id: 2, b: 7}, {id: 3, b: 8}]",
    )

    assert seen(points, "default") == {"COALESCE(a, b, 0)": {"argument 1": 1, "argument 2": 2, "argument 3": 0}}
    (equal,) = [p.seen["taken"] for p in points if p.kind == "branch" and p.text.startswith("WHEN")]
    assert equal == 1


@pytest.mark.parametrize("kind", ["JOIN", "LEFT JOIN", "FULL JOIN"])
def test_joins_with_and_without_match_on_both_sides(cover: Cover, kind: str) -> None:
    points = cover(
        T + U + f"CREATE TABLE q AS SELECT t.id, u.c FROM t {kind} u ON t.id = u.id AND u.c > t.a;",
        t="[{id: 1, a: 1}, {id: 2, a: 1}, {id: 3, a: 1}]",
        u="[{id: 1, c: 2}, {id: 2, c: 0}]",
    )

    # 1 matches; 2 has equal keys, but the rest of ON is false; 3 has no key
    (counts,) = seen(points, "join").values()
    assert counts == {"match": 1, "left row without match": 2, "right row without match": 1}
    assert {(p.line, p.kind) for p in points if p.kind == "join"} == {(3, "join")}


def test_interval_joins_have_rows_of_equal_keys_out_of_bounds(cover: Cover) -> None:
    points = cover(
        E + F + "CREATE STREAM q AS SELECT e.k FROM e, f WHERE e.k = f.k AND f.ft BETWEEN e.at AND e.at"
        " + INTERVAL '5' SECOND;",
        e="[{k: 1, at: 2025-01-01 00:00:00}, {k: 2, at: 2025-01-01 00:00:00}]",
        f="[{k: 1, ft: 2025-01-01 00:00:05}, {k: 2, ft: 2025-01-01 00:00:06}]",
    )

    (counts,) = seen(points, "join").values()
    assert counts == {
        "match": 1,
        "left row without match": 1,
        "right row without match": 1,
        "equal keys, time out of bounds": 1,
    }


def test_semi_joins_have_one_side(cover: Cover) -> None:
    points = cover(
        T + U + "CREATE TABLE q AS SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id);",
        t="[{id: 1}, {id: 2}]",
        u="[{id: 1}]",
    )

    (counts,) = seen(points, "join").values()
    assert counts == {"match": 1, "left row without match": 1}


def test_edges_of_windows_and_late_rows(cover: Cover) -> None:
    points = cover(
        E + "CREATE TABLE q AS SELECT window_start, COUNT(*) AS n FROM e WINDOW TUMBLING(at, 10s) EMIT FINAL;",
        e="[{k: 1, at: 2025-01-01 00:00:00}, {k: 1, at: 2025-01-01 00:00:09.999},"
        " {k: 1, at: 2025-01-01 00:00:09.998}, {k: 1, at: 2025-01-01 00:00:10}, {k: 1, at: 2025-01-01 00:00:03}]",
    )

    # 9.999 closes the first window: 9.998 and 3 are late
    assert seen(points, "window") == {
        "TUMBLE window": {"row on a window's start": 2, "row in a window's last millisecond": 1, "late row": 2}
    }


def test_sessions_go_on_and_end(cover: Cover) -> None:
    points = cover(
        E + "CREATE TABLE q AS SELECT k, COUNT(*) AS n FROM e WINDOW SESSION(at, 5s) GROUP BY k EMIT FINAL;",
        e="[{k: 1, at: 2025-01-01 00:00:00}, {k: 1, at: 2025-01-01 00:00:04}, {k: 1, at: 2025-01-01 00:00:09},"
        " {k: 2, at: 2025-01-01 00:00:10}]",
    )

    # After 4 s the session of key 1 goes on, after 5 s another begins
    assert seen(points, "window") == {
        "SESSION window": {"row that continues a session": 1, "pause that ends a session": 1, "late row": 0}
    }


def test_aggregates_see_nulls_and_repeated_values(cover: Cover) -> None:
    points = cover(
        T + "CREATE TABLE q AS SELECT a, COUNT(DISTINCT b) AS x, SUM(b) AS y, COUNT(*) AS n FROM t GROUP BY a;",
        t="[{id: 1, a: 1, b: 5}, {id: 2, a: 1, b: 5}, {id: 3, a: 2, b: 5}, {id: 4, a: 2}]",
    )

    assert seen(points, "aggregate") == {"COUNT": {"NULL": 1, "value that comes twice": 1}, "SUM": {"NULL": 1}}
    assert seen(points, "group") == {"group": {"group of several rows": 2}}


@pytest.mark.parametrize(
    ("rows", "over"), [("[{id: 1, a: 1}, {id: 2, a: 2}]", 0), ("[{id: 1, a: 1}, {id: 2, a: 2}, {id: 3}]", 1)]
)
def test_top_n_has_more_rows_than_its_limit(cover: Cover, rows: str, over: int) -> None:
    points = cover(T + "CREATE TABLE q AS SELECT id FROM t ORDER BY a LIMIT 2;", t=rows)

    assert seen(points, "top_n") == {"first 2": {"more rows than the limit": over}}


def test_both_sides_of_a_union(cover: Cover) -> None:
    points = cover(
        T + U + "CREATE STREAM q AS SELECT id FROM t UNION ALL SELECT id FROM u;", t="[{id: 1}, {id: 2}]", u="[]"
    )

    assert seen(points, "union") == {"UNION": {"row of input 1": 2, "row of input 2": 0}}


def test_a_statement_that_no_query_runs_is_not_covered(cover: Cover) -> None:
    points = cover(
        T + "CREATE STREAM q AS SELECT id FROM t;\nCREATE STREAM other AS SELECT id FROM t WHERE a > 1;",
        t="[{id: 1, a: 2}]",
    )

    (point,) = points
    assert (point.statement, dict(point.seen)) == ("other", {"true": 0, "false": 0, "NULL": 0})
    assert share(points) == 0


def test_runs_are_merged(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(T + "CREATE STREAM q AS SELECT id FROM t WHERE a > 5;", encoding="utf-8")
    for name, row in (("test_spec", "{ id: 1, a: 6 }"), ("q.test", "{ id: 1, a: 5 }")):
        (tmp_path / f"{name}.yaml").write_text(
            f"application: c\nsql_file: q.sql\nqueries:\n  - name: q\n    inputs: [{{ source: t, rows: [{row}] }}]\n"
            "    assertions: [{ type: record_count, less_than: 9 }]\n",
            encoding="utf-8",
        )
    result = run(tmp_path)

    (point,) = result.coverage
    assert dict(point.seen) == {"true": 1, "false": 1, "NULL": 0}
    assert share(result.coverage) == 2 / 3


@pytest.mark.parametrize("name", ["joins", "windows", "grouping", "expressions"])
def test_a_result_is_the_same_with_and_without(name: str) -> None:
    spec = Path(__file__).parents[3] / f"specs/tour/{name}.test.yaml"
    settings = RunSettings()
    items, _ = load_items(find_spec_files([spec]), settings, ())

    def plain(result: RunResult) -> list[object]:
        return [replace(q, coverage=(), duration_ms=0, execution_ms=0) for q in result.queries]

    without = run_items(items, settings)
    covered = run_items(items, replace(settings, coverage=True))
    assert plain(covered) == plain(without)
    assert covered.coverage
    assert not without.coverage


def test_points_survive_the_json_report(tmp_path: Path) -> None:
    point = CoverPoint("f.sql", 3, 7, "condition", "a > 5", "q", {"true": 2, "false": 0}, 5)
    (tmp_path / "q.sql").write_text(T + "CREATE STREAM q AS SELECT id FROM t;", encoding="utf-8")
    (tmp_path / "q.test.yaml").write_text(
        "application: c\nqueries:\n  - name: q\n    inputs: [{ source: t, rows: [] }]\n"
        "    assertions: [{ type: record_count, equals: 0 }]\n",
        encoding="utf-8",
    )
    (result,) = run(tmp_path).queries
    read = query_of(query_value(replace(result, coverage=(point,))))

    assert read.coverage == (point,)
    assert read.coverage[0].seen == {"true": 2, "false": 0}


POINTS = (
    CoverPoint("f.sql", 1, 8, "branch", "ELSE", "q", {"taken": 0}, 4),
    CoverPoint("f.sql", 2, 7, "condition", "a > 5", "q", {"true": 2, "false": 0, "NULL": 1}, 5),
    CoverPoint("f.sql", 3, 1, "group", "group", "q", {"group of several rows": 1}, 5),
)


def test_merging_adds_up() -> None:
    other = replace(POINTS[1], seen={"true": 1, "false": 4})

    assert [dict(p.seen) for p in merged([POINTS[1], other])] == [{"true": 3, "false": 4, "NULL": 1}]


def test_the_summary_says_what_is_missing() -> None:
    # 3 of 5 outcomes
    assert coverage_text(POINTS, 80).splitlines() == [
        "SQL coverage",
        f"  {'f.sql':<56} {'60.0 %':>8}  3 of 5 outcomes",
        "    line 1: ELSE: never taken",
        "    line 2: condition a > 5: no row was false",
        f"  {'all':<56} {'60.0 %':>8}  3 of 5 outcomes",
        "SQL coverage is below 80 %",
    ]
    assert reaches(POINTS, 60)
    assert not reaches(POINTS, 60.1)
    assert not reaches((), 0)


def test_annotated_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.sql").write_text("SELECT CASE\nWHERE a > 5\nGROUP BY b\n-- end\n", encoding="utf-8")

    assert annotated_text(POINTS).splitlines() == [
        "f.sql: 60.0 %, 3 of 5 outcomes",
        "",
        "-    1 | SELECT CASE",
        "       |          ^ ELSE: never taken",
        "!    2 | WHERE a > 5",
        "       |         ^ condition a > 5: no row was false",
        ">    3 | GROUP BY b",
        "     4 | -- end",
    ]


def test_windows_over_instants_are_cut_by_the_clock_of_the_zone(cover: Cover, tmp_path: Path) -> None:
    points = cover(
        "CREATE TABLE z (k INT, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at - INTERVAL '1' DAY);\n"
        "SET 'time_zone' = 'Europe/Berlin';\n"
        "CREATE TABLE q AS SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE z, DESCRIPTOR(at), INTERVAL '1' DAY)) "
        "GROUP BY window_start, window_end;",
        z="[{ k: 1, at: '2025-03-29T23:00:00Z' }, { k: 2, at: '2025-03-30T21:59:59.999Z' }, { k: 3, at: '2025-03-30T00:00:00Z' }]",
    )

    window = {"row on a window's start": 1, "row in a window's last millisecond": 1, "late row": 0}
    assert seen(points, "window") == {"TUMBLE window": window}
