"""Whatever comes out of a query: an update writes it so that it reads back equal, and finds nothing to do again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velo_engine import types as t
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType, arrow_type
from velo_harness.discovery import PathPolicy
from velo_harness.expectations import LATE_BY, ActualOutput, check_expectation
from velo_harness.relation import Relation
from velo_harness.settings import Update
from velo_harness.spec_loader import load_spec
from velo_harness.templates import TemplateScope
from velo_harness.updating.query_update import QueryUpdate
from velo_harness.updating.written import write_updates

TEXT = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "null",
            "NULL",
            "~",
            "true",
            "no",
            "0123",
            "1e5",
            "12.30",
            "0x1F",
            "a: b",
            "- a",
            "#x",
            "it's",
            '"q"',
            "a\nb",
            "a\tb",
            "é",
            "日本",
            "\x07",
            "\u2028",
            "😀",
            "x #y",
            "[a",
            "{a",
            "*a",
            "&a",
            "!a",
            "%",
            "@",
            "`",
            ".nan",
            "+I",
            "2025-01-01",
            "10:00:00",
            "a,b",
            "trailing ",
            "=",
            "<<",
            "?",
            "|",
            ">",
            "\\",
            "key:",
            "\ufeff",
        ]
    ),
    st.text(max_size=12),
).filter(lambda text: "{{" not in text)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
KINDS: list[tuple[SqlType, st.SearchStrategy[Any]]] = [
    (t.STRING, TEXT),
    (t.BIGINT, st.integers(-(2**63), 2**63 - 1)),
    (t.BOOLEAN, st.booleans()),
    (t.DOUBLE, FLOATS),
    (t.FLOAT, st.floats(width=32)),
    (t.decimal(12, 3), st.decimals(-99999, 99999, places=3)),
    (t.DATE, st.dates(date(1, 1, 1), date(9999, 12, 31))),
    (t.time(3), st.times().map(lambda v: v.replace(microsecond=v.microsecond // 1000 * 1000))),
    (t.timestamp(6), st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))),
    (
        t.timestamp_ltz(3),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda v: v.replace(microsecond=0)),
    ),
    (t.BYTES, st.binary(max_size=6)),
    (t.INTERVAL_DAY_TIME, st.integers(-(10**12), 10**12)),
    (t.array(t.STRING), st.lists(st.none() | TEXT, max_size=3)),
    (
        t.map_of(t.STRING, t.INT),
        st.dictionaries(TEXT, st.none() | st.integers(-9, 9), max_size=3).map(lambda d: list(d.items())),
    ),
    (
        t.row(("a b", t.STRING), ("n", t.array(t.decimal(4, 2)))),
        st.fixed_dictionaries(
            {"a b": st.none() | TEXT, "n": st.none() | st.lists(st.decimals(-9, 9, places=2), max_size=2)}
        ),
    ),
]
NAMES = ["id", "amount", "n", "null", "a b", "on", "x: y", "ünï"]


@st.composite
def outputs(draw: st.DrawFn) -> Relation:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    names = draw(st.permutations(NAMES))[: len(kinds)]
    rows = draw(st.integers(0, 4))
    arrays = [
        pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), arrow_type(kind))
        for kind, values in kinds
    ]
    schema = RowSchema(tuple(Column(name, kind) for name, (kind, _) in zip(names, kinds, strict=True)))
    return Relation("q", schema, pa.table(arrays, schema=schema.arrow()))


def actual_output(final: Relation) -> ActualOutput:
    """The rows as final contents, as inserted one by one, and as late rows."""
    changes = Relation(
        "q",
        RowSchema((*final.schema.columns, Column("op", t.STRING))),
        final.table.append_column("op", pa.array(["+I"] * len(final), pa.string())),
    )
    late_schema = RowSchema((*final.schema.columns, Column(LATE_BY, t.BIGINT)))
    late = Relation(
        "late",
        late_schema,
        final.table.append_column(LATE_BY, pa.array([1000 * i + 1 for i in range(len(final))], pa.int64())),
    )
    return ActualOutput(final, changes, (), late, TemplateScope({}, {"q": final}, {}), None)


HEAD = "application: x  # one\nsql: SELECT 1\n# two\nqueries:\n  - name: q  # three\n"
BODIES = [
    "",
    "    expect:\n      rows: []  # four\n",
    "    expect:  # four\n      rows:\n        # five\n        - {id: 1, amount: 2}  # six\n      # seven\n      columns: exact\n",
    "    expect: {rows: [{id: 7}, {id: 8}]}\n",
    "    expect:\n      changelog: []\n      late: []\n",
    "    expect:\n      changelog:\n        - op: +I\n          id: 1\n      late: [{id: 1, late_by: 3s}]\n    assertions: []  # eight\n",
    "    expect: {rows_file: rows.parquet}\n",
]


def comments(text: str) -> list[str]:
    return re.findall(r"# (?:one|two|three|four|five|seven|eight)$", text, re.MULTILINE)


@pytest.mark.parametrize("body", range(len(BODIES)))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(final=outputs())
def test_an_update_writes_what_holds(tmp_path: Path, body: int, final: Relation) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "rows.parquet").unlink(missing_ok=True)
    path = tmp_path / "app.test.yaml"
    path.write_text(HEAD + BODIES[body])
    policy = PathPolicy(tmp_path.resolve())
    actual = actual_output(final)

    spec = load_spec(path, unfinished=True)
    query = spec.queries[0]
    update = QueryUpdate(spec, query, Update.ALL, policy)
    first = update.new(actual) if query.expect is None else update.of(query.expect, actual)
    assert not first.failures, first.failures
    write_updates([replace(u) for u in first.updates])

    text = path.read_text()
    assert comments(text) == comments(HEAD + BODIES[body])
    again = load_spec(path)
    expect = again.queries[0].expect
    assert expect is not None
    assert list(check_expectation(expect, actual)) == []
    second = QueryUpdate(again, again.queries[0], Update.ALL, policy).of(expect, actual)
    assert second.updates == ()
    assert second.failures == ()


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (t.STRING, "plain words", "plain words"),
        (t.STRING, "ann@example.com", "ann@example.com"),
        (t.timestamp(6), datetime(2025, 1, 1, 10, 0, 20), "2025-01-01 10:00:20"),
        (t.STRING, "0123", '"0123"'),
        (t.STRING, "no", '"no"'),
        (t.STRING, "", '""'),
        (t.STRING, "it's", '"it\'s"'),
        (t.STRING, "a\nb", '"a\\nb"'),
        (t.decimal(6, 2), Decimal("12.50"), "12.50"),
        (t.DOUBLE, float("nan"), ".nan"),
        (t.DOUBLE, 0.1, "0.1"),
        (t.FLOAT, 0.10000000149011612, "0.1"),
        (t.timestamp(3), datetime(2025, 1, 1, 10), "2025-01-01 10:00:00"),
        (t.timestamp_ltz(3), datetime(2025, 1, 1, 10, 0, 0, 5000), "2025-01-01T10:00:00.005Z"),
        (t.DATE, date(2025, 1, 1), "2025-01-01"),
        (t.time(0), time(9, 30), "09:30:00"),
        (t.BYTES, b"\x00\xff", '"0x00ff"'),
        (t.array(t.STRING), ["a", None], "[a, null]"),
        (t.row(("a", t.INT)), {"a": 1}, "{a: 1}"),
        (t.BIGINT, None, "null"),
    ],
)
def test_how_values_are_written(kind: SqlType, value: Any, written: str) -> None:
    from velo_harness.updating.yaml_values import value_text

    assert value_text(value, kind) == written
