"""What the planner refuses: by code, at a place, in the user's terms."""

from __future__ import annotations

import pytest
from tests.engine.plan.planning import plan

from velo_engine.errors import ErrorCode, VeloError

REFUSED = [
    (
        "SELECT symbol FROM trades TABLESAMPLE BERNOULLI (10)",
        ErrorCode.SQL_UNSUPPORTED,
        "TABLESAMPLE",
        "TABLESAMPLE is not run",
    ),
    (
        "SELECT symbol FROM trades AS x TABLESAMPLE SYSTEM (10)",
        ErrorCode.SQL_UNSUPPORTED,
        "TABLESAMPLE",
        "TABLESAMPLE is not run",
    ),
    (
        "SELECT * FROM trades PIVOT (SUM(qty) FOR symbol IN ('A'))",
        ErrorCode.SQL_UNSUPPORTED,
        "PIVOT",
        "PIVOT is not run",
    ),
    (
        "SELECT * FROM trades UNPIVOT (x FOR y IN (qty, price))",
        ErrorCode.SQL_UNSUPPORTED,
        "UNPIVOT",
        "UNPIVOT is not run",
    ),
    (
        "SELECT x.symbol FROM trades AS x ASOF JOIN trades AS y MATCH_CONDITION x.ts >= y.ts ON x.symbol = y.symbol",
        ErrorCode.SQL_UNSUPPORTED,
        "ASOF",
        "ASOF is not run",
    ),
    (
        "SELECT symbol FROM trades ORDER BY qty FETCH FIRST 3 ROWS WITH TIES",
        ErrorCode.SQL_UNSUPPORTED,
        "WITH",
        "WITH TIES is not run",
    ),
    (
        "SELECT symbol FROM trades FETCH FIRST 10 PERCENT ROWS ONLY",
        ErrorCode.SQL_UNSUPPORTED,
        "PERCENT",
        "FETCH of a percentage is not run",
    ),
    (
        "SELECT SUM(qty) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "EXCLUDE",
        "EXCLUDE of a frame is not run",
    ),
    (
        "SELECT SUM(qty) OVER (ORDER BY ts GROUPS 2 PRECEDING) FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "GROUPS",
        "GROUPS of a frame is not run",
    ),
    (
        "SELECT symbol FROM trades UNION ALL BY NAME SELECT symbol FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "UNION",
        "a set operation BY NAME is not run",
    ),
    (
        "SELECT symbol FROM trades WHERE UNIQUE (SELECT symbol FROM trades)",
        ErrorCode.SQL_UNSUPPORTED,
        "UNIQUE",
        "UNIQUE of a query is not run",
    ),
    (
        "SELECT ARRAY(SELECT qty FROM trades) FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "ARRAY",
        "ARRAY of a query is not run",
    ),
    (
        "SELECT NEXT VALUE FOR s FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "NEXT",
        "NEXT VALUE FOR is not run",
    ),
    (
        "SELECT symbol COLLATE 'x' FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "COLLATE",
        "COLLATE is not run",
    ),
    (
        "SELECT * FROM ML_PREDICT(TABLE trades, MODEL m, DESCRIPTOR(qty))",
        ErrorCode.SQL_UNSUPPORTED,
        "ML_PREDICT",
        "the table function ML_PREDICT is not run",
    ),
    (
        "TABLE trades",
        ErrorCode.SQL_UNSUPPORTED,
        "TABLE",
        "TABLE is not run",
    ),
    (
        "INSERT INTO s TABLE trades",
        ErrorCode.SQL_UNSUPPORTED,
        "TABLE",
        "TABLE as a query is not run",
    ),
    (
        "SET 'execution.runtime-mode' = 'BATCH'; SELECT symbol FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "'BATCH'",
        "execution.runtime-mode = BATCH is not supported",
    ),
    (
        "SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD'; SELECT symbol FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "'TRIM_PAD'",
        "table.exec.sink.type-length-enforcer = TRIM_PAD is not supported",
    ),
    (
        "SELECT symbol FROM trades WHERE price > 'x'",
        ErrorCode.TYPE_MISMATCH,
        "price",
        "a > b: 'x' is not a number",
    ),
    (
        "SELECT symbol FROM trades WHERE qty IN ('10', 20)",
        ErrorCode.TYPE_MISMATCH,
        "qty",
        "the values of IN have no common type",
    ),
    (
        "SELECT symbol.* FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "symbol.*",
        '"symbol" is no ROW with fields for the *: it is STRING',
    ),
    (
        "SELECT window_start FROM TABLE(TUMBLE((SELECT ts, COUNT(*) AS n FROM trades GROUP BY ts), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WITH ('trades.event.time.field' = 'ts')",
        ErrorCode.MISSING_EVENT_TIME,
        "ts",
        '"ts" is no event time any more: it was grouped by',
    ),
    (
        "SELECT LISTAGG(symbol ORDER BY qty) FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "symbol",
        "ORDER BY inside an aggregate is not supported",
    ),
    (
        "SELECT symbol FROM trades WHERE qty > 1 QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY qty) = 1",
        ErrorCode.SQL_UNSUPPORTED,
        "QUALIFY",
        "QUALIFY is not run",
    ),
    (
        "SELECT symbo FROM trades",
        ErrorCode.UNKNOWN_COLUMN,
        "symbo",
        'the input has no column "symbo"; it has symbol, price, qty, ts, ms',
    ),
    (
        "SELECT t.x FROM trades AS t",
        ErrorCode.UNKNOWN_COLUMN,
        "t.x",
        '"t" has no column "x"; it has symbol, price, qty, ts, ms',
    ),
    (
        "SELECT u.symbol FROM trades AS t",
        ErrorCode.UNKNOWN_TABLE,
        "u.symbol",
        'nothing in FROM is called "u"',
    ),
    (
        "SELECT *",
        ErrorCode.SQL_SYNTAX,
        "*",
        "there are no columns for * without FROM",
    ),
    (
        "SELECT a FROM trads",
        ErrorCode.UNKNOWN_TABLE,
        "trads",
        'nothing defines "trads"',
    ),
    (
        "SELECT x.symbol FROM trades x JOIN trades x ON x.symbol = x.symbol",
        ErrorCode.DUPLICATE_NAME,
        "trades",
        'two relations in FROM are called "x"',
    ),
    (
        "SELECT ts FROM orders o JOIN payments p ON o.order_id = p.order_id",
        ErrorCode.AMBIGUOUS_COLUMN,
        "ts",
        '"ts" is a column of o and of p',
    ),
    (
        "SELECT symbol, price FROM trades GROUP BY symbol",
        ErrorCode.INVALID_GROUPING,
        "price",
        '"price" is neither in GROUP BY nor inside an aggregate',
    ),
    (
        "SELECT symbol FROM trades WHERE SUM(qty) > 1",
        ErrorCode.INVALID_GROUPING,
        "SUM",
        "an aggregate in WHERE has no meaning",
    ),
    (
        "SELECT SUM(MAX(qty)) FROM trades",
        ErrorCode.INVALID_GROUPING,
        "MAX",
        "an aggregate stands inside an aggregate",
    ),
    (
        "SELECT symbol FROM trades HAVING symbol = 'x'",
        ErrorCode.INVALID_GROUPING,
        "symbol",
        "HAVING without GROUP BY or an aggregate",
    ),
    (
        "SELECT COUNT(*) FROM trades GROUP BY 3",
        ErrorCode.INVALID_GROUPING,
        "3",
        "GROUP BY 3, but the select list has 1 item(s)",
    ),
    (
        "SELECT COUNT(*) FROM trades GROUP BY SUM(qty)",
        ErrorCode.INVALID_GROUPING,
        "SUM",
        "an aggregate cannot be grouped by",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT symbol FROM trades) AS t WINDOW TUMBLING(1m)",
        ErrorCode.MISSING_EVENT_TIME,
        "WINDOW",
        "a window needs an event time, and the input has none",
    ),
    (
        "SELECT * FROM trades WINDOW TUMBLING(1m)",
        ErrorCode.SQL_UNSUPPORTED,
        "WINDOW",
        "WINDOW without aggregation is not supported",
    ),
    (
        "SELECT COUNT(*) FROM trades WINDOW SLIDING(ts, 1m, 7m)",
        ErrorCode.BAD_PROPERTY,
        "WINDOW",
        "the windows are shorter than the time between their starts: rows between them would be lost",
    ),
    (
        "SELECT window_start, window_end, COUNT(*) FROM TABLE(HOP(TABLE trades, DESCRIPTOR(ts), INTERVAL '2' MINUTE, "
        "INTERVAL '3' MINUTE)) GROUP BY window_start, window_end",
        ErrorCode.BAD_PROPERTY,
        "HOP",
        "the size of an aggregated hopping window must be a multiple of its slide",
    ),
    (
        "SELECT COUNT(*) FROM trades WINDOW TUMBLING(qty2, 1m)",
        ErrorCode.UNKNOWN_COLUMN,
        "qty2",
        'the input has no column "qty2"; it has symbol, price, qty, ts, ms',
    ),
    (
        "SELECT COUNT(*) FROM trades WINDOW TUMBLING(price, 1m)",
        ErrorCode.TYPE_MISMATCH,
        "price",
        "DECIMAL(10, 2) cannot be an event time",
    ),
    (
        "SELECT HOP_START(ts, INTERVAL '1' MINUTE), COUNT(*) FROM trades GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
        ErrorCode.TYPE_MISMATCH,
        "HOP_START",
        "HOP_START does not fit the query's window, which is TUMBLE",
    ),
    (
        "SELECT TUMBLE_START(ts, INTERVAL '2' MINUTE), COUNT(*) FROM trades GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
        ErrorCode.TYPE_MISMATCH,
        "TUMBLE_START",
        "TUMBLE_START has other arguments than the query's window",
    ),
    (
        "SELECT TUMBLE_PROCTIME(ts, INTERVAL '1' MINUTE), COUNT(*) FROM trades GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
        ErrorCode.SQL_UNSUPPORTED,
        "TUMBLE_PROCTIME",
        "TUMBLE_PROCTIME of an event-time window is not supported",
    ),
    (
        "SELECT TUMBLE_START(ts, INTERVAL '2' MINUTE) FROM trades",
        ErrorCode.MISSING_EVENT_TIME,
        "TUMBLE_START",
        "TUMBLE_START needs a window in the query",
    ),
    (
        "CREATE STREAM g AS SELECT symbol, qty, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY ts DESC) AS rn "
        "FROM trades) WHERE rn = 1; SELECT symbol FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end "
        "ORDER BY qty) AS rn FROM TABLE(TUMBLE(TABLE g, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn = 1",
        ErrorCode.SQL_UNSUPPORTED,
        "SELECT",
        "a Top-N per window over rows that change is not supported",
    ),
    (
        "CREATE STREAM a AS SELECT * FROM b; CREATE STREAM b AS SELECT * FROM a",
        ErrorCode.SQL_UNSUPPORTED,
        "a",
        "a statement that reads itself (a -> b -> a) is not supported",
    ),
    (
        "SELECT t.symbol FROM trades t RIGHT JOIN rates r ON t.symbol = r.symbol",
        ErrorCode.SQL_UNSUPPORTED,
        "rates",
        "RIGHT JOIN with a reference table is not supported",
    ),
    (
        "SELECT o.order_id FROM orders o JOIN payments p WITHIN INTERVAL '1' HOUR ON o.order_id = p.order_id JOIN trades t WITHIN INTERVAL '1' HOUR ON t.qty = o.customer_id WITH ('event.time.field' = 'nothing')",
        ErrorCode.UNKNOWN_COLUMN,
        "'nothing'",
        'the event time "nothing" is not a column of the input; it has order_id, customer_id, amount, ts',
    ),
    (
        "SELECT a.order_id FROM (SELECT order_id FROM orders) a JOIN payments p WITHIN INTERVAL '1' HOUR ON a.order_id = p.order_id",
        ErrorCode.MISSING_EVENT_TIME,
        "payments",
        "JOIN … WITHIN needs an event time on both sides",
    ),
    (
        "CREATE TABLE a (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts); CREATE TABLE b (k INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts); SELECT a.k FROM a JOIN b ON a.k = b.k AND a.ts = b.ts",
        ErrorCode.TYPE_MISMATCH,
        "b",
        "the event times of an interval join have one type; they are TIMESTAMP(3) and TIMESTAMP_LTZ(3)",
    ),
    (
        "CREATE TABLE a (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts); SELECT x.k FROM a x JOIN a FOR SYSTEM_TIME AS OF x.ts AS y ON x.k = y.k",
        ErrorCode.SQL_UNSUPPORTED,
        "a",
        "FOR SYSTEM_TIME AS OF event time over rows without a primary key is not supported",
    ),
    (
        "CREATE TABLE a (k INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (k) NOT ENFORCED); SELECT x.k FROM a x JOIN a FOR SYSTEM_TIME AS OF x.ts AS y ON x.v = y.v",
        ErrorCode.SQL_UNSUPPORTED,
        "a",
        "a temporal join without an equality for the whole primary key of the versioned table is not supported",
    ),
    (
        "CREATE TABLE a (k INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (k) NOT ENFORCED); SELECT x.k FROM a x RIGHT JOIN a FOR SYSTEM_TIME AS OF x.ts AS y ON x.k = y.k",
        ErrorCode.SQL_UNSUPPORTED,
        "a",
        "RIGHT JOIN with FOR SYSTEM_TIME AS OF is not supported",
    ),
    (
        "CREATE TABLE a (k INT, ts TIMESTAMP(3), at TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (k) NOT ENFORCED); SELECT x.k FROM a x JOIN a FOR SYSTEM_TIME AS OF x.at AS y ON x.k = y.k",
        ErrorCode.SQL_UNSUPPORTED,
        "x.at",
        "FOR SYSTEM_TIME AS OF anything but a time attribute of the left side is not supported",
    ),
    (
        "CREATE TABLE a (k INT) WITH ('connector' = 'kafka'); SELECT x.k FROM orders x JOIN a FOR SYSTEM_TIME AS OF PROCTIME() AS y ON x.order_id = y.k",
        ErrorCode.SQL_UNSUPPORTED,
        "a",
        "a processing-time temporal join with a table that is not looked up (connector kafka) is not supported",
    ),
    (
        "SELECT t.symbol FROM trades t SEMI JOIN rates r ON t.symbol = r.symbol",
        ErrorCode.SQL_UNSUPPORTED,
        "rates",
        "SEMI JOIN is not supported",
    ),
    (
        "SELECT order_id FROM orders JOIN payments USING (paid)",
        ErrorCode.UNKNOWN_COLUMN,
        "payments",
        'USING (paid): one side has no column called "paid"',
    ),
    (
        "SELECT symbol FROM (SELECT *, RANK() OVER (PARTITION BY symbol ORDER BY qty) AS rn FROM trades) WHERE rn <= 3",
        ErrorCode.SQL_UNSUPPORTED,
        "RANK",
        "a Top-N by RANK is not supported",
    ),
    (
        "SELECT symbol FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY qty) AS rn FROM trades) WHERE rn > 3",
        ErrorCode.SQL_UNSUPPORTED,
        "rn",
        "a rank without an upper bound is not supported",
    ),
    (
        "SELECT symbol FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY symbol) AS rn FROM trades) WHERE rn <= 3",
        ErrorCode.SQL_UNSUPPORTED,
        "ROW_NUMBER",
        "ROW_NUMBER without ORDER BY is not supported",
    ),
    (
        "SELECT symbol, SUM(qty) AS s FROM trades GROUP BY symbol EMIT FINAL",
        ErrorCode.SQL_UNSUPPORTED,
        "SELECT",
        "EMIT FINAL of a result that changes is not supported",
    ),
    (
        "SELECT symbol AS x, qty AS x FROM trades",
        ErrorCode.DUPLICATE_NAME,
        "qty",
        'two columns are called "x"',
    ),
    (
        "SELECT _window_start FROM trades",
        ErrorCode.UNKNOWN_COLUMN,
        "_window_start",
        "_window_start exists only with a window",
    ),
    (
        "CREATE STREAM s AS SELECT symbol FROM trades; SELECT _timestamp FROM s",
        ErrorCode.UNKNOWN_COLUMN,
        "_timestamp",
        "_timestamp is a column of records read from a source, not of this input",
    ),
    (
        "CREATE STREAM s AS SELECT symbol FROM trades; SELECT _event_time FROM s",
        ErrorCode.MISSING_EVENT_TIME,
        "_event_time",
        "the input has no event time",
    ),
    (
        "CREATE TABLE out (s STRING, n INT); INSERT INTO out SELECT symbol FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "INSERT",
        "the query gives 1 column(s), but out has 2",
    ),
    (
        "CREATE TABLE out (s INT); INSERT INTO out SELECT symbol FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "INSERT",
        'the query gives STRING for "s", which is INT',
    ),
    (
        "CREATE TABLE out (s STRING); INSERT INTO out (t) SELECT symbol FROM trades",
        ErrorCode.UNKNOWN_COLUMN,
        "t",
        'out has no column "t"',
    ),
    (
        "SELECT symbol FROM trades WITH ('event.time.field' = 'tz')",
        ErrorCode.UNKNOWN_COLUMN,
        "'tz'",
        'the event time "tz" is not a column of the input; it has symbol, price, qty, ts, ms',
    ),
    (
        "SELECT symbol FROM trades WITH ('event.time.field' = 'ts', 'watermark.strategy' = 'punctuated')",
        ErrorCode.SQL_UNSUPPORTED,
        "'punctuated'",
        "watermark.strategy = punctuated is not supported",
    ),
    (
        "SELECT symbol FROM trades WITH ('event.time.field' = 'ts', 'watermark.strategy' = 'ascending', 'watermark.max_out_of_orderness' = '1s')",
        ErrorCode.BAD_PROPERTY,
        "'ascending'",
        "an ascending watermark has no max_out_of_orderness",
    ),
    (
        "SELECT COUNT(*) FROM trades WINDOW TUMBLING(ts, 1m) WITH ('late.data.strategy' = 'side_output')",
        ErrorCode.SQL_UNSUPPORTED,
        "'side_output'",
        "late.data.strategy = side_output is not supported",
    ),
    (
        "SET 'table.exec.emit.late-fire.enabled' = 'true'; SELECT COUNT(*) FROM trades WINDOW TUMBLING(ts, 1m)",
        ErrorCode.SQL_UNSUPPORTED,
        "'true'",
        "table.exec.emit.late-fire.enabled is not supported",
    ),
    (
        "SELECT COUNT(*) FROM trades WINDOW TUMBLING(ts, 1m) WITH ('late.data.strategy' = 'update_previous')",
        ErrorCode.BAD_PROPERTY,
        "'update_previous'",
        "late.data.strategy = update_previous needs to know how late a row may be",
    ),
    (
        "SELECT symbol FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY qty) AS rn FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn <= 3 WITH ('allowed.lateness' = '1m')",
        ErrorCode.SQL_UNSUPPORTED,
        "ROW_NUMBER",
        "allowed.lateness with a Top-N per window is not supported",
    ),
    (
        "SELECT symbol FROM TABLE(SESSION(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WITH ('allowed.lateness' = '1m')",
        ErrorCode.SQL_UNSUPPORTED,
        "SESSION",
        "allowed.lateness with a SESSION table is not supported",
    ),
    (
        "SELECT a.symbol FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) a JOIN TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) b ON a.window_start = b.window_start AND a.window_end = b.window_end WITH ('allowed.lateness' = '1m')",
        ErrorCode.SQL_UNSUPPORTED,
        "TUMBLE",
        "allowed.lateness with a join per window is not supported",
    ),
    (
        "SELECT symbol FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '-60' SECOND))",
        ErrorCode.BAD_PROPERTY,
        "TUMBLE",
        "the offset of a tumbling window must be smaller than its size",
    ),
    (
        "CREATE STREAM a AS SELECT t.symbol FROM trades t JOIN customers c ON t.symbol = c.name WITH ('customers.type' = 'file_source', 'customers.path' = 'c.csv'); CREATE STREAM b AS SELECT * FROM customers",
        ErrorCode.SQL_UNSUPPORTED,
        "customers",
        'reading "customers" both as a stream and as a reference table is not supported',
    ),
    (
        "SELECT COUNT(*) FROM t2 WINDOW TUMBLING(1m) WITH ('t2.type' = 'kafka_source')",
        ErrorCode.UNKNOWN_TABLE,
        "t2",
        'the columns of "t2" are not known',
    ),
    (
        "CREATE TABLE t (a INT, ts TIMESTAMP(6), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka'); SELECT a FROM t",
        ErrorCode.TYPE_MISMATCH,
        "WATERMARK",
        "a watermark needs a TIMESTAMP or TIMESTAMP_LTZ of precision 0 to 3; ts is TIMESTAMP(6)",
    ),
    (
        "CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts + INTERVAL '1' SECOND) WITH ('connector' = 'kafka'); SELECT a FROM t",
        ErrorCode.SQL_UNSUPPORTED,
        "ts",
        "this watermark is not supported",
    ),
    (
        "CREATE TABLE t (a INT, h INT METADATA FROM 'leader-epoch') WITH ('connector' = 'kafka'); SELECT a FROM t",
        ErrorCode.SQL_UNSUPPORTED,
        "h",
        "METADATA FROM 'leader-epoch' is not supported",
    ),
    (
        "CREATE TABLE t (a INT, h INT METADATA FROM 'headers') WITH ('connector' = 'kafka'); SELECT a FROM t",
        ErrorCode.TYPE_MISMATCH,
        "h",
        "metadata of type MAP<STRING, BYTES> NOT NULL cannot be read as INT NOT NULL",
    ),
    (
        "CREATE TABLE t (topic STRING METADATA, n AS 1) WITH ('connector' = 'kafka'); SELECT topic FROM t",
        ErrorCode.SQL_UNSUPPORTED,
        "t",
        'reading "t", of which no column is in the records is not supported',
    ),
    (
        "SELECT HEADER('k') FROM (SELECT symbol FROM trades)",
        ErrorCode.SQL_UNSUPPORTED,
        "HEADER",
        "HEADER reads the headers of a source's records, and these rows are no records of a source",
    ),
    (
        "CREATE STREAM p AS SELECT symbol FROM trades; SELECT HEADER_KEYS() FROM p",
        ErrorCode.SQL_UNSUPPORTED,
        "HEADER_KEYS",
        "HEADER_KEYS reads the headers of a source's records, and these rows are no records of a source",
    ),
    (
        "SELECT HAS_HEADER('k'), COUNT(*) FROM trades GROUP BY symbol",
        ErrorCode.INVALID_GROUPING,
        "HAS_HEADER",
        "HAS_HEADER(…) is neither in GROUP BY nor inside an aggregate",
    ),
    (
        "SELECT HEADER('a', 'b') FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "HEADER",
        "HEADER: takes 1 argument, not 2",
    ),
    (
        "SELECT SET_HEADER('k', symbol) AS s FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "SET_HEADER",
        "this engine does not run SET_HEADER: what INSERT INTO writes has its headers in a column `headers MAP<STRING, BYTES> METADATA`",
    ),
    (
        "SELECT symbol, COUNT(qty, price) FROM trades GROUP BY symbol",
        ErrorCode.TYPE_MISMATCH,
        "COUNT",
        "COUNT takes one argument, not 2",
    ),
    (
        "SELECT LISTAGG(symbol) WITHIN GROUP (ORDER BY symbol) FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "LISTAGG",
        "WITHIN GROUP is not supported",
    ),
    (
        "SELECT FIRST_VALUE(symbol) IGNORE NULLS FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "FIRST_VALUE",
        "IGNORE NULLS is not supported",
    ),
    (
        "SELECT window_start, COUNT(*) FROM (SELECT symbol, window_start, ts FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY symbol, ts, window_start, window_end) AS w WINDOW TUMBLING(ts, 1h)",
        ErrorCode.AMBIGUOUS_COLUMN,
        "window_start",
        '"window_start" is a column of the input and a bound of the window',
    ),
    (
        "SELECT x.symbol PRIMARY KEY FROM (SELECT symbol PRIMARY KEY FROM trades) AS x",
        ErrorCode.SQL_UNSUPPORTED,
        "symbol",
        "PRIMARY KEY in a subquery is not supported",
    ),
    (
        "SELECT a FROM trades AS t (a, b)",
        ErrorCode.TYPE_MISMATCH,
        "trades",
        "2 column names for a relation of 5 columns",
    ),
    (
        "WITH RECURSIVE r AS (SELECT symbol FROM trades) SELECT * FROM r",
        ErrorCode.SQL_UNSUPPORTED,
        "r",
        "WITH RECURSIVE is not supported",
    ),
    (
        "CREATE STREAM s (a STRING, WATERMARK FOR a AS a) AS SELECT symbol FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "WATERMARK",
        "WATERMARK of a statement with a query is not supported",
    ),
    (
        "CREATE STREAM s (a STRING, b AS UPPER(a)) AS SELECT symbol FROM trades",
        ErrorCode.SQL_UNSUPPORTED,
        "b",
        "a computed column of a statement with a query is not supported",
    ),
    (
        "SELECT price * qty AS notional FROM trades WHERE notional > 3",
        ErrorCode.UNKNOWN_COLUMN,
        "notional",
        '"notional" is an alias of the select list, and WHERE sees only columns of the input',
    ),
    (
        "SELECT symbol, NULL AS n FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "SELECT COUNT(NULL) AS n FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "SELECT COUNT(*) AS n FROM trades GROUP BY NULL",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "SELECT symbol FROM trades ORDER BY NULL LIMIT 2",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "CREATE TABLE t (a INT, b AS NULL) WITH ('connector' = 'kafka'); SELECT a FROM t",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "SELECT symbol FROM trades ORDER BY ARRAY[qty] LIMIT 2",
        ErrorCode.TYPE_MISMATCH,
        "ARRAY",
        "ORDER BY needs a value with an order, not ARRAY<INT> NOT NULL",
    ),
    (
        "SELECT MAX(ARRAY[qty]) AS m FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "MAX",
        "MAX needs a value with an order, not ARRAY<INT> NOT NULL",
    ),
    (
        "SELECT symbol FROM trades ORDER BY symbol",
        ErrorCode.SQL_UNSUPPORTED,
        "symbol",
        "ORDER BY without LIMIT, but for an ascending event time, is not supported",
    ),
    (
        "SELECT symbol FROM trades OFFSET 2",
        ErrorCode.SQL_UNSUPPORTED,
        "2",
        "OFFSET without LIMIT is not supported",
    ),
    (
        "SELECT symbol FROM trades UNION ALL SELECT symbol, qty FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "symbol",
        "the sides of UNION have 1 and 2 columns",
    ),
    (
        "SELECT symbol FROM trades EXCEPT SELECT qty FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "qty",
        "column 1 of EXCEPT has no common type: STRING and INT",
    ),
    (
        "SELECT symbol, COUNT(*) FROM trades GROUP BY GROUPING SETS ((symbol), (symbol))",
        ErrorCode.SQL_UNSUPPORTED,
        "symbol",
        "the same grouping set twice is not supported",
    ),
    (
        "SELECT GROUPING(qty) FROM trades GROUP BY symbol",
        ErrorCode.INVALID_GROUPING,
        "qty",
        "the arguments of GROUPING are keys of GROUP BY",
    ),
    (
        "SELECT symbol FROM trades WHERE symbol IN (SELECT order_id, amount FROM orders)",
        ErrorCode.TYPE_MISMATCH,
        "symbol",
        "1 value(s) are compared with 2 column(s)",
    ),
    (
        "SELECT (SELECT symbol, qty FROM trades) AS m FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "symbol",
        "a scalar subquery has one column, not 2",
    ),
    (
        "SELECT t.symbol FROM trades t WHERE t.qty = (SELECT MAX(u.qty) FROM trades u WHERE u.symbol < t.symbol)",
        ErrorCode.SQL_UNSUPPORTED,
        "u",
        "an aggregate over what another comparison than = with the query around selects is not supported",
    ),
    (
        "SELECT (SELECT MAX(u.qty + t.qty) FROM trades u WHERE u.symbol = t.symbol) AS m FROM trades t",
        ErrorCode.SQL_UNSUPPORTED,
        "t.qty",
        "a column of the query around a subquery, but for its WHERE, is not supported",
    ),
    (
        "SELECT t.symbol, y.qty FROM trades t, LATERAL (SELECT qty FROM trades u WHERE u.symbol = t.symbol ORDER BY qty LIMIT 2) AS y",
        ErrorCode.SQL_UNSUPPORTED,
        "2",
        "LIMIT in a correlated subquery is not supported",
    ),
    (
        "SELECT e FROM trades CROSS JOIN UNNEST(symbol) AS u (e)",
        ErrorCode.TYPE_MISMATCH,
        "symbol",
        "UNNEST takes an ARRAY, a MAP or a MULTISET, not STRING",
    ),
    (
        "VALUES (1, 'a'), (2)",
        ErrorCode.TYPE_MISMATCH,
        "2",
        "this row of VALUES has 1 values, the first 2",
    ),
    (
        "VALUES (1, 'a'), (2, NULL)",
        ErrorCode.TYPE_MISMATCH,
        "NULL",
        "cannot tell the type of NULL",
    ),
    (
        "INSERT INTO out SELECT symbol FROM trades; INSERT INTO out SELECT qty FROM trades",
        ErrorCode.TYPE_MISMATCH,
        "INSERT",
        "two statements write out with different columns",
    ),
]


@pytest.mark.parametrize(("sql", "code", "underlined", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_refused(sql: str, code: ErrorCode, underlined: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        plan(sql)
    error = caught.value
    assert (error.code, error.message) == (code, message)
    assert error.location is not None
    start = error.location.column - 1
    assert error.location.text[start : start + error.location.length] == underlined


@pytest.mark.parametrize("name", ["TABLESAMPLE", "PIVOT", "UNPIVOT", "ASOF", "QUALIFY"])
def test_words_of_refused_clauses_are_names_like_any_other(name: str) -> None:
    plan(f"SELECT {name}.symbol FROM trades {name} WHERE {name}.qty > 1")
    plan(f"SELECT {name}.symbol FROM trades AS {name} JOIN trades AS other ON {name}.symbol = other.symbol")
