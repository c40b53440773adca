"""Two sides, opened and compared to their ends: topics of each format, a topic against a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.shadow.sides.conftest import Topics

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT, STRING, decimal, timestamp
from velo_shadow.compared import Compared
from velo_shadow.config import FileStream, Stream, TopicStream
from velo_shadow.equality_text import parse_equalities
from velo_shadow.folding import Changelog
from velo_shadow.live import compare_streams
from velo_shadow.model import Side
from velo_shadow.sides.opening import OpenSides, open_sides
from velo_shadow.sides.sampling import SAMPLE_RECORDS
from velo_shadow.stream.comparator import StreamComparator

Compare = Callable[..., Compared]


def lines(*rows: dict[str, Any]) -> list[bytes]:
    """Rows as JSON."""
    return [json.dumps(row).encode() for row in rows]


def orders(count: int, **changed: Any) -> list[dict[str, Any]]:
    """Rows with a key, an amount and a time; those of the last are changed."""
    rows = [{"id": i, "amount": i / 4, "at": f"2026-01-01 00:00:{i % 60:02}.500"} for i in range(count)]
    return [*rows[:-1], rows[-1] | changed]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Compares two streams to their ends."""

    def run(left: Stream, right: Stream, **options: Any) -> Compared:
        return compared(open_sides(left, right, folder=tmp_path, **options), tmp_path)

    return run


def compared(opened: OpenSides, folder: Path) -> Compared:
    with StreamComparator(opened.plan, opened.changelogs, folder) as comparator:
        return compare_streams(opened.readers(once=True), comparator)


def fate(found: Compared) -> tuple[int, int, int, int]:
    """Rows that are equal, that differ, that only the left has, that only the right has."""
    counts = found.diff.counts
    return counts.matched, counts.differing, counts.missing, counts.extra


def test_equal_topics_are_equal_whatever_their_partitions_and_orders(topics: Topics, compare: Compare) -> None:
    rows = orders(500)
    left = topics.write(topics.make(partitions=3), lines(*rows), keys=[str(r["id"]).encode() for r in rows])
    right = topics.write(topics.make(), lines(*reversed(rows)))

    found = compare(left, right, key=["id"])

    assert fate(found) == (500, 0, 0, 0)
    assert found.pending == 0
    assert found.spans[Side.LEFT] == (datetime(2026, 1, 1, 0, 0, 0, 500000), datetime(2026, 1, 1, 0, 0, 59, 500000))


def test_differences_are_found(topics: Topics, compare: Compare) -> None:
    left = topics.write(topics.make(), lines(*orders(20)))
    right = topics.write(topics.make(), lines(*orders(19, amount=4.51), {"id": 77, "amount": 1, "at": None}))

    found = compare(left, right, key=["id"])

    assert fate(found) == (18, 1, 1, 1)
    assert {(d.kind.value, d.key["id"], d.column) for d in found.diff.differences} == {
        ("value", 18, "amount"),
        ("missing", 19, None),
        ("extra", 77, None),
    }
    # Numbers are shown as they were written, whatever room their column's type has.
    shown = [str(d.left) for d in found.diff.differences if d.column == "amount"]
    assert (shown, str(found.plan.columns[0].type)) == (["4.5"], "DECIMAL(36, 18)")


def test_large_numbers_and_decimals_do_not_pass_through_floating_point(topics: Topics, compare: Compare) -> None:
    left = topics.write(topics.make(), [b'{"id": 1, "n": 9007199254740993, "d": 0.10000000000000000001}'])
    right = topics.write(topics.make(), [b'{"id": 1, "n": 9007199254740992, "d": 0.1}'])

    found = compare(left, right, key=["id"])

    assert {d.column: (d.left, d.right) for d in found.diff.differences} == {
        "n": (9007199254740993, 9007199254740992),
        "d": (Decimal("0.10000000000000000001"), Decimal("0.1")),
    }


def test_numbers_that_json_writes_as_text_are_numbers(topics: Topics, compare: Compare) -> None:
    rows = [{"id": 1, "x": "NaN"}, {"id": 2, "x": 0.1}, {"id": 3, "x": "-Infinity"}]
    left = topics.write(topics.make(), lines(*rows))
    right = topics.write(topics.make(), lines(*rows[:2], {"id": 3, "x": "Infinity"}))

    found = compare(left, right, key=["id"])

    assert fate(found) == (2, 1, 0, 0)
    assert [str(c.type) for c in found.plan.columns] == ["DOUBLE"]


