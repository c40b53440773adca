"""The tree of every clause of a query."""

from __future__ import annotations

import pytest
from sqlglot import exp

from velo_engine.sql.parser import parse_program
from velo_engine.sql.syntax import GroupWindow, KeyColumn, WindowClause, WindowTable


def test_clauses_stand_in_any_order(query, shape):
    usual = "SELECT a, COUNT(*) AS n FROM t WHERE b > 0 GROUP BY a HAVING COUNT(*) > 1 WINDOW TUMBLING(5m)"
    others = [
        "SELECT a, COUNT(*) AS n FROM t WHERE b > 0 WINDOW TUMBLING(5m) GROUP BY a HAVING COUNT(*) > 1",
        "SELECT a, COUNT(*) AS n FROM t WINDOW TUMBLING(5m) WHERE b > 0 GROUP BY a HAVING COUNT(*) > 1",
        "SELECT a, COUNT(*) AS n FROM t WHERE b > 0 GROUP BY a WINDOW TUMBLING(5m) HAVING COUNT(*) > 1",
    ]
    assert {shape(query(sql)) for sql in (usual, *others)} == {
        "Select([a, Alias(COUNT(*), alias=n)], from_=From(Table(t)), group=Group([a]), "
        "having=Having(GT(COUNT(*), 1)), where=Where(GT(b, 0)), "
        "window_clause=WindowClause(kind=tumbling, size_ms=300000))"
    }


@pytest.mark.parametrize(
    ("written", "kind", "size_ms", "slide_ms"),
    [
        ("TUMBLING(5m)", "tumbling", 300_000, None),
        ("TUMBLING(1h)", "tumbling", 3_600_000, None),
        ("TUMBLING(30s)", "tumbling", 30_000, None),
        ("TUMBLING(500ms)", "tumbling", 500, None),
        ("TUMBLING(2d)", "tumbling", 172_800_000, None),
        ("TUMBLING(1.5h)", "tumbling", 5_400_000, None),
        ("TUMBLING('1 minute')", "tumbling", 60_000, None),
        ("TUMBLING(5 MINUTES)", "tumbling", 300_000, None),
        ("TUMBLING (INTERVAL '5' MINUTE)", "tumbling", 300_000, None),
        ("SLIDING(10m, 5m)", "sliding", 600_000, 300_000),
        ("HOPPING(10m, '5 min')", "sliding", 600_000, 300_000),
        ("SESSION(30s)", "session", 30_000, None),
        ("CUMULATING(1m, 1h)", "cumulating", 3_600_000, 60_000),
    ],
)
def test_the_window_clause_gives_kind_and_sizes(written, kind, size_ms, slide_ms, query):
    window = query(f"SELECT a FROM t GROUP BY a WINDOW {written}").args["window_clause"]
    assert isinstance(window, WindowClause)
    assert window.args["time_column"] is None
    assert (window.args["kind"], window.args["size_ms"], window.args["slide_ms"]) == (kind, size_ms, slide_ms)


def test_a_window_may_name_its_time_column(query, shape):
    window = query("SELECT a FROM t WINDOW SLIDING(t.event_time, 10m, 5m) GROUP BY a").args["window_clause"]
    assert shape(window) == "WindowClause(kind=sliding, size_ms=600000, slide_ms=300000, time_column=t.event_time)"


def test_window_names_of_standard_sql_are_still_windows(query, shape):
    select = query("SELECT SUM(a) OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)")
    assert shape(select.args["windows"]) == (
        "[Window(w, order=Order([Ordered(ts, nulls_first=True)]), over=OVER, partition_by=[k])]"
    )
    assert select.args.get("window_clause") is None


