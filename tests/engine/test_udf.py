"""Functions in Python: their types, how programs name them, how they fail, and the example of docs/udf.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.docs.pages import DOCS, blocks

from velo_engine import EmitSemantics, Engine, FailureStrategy, JobOptions, TopicInput, VeloError
from velo_engine.runtime.result import JobResult
from velo_engine.udf import UserFunction, aggregate, scalar, table_function, vectorized

TABLE = """
CREATE TABLE t (k INT, s STRING, n BIGINT, x DOUBLE, d DECIMAL(10, 2), a ARRAY<INT>, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts);
"""
ROWS = [
    {"k": 1, "s": "Ada Lovelace", "n": 2, "x": 4.0, "d": "1.50", "a": [1, 2], "ts": "2024-01-01 00:00:01"},
    {"k": 1, "s": None, "n": None, "x": None, "d": None, "a": None, "ts": "2024-01-01 00:00:02"},
    {"k": 2, "s": "", "n": 7, "x": 1.0, "d": "-0.01", "a": [], "ts": "2024-01-01 00:00:07"},
]


def run(
    query: str, *functions: UserFunction, rows: Sequence[dict[str, Any]] = tuple(ROWS), **options: Any
) -> JobResult:
    engine = Engine(functions=functions)
    topic = engine.topics.create("t")
    for row in rows:
        topic.append(json.dumps(row).encode())
    settings = JobOptions(emit=EmitSemantics.FLINK, now_ms=0, **options)
    return engine.run(engine.plan(TABLE + query), inputs={"t": TopicInput(topic)}, options=settings)


def values(result: JobResult) -> list[tuple[Any, ...]]:
    *_, answer = result.statements.values()
    return list(zip(*(answer.rows.column(f"c{i}").to_pylist() for i in range(len(answer.schema))), strict=True))


@scalar
def shout(text: str) -> str:
    return text.upper() + "!"


@scalar
def or_none(text: str, number: int) -> str:
    return f"{text}/{number}"


@scalar("ARRAY<INT>", returns="BIGINT")
def total(numbers: list[int]) -> int:
    return sum(numbers)


def test_a_scalar_function_is_called_with_the_values_of_each_row() -> None:
    assert values(run("SELECT shout(s) AS a, Total(a) AS b FROM t", shout, total)) == [
        ("ADA LOVELACE!", 3),
        (None, None),
        ("!", 0),
    ]


def test_arguments_are_cast_as_for_any_function() -> None:
    assert values(run("SELECT or_none(s, k) AS a FROM t", or_none)) == [("Ada Lovelace/1",), (None,), ("/2",)]


def test_a_function_that_asks_for_it_sees_null() -> None:
    @scalar("STRING", returns="STRING", called_on_null=True)
    def shown(text: str | None) -> str:
        return repr(text)

    assert values(run("SELECT shown(s) AS a FROM t", shown)) == [("'Ada Lovelace'",), ("None",), ("''",)]


def test_functions_stand_wherever_expressions_do() -> None:
    query = (
        "SELECT shout(s) AS a, COUNT(*) AS c FROM t WHERE CHAR_LENGTH(shout(s)) > 1 OR s IS NULL"
        " GROUP BY shout(s) HAVING COUNT(*) > 0"
    )

    assert values(run(query, shout)) == [("ADA LOVELACE!", 1), (None, 1)]


def test_a_row_that_raises_is_a_dead_letter_with_the_functions_name() -> None:
    @scalar("BIGINT", returns="BIGINT")
    def halved(number: int) -> int:
        if number % 2:
            raise ValueError("odd")
        return number // 2

    result = run("SELECT k, halved(n) AS h FROM t", halved)

    assert values(result) == [(1, 1), (1, None)]
    assert [letter.reason for letter in result.dead_letters] == ["halved: ValueError: odd"]


def test_a_failure_stops_the_job_where_the_strategy_says_so() -> None:
    @scalar("BIGINT", returns="BIGINT")
    def broken(number: int) -> int:
        raise RuntimeError("no")

    with pytest.raises(VeloError, match="broken: RuntimeError: no"):
        run("SELECT broken(n) AS h FROM t", broken, failure_strategy=FailureStrategy.FAIL)


@pytest.mark.parametrize("kind", ["scalar", "vectorized", "table", "aggregate"])
def test_a_function_that_leaves_the_process_fails_as_one_that_raises(kind: str) -> None:
    """sys.exit(0) in a function would end a run of tests with exit code 0."""

    @scalar
    def leaving_row(number: int) -> int:
        sys.exit(0)

    @vectorized("INT", returns="INT")
    def leaving_rows(numbers):
        sys.exit(0)

    @table_function("INT", returns="ROW<n INT>")
    def leaving_table(number):
        sys.exit(0)

    @aggregate("INT", returns="INT")
    class leaving_group:
        def create(self):
            return 0

        def accumulate(self, state, value):
            sys.exit(0)

        def get_value(self, state):
            return state

    function, query = {
        "scalar": (leaving_row, "SELECT leaving_row(k) AS a FROM t"),
        "vectorized": (leaving_rows, "SELECT leaving_rows(k) AS a FROM t"),
        "table": (leaving_table, "SELECT m FROM t, LATERAL TABLE(leaving_table(k)) AS u(m)"),
        "aggregate": (leaving_group, "SELECT k, leaving_group(k) AS a FROM t GROUP BY k"),
    }[kind]
    with pytest.raises(VeloError, match=f"{function.name}: SystemExit: 0"):
        run(query, function, failure_strategy=FailureStrategy.FAIL)


@pytest.mark.parametrize("wrong", ["text", 1.5, 2**70, [1]])
def test_a_value_that_is_not_of_the_declared_type_fails_its_row(wrong: Any) -> None:
    @scalar("STRING", returns="INT")
    def odd(text: str) -> Any:
        return wrong if text else 5

    result = run("SELECT odd(s) AS v FROM t", odd)

    assert values(result) == [(None,), (5,)]
    assert [letter.reason for letter in result.dead_letters] == [f"odd: {wrong!r} is no INT"]


def test_decimals_are_rounded_to_the_declared_type() -> None:
    @scalar("DECIMAL(10, 2)", returns="DECIMAL(10, 1)")
    def same(number: Decimal) -> Decimal:
        return number

    rows = [{"d": d, "ts": "2024-01-01 00:00:00"} for d in ("0.25", "-0.25", "7.00")]

    assert values(run("SELECT same(d) AS v FROM t", same, rows=rows)) == [
        (Decimal("0.3"),),
        (Decimal("-0.3"),),
        (Decimal("7.0"),),
    ]


def test_every_type_goes_in_and_comes_back() -> None:
    texts = (
        *("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(38, 10)", "STRING", "BYTES"),
        *(
            "DATE",
            "TIME(3)",
            "TIMESTAMP(3)",
            "TIMESTAMP_LTZ(3)",
            "ARRAY<STRING>",
            "MAP<STRING, INT>",
            "ROW<a INT, b STRING>",
        ),
    )
    given = (
        *("TRUE", "1", "2", "3", "4", "0.5", "0.25", "1.0000000001", "'é'", "x'00ff'", "DATE '2024-02-29'"),
        *("TIME '01:02:03'", "TIMESTAMP '1969-12-31 23:59:59.999'", "TO_TIMESTAMP_LTZ(5, 3)", "ARRAY['a']"),
        *("MAP['k', 1]", "ROW(1, 'x')"),
    )
    same = [scalar(text, returns=text, name=f"same{i}")(lambda value: value) for i, text in enumerate(texts)]
    plain = ", ".join(
        f"CAST({value} AS {text}) AS p{i}" for i, (text, value) in enumerate(zip(texts, given, strict=True))
    )
    called = ", ".join(
        f"same{i}(CAST({value} AS {text})) AS q{i}" for i, (text, value) in enumerate(zip(texts, given, strict=True))
    )

    (row,) = values(run(f"SELECT {plain}, {called} FROM t", *same, rows=ROWS[:1]))

    assert row[: len(texts)] == row[len(texts) :]


@vectorized("DOUBLE", "DOUBLE", returns="DOUBLE")
def distance(x: pa.Array, y: pa.Array) -> pa.Array:
    return pc.sqrt(pc.add(pc.multiply(x, x), pc.multiply(y, y)))


def test_a_vectorised_function_is_called_with_arrays() -> None:
    assert values(run("SELECT distance(x, 3) AS v FROM t", distance)) == [(5.0,), (None,), (10**0.5,)]


def test_a_vectorised_function_that_raises_fails_only_the_rows_that_are_wrong() -> None:
    @vectorized("BIGINT", returns="BIGINT")
    def checked(numbers: pa.Array) -> pa.Array:
        if pc.any(pc.equal(numbers, 7)).as_py():
            raise ValueError("seven")
        return numbers

    result = run("SELECT checked(n) AS v FROM t", checked)

    assert values(result) == [(2,), (None,)]
    assert [letter.reason for letter in result.dead_letters] == ["checked: ValueError: seven"]


def test_a_vectorised_function_must_give_as_many_values_as_rows() -> None:
    @vectorized("BIGINT", returns="BIGINT")
    def cut(numbers: pa.Array) -> pa.Array:
        return numbers.slice(0, 0)

    result = run("SELECT cut(n) AS v FROM t", cut)

    assert {letter.reason for letter in result.dead_letters} == {"cut: ValueError: it gives 0 values for 1 rows"}


def test_a_function_that_varies_is_called_for_every_row() -> None:
    calls: Iterator[int] = iter(range(100))

    @scalar("INT", returns="BIGINT", deterministic=False)
    def next_number(_: int) -> int:
        return next(calls)

    found = [value for (value,) in values(run("SELECT next_number(1) AS v FROM t", next_number))]

    assert len(set(found)) == len(ROWS)


def test_a_function_without_arguments() -> None:
    @scalar(returns="STRING")
    def hello() -> str:
        return "hello"

    assert values(run("SELECT hello() AS v FROM t", hello)) == [("hello",)] * 3


@aggregate
class weighted:
    def create(self) -> list[float]:
        return [0.0, 0.0]

    def accumulate(self, state: list[float], value: float, weight: float) -> list[float]:
        return [state[0] + value * weight, state[1] + weight]

    def retract(self, state: list[float], value: float, weight: float) -> list[float]:
        return [state[0] - value * weight, state[1] - weight]

    def merge(self, state: list[float], other: list[float]) -> list[float]:
        return [state[0] + other[0], state[1] + other[1]]

    def get_value(self, state: list[float]) -> float | None:
        return state[0] / state[1] if state[1] else None


MARKS = [
    {"k": 1, "x": 4.0, "n": 1, "ts": "2024-01-01 00:00:01"},
    {"k": 1, "x": 2.0, "n": 3, "ts": "2024-01-01 00:00:02"},
    {"k": 2, "x": 7.0, "n": 2, "ts": "2024-01-01 00:00:07"},
    {"k": 1, "x": None, "n": 5, "ts": "2024-01-01 00:00:08"},
]


def test_an_aggregate_in_groups() -> None:
    found = values(run("SELECT k, weighted(x, n) AS w FROM t GROUP BY k", weighted, rows=MARKS))

    assert found == [(1, 4.0), (1, 4.0), (1, 2.5), (2, 7.0)]


def test_an_aggregate_over_rows_that_are_taken_back() -> None:
    query = "SELECT weighted(s, c) AS w FROM (SELECT k, SUM(x) AS s, COUNT(*) AS c FROM t GROUP BY k)"

    assert values(run(query, weighted, rows=MARKS))[-1] == ((6.0 * 3 + 7.0) / 4,)


def test_an_aggregate_in_windows_with_shared_slices() -> None:
    query = (
        "SELECT weighted(x, n) AS w FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))"
        " GROUP BY window_start, window_end"
    )

    assert values(run(query, weighted, rows=MARKS)) == [(2.5,), ((4 + 6 + 14) / 6,), (7.0,)]


def test_an_aggregate_with_distinct_and_filter() -> None:
    rows = [MARKS[0], MARKS[0], MARKS[1], MARKS[2]]

    found = values(run("SELECT weighted(DISTINCT x, n) FILTER (WHERE x < 5) AS w FROM t", weighted, rows=rows))

    assert found[-1] == (2.5,)


def test_an_aggregate_that_cannot_retract_is_refused_over_changes() -> None:
    @aggregate("BIGINT", returns="BIGINT")
    class longest:
        def create(self) -> int:
            return 0

        def accumulate(self, state: int, value: int) -> int:
            return max(state, value)

        def get_value(self, state: int) -> int:
            return state

    with pytest.raises(VeloError, match="cannot take rows back"):
        run("SELECT longest(c) AS m FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k)", longest)


def test_a_failing_aggregate_fails_the_job_with_its_name() -> None:
    @aggregate("BIGINT", returns="BIGINT")
    class broken:
        def create(self) -> int:
            return 0

        def accumulate(self, state: int, value: int) -> int:
            raise KeyError(value)

        def get_value(self, state: int) -> int:
            return state

    with pytest.raises(VeloError, match="broken: KeyError: 2"):
        run("SELECT broken(n) AS m FROM t", broken)


def test_the_state_of_an_aggregate_is_saved_or_the_job_says_what_is_in_the_way() -> None:
    @aggregate("DATE", returns="INT")
    class days:
        def create(self) -> list[Any]:
            return []

        def accumulate(self, state: list[Any], value: date) -> list[Any]:
            return [*state, value]

        def get_value(self, state: list[Any]) -> int:
            return len(state)

    engine = Engine(functions=[days])
    topic = engine.topics.create("t")
    topic.append(json.dumps(ROWS[0]).encode())
    job = engine.job(engine.plan(TABLE + "SELECT days(CAST(ts AS DATE)) AS n FROM t"), inputs={"t": TopicInput(topic)})
    for span in job.spans():
        job.step(span)

    with pytest.raises(VeloError, match="the state of days holds a date, which cannot be saved"):
        job.snapshot()
    job.kernel.close()


@table_function("STRING", returns="ROW<word STRING, length INT>")
def words(text: str) -> Iterator[tuple[str, int]]:
    for word in text.split():
        yield word, len(word)


def test_a_table_function_makes_rows_of_each_row() -> None:
    assert values(run("SELECT k, word, length FROM t, LATERAL TABLE(words(s))", words)) == [
        (1, "Ada", 3),
        (1, "Lovelace", 8),
    ]


def test_a_table_function_with_other_names_and_rows_without_any() -> None:
    query = "SELECT k, w FROM t LEFT JOIN LATERAL TABLE(words(s)) AS f (w, l) ON TRUE"

    assert values(run(query, words)) == [(1, "Ada"), (1, "Lovelace"), (1, None), (2, None)]


def test_a_table_function_of_one_column_and_wrong_rows() -> None:
    @table_function("STRING", returns="STRING")
    def letters(text: str) -> Iterator[str]:
        yield from text[:2]

    @table_function("STRING", returns="ROW<a INT, b INT>")
    def wrong(text: str) -> Iterator[Any]:
        yield text

    assert values(run("SELECT l FROM t, LATERAL TABLE(letters(s)) AS f (l)", letters)) == [("A",), ("d",)]
    with pytest.raises(VeloError, match="wrong: it yields 'Ada Lovelace', not a tuple of 2"):
        run("SELECT b FROM t, LATERAL TABLE(wrong(s))", wrong)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT shout(k) AS v FROM t", "INT does not fit where STRING is expected"),
        ("SELECT shout(s, s) AS v FROM t", "shout: takes 1 argument, not 2"),
        ("SELECT weighted(x) AS v FROM t", "weighted: takes 2 arguments, not 1"),
        ("SELECT words(s) AS v FROM t", "the table function WORDS cannot stand here"),
        ("SELECT k FROM t WHERE weighted(x, n) > 1", "weighted"),
        ("SELECT 1 AS v FROM t, LATERAL TABLE(shout(s))", "LATERAL TABLE of SHOUT"),
        ("SELECT 1 AS v FROM t, LATERAL TABLE(words(k))", "INT does not fit where STRING is expected"),
    ],
)
def test_wrong_calls_are_refused_when_planning(query: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        Engine(functions=[shout, weighted, words]).plan(TABLE + query)

    assert message.lower() in str(caught.value).lower()


def test_types_come_from_annotations() -> None:
    @scalar
    def many(
        a: int, b: float, c: str, d: bool, e: date, f: datetime, g: list[int], h: dict[str, float], i: int | None
    ) -> bytes:
        return b""

    assert [str(t) for t in many.parameters] == [
        *(
            "BIGINT",
            "DOUBLE",
            "STRING",
            "BOOLEAN",
            "DATE",
            "TIMESTAMP(6)",
            "ARRAY<BIGINT>",
            "MAP<STRING, DOUBLE>",
            "BIGINT",
        )
    ]
    assert str(many.returns) == "BYTES"


def test_a_decorator_says_what_is_missing() -> None:
    def unknown(a):  # type: ignore[no-untyped-def]
        return a

    def money(a: Decimal) -> int:
        return 0

    with pytest.raises(VeloError, match="unknown does not say the type of its result"):
        scalar(unknown)
    with pytest.raises(VeloError, match="a Decimal needs its digits"):
        scalar(money)
    with pytest.raises(VeloError, match="takes 1 arguments, and 2 types are given"):
        scalar("INT", "INT", returns="INT")(unknown)
    with pytest.raises(VeloError, match="unknown: there is no type"):
        scalar("INTT", returns="INT")(unknown)
    with pytest.raises(VeloError, match="functions in Python have no NULL"):
        scalar("NULL", returns="INT")(unknown)
    with pytest.raises(VeloError, match="has no method create, get_value"):
        aggregate("INT", returns="INT")(type("half", (), {"accumulate": unknown}))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the module of the page."""
    (file,) = blocks(DOCS / "udf.md", "file")
    (tmp_path / file.argument).write_text(file.text)
    yield tmp_path
    sys.modules.pop("my_functions", None)