def test_upserts_are_folded_and_tombstones_take_rows_away(topics: Topics, compare: Compare) -> None:
    keys = [b'{"customer": "ann"}', b'{"customer": "bob"}', b'{"customer": "ann"}', b'{"customer": "bob"}']
    values = [*lines({"customer": "ann", "total": 1}, {"customer": "bob", "total": 2}, {"customer": "ann", "total": 7})]
    left = topics.write(topics.make(changelog=Changelog.UPSERT), [*values, None], keys=keys)
    # Flink writes the columns of the key into the key alone where it is told to; a single one of ours is plain text.
    right = topics.write(topics.make(), lines({"total": 5}, {"total": 7}), keys=[b'{"customer": "ann"}'] * 2)
    topics.write(right, [None], keys=[b'{"customer": "cid"}'])

    found = compare(left, right, key=["customer"])

    assert fate(found) == (1, 0, 0, 0)
    assert found.churn == {Side.LEFT: 3, Side.RIGHT: 2}


def test_the_plain_text_of_a_key_takes_its_row_away(topics: Topics, compare: Compare) -> None:
    values = [*lines({"id": 5, "total": 1}, {"id": 6, "total": 2}), None]
    left = topics.write(topics.make(), values, keys=[b"5", b"6", b"5"])
    right = topics.write(topics.make(changelog=Changelog.UPSERT), lines({"id": 6, "total": 2}), keys=[b"6"])

    assert fate(compare(left, right, key=["id"])) == (1, 0, 0, 0)


def test_change_events_are_taken_back_by_value(topics: Topics, compare: Compare) -> None:
    events = lines(
        {"before": None, "after": {"id": 1, "total": 2}, "op": "c"},
        {"before": {"id": 1, "total": 2}, "after": None, "op": "d"},
        {"before": None, "after": {"id": 1, "total": 3}, "op": "c"},
    )
    left = topics.write(topics.make(format="debezium-json"), events)
    right = topics.write(topics.make(changelog=Changelog.UPSERT), lines({"id": 1, "total": 3}), keys=[b"1"])

    assert fate(compare(left, right, key=["id"])) == (1, 0, 0, 0)


REGISTRY = {"schema.registry.url": "mock://sides"}


def avro(stream: TopicStream, schema: RowSchema, rows: dict[str, list[Any]], *, is_key: bool = False) -> list[bytes]:
    """Rows as records of a topic whose schemas a registry has."""
    names = dict(zip(schema.names, schema.physical().names, strict=True))
    table = pa.table({names[name]: values for name, values in rows.items()}, schema=schema.physical())
    form = open_format("avro-confluent", schema, {**REGISTRY, "topic": stream.topic}, is_key=is_key)
    return form.encode(table)


def test_a_registry_says_the_types(topics: Topics, compare: Compare) -> None:
    schema = RowSchema.of(("id", BIGINT), ("name", STRING), ("cost", decimal(12, 3)), ("at", timestamp(3)))
    left = topics.make(format="avro-confluent", properties=REGISTRY)
    times = [datetime(2026, 1, 1), datetime(2026, 1, 2, 3, 4, 5, 6000)]
    rows = {"id": [1, 2], "name": ["ann", "bob"], "cost": [Decimal("1.005"), None], "at": times}
    topics.write(left, avro(left, schema, rows))
    right = topics.write(
        topics.make(),
        lines(
            {"id": 1, "name": "ann", "cost": 1.005, "at": "2026-01-01 00:00:00.000"},
            {"id": 2, "name": "bob", "cost": None, "at": "2026-01-02T03:04:05.006Z"},
        ),
    )

    found = compare(left, right, key=["id"])

    assert fate(found) == (2, 0, 0, 0)
    assert [str(c.type) for c in found.plan.columns] == ["STRING", "DECIMAL(36, 18)", "TIMESTAMP(6)"]


def test_a_registry_says_what_keys_are(topics: Topics, compare: Compare) -> None:
    key, schema = RowSchema.of(("id", BIGINT)), RowSchema.of(("id", BIGINT), ("total", BIGINT))
    left = topics.make(format="avro-confluent", properties=REGISTRY)
    keys = avro(left, key, {"id": [1, 2, 2]}, is_key=True)
    values = avro(left, schema, {"id": [1, 2], "total": [5, 6]})
    topics.write(left, [*values, None], keys=keys)
    right = topics.write(topics.make(), lines({"id": 1, "total": 5}))

    found = compare(left, right, key=["id"])

    assert fate(found) == (1, 0, 0, 0)
    assert found.churn[Side.LEFT] == 2