def test_a_copy_keeps_the_window_clause(query):
    select = query("SELECT a FROM t GROUP BY a WINDOW TUMBLING(5m)")
    assert select.copy().args["window_clause"].args["size_ms"] == 300_000


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
            "kind=tumble, offset_ms=0, size_ms=10000, table=Table(t), time_column=ts",
        ),
        (
            "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' SECOND)",
            "kind=tumble, offset_ms=1000, size_ms=10000, table=Table(t), time_column=ts",
        ),
        (
            "TABLE(HOP(TABLE c.d.t, DESCRIPTOR(`ts`), INTERVAL '5' SECOND, INTERVAL '10' SECOND))",
            'kind=hop, offset_ms=0, size_ms=10000, slide_ms=5000, table=Table(t, catalog=c, db=d), time_column="ts"',
        ),
        (
            "TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))",
            "kind=cumulate, offset_ms=0, size_ms=3600000, slide_ms=60000, table=Table(t), time_column=ts",
        ),
        (
            "TABLE(SESSION(TABLE t PARTITION BY (a, b), DESCRIPTOR(ts), INTERVAL '10' SECOND))",
            "kind=session, offset_ms=0, partition_by=[a, b], size_ms=10000, table=Table(t), time_column=ts",
        ),
        (
            "TABLE(TUMBLE(DATA => TABLE t, SIZE => INTERVAL '1' DAY, TIMECOL => DESCRIPTOR(ts)))",
            "kind=tumble, offset_ms=0, size_ms=86400000, table=Table(t), time_column=ts",
        ),
        (
            "TUMBLE(TABLE (SELECT a), DESCRIPTOR(ts), 10s)",
            "kind=tumble, offset_ms=0, size_ms=10000, table=Subquery(Select([a])), time_column=ts",
        ),
    ],
)
def test_window_table_functions(function, expected, query, shape):
    select = query(f"SELECT * FROM {function} AS w")
    relation = select.args["from_"].this
    assert isinstance(relation, WindowTable)
    assert shape(relation) == f"WindowTable(alias=TableAlias(w), {expected})"


def test_window_table_functions_join(query):
    sql = (
        "SELECT * FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), 1m)) L "
        "JOIN TABLE(TUMBLE(TABLE b, DESCRIPTOR(ts), 1m)) R ON L.k = R.k AND L.window_start = R.window_start"
    )
    select = query(sql)
    assert isinstance(select.args["from_"].this, WindowTable)
    assert isinstance(select.args["joins"][0].this, WindowTable)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("TUMBLE(ts, INTERVAL '1' MINUTE)", "GroupWindow(kind=tumble, size_ms=60000, time_column=ts)"),
        ("TUMBLE(ts, 1m)", "GroupWindow(kind=tumble, size_ms=60000, time_column=ts)"),
        (
            "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
            "GroupWindow(kind=hop, size_ms=300000, slide_ms=60000, time_column=ts)",
        ),
        ("SESSION(t.ts, INTERVAL '30' SECOND)", "GroupWindow(kind=session, size_ms=30000, time_column=t.ts)"),
    ],
)
def test_legacy_group_windows(written, expected, query, shape):
    group = query(f"SELECT a, TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM t GROUP BY a, {written}").args["group"]
    assert isinstance(group.expressions[1], GroupWindow)
    assert shape(group.expressions) == f"[a, {expected}]"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("symbol PRIMARY KEY", "KeyColumn(symbol)"),
        ("symbol PRIMARY KEY AS s", "KeyColumn(Alias(symbol, alias=s))"),
        ("symbol AS s PRIMARY KEY", "KeyColumn(Alias(symbol, alias=s))"),
        ("symbol PRIMARY KEY s", "KeyColumn(Alias(symbol, alias=s))"),
        ("UPPER(symbol) PRIMARY KEY AS s", "KeyColumn(Alias(UPPER(symbol), alias=s))"),
    ],
)
def test_key_columns_of_the_select_list(item, expected, query, shape):
    select = query(f"SELECT {item}, region PRIMARY KEY, COUNT(*) AS n FROM t GROUP BY symbol, region")
    assert shape(select.expressions) == f"[{expected}, KeyColumn(region), Alias(COUNT(*), alias=n)]"


