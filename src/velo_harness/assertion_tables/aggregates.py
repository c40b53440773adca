"""The keys of assertions about totals of the output and facts of the run."""

from __future__ import annotations

from velo_harness.assertion_keys import AssertionType, Compares
from velo_harness.keys import Key
from velo_harness.kinds import AnyOf, Choice, ListOf, Number, Row, ScalarLiteral, Text, words

AGGREGATES = (
    AssertionType(
        "aggregate_check",
        "An aggregate over the output compares so.",
        (
            Key(
                "function",
                Choice(words("count", "sum", "avg", "min", "max", "count_distinct", "distinct")),
                "The aggregate function of field.",
            ),
            Key("field", Text(), "The column of function."),
            Key("expression", Text(), 'A SQL aggregate: "SUM(x)", "COUNT(DISTINCT k)".'),
            Key("tolerance", Number(0), "How far the aggregate may be off."),
        ),
        Compares.REQUIRED,
        one_of=("function", "expression"),
    ),
    AssertionType(
        "template",
        "An expression over inputs, outputs and variables is true, or compares so.",
        (Key("expression", Text(), "For example {{ outputs.x.count <= inputs.y.count }}.", required=True),),
        Compares.OPTIONAL,
        over_rows=False,
    ),
    AssertionType(
        "sql",
        "A SQL query over the output and the inputs gives these rows, or a value that compares so.",
        (
            Key(
                "query",
                Text("a SQL query"),
                "A SELECT; `output` is the output, inputs have their names.",
                required=True,
            ),
            Key("expect", AnyOf((ListOf(Row()), ScalarLiteral())), "The rows, in any order, or the one value."),
        ),
        Compares.OPTIONAL,
        one_of=("expect",),
    ),
)
"""The types."""
