"""Which files belong together, by the rules of the spec format."""

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.discovery import (
    PathPolicy,
    find_data,
    find_schema,
    find_specs,
    find_sql,
    is_spec_name,
    project_root,
    require_schema,
)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


SPECS_OF_A_PROGRAM = [
    "app/x.test.yaml",
    "app/x.spec.yaml",
    "tests/x.test.yaml",
    "tests/x.spec.yaml",
    "app/test_spec.yaml",
    "test_spec.yaml",
]


@pytest.mark.parametrize("first", range(len(SPECS_OF_A_PROGRAM)))
def test_the_spec_of_a_program_is_the_first_of_the_documented_places(tmp_path, first):
    touch(tmp_path, "app/x.sql", "app/other.test.yaml", *SPECS_OF_A_PROGRAM[first:])
    assert find_specs(tmp_path / "app" / "x.sql")[0] == tmp_path / SPECS_OF_A_PROGRAM[first]


def test_all_specs_that_lie_together_are_the_program_s(tmp_path):
    touch(tmp_path, "x.sql", "x.test.yaml", "x.spec.yaml", "xy.test.yaml", "test_spec.yaml")
    assert find_specs(tmp_path / "x.sql") == [tmp_path / "x.test.yaml", tmp_path / "x.spec.yaml"]


def test_a_program_without_a_spec(tmp_path):
    touch(tmp_path, "app/x.sql", "app/y.test.yaml")
    assert find_specs(tmp_path / "app" / "x.sql") == []


@pytest.mark.parametrize(
    ("spec", "sql"),
    [
        ("app/x.test.yaml", "app/x.sql"),
        ("app/x.spec.yaml", "x.sql"),
        ("tests/x.test.yaml", "sql/x.sql"),
        ("tests/test_spec.yaml", "tests/only.sql"),
        ("test_spec.yaml", "app/only.sql"),
    ],
)
def test_the_program_of_a_spec(tmp_path, spec, sql):
    touch(tmp_path, spec, sql)
    assert find_sql(tmp_path / spec) == tmp_path / sql


def test_a_shared_spec_beside_two_programs_names_neither(tmp_path):
    touch(tmp_path, "test_spec.yaml", "a.sql", "b.sql")
    assert find_sql(tmp_path / "test_spec.yaml") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.test.yaml", True),
        ("x.spec.yml", True),
        ("test_spec.yaml", True),
        ("x.yaml", False),
        ("x.schema.yaml", False),
    ],
)
def test_names_of_specs(tmp_path, name, expected):
    assert is_spec_name(tmp_path / name) is expected


@pytest.mark.parametrize("place", ["app/schemas", "app/schema", "schemas", "app/fixtures", "app"])
def test_schemas_are_found_by_name(tmp_path, place):
    touch(tmp_path, "pyproject.toml", "app/x.test.yaml", f"{place}/trades.schema.yaml")
    policy = PathPolicy.for_file(tmp_path / "app" / "x.test.yaml")
    found = find_schema("trades", tmp_path / "app", policy)
    assert found.resolve() == tmp_path / place / "trades.schema.yaml"


def test_a_schema_may_be_a_path(tmp_path):
    touch(tmp_path, "pyproject.toml", "app/x.test.yaml", "common/t.yaml")
    policy = PathPolicy(tmp_path)
    assert find_schema("../common/t.yaml", tmp_path / "app", policy) == tmp_path / "common" / "t.yaml"
    with pytest.raises(VeloError) as caught:
        find_schema("../common/u.yaml", tmp_path / "app", policy)
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND
    with pytest.raises(VeloError) as caught:
        find_schema("../../u.yaml", tmp_path / "app", policy)
    assert caught.value.code is ErrorCode.PATH_OUTSIDE_PROJECT


def test_an_unknown_schema_gets_the_nearest_name(tmp_path):
    touch(tmp_path, "schemas/trades.schema.yaml", "schemas/quotes.schema.yaml")
    assert find_schema("trade", tmp_path, PathPolicy(tmp_path)) is None
    with pytest.raises(VeloError) as caught:
        require_schema("trade", tmp_path, PathPolicy(tmp_path))
    assert (caught.value.code, caught.value.hint) == (ErrorCode.UNKNOWN_SCHEMA, 'did you mean "trades"?')


@pytest.mark.parametrize("place", ["app", "app/data", "data"])
def test_data_files_are_found_in_data_folders(tmp_path, place):
    touch(tmp_path, "pyproject.toml", "app/x.test.yaml", f"{place}/t.csv")
    assert find_data("t.csv", tmp_path / "app", PathPolicy(tmp_path)) == tmp_path / place / "t.csv"


@pytest.mark.parametrize("marker", [".git", "pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini"])
def test_the_root_of_a_project_has_a_marker(tmp_path, marker):
    touch(tmp_path, f"p/{marker}/x" if marker == ".git" else f"p/{marker}", "p/a/b/x.test.yaml")
    assert project_root(tmp_path / "p" / "a" / "b" / "x.test.yaml") == tmp_path / "p"


def test_without_a_marker_the_working_directory_is_the_root(tmp_path, monkeypatch):
    touch(tmp_path, "p/a/x.test.yaml")
    monkeypatch.chdir(tmp_path / "p")
    assert project_root(tmp_path / "p" / "a" / "x.test.yaml") == tmp_path / "p"


def test_else_the_folder_above_the_spec_is(tmp_path, monkeypatch):
    touch(tmp_path, "p/a/x.test.yaml", "elsewhere/y")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert project_root(tmp_path / "p" / "a" / "x.test.yaml") == tmp_path / "p"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a/b/../../../../etc"])
def test_paths_that_leave_the_project(tmp_path, path):
    with pytest.raises(VeloError) as caught:
        PathPolicy(tmp_path / "p").resolve(path, tmp_path / "p")
    assert caught.value.code is ErrorCode.PATH_OUTSIDE_PROJECT


def test_a_neighbour_with_the_same_beginning_is_outside(tmp_path):
    with pytest.raises(VeloError):
        PathPolicy(tmp_path / "p").resolve("../pq/x", tmp_path / "p")


def test_a_path_with_a_null_character_is_refused(tmp_path):
    with pytest.raises(VeloError) as caught:
        PathPolicy(tmp_path).resolve("a\0b", tmp_path)
    assert caught.value.code in (ErrorCode.BAD_VALUE, ErrorCode.PATH_OUTSIDE_PROJECT)
