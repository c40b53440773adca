"""Metrics that a program declares: what is counted, what is refused, and how many series there may be."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from velo_engine import Engine, JobOptions
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.metric_annotations import metric_definitions
from velo_engine.observability.program_metrics import ProgramMetrics
from velo_engine.runtime.inputs import TableInput

SOURCE = """
CREATE TABLE t (id INT, k STRING, price DECIMAL(10, 2), d DOUBLE, place ROW<region STRING>, made TIMESTAMP(3), ok BOOLEAN)
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
"""
ROWS = [
    {"id": 1, "k": "a", "price": Decimal("6.00"), "d": 1.0, "place": {"region": "north"}, "ok": True},
    {"id": 2, "k": "a", "price": Decimal("7.25"), "d": 2.5, "place": {"region": "south"}, "ok": False},
    {"id": 3, "k": "b", "price": Decimal("8.50"), "d": -9.0, "place": None, "ok": None},
    {"id": 4, "k": None, "price": None, "d": None, "place": {"region": "north"}, "ok": True},
    {"id": 0, "k": "b", "price": Decimal("1.00"), "d": 3.0, "place": {"region": "north"}, "ok": True},
]


def metrics_of(annotations: str, query: str = "SELECT * FROM t", rows=ROWS, batch_size: int = 10_000, **settings):
    """What is counted: per metric its series, and the rows it skipped."""
    engine = Engine()
    parsed = engine.parse(f"{SOURCE}{annotations}\nCREATE STREAM o AS {query};", file="x.sql")
    program = engine.plan(parsed)
    metrics = ProgramMetrics(program, metric_definitions(parsed), **settings)
    types = [(f.name, f.type) for f in program.sources["t"].schema.arrow()]
    table = pa.Table.from_pylist([{name: row.get(name) for name, _ in types} for row in rows], schema=pa.schema(types))
    engine.run(
        program, inputs={"t": TableInput(table)}, options=JobOptions(on_changes=metrics.observe, batch_size=batch_size)
    )
    found = {m.definition.name: ({k: v.tolist() for k, v in m.series}, m.skipped) for m in metrics.read()}
    metrics.close()
    return found


def test_a_counter_counts_rows_or_sums_a_column_per_set_of_labels() -> None:
    found = metrics_of("""
-- @metric: seen
-- @metric_type: counter
-- @metric_labels: k, ok
-- @metric: value
-- @metric_type: counter
-- @metric_field: price
-- @metric: sums
-- @metric_type: counter
-- @metric_field: d
""")
    assert found["seen"] == (
        {("a", "true"): [1], ("a", "false"): [1], ("b", ""): [1], ("", "true"): [1], ("b", "true"): [1]},
        {},
    )
    assert found["value"] == ({(): [22.75]}, {"field": 1})
    assert found["sums"] == ({(): [6.5]}, {"field": 2})  # NULL, and -9: a counter does not go back


def test_labels_are_any_column_as_sql_writes_it_and_fields_of_rows() -> None:
    found = metrics_of("""
-- @metric: seen
-- @metric_type: counter
-- @metric_labels: place.region, price
-- @metric_condition: price > 5
""")
    assert found["seen"][0] == {("north", "6.00"): [1], ("south", "7.25"): [1], ("", "8.50"): [1]}


@pytest.mark.parametrize("batch_size", [1, 2, 10_000])
def test_conditions_gauges_and_histograms_whatever_the_batches(batch_size) -> None:
    found = metrics_of(
        """
-- @metric: newest
-- @metric_type: gauge
-- @metric_field: price
-- @metric_labels: k
-- @metric_condition: 10 / id > 0
-- @metric: spread
-- @metric_type: histogram
-- @metric_field: d
-- @metric_buckets: 1, 2.5
""",
        batch_size=batch_size,
    )
    # 10 / 0 has no value: the row with id 0 is left out.
    assert found["newest"] == ({("a",): [7.25], ("b",): [8.5]}, {"condition": 1, "field": 1})
    assert found["spread"] == ({(): [2, 1, 1, -2.5]}, {"field": 1})  # at most 1; at most 2.5; above; the sum


def test_what_an_update_takes_away_does_not_count() -> None:
    found = metrics_of(
        "-- @metric: n\n-- @metric_type: counter\n-- @metric_labels: k", "SELECT k, COUNT(*) AS c FROM t GROUP BY k"
    )
    assert found["n"][0] == {("a",): [2], ("b",): [2], ("",): [1]}


def test_further_sets_of_labels_are_one_series_and_a_warning() -> None:
    warnings: list[str] = []
    rows = [{"id": i % 5, "k": f"k{i % 5}"} for i in range(20)]
    found = metrics_of(
        """
