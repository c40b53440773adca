"""The recorded cases that our engine does not answer as Flink does, each with the reason. All others must agree.

A case that begins to agree fails the replay until it is removed from here.
"""

from __future__ import annotations

from collections.abc import Mapping


ANSWERED_DIFFERENTLY: Mapping[str, str] = {
}
"""By name."""

REFUSED: Mapping[str, str] = {
    "subqueries": "subqueries in expressions",
    "union_all": "UNION ALL",
    "window_relations": "window Top-N and window joins",
}
"""By name, or by group when the whole group is refused: the engine must say that it does not do this."""
