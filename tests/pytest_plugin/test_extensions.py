"""Hooks in conftest.py under pytest: those of folders that are collected later count too, and leave with the session."""

from __future__ import annotations

from tests.pytest_plugin.conftest import Project

from velo_harness.plugins import plugin_manager

GENERATOR = "def velo_generators():\n    return {'same': lambda rng, rows, options: [options['value']] * rows}\n"


def generated(project: Project) -> Project:
    """The second query of the project, over rows of a generator."""
    field = "{ name: id, type: bigint, nullable: false"
    constraint = "constraints: { generator: { name: same, options: { value: 3 } } }"
    text = (project.root / "specs/schemas/orders.schema.yaml").read_text()
    project.write("specs/schemas/orders.schema.yaml", text.replace(field, f"{field}, {constraint}"))
    rows = "        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]\n"
    project.spec(
        f"  - name: small\n    inputs:\n      - source: orders\n{rows}",
        "  - name: small\n    inputs:\n      - { source: orders, records: 5 }\n",
    )
    project.spec(
        "      - type: record_count\n        equals: 1\n", "      - { type: field_in_set, field: id, values: [3] }\n"
    )
    return project


def test_a_conftest_of_a_folder_extends_its_specs(project: Project) -> None:
    before = set(plugin_manager().get_plugins())
    generated(project).write("specs/conftest.py", GENERATOR)
    project.run("--velo-query=small").assert_outcomes(passed=1)
    assert set(plugin_manager().get_plugins()) == before


def test_what_nobody_adds_is_an_error_of_the_query(project: Project) -> None:
    ran = generated(project).run("--velo-query=small")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(['*there is no generator "same"*'])


def test_a_hook_that_is_misspelt_or_raises_is_an_error_of_collecting(project: Project) -> None:
    generated(project).write("specs/conftest.py", GENERATOR.replace("velo_generators", "velo_generator"))
    ran = project.run()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(['*VELO2013*specs/conftest.py has a function "velo_generator", which is no hook*'])

    project.write("specs/conftest.py", "def velo_generators():\n    raise KeyError('x')\n")
    ran = project.run()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*the plugin specs/conftest.py cannot be used: KeyError: 'x'*", "*conftest.py:2:*"])
    ran.stdout.no_fnmatch_line("*Traceback*")


def test_other_functions_of_a_conftest_are_its_own(project: Project) -> None:
    project.write("conftest.py", "def velo_client():\n    return 1\n")
    project.run().assert_outcomes(passed=2)