def test_a_later_schema_with_another_column_is_not_passed_over(topics: Topics, compare: Compare) -> None:
    first = RowSchema.of(("id", BIGINT), ("cost", decimal(12, 2)))
    left = topics.make(format="avro-confluent", properties=REGISTRY)
    topics.write(left, avro(left, first, {"id": [1], "cost": [Decimal(1)]}))
    right = topics.write(topics.make(), lines({"id": 1, "cost": 1}, {"id": 2, "cost": 1}))
    topics.write(left, avro(left, RowSchema.of(("id", BIGINT), ("cost", decimal(12, 2)), ("tax", BIGINT)),
                            {"id": [2], "cost": [Decimal(1)], "tax": [3]}))  # fmt: skip

    with pytest.raises(VeloError, match=r"offset 1: schema \d+ has other columns than the first records: tax") as error:
        compare(left, right, key=["id"])

    assert error.value.code is ErrorCode.SCHEMA_MISMATCH


def test_csv_is_read_with_more_digits_than_are_declared(topics: Topics, compare: Compare) -> None:
    declared = RowSchema.of(("id", BIGINT), ("cost", decimal(10, 2)))
    left = topics.write(topics.make(format="csv"), [b"1,1.005", b"2,3"])
    right = topics.write(topics.make(format="csv"), [b"1,1.01", b"2,3.00"])

    found = compare(left, right, key=["id"], declared=declared)

    assert fate(found) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("rule", "kind", "fates"),
    [
        # 20 000 000 000.5 and 20 000 000 012.5 are 6e-10 of their size apart.
        ("rel:1e-9", "DOUBLE", (3, 0, 0, 0)),
        ("rel:1e-10", "DOUBLE", (2, 1, 0, 0)),
        ("abs:12", "DECIMAL(36, 18)", (3, 0, 0, 0)),
        ("scale:0", "DECIMAL(36, 18)", (2, 1, 0, 0)),
    ],
)
def test_a_rule_tells_what_whole_numbers_are(
    topics: Topics, compare: Compare, rule: str, kind: str, fates: tuple[int, int, int, int]
) -> None:
    first = lines(*({"id": i, "total": 1} for i in range(2)))
    left = topics.write(topics.make(), [*first, b'{"id": 2, "total": 20000000000.5}'])
    right = topics.write(topics.make(), [*first, b'{"id": 2, "total": 20000000012.5}'])

    found = compare(left, right, key=["id"], equality=parse_equalities([f"total={rule}"]))

    assert fate(found) == fates
    assert [str(c.type) for c in found.plan.columns] == [kind]


def test_a_topic_is_compared_with_a_file(topics: Topics, compare: Compare, tmp_path: Path) -> None:
    rows = orders(50)
    file = tmp_path / "flink.csv"
    file.write_text("id,amount,at\n" + "".join(f"{r['id']},{r['amount']},{r['at']}\n" for r in rows), encoding="utf-8")
    right = topics.write(topics.make(partitions=2), lines(*rows[:-1]), partitions=[i % 2 for i in range(49)])

    assert fate(compare(FileStream(file), right, key=["id"])) == (49, 0, 1, 0)


def test_what_is_ignored_may_be_anything(topics: Topics, compare: Compare) -> None:
    left = topics.write(topics.make(), lines(*({**r, "seen": r["id"]} for r in orders(5))))
    right = topics.write(topics.make(), lines(*({**r, "seen": ["x"]} for r in orders(5))))

    assert fate(compare(left, right, key=["id"], ignored=["seen"])) == (5, 0, 0, 0)


def test_a_column_that_the_first_records_leave_out_is_read_when_it_comes(topics: Topics, compare: Compare) -> None:
    first = lines(*({"id": i} for i in range(SAMPLE_RECORDS)))
    left = topics.write(topics.make(), [*first, *lines({"id": -1, "note": "late"})])
    right = topics.write(topics.make(), lines({"id": -1, "note": "other"}, *({"id": i} for i in range(SAMPLE_RECORDS))))

    found = compare(left, right, key=["id"], equality=parse_equalities(["note=missing"]))

    assert fate(found) == (SAMPLE_RECORDS, 1, 0, 0)
    assert [(d.column, d.left, d.right) for d in found.diff.differences] == [("note", "late", "other")]


