"""--velo-update and --velo-update-new-only."""

from __future__ import annotations

import pytest

EXPECTED = "      rows: [{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]\n"


def text_of(project) -> str:
    return (project.root / "specs/orders.test.yaml").read_text()


def test_velo_update_writes_what_does_not_hold_and_what_is_missing(project) -> None:
    before = text_of(project)
    project.spec(EXPECTED, "      rows: [{ id: 2, amount: 12.50 }, { id: 4, amount: 99.00 }]\n")
    result = project.run("specs", "--velo-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["updated *orders.test.yaml::large: rows (1 changed)", "updated *orders.test.yaml::small: rows (1, new)"]
    )
    assert text_of(project) == before + "    expect:\n      rows:\n        - {id: 1, amount: 5.00}\n"
    project.run("specs").assert_outcomes(passed=2)


def test_velo_update_new_only_writes_only_what_is_missing(project) -> None:
    project.spec(EXPECTED, "      rows: [{ id: 4 }]\n")
    before = text_of(project)
    project.run("specs", "--velo-update-new-only").assert_outcomes(passed=1, failed=1)
    assert text_of(project) == before + "    expect:\n      rows:\n        - {id: 1, amount: 5.00}\n"


def test_a_query_that_checks_nothing_is_collected_only_to_be_updated(project) -> None:
    project.spec("    assertions:\n      - type: record_count\n        equals: 1\n", "")
    assert project.run("specs").ret == pytest.ExitCode.INTERRUPTED
    project.run("specs", "--velo-update-new-only").assert_outcomes(passed=2)
    project.run("specs").assert_outcomes(passed=2)


def test_without_the_options_nothing_is_written(project) -> None:
    project.spec(EXPECTED, "      rows: [{ id: 4 }]\n")
    before = text_of(project)
    project.run("specs").assert_outcomes(passed=1, failed=1)
    assert text_of(project) == before


def test_both_options_are_a_usage_error(project) -> None:
    assert project.run("specs", "--velo-update", "--velo-update-new-only").ret == pytest.ExitCode.USAGE_ERROR


def test_queries_of_one_file_on_several_workers_are_written_together(project) -> None:
    before = text_of(project)
    project.spec(EXPECTED, "      rows: [{ id: 2, amount: 12.50 }]\n")
    result = project.pytester.runpytest_subprocess("specs", "--velo-update", "-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    assert text_of(project) == before + "    expect:\n      rows:\n        - {id: 1, amount: 5.00}\n"


def test_expected_rows_that_no_spec_names_fail_the_run(project) -> None:
    project.spec(EXPECTED, "      rows_file: expected/large.csv\n")
    project.write("specs/expected/large.csv", "id,amount\n2,12.50\n3,99.00\n")
    project.run("specs").assert_outcomes(passed=2)
    assert project.run("specs").ret == pytest.ExitCode.OK
    project.write("specs/expected/small.csv", "id\n1\n")
    result = project.run("specs")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*VELO2012*no spec names the expected rows*small.csv*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_expectation_for_a_sink_that_is_no_more_fails_also_when_updating(project) -> None:
    project.spec("  - name: small\n", "    outputs: [{ sink: gone, expect: { rows: [] } }]\n  - name: small\n")
    result = project.run("specs", "--velo-update", "-k", "large")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(['*VELO2005*the SQL has no sink "gone"*'])
