"""The kernel reads and writes nothing outside its own tables, whatever SQL reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import DEBUG_VARIABLE, Kernel

SECRET = pa.table({"x": [1]})
"""A module variable that no SQL may see."""


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


@pytest.fixture
def debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEBUG_VARIABLE, "1")


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM '{file}'",
        "SELECT getenv('HOME')",
    ],
)
def test_files_and_environment_cannot_be_read(kernel: Kernel, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("x\n1\n")

    with pytest.raises(VeloError) as refusal:
        kernel.query(sql.format(file=file, folder=tmp_path))

    assert "disabled" in str(refusal.value) or "does not exist" in str(refusal.value)


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}'",
        "EXPORT DATABASE '{file}'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_nothing_is_written_attached_or_installed(kernel: Kernel, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "out"

    with pytest.raises(VeloError, match="disabled"):
        kernel.execute(sql.format(file=file))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize(
    "sql", ["SET threads = 8", "RESET threads", "SET enable_external_access = true", "PRAGMA threads = 8"]
)
def test_settings_are_locked(kernel: Kernel, sql: str) -> None:
    with pytest.raises(VeloError, match="configuration"):
        kernel.execute(sql)


@pytest.mark.usefixtures("debugging")
@pytest.mark.parametrize("name", ["SECRET", "local_table"])
def test_python_variables_are_not_tables(kernel: Kernel, name: str) -> None:
    local_table = pa.table({"x": [2]})
    assert local_table.num_rows == 1

    with pytest.raises(VeloError, match="does not exist"):
        kernel.query(f"SELECT * FROM {name}")


def test_a_private_instance_is_locked_too(tmp_path: Path) -> None:
    with Kernel(memory_limit="200MB") as kernel, pytest.raises(VeloError):
        kernel.execute(f"COPY (SELECT 1) TO '{tmp_path / 'out'}'")


def test_an_error_hides_the_statement(kernel: Kernel) -> None:
    with pytest.raises(VeloError) as failure:
        kernel.query("SELECT 'a secret value' FROM nowhere")

    assert failure.value.code is ErrorCode.INTERNAL
    assert "secret" not in str(failure.value)
    assert DEBUG_VARIABLE in str(failure.value)
