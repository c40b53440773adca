"""Files without types: what is a number, and what only looks like one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.shadow.command import velo


def compare(folder: Path, ending: str, left: str, right: str, *options: str) -> tuple[int, str]:
    """Exit code and output of a comparison by `id`."""
    for side, text in (("left", left), ("right", right)):
        (folder / f"{side}.{ending}").write_text(text, encoding="utf-8")
    sides = [str(folder / f"{side}.{ending}") for side in ("left", "right")]
    return velo(["shadow", "--left", sides[0], "--right", sides[1], "--key", "id", *options])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("0049123456789", "0049123456788"),  # within a relative 1e-9 of each other
        ("01234", "1234"),
        ("+49301234", "49301234"),
        ("+1.50", "1.5"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_a_number_would_lose_is_a_text(tmp_path: Path, ending: str, left: str, right: str) -> None:
    form = "id,v\n1,{}\n" if ending == "csv" else '{{"id": 1, "v": "{}"}}\n'

    code, output = compare(tmp_path, ending, form.format(left), form.format(right))

    assert code == 1, output


def test_keys_keep_their_zeros(tmp_path: Path) -> None:
    code, output = compare(tmp_path, "csv", "id,v\n007,a\n", "id,v\n7,a\n")

    assert code == 1, output
    assert "0 equal, 0 with other values, 1 only left, 1 only right" in output


def test_a_text_is_no_floating_point_number(tmp_path: Path) -> None:
    sides = '{"id": 1, "v": "12e5"}\n', '{"id": 1, "v": "1200000"}\n'

    assert compare(tmp_path, "jsonl", *sides)[0] == 1
    assert compare(tmp_path, "jsonl", *sides, "--equal", "v=rel:1e-9")[0] == 0


@pytest.mark.parametrize(("left", "right"), [("1e400", "2e400"), ("1e-400", "2e-400"), ("-1e999", "-1E400")])
def test_numbers_beyond_64_bits_are_not_all_the_same(tmp_path: Path, left: str, right: str) -> None:
    row = '{{"id": 1, "v": {}}}\n'.format

    assert compare(tmp_path, "jsonl", row(left), row(right))[0] == 1
    assert compare(tmp_path, "jsonl", row(left), row(left))[0] == 0


def test_floating_point_stays_so(tmp_path: Path) -> None:
    left = '{"id": 1, "v": 1e300}\n{"id": 2, "v": "NaN"}\n{"id": 3, "v": "-Infinity"}\n{"id": 4, "v": 0e500}\n'
    right = left.replace("1e300", "1.0000000000001e300").replace("0e500", "0.0")

    assert compare(tmp_path, "jsonl", left, right)[0] == 0


def test_a_floating_point_number_does_not_blur_the_whole_ones_beside_it(tmp_path: Path) -> None:
    left = '{"id": 1, "v": 12345678901234567890123}\n{"id": 2, "v": 1e3}\n'

    assert compare(tmp_path, "jsonl", left, left.replace("0123}", "0124}"))[0] == 1
    assert compare(tmp_path, "jsonl", left, left)[0] == 0


@pytest.mark.parametrize(("value", "other"), [(12, "13"), (True, "false"), (Decimal("1.50"), "1.60")])
def test_a_stated_type_may_equal_its_text(tmp_path: Path, value: object, other: str) -> None:
    text = str(value).lower()
    for side, column in (("left", [value]), ("right", [text]), ("wrong", [other])):
        parquet.write_table(pa.table({"id": [1], "v": column}), tmp_path / f"{side}.parquet")
    sides = ["shadow", "--key", "id", "--left", str(tmp_path / "left.parquet"), "--right"]

    assert velo([*sides, str(tmp_path / "right.parquet")])[0] == 2
    assert velo([*sides, str(tmp_path / "right.parquet"), "--equal", "v=text"])[0] == 0
    assert velo([*sides, str(tmp_path / "wrong.parquet"), "--equal", "v=text"])[0] == 1
