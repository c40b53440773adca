"""Projects that commands write: an example with tests that pass, and what a repository needs around it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from velo_harness.drafting.new_files import editor_files
from velo_harness.reports.shown_values import printable

EXAMPLE = (
    "orders.sql",
    "orders.test.yaml",
    "data/orders.csv",
    "data/customers.csv",
    "schemas/orders.schema.yaml",
)
"""The example: relative to the project, and to the folder `example` of this package."""

_AROUND = {
    "README.md": "README.md",
    ".github/workflows/velo-test.yaml": "workflow.yaml",
    ".pre-commit-config.yaml": "hooks.yaml",
}
"""What lies around it: its place in a project, and its file in that folder."""

_IGNORED = "reports/\n__pycache__/\n.pytest_cache/\n.venv/\n*.checkpoint\n"
_MAKEFILE = """\
.PHONY: help test check format
help: ## list the targets
\t@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\\n", $$1, $$2}'

test: ## run the tests, with reports
\tvelo-test run . --report reports/tests.html --report reports/tests.xml

check: ## formatting, and what is wrong without running anything
\tvelo fmt . --check
\tvelo-test validate . --strict

format: ## SQL and YAML in one form
\tvelo fmt .
"""


def example_files(folder: Path) -> dict[Path, str]:
    """The example, by the paths of its files, with the JSON Schemas for editors."""
    return {**{folder / name: _text(name) for name in EXAMPLE}, **editor_files(folder)}


def surrounding_files(folder: Path, name: str) -> dict[Path, str]:
    """README, workflow, hooks and the like for a project called `name`."""
    written: Mapping[str, str] = {
        **{path: _text(source).replace("{name}", printable(name)) for path, source in _AROUND.items()},
        ".gitignore": _IGNORED,
        "Makefile": _MAKEFILE,
        "requirements.txt": "velostream\n",
    }
    return {folder / path: text for path, text in written.items()}


def _text(name: str) -> str:
    return files("velo_harness").joinpath("drafting", "example", *name.split("/")).read_text(encoding="utf-8")