def test_key_columns_have_the_name_of_their_item(query):
    select = query("SELECT symbol PRIMARY KEY, t.region PRIMARY KEY AS r FROM t")
    assert all(isinstance(item, KeyColumn) for item in select.expressions)
    assert [item.alias_or_name for item in select.expressions] == ["symbol", "r"]
    assert [item.output_name for item in select.expressions] == ["symbol", "r"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("FROM a INNER JOIN b ON a.x = b.x", "Join(Table(b), kind=INNER, on=EQ(a.x, b.x))"),
        ("FROM a JOIN b USING (x, y)", "Join(Table(b), using=[x, y])"),
        ("FROM a LEFT OUTER JOIN b ON TRUE", "Join(Table(b), kind=OUTER, on=TRUE, side=LEFT)"),
        ("FROM a RIGHT JOIN b ON a.x = b.x", "Join(Table(b), on=EQ(a.x, b.x), side=RIGHT)"),
        ("FROM a FULL JOIN b ON a.x = b.x", "Join(Table(b), on=EQ(a.x, b.x), side=FULL)"),
        ("FROM a CROSS JOIN b", "Join(Table(b), kind=CROSS)"),
        ("FROM a, b", "Join(Table(b))"),
        ("FROM a LEFT SEMI JOIN b ON a.x = b.x", "Join(Table(b), kind=SEMI, on=EQ(a.x, b.x), side=LEFT)"),
        ("FROM a ANTI JOIN b ON a.x = b.x", "Join(Table(b), kind=ANTI, on=EQ(a.x, b.x))"),
        ("FROM a JOIN b WITHIN INTERVAL '5' MINUTE ON a.x = b.x", "Join(Table(b), on=EQ(a.x, b.x), within_ms=300000)"),
        ("FROM a JOIN b ON a.x = b.x WITHIN 5m", "Join(Table(b), on=EQ(a.x, b.x), within_ms=300000)"),
        (
            "FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts AS r ON a.x = r.x",
            "Join(Table(b, alias=TableAlias(r), system_time=SystemTime(a.ts)), on=EQ(a.x, r.x))",
        ),
        (
            "FROM a JOIN b r FOR SYSTEM_TIME AS OF PROCTIME() ON a.x = r.x",
            "Join(Table(b, alias=TableAlias(r), system_time=SystemTime(PROCTIME())), on=EQ(a.x, r.x))",
        ),
        (
            "FROM a CROSS JOIN UNNEST(a.items) AS u (item)",
            "Join(Unnest([a.items], alias=TableAlias(u, columns=[item])), kind=CROSS)",
        ),
        (
            "FROM a, LATERAL TABLE(split(a.x)) AS u (word)",
            "Join(Lateral(TABLE(SPLIT(a.x)), alias=TableAlias(u, columns=[word])))",
        ),
    ],
)
def test_joins(written, expected, query, shape):
    (join,) = query(f"SELECT * {written}").args["joins"]
    assert shape(join) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("orders", "Table(orders)"),
        ("orders o", "Table(orders, alias=TableAlias(o))"),
        ("c.d.orders AS o (a, b)", "Table(orders, alias=TableAlias(o, columns=[a, b]), catalog=c, db=d)"),
        ("'kafka://host:9092/orders'", 'Table("kafka://host:9092/orders")'),
        ("kafka://host:9092/orders", 'Table("kafka://host:9092/orders")'),
        ("kafka://orders o", 'Table("kafka://orders", alias=TableAlias(o))'),
        ("'file:///data/*.csv?header=true' AS f", 'Table("file:///data/*.csv?header=true", alias=TableAlias(f))'),
        ("(SELECT a FROM t) s", "Subquery(Select([a], from_=From(Table(t))), alias=TableAlias(s))"),
        ("(VALUES (1, 'x')) AS v (a, b)", "Values([Tuple([1, 'x'])], alias=TableAlias(v, columns=[a, b]))"),
    ],
)
def test_relations(written, expected, query, shape):
    assert shape(query(f"SELECT * FROM {written}").args["from_"].this) == expected


