"""Syntax nodes that sqlglot lacks, and where each hangs in the tree.

Sizes are plain Python ints of milliseconds, kinds plain lower-case strings; everything else is a sqlglot node.
No node here is bound to a schema.

| node | stands in |
|---|---|
| `WindowClause` | `select.args["window_clause"]` |
| `KeyColumn` | an item of `select.expressions` |
| `WindowTable` | FROM and JOIN, where a table stands |
| `GroupWindow` | an item of `select.args["group"].expressions` |
| `SystemTime` | `table.args["system_time"]` |
| `RowsWindowBuffer` | `window.args["spec"]` of an `exp.Window` |
| `TypedLiteral`, `TimeDifference`, `JsonCall` | expressions |

A join bounded by `WITHIN INTERVAL …` has the bound in milliseconds at `join.args["within_ms"]`.
"""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp

from velo_engine.sql.sqlglot_build import require_pure_python

require_pure_python()


class WindowClause(exp.Expression):
    """`WINDOW TUMBLING([time,] size)`, `SLIDING(size, advance)`, `SESSION(gap)`, `CUMULATING(step, size)`.

    `kind` is tumbling, sliding, session or cumulating; `size_ms` is the size, the gap of a session, the maximum size of
    a cumulating window; `slide_ms` the advance of a sliding and the step of a cumulating window, else None.
    """

    arg_types: ClassVar[dict[str, bool]] = {"kind": True, "time_column": False, "size_ms": True, "slide_ms": False}


class KeyColumn(exp.Expression):
    """`item PRIMARY KEY` in a select list; `this` is the expression or its Alias."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True}

    @property
    def alias(self) -> str:
        """The alias of the item, empty without one."""
        return str(self.this.alias)

    @property
    def name(self) -> str:
        """The name of the item."""
        return str(self.this.name)

    @property
    def output_name(self) -> str:
        """The name of the column that the item makes, empty when it has none."""
        return str(self.this.output_name)


class WindowTable(exp.Expression):
    """A window table function: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))`.

    `kind` is tumble, hop, session or cumulate; `table` a Table or Subquery; `size_ms` as in WindowClause, `slide_ms`
    the slide of HOP or the step of CUMULATE, else None; `offset_ms` 0 unless given; `partition_by` a list of columns
    (SESSION).
    """

    arg_types: ClassVar[dict[str, bool]] = {
        "kind": True,
        "table": True,
        "time_column": True,
        "size_ms": True,
        "slide_ms": False,
        "offset_ms": False,
        "partition_by": False,
        "alias": False,
    }


class GroupWindow(exp.Expression):
    """A legacy group window in GROUP BY: `TUMBLE(ts, size)`, `HOP(ts, slide, size)`, `SESSION(ts, gap)`.

    `kind` is tumble, hop or session; `size_ms` and `slide_ms` as in WindowTable.
    """

    arg_types: ClassVar[dict[str, bool]] = {"kind": True, "time_column": True, "size_ms": True, "slide_ms": False}


class SystemTime(exp.Expression):
    """`FOR SYSTEM_TIME AS OF this`, of a table."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True}


class RowsWindowBuffer(exp.Expression):
    """`ROWS WINDOW BUFFER size ROWS` of an OVER clause: the last `size` rows of the partition in arrival order.

    `expire_ms` is the bound of EXPIRE AFTER, None without one or with NEVER; `frame` an exp.WindowSpec within the
    buffer. PARTITION BY and ORDER BY are the exp.Window's own.
    """

    arg_types: ClassVar[dict[str, bool]] = {"size": True, "expire_ms": False, "frame": False}


class TypedLiteral(exp.Expression, exp.Condition):
    """`DATE '2026-01-31'`, `TIME '…'`, `TIMESTAMP '…'`: `kind` is the word in upper case, `this` the string Literal."""

    arg_types: ClassVar[dict[str, bool]] = {"kind": True, "this": True}


class TimeDifference(exp.Expression, exp.Condition):
    """`(a - b) SECOND`: the interval between two points in time (Calcite's MINUS_DATE).

    `this` and `expression` are a and b; `unit` a Var or an exp.IntervalSpan, as of an exp.Interval.
    """

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": True, "unit": True}


class JsonCall(exp.Expression, exp.Condition):
    """A call of JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, JSON_ARRAY, JSON_OBJECTAGG or JSON_ARRAYAGG.

    `this` is the upper-case name, `expressions` the arguments (of JSON_OBJECT: key, value, key, value, …), `returning`
    a DataType; `wrapper`, `on_empty`, `on_error` and `on_null` are the upper-case words before ARRAY WRAPPER, ON EMPTY,
    ON ERROR and ON NULL (`NULL`, `ERROR`, `DEFAULT`, `ABSENT`, `EMPTY ARRAY`, `WITH CONDITIONAL`, …) or None;
    `empty_default` and `error_default` the expressions after DEFAULT.
    """

    arg_types: ClassVar[dict[str, bool]] = {
        "this": True,
        "expressions": False,
        "returning": False,
        "wrapper": False,
        "on_empty": False,
        "empty_default": False,
        "on_error": False,
        "error_default": False,
        "on_null": False,
    }