def page(role: str) -> str:
    (block,) = blocks(DOCS / "udf.md", role)
    return block.text


ORDERS = [
    {"customer": "Ada Lovelace", "price": "10.00", "percent": 25, "x": 3.0, "y": 4.0, "note": "as soon"},
    {"customer": "Bo", "price": "1.00", "percent": 200, "x": 1.0, "y": None, "note": None},
]


def test_the_example_of_the_page_runs(folder: Path) -> None:
    engine = Engine(udf_paths=[folder])
    topic = engine.topics.create("orders")
    for row in ORDERS:
        topic.append(json.dumps(row).encode())
    program = engine.plan(page("functions"))
    assert "my_functions" not in sys.modules, "planning imports nothing"

    result = engine.run(program, inputs={"orders": TopicInput(topic)}, options=JobOptions(now_ms=0))

    tables = {
        name: answer.rows.drop_columns(["kind", "seq", "sub"]).to_pylist() for name, answer in result.statements.items()
    }
    assert tables["prices"] == [{"c0": "AL", "c1": Decimal("7.50"), "c2": 5.0}]
    assert tables["means"] == [{"c0": "Ada Lovelace", "c1": 3.0}, {"c0": "Bo", "c1": 1.0}]
    assert [row["c1"] for row in tables["words_of_notes"]] == ["as", "soon"]
    assert [letter.reason for letter in result.dead_letters] == ["discounted: ValueError: 200 is no percentage"]


