"""The comparison's SQL, written for DuckDB, as Spark reads it.

sqlglot knows most of both; what follows is where Spark's function of the same name means something else, or is none.
The session's time zone is UTC and its SQL is ANSI (`session`): a value that does not fit a type is an error, not NULL.
"""

from __future__ import annotations

from sqlglot import exp, parse_one

_MICROS = "UNIX_MICROS(CAST(__x__ AS TIMESTAMP))"
_MILLION = "CAST(1000000 AS DOUBLE)"


def spark_sql(sql: str) -> str:
    """The statement for Spark."""
    return parse_one(sql, dialect="duckdb").transform(_for_spark).sql("spark")


def _for_spark(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Except):
        return _except(node)
    if isinstance(node, exp.TimeToUnix):  # EPOCH: Spark's UNIX_TIMESTAMP cuts towards zero
        return _spark(f"({_MICROS} / {_MILLION})", __x__=node.this)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "EPOCH_US":
        return _spark(_MICROS, __x__=node.expressions[0])
    if isinstance(node, exp.DataType) and node.this is exp.DataType.Type.TIME:  # sqlglot takes it for TIMESTAMP
        return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind="TIME(6)")
    return node


def _except(node: exp.Except) -> exp.Expr:
    """Rows of the first side without one of the second, with all their values.

    Spark's own EXCEPT gives back what it groups by, in which -0.0 has become 0.0.
    """
    numbered = node.this.find(exp.Subquery)
    assert numbered is not None, "what is subtracted from stands in a subquery"
    names = numbered.this.named_selects
    columns = ", ".join(names)
    ways = [f"a.{name} <=> b.{name}" for name in names]
    if node.args["distinct"]:
        where = "WHERE a.velo_copy = 1"
    else:
        where = ""
        ways.append("a.velo_copy = b.velo_copy")
    copies = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY {columns}) AS velo_copy"
    return _spark(
        f"SELECT {', '.join(f'a.{name}' for name in names)} FROM ({copies} FROM __left__) AS a "
        f"LEFT ANTI JOIN ({copies} FROM __right__) AS b ON {' AND '.join(ways)} {where}",
        __left__=node.this.transform(_for_spark).subquery("c"),
        __right__=node.expression.transform(_for_spark).subquery("d"),
    )


def _spark(text: str, **parts: exp.Expr) -> exp.Expr:
    """An expression or query in Spark's SQL, with `parts` for their names."""

    def filled(node: exp.Expr) -> exp.Expr:
        return parts[node.name].copy() if isinstance(node, exp.Column | exp.Table) and node.name in parts else node

    return parse_one(text, dialect="spark").transform(filled)
