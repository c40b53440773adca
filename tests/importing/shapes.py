"""The shapes of queries by which coverage is counted: each statement has the first that it is of."""

from __future__ import annotations

from sqlglot import exp

from velo_engine.sql.flink import statements as flink
from velo_engine.sql.match_syntax import MatchRecognize
from velo_engine.sql.syntax import GroupWindow, SystemTime, WindowTable
from velo_import.convert.features import features
from velo_import.convert.inference.variables import is_processing_time

SHAPES = (
    "stateless",
    "INSERT VALUES",
    "unwindowed GROUP BY",
    "window table function",
    "regular join",
    "legacy group window",
    "lookup join",
    "Top-N, deduplication",
    "LATERAL",
    "OVER",
    "UNNEST",
    "MATCH_RECOGNIZE",
    "UNION and other set operations",
    "subquery in a condition",
    "interval join",
    "event-time temporal join",
    "ML and AI functions",
)
"""In the order of the page: as often as jobs have them; machine learning last."""

_RANKINGS = frozenset({"ROW_NUMBER", "RANK", "DENSE_RANK"})


def shape(query: exp.Expr, statement: flink.Statement) -> str:
    """The shape of the query of a statement."""
    nodes = list(query.walk())
    found = features(query)
    if "model" in found:
        return "ML and AI functions"
    if any(isinstance(node, MatchRecognize) for node in nodes):
        return "MATCH_RECOGNIZE"
    if any(isinstance(node, GroupWindow) for node in nodes):
        return "legacy group window"
    if any(isinstance(node, WindowTable) for node in nodes):
        return "window table function"
    moments = [node.this for node in nodes if isinstance(node, SystemTime)]
    if moments:
        by_processing_time = any(is_processing_time(one.name) or not isinstance(one, exp.Column) for one in moments)
        return "lookup join" if by_processing_time else "event-time temporal join"
    if any(isinstance(node, exp.Join) and _is_interval(node.args.get("on")) for node in nodes):
        return "interval join"
    overs = [node for node in nodes if isinstance(node, exp.Window)]
    if any(isinstance(one.this, exp.Anonymous) and str(one.this.this).upper() in _RANKINGS for one in overs):
        return "Top-N, deduplication"
    if any(isinstance(node, exp.Lateral) for node in nodes):
        return "LATERAL"
    if any(isinstance(node, exp.Unnest) for node in nodes):
        return "UNNEST"
    if overs:
        return "OVER"
    if "join" in found:
        return "regular join"
    if any(isinstance(node, exp.SetOperation) for node in nodes):
        return "UNION and other set operations"
    if "subquery in a condition" in found:
        return "subquery in a condition"
    if "aggregation" in found:
        return "unwindowed GROUP BY"
    if isinstance(statement, flink.Insert) and "values" in found:
        return "INSERT VALUES"
    return "stateless"


def _is_interval(condition: exp.Expr | None) -> bool:
    """Whether a join condition bounds one column by another and an interval."""
    return condition is not None and condition.find(exp.Interval) is not None
