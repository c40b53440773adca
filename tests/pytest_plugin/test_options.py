"""One test an option."""

from __future__ import annotations

import pytest


def test_velo_query_runs_only_the_named_query(project) -> None:
    project.run("specs", "--velo-query", "small").assert_outcomes(passed=1)


def test_velo_seed_replaces_the_seed_and_stands_in_the_command_that_repeats_a_failure(project) -> None:
    project.spec("        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]\n", "        records: 50\n")
    result = project.run("specs", "-k", "small", "--velo-seed", "7")
    result.stdout.fnmatch_lines(["run it again: pytest specs/orders.test.yaml::small --velo-seed 7"])


def test_velo_timeout_ms_limits_a_query(project, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness import execution

    ticks = iter(range(100))
    monkeypatch.setattr(execution.time, "monotonic", lambda: next(ticks))
    result = project.run("specs", "-k", "small", "--velo-timeout-ms", "500")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*VELO4003*did not finish within 500 ms*"])


def test_velo_batch_size_reaches_the_engine(project, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_engine import Engine

    sizes: list[int] = []
    run = Engine.run

    def spy(self, program, *, options, **rest):
        sizes.append(options.batch_size)
        return run(self, program, options=options, **rest)

    monkeypatch.setattr(Engine, "run", spy)
    project.run("specs", "--velo-batch-size", "2").assert_outcomes(passed=2)
    assert sizes == [2, 2]


def test_velo_realtime_keeps_to_waits(project, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_engine.runtime import timeline

    slept: list[float] = []
    monkeypatch.setattr(timeline.PacedTimeline.__init__, "__defaults__", (lambda: 0.0, slept.append))
    project.spec(
        "        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]\n",
        "        timeline: [{ wait: 250ms }, { row: { id: 1, amount: 5.00 } }]\n",
    )
    project.run("specs", "-k", "small").assert_outcomes(passed=1, deselected=1)
    assert slept == []
    project.run("specs", "-k", "small", "--velo-realtime").assert_outcomes(passed=1, deselected=1)
    assert slept == [0.25]


def test_velo_runner_says_what_runs_the_queries(
    project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from velo_harness.flink import asking

    monkeypatch.setenv("VELO_CACHE", str(tmp_path_factory.mktemp("empty")))
    monkeypatch.setattr(asking._Running, "flink", None)
    result = project.run("specs", "-k", "small", "--velo-runner", "recorded")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*no answer of Flink is recorded*"])
    project.run("specs", "-k", "small", "--velo-runner", "flink").assert_outcomes(failed=1, deselected=1)


def test_a_query_for_flink_alone_is_skipped_without_it(
    project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from velo_harness.flink import asking

    monkeypatch.setenv("VELO_CACHE", str(tmp_path_factory.mktemp("empty")))
    monkeypatch.setattr(asking._Running, "flink", None)
    project.spec("  - name: small\n", "  - name: small\n    runners: [flink]\n")
    result = project.run("specs", "-k", "small", "-rs")
    result.assert_outcomes(skipped=1, deselected=1)
    result.stdout.fnmatch_lines(["*SKIPPED*there is no Flink here*"])
    project.run("specs", "-k", "small", "--velo-record").assert_outcomes(skipped=1, deselected=1)


def test_velo_record_asks_flink(
    project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from velo_harness.flink import asking
    from velo_harness.flink.server import FlinkAnswer

    columns = (("id", "BIGINT"), ("amount", "DECIMAL(10, 2)"))
    answer = FlinkAnswer(columns, (("+I", "1", "5.00"),), (0,))
    monkeypatch.setattr(asking, "flink_answers", lambda asked: ("2.3.0", dict.fromkeys(asked.queries, answer)))
    project.spec("  - name: small\n", "  - name: small\n    runners: [recorded]\n")
    project.run("specs", "-k", "small", "--velo-record").assert_outcomes(passed=1, deselected=1)
    assert (project.root / "specs" / "orders.flink.json").exists()
    project.run("specs", "-k", "small").assert_outcomes(passed=1, deselected=1)


def test_velo_strict_refuses_pairing_by_number(project) -> None:
    project.write(
        "one/a.sql",
        "CREATE STREAM a AS SELECT id FROM orders\nWITH ('orders.topic' = 'orders', 'orders.type' = 'kafka_source');",
    )
    project.write("one/schemas/orders.schema.yaml", (project.root / "specs/schemas/orders.schema.yaml").read_text())
    project.write(
        "one/a.test.yaml",
        "application: x\nqueries:\n  - name: b\n    inputs: [{source: orders, rows: [{id: 1}]}]\n"
        "    expect: {rows: [{id: 1}]}\n",
    )
    paired = project.run("one")
    paired.assert_outcomes(passed=1)
    paired.stdout.fnmatch_lines(["*velostream warnings*", '*defines no query "b"; it was paired with "a"*'])
    project.run("one", "--velo-strict").assert_outcomes(failed=1)


def test_velo_var_gives_values_to_the_program_over_the_environment(project, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = (project.root / "specs/orders.sql").read_text()
    project.write("specs/orders.sql", sql.replace("> 10", "> ${LIMIT}"))
    project.run("specs", "-k", "large").assert_outcomes(failed=1, deselected=1)
    monkeypatch.setenv("LIMIT", "10")
    project.run("specs", "-k", "large").assert_outcomes(passed=1, deselected=1)
    project.run("specs", "-k", "large", "--velo-var", "LIMIT=50").assert_outcomes(failed=1, deselected=1)
    assert project.run("specs", "--velo-var", "LIMIT").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("option", ["--velo-timeout-ms", "--velo-batch-size"])
def test_a_number_below_one_is_a_usage_error(project, option: str) -> None:
    result = project.run("specs", option, "0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_all_options_are_spelt_velo(project) -> None:
    text = project.run("--help").stdout.str()
    section = text[text.index("velostream: streaming SQL specs") :].split("\n\n")[0].split("[pytest] configuration")[0]
    options = [word.split("=")[0] for word in section.split() if word.startswith("--")]
    assert options
    assert all(option.startswith("--velo-") for option in options)
