"""Specs as pytest items: ids, selection, marks, failures, errors."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

EXPECTED = "    expect:\n      rows: [{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]\n"


def test_every_query_is_an_item_with_a_stable_id(project) -> None:
    result = project.run("specs", "--collect-only", "-q")
    result.stdout.fnmatch_lines(
        ["specs/orders.test.yaml::large", "specs/orders.test.yaml::small", "*2 tests collected*"]
    )


def test_queries_pass(project) -> None:
    project.run("specs", "-q").assert_outcomes(passed=2)


def test_an_item_runs_by_its_id(project) -> None:
    project.run("specs/orders.test.yaml::small").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "passed"), [(("-k", "large"), 1), (("-k", "money"), 1), (("-k", "not small"), 1)]
)
def test_queries_are_selected_by_name_and_tag(project, arguments: tuple[str, ...], passed: int) -> None:
    project.run("specs", *arguments).assert_outcomes(passed=passed, deselected=1)


def test_marks_of_a_query_select_it(project) -> None:
    project.spec("    tags: [money]\n", "    marks: [slow]\n")
    project.write("pytest.ini", "[pytest]\nmarkers = slow: takes long\n")
    project.run("specs", "-m", "slow", "--strict-markers").assert_outcomes(passed=1, deselected=1)


def test_a_mark_that_is_not_registered_is_an_error_at_its_place(project) -> None:
    project.spec("    tags: [money]\n", "    marks: [slwo]\n")
    result = project.run("specs", "--strict-markers")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*VELO2003*slwo*", "*specs/orders.test.yaml:4:*"])


@pytest.mark.parametrize("mark", ["__class__: x", "slwo: x"])
def test_a_mark_that_cannot_be_one_is_an_error_at_its_place(project, mark: str) -> None:
    project.spec("    tags: [money]\n", f"    marks: [{{ {mark} }}]\n")
    result = project.run("specs", "-W", "error")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*VELO2003*", "*specs/orders.test.yaml:4:*"])


@pytest.mark.parametrize(
    ("mark", "outcome"),
    [
        ("skip: true", {"skipped": 1}),
        ("skip: not today", {"skipped": 1}),
        ("marks: [{ skipif: 'sys.version_info >= (3, 11)' }]", {"skipped": 1}),
        ("marks: [{ skipif: 'sys.version_info < (3, 11)' }]", {"passed": 1}),
        ("marks: [{ xfail: known }]", {"xpassed": 1}),
    ],
)
def test_marks_decide_whether_a_query_counts(project, mark: str, outcome: dict[str, int]) -> None:
    project.spec("    tags: [money]\n", f"    {mark}\n")
    project.run("specs", "-k", "large").assert_outcomes(**outcome, deselected=1)


def test_a_condition_that_would_run_code_is_refused(project) -> None:
    project.spec("    tags: [money]\n", "    marks: [{ skipif: \"__import__('os').getcwd()\" }]\n")
    result = project.run("specs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*VELO2003*not a condition of skipif*"])


def test_a_failure_says_everything_and_shows_no_traceback(project) -> None:
    project.spec("{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]\n  - name", "{ id: 2, amount: 12.51 }]\n  - name")
    result = project.run("specs", "-k", "large")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "large: 1 of 1 check failed",
            "expect.rows",
            "*--> *orders.test.yaml:9:*",
            "*9 |       rows: [[]{ id: 2, amount: 12.51 }]*",
            "*expected: 1 row*",
            "*actual: *2 rows: 1 missing, 2 unexpected*",
            "*difference*id*amount*",
            "*missing*2*12.51*",
            "*unexpected*2*12.50*",
            "run it again: pytest specs/orders.test.yaml::large",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "items.py" not in result.stdout.str()


def test_only_the_first_offending_rows_are_shown(project) -> None:
    rows = ", ".join(f"{{ id: {i}, amount: 1.00 }}" for i in range(98))
    project.spec("rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]\n", f"rows: [{rows}]\n")
    project.spec(
        "      - type: record_count\n        equals: 1\n",
        "      - {type: field_values, field: amount, greater_than: 1}\n",
    )
    result = project.run("specs", "-k", "small")
    result.stdout.fnmatch_lines(["*rows: *98 of 98*", "*and 93 more*"])


def test_x_stops_at_the_first_failure(project) -> None:
    project.spec("equals: 1\n", "equals: 7\n")
    project.spec("rows: [{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]", "rows: []")
    project.run("specs", "-x").assert_outcomes(failed=1)


def test_lf_runs_only_what_failed(project) -> None:
    project.spec("equals: 1\n", "equals: 7\n")
    project.run_with_cache("specs").assert_outcomes(passed=1, failed=1)
    project.run_with_cache("specs", "--lf").assert_outcomes(failed=1)


def test_junit_has_a_case_a_query(project) -> None:
    project.spec("equals: 1\n", "equals: 7\n")
    project.run("specs", "--junitxml", "out.xml")
    cases = ElementTree.parse(project.root / "out.xml").getroot().findall(".//testcase")
    assert [case.get("name") for case in cases] == ["large", "small"]
    failure = cases[1].find("failure")
    assert failure is not None
    assert "record count equal to 7" in (failure.text or "")
    assert {p.get("name") for p in cases[0].findall(".//property")} == {"velo_seed"}


def test_xdist_runs_them(project) -> None:
    pytest.importorskip("xdist")
    project.spec("equals: 1\n", "equals: 7\n")
    result = project.pytester.runpytest_subprocess("specs", "-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*record count equal to 7*"])


def test_warnings_of_a_passing_query_are_printed_at_the_end(project) -> None:
    project.spec("        equals: 1\n", "        equals: 7\n        severity: warning\n")
    result = project.run("specs")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*velostream warnings*", "specs/orders.test.yaml::small", "*record count equal to 7*"])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "    assertions:",
            "    asertions:",
            ["*VELO2002*asertions*", "*yaml:14:5*", "*did you mean*assertions*"],
        ),
        ("application: orders\n", "application: [orders\n", ["*VELO2001*"]),
        (EXPECTED, "", ["*VELO2006*checks nothing*"]),
    ],
)
def test_a_broken_spec_is_a_collection_error_with_its_place(project, old: str, new: str, expected: list[str]) -> None:
    project.spec(old, new)
    result = project.run("specs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(expected)
    assert "Traceback" not in result.stdout.str()
    assert "spec_loader.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("- name: large", "- name: lagre", ["*VELO2005*lagre*", "*orders.test.yaml:3:*", '*did you mean "large"?*']),
        ("expect:\n      rows: [{ id: 2", "expect:\n      rows: [{ idd: 2", ["*VELO1003*idd*", '*did you mean "id"?*']),
    ],
)
def test_a_query_that_cannot_run_says_why(project, old: str, new: str, expected: list[str]) -> None:
    project.spec(old, new)
    result = project.run("specs", "-k", "large or lagre")
    result.stdout.fnmatch_lines(expected)
    assert "Traceback" not in result.stdout.str()


def test_a_broken_program_is_an_error_at_its_place(project) -> None:
    project.write("specs/orders.sql", "CREATE STREAM large AS\nSELECT id, amout FROM orders WHERE amount > 10;\n")
    result = project.run("specs", "-k", "large")
    result.stdout.fnmatch_lines(["*VELO1003*amout*", "*specs/orders.sql:2:*", "*did you mean*amount*"])


def test_a_defect_of_ours_is_no_traceback_unless_asked_for(project, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness import preparation

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(preparation, "program_text", broken)
    plain = project.run("specs", "-k", "large")
    plain.stdout.fnmatch_lines(["*VELO9001*ZeroDivisionError: oops*", "*--velo-debug*"])
    assert "def broken" not in plain.stdout.str()
    debug = project.run("specs", "-k", "large", "--velo-debug")
    debug.stdout.fnmatch_lines(["*def broken*", "*ZeroDivisionError: oops*"])
