"""Who may import whom (ARCHITECTURE.md, Packages), and what nobody may import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"

ALLOWED: dict[str, set[str]] = {
    "velo_engine": set(),
    "velo_harness": {"velo_engine"},
    "pytest_velo": {"velo_harness", "velo_engine"},
    "velo_import": {"velo_harness", "velo_engine"},
    "velo_shadow": {"velo_harness", "velo_engine"},
    "velo_cli": {"pytest_velo", "velo_import", "velo_shadow", "velo_harness", "velo_engine"},
}
KERNEL = "velo_engine/kernel.py"


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, anywhere in it."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def modules() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows_between_packages_point_down(package: str) -> None:
    forbidden = ALLOWED.keys() - ALLOWED[package] - {package}
    found = {
        (str(path.relative_to(SRC)), name)
        for path in sorted((SRC / package).rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] in forbidden
    }
    assert not found


def test_only_the_kernel_imports_duckdb() -> None:
    found = {
        str(path.relative_to(SRC)) for path in modules() for name in imports(path) if name.split(".")[0] == "duckdb"
    }

    assert found == {KERNEL}


@pytest.mark.parametrize("module", ["pickle", "marshal", "shelve", "pandas"])
def test_nothing_imports(module: str) -> None:
    found = {str(path.relative_to(SRC)) for path in modules() for name in imports(path) if name.split(".")[0] == module}

    assert not found


def test_no_module_is_longer_than_600_lines() -> None:
    lengths = {str(p.relative_to(SRC)): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}

    assert {name: n for name, n in lengths.items() if n > 600} == {}
