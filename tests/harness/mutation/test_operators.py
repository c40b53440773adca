"""Every mutation operator over a small query: which mutants it makes, a spec that kills them, one that does not.

The mutants are written down by hand, the rows and results of each spec too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from velo_harness.mutation.operators import OPERATORS
from velo_harness.mutation.results import Fate, MutantResult
from velo_harness.mutation.run import MutationSettings, mutate
from velo_harness.settings import RunSettings

SOURCES = """\
CREATE TABLE t (id BIGINT, a BIGINT, b BIGINT, s STRING);
CREATE TABLE u (id BIGINT, c BIGINT);
CREATE TABLE e (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at);
CREATE TABLE f (id BIGINT, ft TIMESTAMP(3), WATERMARK FOR ft AS ft);
"""


@dataclass(frozen=True)
class Case:
    """What an operator does to `sql`, whose statement is called q."""

    sql: str
    mutants: tuple[str, ...]
    """What the changed line has in place of the original."""
    killing: str
    """Rows of t (and u), and what comes out."""
    sparing: str
    """Other rows, over which the mutants give the same."""


CASES: dict[str, Case] = {
    "comparison": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a < 5;",
        ("a <= 5", "a > 5"),
        "t: [{id: 1, a: 4}, {id: 2, a: 5}, {id: 3, a: 6}] -> [{id: 1}]",
        "t: [{id: 1}] -> []",
    ),
    "predicate": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a > 1 AND b > 1;",
        ("FROM t ;", "WHERE b > 1", "WHERE a > 1;"),
        "t: [{id: 1, a: 2, b: 2}, {id: 2, a: 0, b: 2}, {id: 3, a: 2, b: 0}] -> [{id: 1}]",
        "t: [{id: 1, a: 2, b: 2}] -> [{id: 1}]",
    ),
    "connector": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a = 1 AND b = 1;",
        ("a = 1 OR b = 1",),
        "t: [{id: 1, a: 1, b: 1}, {id: 2, a: 1, b: 0}] -> [{id: 1}]",
        "t: [{id: 1, a: 1, b: 1}, {id: 2, a: 0, b: 0}] -> [{id: 1}]",
    ),
    "negation": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a IS NULL AND s IN ('x', 'y') AND NOT b = 1;",
        ("a IS NOT NULL", "s NOT IN ('x', 'y')", "AND b = 1"),
        "t: [{id: 1, s: x, b: 2}] -> [{id: 1}]",
        "t: [{id: 1, a: 1, s: z, b: 1}] -> []",
    ),
    "literal": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a > 5 OR s = 'x';",
        ("a > 6", "a > 4", "s = 'x~'"),
        "t: [{id: 1, a: 5}, {id: 2, a: 6}, {id: 3, a: 1, s: x}] -> [{id: 2}, {id: 3}]",
        "t: [{id: 1, a: 4}, {id: 2, a: 9}] -> [{id: 2}]",
    ),
    "window": Case(
        "CREATE TABLE q AS SELECT window_end, COUNT(*) AS n FROM e WINDOW TUMBLING(at, 10s) EMIT FINAL;",
        ("(at, 20s)", "(at, 5s)"),
        "e: [{at: 2025-01-01 00:00:01}] -> [{window_end: 2025-01-01 00:00:10, n: 1}]",
        "e: [{at: 2025-01-01 00:00:01}] -> [{n: 1}]",
    ),
    "interval": Case(
        "CREATE STREAM q AS SELECT e.id FROM e, f WHERE e.id = f.id AND f.ft BETWEEN e.at AND e.at + INTERVAL '9' SECOND;",
        ("INTERVAL '10' SECOND", "INTERVAL '8' SECOND"),
        "e: [{id: 1, at: 2025-01-01 00:00:00}, {id: 2, at: 2025-01-01 00:00:00}]"
        " f: [{id: 1, ft: 2025-01-01 00:00:09}, {id: 2, ft: 2025-01-01 00:00:10}] -> [{id: 1}]",
        "e: [{id: 1, at: 2025-01-01 00:00:00}] f: [{id: 1, ft: 2025-01-01 00:00:05}] -> [{id: 1}]",
    ),
    "watermark": Case(
        "CREATE TABLE w (at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '5' SECOND);\n"
        "CREATE TABLE q AS SELECT window_start, COUNT(*) AS n FROM w WINDOW TUMBLING(at, 10s) EMIT FINAL;",
        ("at - INTERVAL '10' SECOND", "at - INTERVAL '0' SECOND"),
        # 00:15 closes the first window: with 10 s it would stay open for the row after; with 0 s, 00:10 would close it.
        "w: [{at: 2025-01-01 00:00:10}, {at: 2025-01-01 00:00:02}, {at: 2025-01-01 00:00:15},"
        " {at: 2025-01-01 00:00:03}]"
        " -> [{window_start: 2025-01-01 00:00:00, n: 1}, {window_start: 2025-01-01 00:00:10, n: 2}]",
        "w: [{at: 2025-01-01 00:00:01}, {at: 2025-01-01 00:00:02}] -> [{window_start: 2025-01-01 00:00:00, n: 2}]",
    ),
    "join": Case(
        "CREATE TABLE q AS SELECT t.id, u.c FROM t JOIN u ON t.id = u.id;",
        ("FROM t LEFT JOIN u",),
        "t: [{id: 1}, {id: 2}] u: [{id: 1, c: 7}] -> [{id: 1, c: 7}]",
        "t: [{id: 1}] u: [{id: 1, c: 7}] -> [{id: 1, c: 7}]",
    ),
    "aggregate": Case(
        "CREATE TABLE q AS SELECT SUM(a) AS x, COUNT(b) AS y, COUNT(DISTINCT s) AS z FROM t;",
        ("MAX(a)", "COUNT(*)", "COUNT(s)"),
        "t: [{a: 1, b: 1, s: x}, {a: 2, s: x}] -> [{x: 3, y: 1, z: 1}]",
        "t: [{a: 1, b: 1, s: x}] -> [{x: 1, y: 1, z: 1}]",
    ),
    "distinct": Case(
        "CREATE TABLE q AS SELECT DISTINCT a FROM t;",
        ("SELECT a FROM",),
        "t: [{a: 1}, {a: 1}] -> [{a: 1}]",
        "t: [{a: 1}, {a: 2}] -> [{a: 1}, {a: 2}]",
    ),
    "grouping": Case(
        "CREATE TABLE q AS SELECT COUNT(*) AS n FROM t GROUP BY a, b;",
        ("GROUP BY b;", "GROUP BY a;"),
        "t: [{a: 1, b: 1}, {a: 1, b: 2}, {a: 2, b: 1}] -> [{n: 1}, {n: 1}, {n: 1}]",
        "t: [{a: 1, b: 1}, {a: 2, b: 2}] -> [{n: 1}, {n: 1}]",
    ),
    "case": Case(
        "CREATE STREAM q AS SELECT a, CASE WHEN a > 9 THEN 'x' WHEN a > 5 THEN 'y' ELSE 'z' END AS k FROM t;",
        ("CASE  WHEN a > 5", "THEN 'y' WHEN a > 5 THEN 'x'", "'x'  ELSE", "THEN 'z' ELSE 'y'", "'y'  END"),
        "t: [{a: 10}, {a: 6}, {a: 1}] -> [{a: 10, k: x}, {a: 6, k: y}, {a: 1, k: z}]",
        "t: [] -> []",
    ),
    "default": Case(
        "CREATE STREAM q AS SELECT COALESCE(a, 0) AS x, NULLIF(b, 0) AS y FROM t;",
        ("SELECT a AS x", "b AS y"),
        "t: [{b: 0}] -> [{x: 0, y: null}]",
        "t: [{a: 1, b: 1}] -> [{x: 1, y: 1}]",
    ),
    "order": Case(
        "CREATE TABLE q AS SELECT a FROM t ORDER BY a DESC LIMIT 1;",
        ("a ASC LIMIT",),
        "t: [{a: 1}, {a: 2}] -> [{a: 2}]",
        "t: [{a: 1}] -> [{a: 1}]",
    ),
    "limit": Case(
        "CREATE TABLE q AS SELECT a FROM t ORDER BY a LIMIT 2;",
        ("LIMIT 3", "LIMIT 1"),
        "t: [{a: 1}, {a: 2}, {a: 3}] -> [{a: 1}, {a: 2}]",
        "t: [{a: 1}] -> [{a: 1}]",
    ),
    "arithmetic": Case(
        "CREATE STREAM q AS SELECT a + b AS x, a * b AS y FROM t;",
        ("a - b", "a / b"),
        "t: [{a: 2, b: 3}] -> [{x: 5, y: 6}]",
        "t: [{}] -> [{x: null, y: null}]",
    ),
    "emit": Case(
        "CREATE TABLE q AS SELECT window_start, COUNT(*) AS n FROM e WINDOW TUMBLING(at, 10s) EMIT FINAL;",
        ("EMIT CHANGES",),
        "e: [{at: 2025-01-01 00:00:01}, {at: 2025-01-01 00:00:02}]"
        " -> changelog [{op: +I, window_start: 2025-01-01 00:00:00, n: 2}]",
        "e: [{at: 2025-01-01 00:00:01}, {at: 2025-01-01 00:00:02}] -> [{window_start: 2025-01-01 00:00:00, n: 2}]",
    ),
    "set": Case(
        "CREATE STREAM q AS SELECT a FROM t UNION ALL SELECT b FROM t;",
        ("UNION SELECT",),
        "t: [{a: 1, b: 1}] -> [{a: 1}, {a: 1}]",
        "t: [{a: 1, b: 2}] -> [{a: 1}, {a: 2}]",
    ),
    "member": Case(
        "CREATE STREAM q AS SELECT id FROM t WHERE a IN (1, 2);",
        ("IN (2)", "IN (1)"),
        "t: [{id: 1, a: 1}, {id: 2, a: 2}] -> [{id: 1}, {id: 2}]",
        "t: [{id: 3, a: 3}] -> []",
    ),
}


def test_every_operator_has_its_case() -> None:
    assert set(CASES) == set(OPERATORS)


@pytest.mark.parametrize("operator", CASES)
def test_mutants_are_killed_by_rows_that_tell_the_difference(operator: str, tmp_path: Path) -> None:
    case = CASES[operator]
    mutants = run(tmp_path, operator, case.sql, case.killing)

    assert [m.fate for m in mutants] == [Fate.KILLED] * len(case.mutants), [m.verdict for m in mutants]
    for mutant, part in zip(mutants, case.mutants, strict=True):
        assert part in mutant.shown.mutated
        assert part not in mutant.shown.original
        assert mutant.verdict.reason.startswith("q: expect.")


@pytest.mark.parametrize("operator", CASES)
def test_mutants_survive_rows_that_do_not(operator: str, tmp_path: Path) -> None:
    case = CASES[operator]
    mutants = run(tmp_path, operator, case.sql, case.sparing)

    assert [m.fate for m in mutants] == [Fate.SURVIVED] * len(case.mutants), [m.verdict for m in mutants]
    assert all(m.kill for m in mutants)


def run(folder: Path, operator: str, sql: str, given: str) -> list[MutantResult]:
    """The mutants of one operator over `sql`, judged by a spec with the rows and the result of `given`."""
    (folder / "q.sql").write_text(SOURCES + sql, encoding="utf-8")
    (folder / "q.test.yaml").write_text(spec_of(given), encoding="utf-8")
    result = mutate([folder], RunSettings(), MutationSettings((operator,)))
    assert not result.file_errors
    (program,) = result.programs
    assert not program.unusable, program.unusable
    return [mutant for mutant in program.mutants if mutant.shown.location.line > SOURCES.count("\n")]


def spec_of(given: str) -> str:
    """The spec that `t: rows u: rows -> result` means."""
    sources, result = given.split(" -> ")
    kind, rows = ("changelog", result.removeprefix("changelog ")) if "changelog" in result else ("rows", result)
    parts = sources.replace("] u:", "]\nu:").replace("] f:", "]\nf:").splitlines()
    inputs = [f"      - {{ source: {part[0]}, rows: {part[2:].strip()} }}" for part in parts]
    head = ["application: mutation", "queries:", "  - name: q", "    inputs:"]
    return "\n".join([*head, *inputs, "    expect:", f"      {kind}: {rows}", ""])
