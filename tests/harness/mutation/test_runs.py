"""Mutation runs: scores, statements that nothing checks, equivalent mutants, samples, processes, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from velo_cli.test_mutate import mutate as command
from velo_engine.errors import VeloError
from velo_engine.sql.node_spans import Span
from velo_harness.mutation.edits import Edit, Mutant, applied, shown
from velo_harness.mutation.judging import Bench
from velo_harness.mutation.report import mutation_json, mutation_text
from velo_harness.mutation.results import Fate, MutationRun
from velo_harness.mutation.run import MutationSettings, chosen_operators, mutants_for, mutate
from velo_harness.mutation.work import STEP, WorkLimit
from velo_harness.programs import program_text
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items

SQL = """\
CREATE TABLE t (id BIGINT, a BIGINT);
CREATE STREAM large AS
SELECT id
FROM t
WHERE a > 5;
CREATE STREAM unseen AS SELECT id FROM t WHERE a > 7;
"""
SPEC = """\
application: demo
queries:
  - name: large
    inputs: [{ source: t, rows: [{ id: 1, a: 4 }, { id: 2, a: 6 }] }]
    expect: { rows: [{ id: 2 }] }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "demo.sql").write_text(SQL, encoding="utf-8")
    (tmp_path / "demo.test.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def judged(folder: Path, **settings: object) -> MutationRun:
    return mutate([folder], RunSettings(), MutationSettings(**settings))  # type: ignore[arg-type]


def test_the_score_counts_killed_and_surviving_mutants(project: Path) -> None:
    run = judged(project)

    # By hand: WHERE gone (killed by id 1), > to >= (survives: no row with 5), > to < (killed), 5 to 6 (killed by id 2),
    # 5 to 4 (survives: 4 > 4 is not true).
    assert run.count(Fate.KILLED) == 3
    assert run.count(Fate.SURVIVED) == 2
    assert run.score == 3 / 5
    assert [(m.operator, m.shown.mutated) for m in run.mutants if m.fate is Fate.SURVIVED] == [
        ("comparison", "WHERE a >= 5;"),
        ("literal", "WHERE a > 4;"),
    ]


def test_statements_that_no_query_checks_are_named_and_not_mutated(project: Path) -> None:
    (program,) = judged(project).programs

    assert program.unchecked == ("unseen",)
    assert {m.statement for m in program.mutants} == {"large"}


def test_lines_stay_where_they_are(project: Path) -> None:
    (program,) = judged(project, operators=("predicate",)).programs

    (mutant,) = program.mutants
    assert (mutant.shown.location.line, mutant.shown.original, mutant.shown.mutated) == (5, "WHERE a > 5;", ";")


def test_an_edit_over_lines_leaves_them_empty() -> None:
    text = "SELECT a\nFROM t\nWHERE a > 1\n  AND b > 2;\n"
    start = text.index("a > 1")
    edits = (Edit(Span(start, text.index("b > 2")), ""),)

    assert applied(text, edits) == "SELECT a\nFROM t\nWHERE \nb > 2;\n"
    assert shown(text, "f", Mutant("predicate", "q", edits, "")).location.line == 3


def test_the_same_plan_is_equivalent_without_a_run(project: Path) -> None:
    (project / "demo.sql").write_text(
        "CREATE TABLE t (id BIGINT, a BIGINT);\n"
        "CREATE STREAM part AS SELECT id, a + 1 AS unused FROM t;\n"
        "CREATE STREAM large AS SELECT id FROM t WHERE id IS NOT NULL OR TRUE;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(
        SPEC.replace("rows: [{ id: 2 }]", "rows: [{ id: 1 }, { id: 2 }]"), encoding="utf-8"
    )
    run = judged(project, operators=("negation",))

    (mutant,) = run.mutants  # OR TRUE makes both conditions true for every row
    assert mutant.fate is Fate.EQUIVALENT
    assert "same plan" in mutant.verdict.reason
    assert run.score is None


ENTRY = """\
mutants:
  - statement: large
    operator: {operator}
    mutated: {mutated}
    equivalent: nobody has five
"""


def test_equivalents_that_a_file_lists_are_not_counted_and_printed(project: Path) -> None:
    entry = ENTRY.format(operator="comparison", mutated="WHERE a >= 5;")
    (project / "mutants.yaml").write_text(entry, encoding="utf-8")
    run = judged(project)

    assert run.score == 3 / 4
    assert "nobody has five" in mutation_text(run)
    # `unseen` is not checked, but that is no mutant of the entry's statement
    assert not run.programs[0].stale


@pytest.mark.parametrize(
    ("operator", "mutated", "problem"),
    [
        ("comparison", "WHERE a < 5;", "this mutant is not equivalent: large: expect.rows"),
        ("comparison", "WHERE a >= 50;", "no mutant is like this"),
    ],
)
def test_an_entry_that_is_wrong_is_told(project: Path, operator: str, mutated: str, problem: str) -> None:
    (project / "mutants.yaml").write_text(ENTRY.format(operator=operator, mutated=mutated), encoding="utf-8")

    (entry,) = judged(project).programs[0].stale
    assert entry.problem == problem
    assert (entry.location.file.endswith("mutants.yaml"), entry.location.line) == (True, 2)


def test_a_key_that_the_file_does_not_have_is_refused(project: Path) -> None:
    (project / "mutants.yaml").write_text("mutants: [{ statment: x }]", encoding="utf-8")
    (error,) = judged(project).file_errors

    assert "statment" in error.error.message


def test_a_query_that_fails_already_judges_nothing(project: Path) -> None:
    (project / "demo.test.yaml").write_text(SPEC.replace("[{ id: 2 }]", "[{ id: 1 }]"), encoding="utf-8")
    (program,) = judged(project).programs

    assert program.unusable == ("large: it does not pass over the original program: 1 check fails",)
    assert program.unchecked == ("t", "large", "unseen")
    assert not program.mutants


def test_a_mutant_that_does_not_plan_is_not_counted(project: Path) -> None:
    (project / "demo.sql").write_text(
        "CREATE TABLE t (id BIGINT, a BIGINT);\n"
        "CREATE TABLE large AS SELECT id, a, COUNT(*) AS n FROM t GROUP BY id, a;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(
        SPEC.replace("rows: [{ id: 2 }]", "rows: [{ id: 1, a: 4, n: 1 }, { id: 2, a: 6, n: 1 }]"), encoding="utf-8"
    )
    run = judged(project, operators=("grouping",))

    assert [m.fate for m in run.mutants] == [Fate.INVALID, Fate.INVALID]
    assert run.score is None


def test_an_expression_is_changed_in_the_select_list_and_in_group_by_together(project: Path) -> None:
    (project / "demo.sql").write_text(
        "CREATE TABLE t (id BIGINT, a BIGINT);\n"
        "CREATE TABLE large AS SELECT CASE WHEN a > 4 THEN 1 ELSE 2 END AS k, COUNT(*) AS n FROM t\n"
        "GROUP BY CASE WHEN a > 4 THEN 1 ELSE 2 END;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(
        SPEC.replace("rows: [{ id: 2 }]", "rows: [{ k: 1, n: 1 }, { k: 2, n: 1 }]"), encoding="utf-8"
    )
    run = judged(project, operators=("comparison",))

    assert [(m.fate, m.shown.mutated.count(">=")) for m in run.mutants if ">=" in m.shown.mutated] == [(Fate.KILLED, 2)]


def test_a_sample_is_the_same_for_the_same_seed(project: Path) -> None:
    drawn = [judged(project, maximum=2, seed=7).mutants for _ in range(2)]

    assert [m.shown for m in drawn[0]] == [m.shown for m in drawn[1]]
    assert len(drawn[0]) == 2


def test_an_operator_that_does_not_exist_is_refused() -> None:
    with pytest.raises(VeloError) as caught:
        chosen_operators(["comparisons"])
    assert "comparison" in str(caught.value.hint)


def test_the_report_shows_the_change_underlined_and_how_to_kill_it(project: Path) -> None:
    text = mutation_text(judged(project, operators=("comparison",)), 0.9)

    lines = text.splitlines()
    at = lines.index("    5 > WHERE a >= 5;")
    assert lines[at - 1].index("^") - 1 == lines[at].index(">=") - 1
    assert lines[at + 1].index("^^") == lines[at].index(">=")
    assert lines[at + 2].strip().startswith("to kill it: a row where a = 5 exactly")
    assert text.endswith("mutation score: 50.0 % (below the threshold of 90.0 %)")


def test_the_json_report_has_every_mutant(project: Path) -> None:
    value = json.loads(mutation_json(judged(project, operators=("comparison",)), 0.5))

    assert value["kind"] == "mutation"
    assert (value["score"], value["threshold"]) == (0.5, 0.5)
    (program,) = value["programs"]
    assert program["statements"] == [{"name": "large", "score": 0.5}]
    assert [m["outcome"] for m in program["mutants"]] == ["survived", "killed"]
    assert program["mutants"][0]["line"] == 5


@pytest.mark.slow
def test_processes_give_what_one_gives(project: Path) -> None:
    sql = SQL.replace("WHERE a > 5;", "WHERE a > 5 AND a < 9 AND id > 1 AND id < 3 AND id <> 7;")
    (project / "demo.sql").write_text(sql, encoding="utf-8")

    one, two = judged(project), judged(project, processes=2)
    assert len(one.mutants) > 16
    assert [(m.shown, m.verdict) for m in one.mutants] == [(m.shown, m.verdict) for m in two.mutants]


def test_the_command_leaves_with_1_below_the_threshold(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import typer
    from typer.testing import CliRunner

    app = typer.Typer()
    app.command()(command)
    low = CliRunner().invoke(app, [str(project), "--threshold", "0.7"])
    enough = CliRunner().invoke(app, [str(project), "--threshold", "0.6", "--output", "json"])

    assert (low.exit_code, enough.exit_code) == (1, 0)
    assert "below the threshold of 70.0 %" in low.output
    assert json.loads(enough.stdout)["score"] == 0.6


def test_a_mutant_that_takes_too_long_is_killed_and_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness.mutation import judging

    monkeypatch.setattr(judging, "SHORTEST_MS", 0)
    monkeypatch.setattr(judging, "SLOWER", 0)
    run = judged(project, operators=("comparison",))

    assert [m.fate for m in run.mutants] == [Fate.TIMEOUT, Fate.TIMEOUT]
    assert run.score == 1
    assert "killed by the time limit" in mutation_text(run)


def test_a_mutant_may_work_as_much_as_is_allowed(project: Path) -> None:
    items, _ = load_items(find_spec_files([project]), RunSettings(), ())
    text = program_text(items[0].spec)
    (mutant, *_) = mutants_for(Bench(text, items, RunSettings()), MutationSettings())[0]

    def fate(most: int) -> Fate:
        return Bench(text, items, RunSettings(), WorkLimit(times=0, least=most)).verdict(mutant).fate

    # By hand: the scan gives out two rows of two columns, with the columns that each change carries beside them.
    assert (fate(STEP), fate(10 * STEP)) == (Fate.TIMEOUT, Fate.KILLED)


def test_a_run_that_fails_kills(project: Path) -> None:
    (project / "demo.sql").write_text(
        "SET 'failure_strategy' = 'FailBatch';\nCREATE TABLE t (id BIGINT, a BIGINT);\n"
        "CREATE STREAM large AS SELECT id FROM t WHERE 10 / (a - 5) < 100;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(SPEC.replace("[{ id: 2 }]", "[{ id: 1 }, { id: 2 }]"), encoding="utf-8")
    run = judged(project, operators=("literal",))

    # a - 5 becomes a - 6, which is zero for row 2, and a - 4, zero for row 1
    reasons = {m.shown.mutated.split("WHERE ")[1]: m.verdict.reason for m in run.mutants}
    assert reasons["10 / (a - 6) < 100;"].startswith("large: the run failed: ")
    assert reasons["10 / (a - 4) < 100;"].startswith("large: the run failed: ")


def test_a_mutant_may_change_the_input_of_another_query(project: Path) -> None:
    (project / "demo.sql").write_text(
        "CREATE TABLE t (id BIGINT, a BIGINT);\nCREATE STREAM large AS SELECT id FROM t WHERE a > 5;\n"
        "CREATE STREAM copy (id BIGINT);\nCREATE STREAM next AS SELECT id + 1 AS id FROM copy;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(
        SPEC.replace("expect: { rows: [{ id: 2 }] }", "assertions: [{ type: record_count, less_than: 9 }]")
        + "  - name: next\n    inputs: [{ source: copy, from_previous: large }]\n    expect: { rows: [{ id: 3 }] }\n",
        encoding="utf-8",
    )
    run = judged(project, operators=("predicate",))

    # `large` checks next to nothing, but `next` reads what it gives out
    assert [(m.statement, m.verdict.reason) for m in run.mutants] == [("large", "next: expect.rows")]


def test_a_query_that_expects_an_error_must_still_get_it(project: Path) -> None:
    (project / "demo.sql").write_text(
        "SET 'failure_strategy' = 'FailBatch';\nCREATE TABLE t (id BIGINT, a BIGINT);\n"
        "CREATE STREAM large AS SELECT 10 / (a - 4) AS x FROM t;\n",
        encoding="utf-8",
    )
    (project / "demo.test.yaml").write_text(
        SPEC.replace("expect: { rows: [{ id: 2 }] }", "expect: { error: { matches: zero } }"), encoding="utf-8"
    )
    run = judged(project, operators=("literal",))

    # Rows have 4 and 6: only a - 4 and a - 6 fail; 11 and 9 in place of 10 change nothing
    fates = {m.shown.mutated.split("SELECT ")[1]: m.fate for m in run.mutants}
    assert fates == {
        "11 / (a - 4) AS x FROM t;": Fate.SURVIVED,
        "9 / (a - 4) AS x FROM t;": Fate.SURVIVED,
        "10 / (a - 5) AS x FROM t;": Fate.KILLED,
        "10 / (a - 3) AS x FROM t;": Fate.KILLED,
    }


def test_scenarios_judge_too(project: Path) -> None:
    (project / "demo.test.yaml").write_text(
        SPEC + "scenarios:\n  - name: five\n    queries:\n      - name: large\n"
        "        inputs: [{ source: t, rows: [{ id: 3, a: 5 }] }]\n        expect: { rows: [] }\n",
        encoding="utf-8",
    )
    run = judged(project)

    # The row with 5 kills >= and > 4, which survive without the scenario
    assert run.score == 1


def test_variables_are_replaced_before_and_not_after(project: Path) -> None:
    (project / "demo.sql").write_text(SQL.replace("a > 5", "a > ${LIMIT}"), encoding="utf-8")
    run = mutate([project], RunSettings(variables={"LIMIT": "5"}), MutationSettings(("literal",)))

    assert [(m.shown.mutated, m.fate) for m in run.mutants] == [
        ("WHERE a > 6;", Fate.KILLED),
        ("WHERE a > 4;", Fate.SURVIVED),
    ]


@pytest.mark.slow
def test_processes_take_programs_and_hand_errors_back(project: Path) -> None:
    for name in "abc":
        (project / f"{name}.sql").write_text(SQL, encoding="utf-8")
        (project / f"{name}.test.yaml").write_text(SPEC, encoding="utf-8")
    broken = project / "broken"
    broken.mkdir()
    (broken / "d.sql").write_text(SQL.replace("FROM t\n", "FROM\n"), encoding="utf-8")
    (broken / "d.test.yaml").write_text(SPEC, encoding="utf-8")

    one, two = judged(project), judged(project, processes=2)
    assert [p.file for p in two.programs] == [p.file for p in one.programs]
    assert [m.verdict for m in two.mutants] == [m.verdict for m in one.mutants]
    assert [str(f.error) for f in two.file_errors] == [str(f.error) for f in one.file_errors]
    assert len(two.programs) == 4
    assert len(two.file_errors) == 1


def test_what_is_measured_judges_nothing(project: Path) -> None:
    only = SPEC.replace("expect: { rows: [{ id: 2 }] }", "assertions: [{ type: execution_time, max_ms: 60000 }]")
    (project / "demo.test.yaml").write_text(only, encoding="utf-8")
    (program,) = judged(project).programs

    assert program.unusable == ("large: it only measures time or memory",)
