"""What a comparison's folder holds: whole, of this comparison, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.shadow.stream.streams import Change, I, changes, comparator, plan, positions

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.stream.saved import MANIFEST

ROW: Change = (I, 1, "a", 1.0, 1000)


def begun(folder: Path) -> None:
    """One row of the left taken in."""
    with comparator(folder, plan("id"), Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes([ROW]))
        compared.step(positions({Side.LEFT: 1, Side.RIGHT: 0}))


def refusal(folder: Path, *key: str, changelog: Changelog = Changelog.APPEND) -> str:
    """What the state in a folder is refused with."""
    with comparator(folder, plan(*key), changelog) as compared, pytest.raises(VeloError) as caught:
        compared.restore()
    assert caught.value.code is ErrorCode.STATE_MISMATCH
    return caught.value.message


def test_a_new_folder_has_nothing_to_go_on_with(tmp_path: Path) -> None:
    with comparator(tmp_path / "new", plan("id"), Changelog.APPEND) as compared:
        assert compared.restore() is None


def test_the_state_of_another_comparison_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)

    assert "another comparison" in refusal(tmp_path, "id", "at")
    assert "another comparison" in refusal(tmp_path, "id", changelog=Changelog.UPSERT)


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    manifest = tmp_path / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-20])

    assert "is no state of a comparison" in refusal(tmp_path, "id")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "left-00000001.parquet").unlink()

    assert '"left-00000001.parquet"' in refusal(tmp_path, "id")


def test_what_a_killed_step_left_is_removed_and_files_of_others_stay(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "left-00000009.parquet").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")

    with comparator(tmp_path, plan("id"), Changelog.APPEND) as compared:
        compared.restore()
        result = compared.finish(True, {})

    assert result.diff.counts.missing == 1
    assert not (tmp_path / "left-00000009.parquet").exists()
    assert (tmp_path / "notes.txt").exists()
