"""A private instance of the kernel reads the files that it was given, and no others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from velo_engine.errors import VeloError
from velo_engine.kernel import Kernel


def test_only_named_files_are_read(tmp_path: Path) -> None:
    named, other = tmp_path / "o'clock.parquet", tmp_path / "other.parquet"
    for path in (named, other):
        parquet.write_table(pa.table({"a": [7]}), path)

    def rows(kernel: Kernel, path: Path) -> list[dict[str, int]]:
        text = str(path).replace("'", "''")
        return kernel.query(f"SELECT a FROM READ_PARQUET('{text}')").to_pylist()  # type: ignore[no-any-return]

    with Kernel(memory_limit="100MB", files=[str(named)]) as kernel:
        assert rows(kernel, named) == [{"a": 7}]
        with pytest.raises(VeloError):
            rows(kernel, other)
    with Kernel() as shared, pytest.raises(VeloError):
        rows(shared, named)


def test_only_named_folders_are_read_and_written(tmp_path: Path) -> None:
    named, other = tmp_path / "o'clock", tmp_path / "other"
    for folder in (named, other):
        folder.mkdir()

    def written(kernel: Kernel, folder: Path) -> list[dict[str, int]]:
        text = str(folder / "a.parquet").replace("'", "''")
        kernel.execute(f"COPY (SELECT 7 AS a) TO '{text}' (FORMAT parquet)")
        return kernel.query(f"SELECT a FROM READ_PARQUET('{text}')").to_pylist()  # type: ignore[no-any-return]

    with Kernel(memory_limit="100MB", folders=[str(named)]) as kernel:
        assert written(kernel, named) == [{"a": 7}]
        with pytest.raises(VeloError):
            written(kernel, other)
        with pytest.raises(VeloError):
            written(kernel, named / ".." / "other")
    assert not list(other.iterdir())