def test_declared_columns_are_read_as_declared(topics: Topics, compare: Compare) -> None:
    left = topics.write(topics.make(), lines({"id": 1, "total": 2.0}))
    right = topics.write(topics.make(), lines({"id": 1, "total": 2}))
    declared = RowSchema.of(("id", BIGINT), ("total", decimal(10, 2)))

    found = compare(left, right, key=["id"], declared=declared)

    assert fate(found) == (1, 0, 0, 0)
    assert [str(c.type) for c in found.plan.columns] == ["DECIMAL(10, 2)"]


def test_a_topic_without_records_has_the_columns_of_the_other(topics: Topics, compare: Compare) -> None:
    right = topics.write(topics.make(), lines(*orders(4)))

    assert fate(compare(topics.make(), right, key=["id"])) == (0, 0, 0, 4)


def test_reading_starts_where_it_is_told_to(topics: Topics, compare: Compare) -> None:
    begin = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    rows = orders(10)
    times = [begin + 1000 * i for i in range(10)]
    left = topics.write(topics.make(start="2026-01-01T00:00:06Z"), lines(*rows), timestamps_ms=times)
    right = topics.write(topics.make(), lines(*rows[6:]), timestamps_ms=times[6:])

    assert fate(compare(left, right, key=["id"])) == (4, 0, 0, 0)


def test_a_comparison_goes_on_by_what_it_learnt_at_first(topics: Topics, tmp_path: Path) -> None:
    left = topics.write(topics.make(), lines({"seen": 5, "id": 1, "total": 1, "note": "a"}))
    right = topics.write(topics.make(), lines({"id": 1, "total": 1, "seen": "x"}))
    rules: dict[str, Any] = {
        "key": ["id"],
        "ignored": ["seen"],
        "equality": parse_equalities(["note=missing"]),
        "folder": tmp_path,
    }
    first = open_sides(left, right, **rules)
    # 2.5 would make the column a decimal, were the topics looked at again.
    topics.write(left, lines({"id": 2, "total": 2}))
    topics.write(right, lines({"id": 2, "total": 2.5}))

    again = open_sides(left, right, **rules)

    assert again.plan == first.plan
    assert again.types == first.types
    assert [column.name for column in first.plan.columns] == ["total", "note"]


def test_to_the_end_is_to_the_end_of_the_first_run(topics: Topics, tmp_path: Path) -> None:
    left = topics.write(topics.make(), lines(*orders(10)))
    right = topics.write(topics.make(), lines(*orders(10)))
    opened = open_sides(left, right, key=["id"], folder=tmp_path)
    first = opened.readers(once=True)
    places = {side: reader.positions() for side, reader in first.items()}
    for reader in first.values():
        reader.close()
    topics.write(left, lines(*orders(12)[10:]))

    second = opened.readers(once=True)[Side.LEFT]
    second.seek(places[Side.LEFT])
    read = 0
    while not second.ended:
        changes = second.poll(4, 1.0)
        read += 0 if changes is None else len(changes)
    second.close()

    assert read == 10


def test_a_partition_that_is_new_to_a_comparison_is_read_from_its_beginning(topics: Topics, tmp_path: Path) -> None:
    stream = topics.make(partitions=2, start="latest")
    topics.write(stream, lines(*orders(10)), partitions=[i % 2 for i in range(10)])
    other = topics.write(topics.make(), lines(*orders(10)))
    reader = open_sides(stream, other, key=["id"], folder=tmp_path).readers(once=True)[Side.LEFT]
    reader.seek({(stream.topic, 0): 4})
    found: list[int] = []
    while not reader.ended:
        changes = reader.poll(100, 1.0)
        found += [] if changes is None else changes.table.column("id").to_pylist()
    reader.close()

    assert sorted(found) == [1, 3, 5, 7, 8, 9]


def test_a_comparison_that_came_to_its_end_is_not_run_again(topics: Topics, tmp_path: Path) -> None:
    left = topics.write(topics.make(), lines(*orders(10)))
    right = topics.write(topics.make(), lines(*orders(9)))
    first = compared(open_sides(left, right, key=["id"], folder=tmp_path), tmp_path)
    topics.write(right, lines(orders(10)[9]))

    again = compared(open_sides(left, right, key=["id"], folder=tmp_path), tmp_path)

    assert fate(first) == fate(again) == (9, 0, 1, 0)
