"""State time-to-live: which operators know it.

Source: Flink's `table.exec.state.ttl` (StateConfigUtil.createTtlConfig). Windows, OVER, interval and temporal joins and
MATCH_RECOGNIZE free their state by the watermark and ignore it.
"""

from __future__ import annotations

from velo_engine.errors import Location
from velo_engine.plan.changelog import Statements
from velo_engine.plan.nodes import PlanNode, RegularJoin, TopN, inputs
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.update_kinds import RankStrategy, rank_strategy


def check_state_ttl(node: PlanNode, statements: Statements, text: ProgramText, at: Location | None) -> None:
    """Refuse, by name, an operator of the plan whose state cannot end by time yet."""
    for child in inputs(node):
        check_state_ttl(child, statements, text, at)
    match node:
        case RegularJoin():
            raise text.unsupported("state.ttl with a join of streams without a time bound", at, "use an interval join")
        case TopN() if rank_strategy(node, statements) is RankStrategy.RETRACT:
            raise text.unsupported("state.ttl with a Top-N over rows that change", at)