def test_common_table_expressions(query, shape):
    select = query("WITH x AS (SELECT 1 AS a), y (b) AS (SELECT a FROM x) SELECT b FROM y")
    assert shape(select.args["with_"].expressions) == (
        "[CTE(Select([Alias(1, alias=a)]), alias=TableAlias(x)), "
        "CTE(Select([a], from_=From(Table(x))), alias=TableAlias(y, columns=[b]))]"
    )


@pytest.mark.parametrize(
    ("operator", "node", "distinct"),
    [
        ("UNION", exp.Union, True),
        ("UNION ALL", exp.Union, False),
        ("INTERSECT", exp.Intersect, True),
        ("EXCEPT", exp.Except, True),
        ("EXCEPT ALL", exp.Except, False),
    ],
)
def test_set_operations(operator, node, distinct):
    (statement,) = parse_program(f"SELECT a FROM t {operator} SELECT b FROM u").statements
    assert type(statement.query) is node
    assert statement.query.args["distinct"] is distinct


def test_values_are_a_query(query, shape):
    assert shape(query("VALUES (1, 'a'), (2, 'b')")) == (
        "Select([*], from_=From(Values([Tuple([1, 'a']), Tuple([2, 'b'])], alias=TableAlias(_values))))"
    )


def test_order_and_limit(query, shape):
    select = query("SELECT a FROM t ORDER BY a DESC, b NULLS LAST LIMIT 10 OFFSET 5")
    assert shape(select.args["order"]) == "Order([Ordered(a, desc=True), Ordered(b)])"
    assert shape(select.args["limit"]) == "Limit(10)"
    assert shape(select.args["offset"]) == "Offset(5)"
    assert shape(query("SELECT a FROM t FETCH FIRST 3 ROWS ONLY").args["limit"]) == "Limit(3)"


def test_nulls_sort_low_by_default(query):
    ascending, descending = query("SELECT a FROM t ORDER BY a, b DESC LIMIT 1").args["order"].expressions
    assert ascending.args["nulls_first"] is True
    assert descending.args["nulls_first"] is False


def test_distinct_grouping_sets_and_stars(query, shape):
    select = query("SELECT DISTINCT t.*, * FROM t GROUP BY GROUPING SETS ((a), ()), CUBE (b)")
    assert isinstance(select.args["distinct"], exp.Distinct)
    assert shape(select.expressions) == "[t.*, *]"
    assert shape(select.args["group"]) == "Group([GroupingSets([Paren(a), Tuple()]), Cube([b])])"


def test_event_time_is_an_ordinary_alias(query, shape):
    assert shape(query("SELECT ts AS _EVENT_TIME FROM t").expressions) == "[Alias(ts, alias=_EVENT_TIME)]"


def test_words_that_start_clauses_are_no_aliases(query, shape):
    for tail in ("EMIT CHANGES", "INTO sink", "WITH ('a' = 'b')", "WINDOW TUMBLING(1m)", "WHERE x"):
        (statement,) = parse_program(f"SELECT a FROM t {tail}").statements
        assert shape(statement.query.args["from_"].this) == "Table(t)"


@pytest.mark.parametrize(
    "name", ["value", "key", "timestamp", "date", "time", "type", "format", "end_time", "rank", "year"]
)
def test_ordinary_words_are_names(name, query, shape):
    assert shape(query(f"SELECT {name}, t.{name} AS {name} FROM {name} AS t WHERE {name} = 1 GROUP BY {name}")) == (
        f"Select([{name}, Alias(t.{name}, alias={name})], from_=From(Table({name}, alias=TableAlias(t))), "
        f"group=Group([{name}]), where=Where(EQ({name}, 1)))"
    )
