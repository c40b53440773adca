"""Which of Flink's features a query uses: what tables of coverage count by."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from velo_engine.sql.match_syntax import MatchRecognize
from velo_engine.sql.syntax import GroupWindow, JsonCall, SystemTime, WindowTable

_AGGREGATES = frozenset(
    "COUNT SUM AVG MIN MAX FIRST_VALUE LAST_VALUE LISTAGG COLLECT STDDEV_POP STDDEV_SAMP VAR_POP VAR_SAMP".split()  # noqa: SIM905
)
_MODELS = ("ML_", "AI_", "VECTOR_SEARCH", "KEY_SEARCH", "FEDERATED_SEARCH")


def features(query: exp.Expr) -> tuple[str, ...]:
    """The features of a query, the one that says most first."""
    found = list(dict.fromkeys(_found(query)))
    return tuple(found) or (("values",) if _is_values(query) else ("stateless query",))


def _is_values(query: exp.Expr) -> bool:
    return query.find(exp.Values) is not None and query.find(exp.Table) is None


def _found(query: exp.Expr) -> Iterator[str]:
    nodes = list(query.walk())
    names = {str(node.this).upper() for node in nodes if isinstance(node, exp.Anonymous)}
    if any(name.startswith(_MODELS) for name in names):
        yield "model"
    if any(isinstance(node, MatchRecognize) for node in nodes):
        yield "row pattern"
    for node in nodes:
        if isinstance(node, WindowTable):
            yield f"window table {node.args['kind']}"
    for node in nodes:
        if isinstance(node, GroupWindow):
            yield f"group window {node.args['kind']}"
    if any(isinstance(node, SystemTime) for node in nodes):
        yield "temporal or lookup join"
    if any(isinstance(node, exp.Unnest) for node in nodes):
        yield "unnest"
    if any(isinstance(node, exp.Lateral) for node in nodes):
        yield "lateral table function or subquery"
    if any(_is_joined(node) for node in nodes):
        yield "join"
    overs = [node for node in nodes if isinstance(node, exp.Window)]
    if any(str(node.this.this).upper() == "ROW_NUMBER" for node in overs if isinstance(node.this, exp.Anonymous)):
        yield "top-n or deduplication"
    elif overs:
        yield "over window"
    if any(isinstance(node, exp.SetOperation) for node in nodes):
        yield "set operation"
    if not any(isinstance(node, WindowTable | GroupWindow) for node in nodes) and _is_aggregated(nodes, names):
        yield "aggregation"
    if any(isinstance(node, exp.Subquery | exp.Exists | exp.In) and _is_condition(node) for node in nodes):
        yield "subquery in a condition"
    if any(isinstance(node, JsonCall) for node in nodes):
        yield "json function"


def _is_joined(node: exp.Expr) -> bool:
    if not isinstance(node, exp.Join):
        return False
    right = node.this
    return not isinstance(right, exp.Unnest | exp.Lateral) and not right.args.get("system_time")


def _is_aggregated(nodes: list[exp.Expr], names: set[str]) -> bool:
    grouped = any(isinstance(node, exp.Group | exp.Distinct) for node in nodes)
    return grouped or bool(names & _AGGREGATES and not any(isinstance(node, exp.Window) for node in nodes))


def _is_condition(node: exp.Expr) -> bool:
    if isinstance(node, exp.In) and node.args.get("query") is None:
        return False
    return node.find_ancestor(exp.Where, exp.Having) is not None