def test_the_refusals_of_the_page(folder: Path) -> None:
    head = page("functions").partition("CREATE STREAM")[0]
    lines = page("refused-functions").strip().splitlines()
    for message, query in zip(lines[0::2], lines[1::2], strict=True):
        with pytest.raises(VeloError) as caught:
            Engine(udf_paths=[folder]).plan(f"{head}{query}")
        assert message.removeprefix("-- ") in str(caught.value)


def declare(annotation: str) -> str:
    return f"-- @udf: {annotation}\n\n{TABLE}SELECT initials(s) AS v FROM t"


def test_without_types_a_program_can_only_be_run(folder: Path) -> None:
    text = declare("my_functions:initials")

    with pytest.raises(VeloError, match="its types are not known before it is imported") as caught:
        Engine(udf_paths=[folder]).plan(text)
    assert caught.value.location is not None
    assert "my_functions" not in sys.modules
    assert Engine(udf_paths=[folder], load_functions=True).plan(text).functions[0].name == "initials"


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("my_functions", "names no function"),
        ("my_functions:initials(STRINGG) RETURNS STRING", 'there is no type "STRINGG"'),
        ("my_functions:initials(BIGINT) RETURNS STRING", "the annotation says scalar (BIGINT) RETURNS STRING"),
        ("my_functions:initials(STRING) RETURNS AGGREGATE STRING", "is scalar (STRING) RETURNS STRING"),
        ("my_functions:initals(STRING) RETURNS STRING", "initals is not there"),
        ("my_functions:Decimal(STRING) RETURNS STRING", "Decimal is not decorated"),
        ("no_such_module:initials(STRING) RETURNS STRING", "cannot import no_such_module"),
    ],
)
def test_what_an_annotation_can_get_wrong(folder: Path, annotation: str, message: str) -> None:
    engine = Engine(udf_paths=[folder])

    name = annotation.partition(":")[2].partition("(")[0]
    call = f"{name or 'x'}({'k' if 'BIGINT' in annotation else 's'})"
    text = declare(annotation).replace("initials(s)", call)

    def plan_and_run() -> None:
        engine.run(engine.plan(text), inputs={"t": TopicInput(engine.topics.create("t"))})

    with pytest.raises(VeloError) as caught:
        plan_and_run()

    assert message in str(caught.value)


def test_a_module_that_fails_while_it_is_imported_says_so(tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text("1 / 0\n")

    with pytest.raises(VeloError, match="cannot import breaking: ZeroDivisionError"):
        Engine(udf_paths=[tmp_path], load_functions=True).plan(declare("breaking:initials"))
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(VeloError, match="cannot import leaving: SystemExit"):
        Engine(udf_paths=[tmp_path], load_functions=True).plan(declare("leaving:initials"))


def test_decorating_imports_neither_the_kernel_nor_arrow_functions() -> None:
    script = "import sys, velo_engine.udf; print(sorted({'duckdb', 'sqlglot', 'pyarrow.compute'} & set(sys.modules)))"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"
