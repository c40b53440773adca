"""The wheel holds the six packages and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"pytest_velo", "velo_cli", "velo_engine", "velo_harness", "velo_import", "velo_shadow"}


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    built = subprocess.run([*command, "-w", str(tmp_path), str(ROOT)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr

    (wheel,) = tmp_path.glob("velostream-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    strange = {Path(n).suffix for n in names if n.split("/")[0] in PACKAGES} - {
        ".css",
        ".csv",
        ".Factory",
        ".html",
        ".java",
        ".js",
        ".py",
        ".typed",
        ".json",
        ".md",
        ".properties",
        ".sql",
        ".yaml",
    }
    assert not strange
