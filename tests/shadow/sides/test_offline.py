"""Files of changes: what they leave is compared."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.compared import Compared
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for

FINAL = '{"id": 1, "total": 7}\n{"id": 3, "total": 5}\n'
EVENTS = (
    '{"before": null, "after": {"id": 1, "total": 2}, "op": "c"}\n'
    '{"before": null, "after": {"id": 2, "total": 9}, "op": "c"}\n'
    '{"before": {"id": 1, "total": 2}, "after": {"id": 1, "total": 7}, "op": "u"}\n'
    '{"before": {"id": 2, "total": 9}, "after": null, "op": "d"}\n'
    '{"before": null, "after": {"id": 3, "total": 5}, "op": "c"}\n'
)
KINDS = (
    '{"op": "+I", "id": 1, "total": 2}\n'
    '{"op": "+I", "id": 2, "total": 9}\n'
    '{"op": "-U", "id": 1, "total": 2}\n'
    '{"op": "+U", "id": 1, "total": 7}\n'
    '{"op": "-D", "id": 2, "total": 9}\n'
    '{"op": "+I", "id": 3, "total": 5}\n'
)


def compared(folder: Path, left: str, changelog: Changelog = Changelog.APPEND) -> Compared:
    """A file of changes against the rows that are to remain."""
    (folder / "left.jsonl").write_text(left, encoding="utf-8")
    (folder / "right.jsonl").write_text(FINAL, encoding="utf-8")
    sides = (
        read_side(folder / "left.jsonl", Side.LEFT, changelog),
        read_side(folder / "right.jsonl", Side.RIGHT),
    )
    return compare_files(*sides, plan_for(*sides, key=["id"]))


@pytest.mark.parametrize(
    ("text", "changelog", "churn"),
    [
        (EVENTS, Changelog.APPEND, 4),
        (EVENTS, Changelog.DEBEZIUM, 4),
        (KINDS, Changelog.RETRACT, 4),
        (KINDS, Changelog.UPSERT, 4),
        (FINAL, Changelog.APPEND, 0),
    ],
)
def test_what_remains_is_compared(tmp_path: Path, text: str, changelog: Changelog, churn: int) -> None:
    found = compared(tmp_path, text, changelog)

    counts = found.diff.counts
    assert (counts.matched, counts.different, counts.left) == (2, 0, 2)
    assert dict(found.churn) == ({Side.LEFT: churn} if churn else {})


def test_a_row_taken_back_that_never_came_is_counted(tmp_path: Path) -> None:
    found = compared(tmp_path, KINDS + '{"op": "-D", "id": 8, "total": 1}\n', Changelog.RETRACT)

    assert found.diff.counts.different == 0
    assert dict(found.unmatched) == {Side.LEFT: 1}


def test_an_update_that_is_not_made_is_a_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, "".join(EVENTS.splitlines(keepends=True)[:2] + EVENTS.splitlines(keepends=True)[3:]))

    assert (found.diff.counts.matched, found.diff.counts.differing) == (1, 1)


def test_a_changelog_may_be_a_parquet_file(tmp_path: Path) -> None:
    rows = {"op": ["+I", "-U", "+U", "+I"], "id": [1, 1, 1, 3], "total": [2, 2, 7, 5]}
    parquet.write_table(pa.table(rows), tmp_path / "left.parquet")
    (tmp_path / "right.jsonl").write_text(FINAL, encoding="utf-8")
    sides = (
        read_side(tmp_path / "left.parquet", Side.LEFT, Changelog.RETRACT),
        read_side(tmp_path / "right.jsonl", Side.RIGHT),
    )

    found = compare_files(*sides, plan_for(*sides, key=["id"]))

    assert (found.diff.counts.matched, found.diff.counts.different) == (2, 0)


@pytest.mark.parametrize(
    ("text", "changelog", "code", "said"),
    [
        (FINAL, Changelog.RETRACT, ErrorCode.SCHEMA_MISMATCH, 'no column "op"'),
        ('{"op": "c", "id": 1, "total": 2}\n', Changelog.RETRACT, ErrorCode.SCHEMA_MISMATCH, '"c" in the column "op"'),
        (EVENTS.replace('"op": "d"', '"op": "t"'), Changelog.APPEND, ErrorCode.RECORD_MALFORMED, 'event is "t"'),
        (FINAL, Changelog.DEBEZIUM, ErrorCode.RECORD_MALFORMED, "the event has no op"),
    ],
)
def test_a_file_that_is_no_changelog_is_refused(
    tmp_path: Path, text: str, changelog: Changelog, code: ErrorCode, said: str
) -> None:
    with pytest.raises(VeloError) as error:
        compared(tmp_path, text, changelog)

    assert error.value.code is code
    assert said in error.value.message


def test_upserts_need_a_key(tmp_path: Path) -> None:
    (tmp_path / "left.jsonl").write_text(KINDS, encoding="utf-8")
    sides = tuple(read_side(tmp_path / "left.jsonl", side, Changelog.UPSERT) for side in Side)

    with pytest.raises(VeloError, match="need the key of a row"):
        compare_files(*sides, plan_for(*sides))
