"""Headers of records as a column, and back."""

from __future__ import annotations

import pyarrow as pa
import pytest

from velo_engine.connectors.record_headers import headers_column, headers_of

MAPS = pa.map_(pa.string(), pa.binary())
COLUMN = pa.array([[("a", b"1")], None, [], [("b", None), ("c", b"2"), ("d", b"")]], MAPS)
WANTED = [(("a", b"1"),), (), (), (("c", b"2"), ("d", b""))]


def test_a_map_has_the_last_value_of_each_name() -> None:
    headers = [(("a", b"1"), ("b", None), ("a", b"2")), (), (("c", None),)]
    column = headers_column(headers)
    assert column.type == MAPS
    assert column.to_pylist() == [[("a", b"2"), ("b", None)], [], [("c", None)]]
    assert headers_column([]).type == MAPS


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (0, 2), (1, 4), (1, 2), (3, 4), (4, 4)])
def test_what_is_null_is_not_written_wherever_rows_are_cut(start: int, stop: int) -> None:
    assert headers_of(COLUMN.slice(start, stop - start)) == WANTED[start:stop]


def test_of_chunks() -> None:
    assert headers_of(pa.chunked_array([COLUMN.slice(2), COLUMN])) == [*WANTED[2:], *WANTED]
    assert headers_of(pa.chunked_array([], MAPS)) == []


def test_entries_below_a_null_do_not_count() -> None:
    whole = pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), ["x", "y"], pa.array([b"1", b"2"]))
    pairs = pa.StructArray.from_arrays(
        [whole.keys, whole.items], fields=[pa.field("key", pa.string(), False), pa.field("value", pa.binary())]
    )
    first_null = pa.Array.from_buffers(MAPS, 2, [pa.py_buffer(b"\x02"), whole.buffers()[1]], children=[pairs])
    assert headers_of(first_null) == [(), (("y", b"2"),)]
