"""The plugins of docs/extending.md work as a conftest.py, with and without pytest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.docs.pages import DOCS, Block, blocks
from tests.pytest_plugin.conftest import ALONE
from velo_cli.velo_test import app
from velo_harness.plugins import HOOKS, plugin_manager, remove_plugin

PAGE = DOCS / "extending.md"
EXTENSIONS = blocks(PAGE, "extension")
IN_BOTH = pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda block: block.section)


def project(extension: Block, folder: Path) -> tuple[Path, list[str]]:
    """A folder with the files of the extension's section, without the plugin; and the options of its example."""
    roles = [block for block in blocks(PAGE) if block.section == extension.section]
    (folder / "pyproject.toml").write_text("")
    (spec,) = [block for block in roles if block.role.startswith("spec")]
    (folder / "x.test.yaml").write_text(spec.text)
    for block in roles:
        if block.role == "with":
            (folder / block.argument).write_text(block.text)
    return folder, [spec.argument] if spec.argument else []


def test_every_hook_has_an_example() -> None:
    assert sorted(hook for block in EXTENSIONS for hook in re.findall(r"def (velo_\w+)", block.text)) == sorted(HOOKS)


@IN_BOTH
def test_a_conftest_extends_velo_test(extension: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, options = project(extension, tmp_path)
    monkeypatch.chdir(folder)
    (folder / "conftest.py").write_text(extension.text)
    before = set(plugin_manager().get_plugins())
    try:
        ran = CliRunner().invoke(app, ["run", "x.test.yaml", *options])
    finally:
        for plugin in set(plugin_manager().get_plugins()) - before:
            remove_plugin(plugin)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    check_report(folder, options)


@IN_BOTH
def test_a_conftest_extends_pytest(extension: Block, pytester: pytest.Pytester) -> None:
    folder, options = project(extension, pytester.path)
    options = [option.replace("--", "--velo-", 1) for option in options]
    (folder / "conftest.py").write_text(extension.text)
    before = set(plugin_manager().get_plugins())
    pytester.runpytest_inprocess(*ALONE, "-p", "no:cacheprovider", *options).assert_outcomes(passed=1)
    assert set(plugin_manager().get_plugins()) == before
    check_report(folder, options)


def check_report(folder: Path, options: list[str]) -> None:
    if any("run.slack" in option for option in options):
        assert (folder / "run.slack").read_text() == "1 queries, 0 failed: none\n"
