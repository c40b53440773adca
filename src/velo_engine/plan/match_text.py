"""What the text of a plan says of a match: the pattern, its definitions and the values it gives out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.plan.expressions import Expression
from velo_engine.plan.match_nodes import (
    MatchProcessingTime,
    MatchRecognize,
    MatchTime,
    MatchValue,
    PatternVariable,
    RowsAggregate,
    RowValue,
)

_QUANTIFIERS = {(1, 1): "", (0, None): "*", (1, None): "+", (0, 1): "?"}


def match_text(node: MatchRecognize, render: Callable[[Expression, Sequence[str]], str]) -> str:
    """The pattern, the skip strategy, the bound in time, definitions and values; `render` writes an expression."""

    def value(of: MatchValue) -> str:
        return _value(of, node, render)

    pattern = " ".join(variable.name + _quantifier(variable) for variable in node.pattern)
    target = "" if node.after.variable is None else f" {node.pattern[node.after.variable].name}"
    parts = [f"pattern=({pattern}) after={node.after.skip.value}{target}"]
    if node.within_ms is not None:
        parts.append(f"within={node.within_ms}ms")
    definitions = [
        f"{variable.name} AS {render(variable.definition.condition, [value(v) for v in variable.definition.values])}"
        for variable in node.pattern
        if variable.definition is not None
    ]
    parts.append(f"define=({', '.join(definitions)}) values=({', '.join(map(value, node.values))})")
    return " ".join(parts)


def _quantifier(variable: PatternVariable) -> str:
    bounds = (variable.minimum, variable.maximum)
    if bounds in _QUANTIFIERS:
        written = _QUANTIFIERS[bounds]
    elif variable.minimum == variable.maximum:
        written = f"{{{variable.minimum}}}"
    else:
        written = f"{{{variable.minimum},{'' if variable.maximum is None else variable.maximum}}}"
    varies = variable.minimum != variable.maximum and bounds != (0, 1)
    return written + ("?" if varies and not variable.greedy else "")


def _value(value: MatchValue, node: MatchRecognize, render: Callable[[Expression, Sequence[str]], str]) -> str:
    names = node.input.schema.names
    match value:
        case RowValue():
            column = _qualified(names[value.column], value.variable, node)
            offset = f", {value.offset}" if value.offset else ""
            return f"{'FIRST' if value.from_first else 'LAST'}({column}{offset})"
        case RowsAggregate():
            args = ", ".join(_qualified(render(arg, names), value.variable, node) for arg in value.args)
            return f"{value.function}({args or '*'}) {value.type}"
        case MatchTime():
            return "MATCH_ROWTIME()"
        case MatchProcessingTime():
            return "MATCH_PROCTIME()"


def _qualified(text: str, variable: int | None, node: MatchRecognize) -> str:
    return text if variable is None else f"{node.pattern[variable].name}.{text}"