-- @metric: seen
-- @metric_type: counter
-- @metric_labels: k
-- @metric: newest
-- @metric_type: gauge
-- @metric_field: id
-- @metric_labels: k
""",
        rows=rows,
        batch_size=3,
        most_series=2,
        warn=warnings.append,
    )
    assert found["seen"][0] == {("k0",): [4], ("k1",): [4], ("other",): [12]}
    assert found["newest"] == ({("k0",): [0], ("k1",): [1], ("other",): [0]}, {"series": 12})
    assert [w.split(": ", 1)[1] for w in warnings] == [
        'seen has more than 2 sets of labels; further ones count as one, labelled "other"',
        "newest has more than 2 sets of labels; further ones are not shown",
    ]


@pytest.mark.parametrize(
    ("annotations", "code", "message", "place"),
    [
        ("@metric: n|@metric_type: couter", "BAD_VALUE", '"couter" is not a type of metric', (5, 18)),
        ("@metric: n", "BAD_VALUE", "the metric n has no @metric_type", (4, 13)),
        ("@metric: 1n|@metric_type: counter", "BAD_VALUE", '"1n" is not the name of a metric', (4, 13)),
        ("@metric: velo_job_n|@metric_type: counter", "BAD_VALUE", "velo_job_n is a name of the engine's own", (4, 13)),
        ("@metric_type: counter|@metric: n", "BAD_VALUE", "@metric_type stands before the @metric", (4, 4)),
        ("@metric: n|@metric_type: gauge", "BAD_VALUE", "the gauge n has no @metric_field", (4, 13)),
        ("@metric: n|@metric_type: gauge|@metric_field: k", "TYPE_MISMATCH", "k is STRING, and a metric", (6, 19)),
        ("@metric: n|@metric_type: counter|@metric_labels: k, kk", "UNKNOWN_COLUMN", 'no column "kk"', (6, 23)),
        ("@metric: n|@metric_type: counter|@metric_labels: k, k", "BAD_VALUE", "it is one already", (6, 20)),
        ("@metric: n|@metric_type: counter|@metric_condition: id", "TYPE_MISMATCH", "needs a condition", (6, 23)),
        ("@metric: n|@metric_type: counter|@metric_condition: id >", "SQL_SYNTAX", "", (6, 27)),
        ("@metric: n|@metric_type: counter|@metric_buckets: 1", "BAD_VALUE", "only histograms have buckets", (6, 21)),
        (
            "@metric: n|@metric_type: histogram|@metric_field: d|@metric_buckets: 2, 1",
            "BAD_VALUE",
            "each greater than the one before",
            (7, 21),
        ),
        (
            "@metric: n|@metric_type: counter|@metric_sample_rate: 0.1",
            "NOT_YET_SUPPORTED",
            "@metric_sample_rate of the metric n is not supported",
            (6, 4),
        ),
        ("@metric: n|@metric_type: counter|@metric_window: soon", "BAD_VALUE", "is not a length of time", (6, 20)),
        ("@metric: n|@metric_type: counter|@metric_window: 0s", "BAD_VALUE", "is not a length of time", (6, 20)),
        ("@alert: n > 1|@metric: n", "BAD_VALUE", "@alert stands before the @metric", (4, 4)),
        ("@metric: n|@metric_type: counter|@alert_name: a|@alert: n > 1", "BAD_VALUE", "before the @alert", (6, 4)),
        ("@metric: n|@metric_type: counter|@alert: nn > 1", "BAD_VALUE", '"nn" is neither the metric n nor', (6, 12)),
        ("@metric: n|@metric_type: counter|@alert: n > many", "BAD_VALUE", '"many" is no number', (6, 12)),
        ("@metric: n|@metric_type: counter|@alert: n > nan", "BAD_VALUE", '"nan" is no number', (6, 12)),
        ("@metric: n|@metric_type: counter|@alert: so high", "BAD_VALUE", "is not the name of an alert", (6, 12)),
        ("@metric: n|@metric_type: gauge|@metric_field: d|@alert: high", "BAD_VALUE", "with no number", (7, 12)),
        (
            "@metric: n|@metric_type: counter|@alert: n > 1|@alert_severity: wurst",
            "BAD_VALUE",
            '"wurst" is not a severity',
            (7, 21),
        ),
        (
            "@metric: n|@metric_type: counter|@alert: n > 1|@alert_name: a|@alert_name: b",
            "DUPLICATE_NAME",
            "has two @alert_name",
            (8, 4),
        ),
        (
            "@metric: n|@metric_type: counter|@metric: n_total|@metric_type: counter",
            "DUPLICATE_NAME",
            "the metric n_total is defined twice",
            (6, 13),
        ),
    ],
)
def test_what_means_nothing_is_an_error_at_its_place(annotations, code, message, place) -> None:
    with pytest.raises(VeloError) as refused:
        metrics_of("\n".join(f"-- {line}" for line in annotations.split("|")))
    error = refused.value
    assert error.code is ErrorCode[code]
    assert message in error.message
    assert error.location is not None
    assert (error.location.file, error.location.line, error.location.column) == ("x.sql", *place)
