"""Semantic bugs to plant in the engine, one at a time: the recorded cases of the fuzzer must notice them.

A mutant is an edit of one module's text, applied when a fresh process imports it (`selftest.py`). `old` stands exactly
once in the module; `test_selftest.py` says when the module has changed so that it no longer does.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

SOURCES = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Mutant:
    """A wrong rule."""

    name: str
    wrong: str
    """What the engine then does wrongly."""
    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        """The module's file."""
        return (SOURCES / self.module.replace(".", "/")).with_suffix(".py")

    def applies(self) -> bool:
        """Whether the text to replace stands in the module, once."""
        return self.path.read_text(encoding="utf-8").count(self.old) == 1


_OPERATORS = "velo_engine.operators"
_ACCUMULATORS = "velo_engine.operators.accumulators"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "window_closes_early",
        "a window closes 1 ms before its last millisecond is over: rows at the boundary are late too soon",
        f"{_OPERATORS}.window_assigner",
        "return self._time.timers(windows - 1)",
        "return self._time.timers(windows - 2)",
    ),
    Mutant(
        "window_end_inclusive",
        "a row exactly at the end of a window belongs to it",
        f"{_OPERATORS}.window_assigner",
        "ends = _floor(times, self._spec.slide_ms, self._spec.offset_ms) + self._spec.slide_ms",
        "ends = _floor(times - 1, self._spec.slide_ms, self._spec.offset_ms) + self._spec.slide_ms",
    ),
    Mutant(
        "touching_sessions_stay_apart",
        "sessions that just touch do not merge",
        f"{_OPERATORS}.session_assigner",
        "np.cumsum(order.start > order.highest_end) - 1",
        "np.cumsum(order.start >= order.highest_end) - 1",
    ),
    Mutant(
        "late_rows_open_sessions",
        "a row behind the watermark opens a session of its own",
        f"{_OPERATORS}.session_assigner",
        "late_alone = alone & (order.arrival >= 0) & (order.end - 1 <= wm[order.arrival])",
        "late_alone = alone & (order.arrival >= 0) & (order.end + 9000 <= wm[order.arrival])",
    ),
    Mutant(
        "watermark_without_delay",
        "the watermark does not wait for disorder",
        f"{_OPERATORS}.assign_watermark",
        "self._delay = node.delay_ms",
        "self._delay = node.delay_ms * 0",
    ),
    Mutant(
        "ties_rank_the_newest_first",
        "of equal rows in a Top-N the newest ranks first",
        f"{_OPERATORS}.top_n",
        "at = bisect_right(partition.keys, key)",
        "at = bisect_left(partition.keys, key)",
    ),
    Mutant(
        "nulls_sort_high",
        "NULL is the greatest value in an order, not the least",
        f"{_OPERATORS}.sort_order",
        "null_place = 0 if key.nulls_first else 2",
        "null_place = 2 if key.nulls_first else 0",
    ),
    Mutant(
        "averages_round_half_even",
        "AVG of decimals rounds half to even",
        f"{_ACCUMULATORS}.sums",
        "quotient: Int64s = (doubled + size) // (2 * size)",
        "quotient: Int64s = np.rint(doubled / (2 * size)).astype(np.int64)",
    ),
    Mutant(
        "integer_averages_round_down",
        "AVG of integers rounds toward minus infinity, not toward zero",
        f"{_ACCUMULATORS}.sums",
        "rounded: Int64s = quotient + (inexact & ((totals < 0) != (counts < 0)))",
        "rounded: Int64s = quotient + (inexact & (totals != totals))",
    ),
    Mutant(
        "empty_sums_are_zero",
        "SUM and AVG without a counted row are 0, not NULL",
        f"{_ACCUMULATORS}.sums",
        "        valid = counts != 0\n        if totals.valid",
        "        valid = counts == counts\n        if totals.valid",
    ),
    Mutant(
        "count_counts_nulls",
        "COUNT(x) and other aggregates count rows whose argument is NULL",
        f"{_ACCUMULATORS}.calls",
        "for i in () if counts_nulls else args:",
        "for i in ():",
    ),
    Mutant(
        "filter_ignored",
        "FILTER (WHERE …) of aggregates is ignored",
        f"{_ACCUMULATORS}.calls",
        "        if filter_ is not None:\n            passes",
        "        if filter_ is None and filter_ is not None:\n            passes",
    ),
    Mutant(
        "distinct_ignored",
        "DISTINCT of aggregates is ignored",
        f"{_ACCUMULATORS}.distinct",
        "changes[order] = appears.astype(np.int8) - vanishes.astype(np.int8)",
        "changes[order] = signs.astype(np.int8)",
    ),
    Mutant(
        "extremes_never_come_back",
        "MIN and MAX keep a value that was taken back",
        f"{_ACCUMULATORS}.multisets",
        "                if weight:\n",
        "                if weight > 0:\n",
    ),
    Mutant(
        "unchanged_results_are_repeated",
        "a group whose result did not change is given out again",
        f"{_OPERATORS}.group_aggregate",
        "if not (self._context.emit_unchanged or self._ttl_ms != NO_TTL or self._calls.always_change):",
        "if False:",
    ),
    Mutant(
        "old_results_stay",
        "a group's old result is not taken back (-U is missing)",
        f"{_OPERATORS}.group_aggregate",
        "old = np.where(updates, RowKind.UPDATE_BEFORE, NOTHING).astype(np.int8)",
        "old = np.where(updates, NOTHING, NOTHING).astype(np.int8)",
    ),
    Mutant(
        "empty_groups_stay",
        "a group that has lost its last row is updated, not deleted",
        f"{_OPERATORS}.group_aggregate",
        "old[steps.last] = RowKind.DELETE",
        "old[steps.last] = RowKind.UPDATE_BEFORE",
    ),
    Mutant(
        "nulls_join",
        "NULL keys of joins match each other",
        f"{_OPERATORS}.regular_join",
        "key = np.where(complete, key, NO_KEY)",
        "key = np.where(complete, key, key)",
    ),
    Mutant(
        "padded_rows_stay",
        "the NULL-padded row of an outer join stays when a match comes",
        f"{_OPERATORS}.regular_join",
        "adds & (before == 0), RowKind.DELETE, _BEFORE",
        "adds & (before == -1), RowKind.DELETE, _BEFORE",
    ),
    Mutant(
        "padded_rows_by_update",
        "an outer join takes a row back by the kind of the change that caused it, not by -D",
        f"{_OPERATORS}.regular_join",
        "kind = np.where(adds, RowKind.INSERT, RowKind.DELETE).astype(np.int8)\n            elif other_outer",
        "kind = np.where(adds, RowKind.INSERT, kind).astype(np.int8)\n            elif other_outer",
    ),
    Mutant(
        "semi_joins_forget_matches",
        "IN and EXISTS: a row goes when one of its matches goes, not the last",
        f"{_OPERATORS}.regular_join",
        "changed = np.flatnonzero(before == np.where(adds, 0, 1))",
        "changed = np.flatnonzero(np.where(adds, before == 0, before >= 1))",
    ),
    Mutant(
        "interval_bound_exclusive",
        "the upper bound of an interval join is exclusive",
        f"{_OPERATORS}.interval_index",
        "lookers.time - other.reach, lookers.time + side.reach)",
        "lookers.time - other.reach, lookers.time + side.reach - 1)",
    ),
    Mutant(
        "over_late_by_watermark",
        "OVER takes every row behind the watermark for late, also where its partition has not fired",
        f"{_OPERATORS}.over_lateness",
        "if behind and time <= self._last_fired(passed):",
        "if behind:",
    ),
    Mutant(
        "over_without_peers",
        "a RANGE frame ends with the row itself, not with the rows of the same time",
        f"{_OPERATORS}.over_frames",
        "at = runs.rows[fired.last_peer]",
        "at = runs.rows",
    ),
    Mutant(
        "over_frame_one_longer",
        "a ROWS frame holds one row too many",
        f"{_OPERATORS}.over_frames",
        "self._queues = FrameQueues(schema, rows, span_ms)",
        "self._queues = FrameQueues(schema, None if rows is None else rows + 1, span_ms)",
    ),
    Mutant(
        "deduplicate_late_at_watermark",
        "keep-first deduplication takes a row at the watermark for late",
        f"{_OPERATORS}.deduplicate",
        "source = np.flatnonzero(times >= above)\n        slots = self._rows.slots(batch.rows.take(pa.array(source)) if len(late) else batch.rows)",
        "source = np.flatnonzero(times > above)\n        slots = self._rows.slots(batch.rows.take(pa.array(source)))",
    ),
    Mutant(
        "decimal_quotients_truncate",
        "division of decimals truncates instead of rounding",
        "velo_engine.functions.decimals",
        'halved = f"{guard}(abs({n}) * {_huge(20)} + abs({d}) * {_huge(10)})"',
        'halved = f"{guard}(abs({n}) * {_huge(20)} + abs({d}) * {_huge(0)})"',
    ),
    Mutant(
        "negative_starts_count_from_the_front",
        "SUBSTRING with a negative start begins at the front",
        "velo_engine.functions.strings",
        "return str(start.literal or 1)",
        "return str(max(start.literal, 1))",
    ),
    Mutant(
        "underscore_matches_nothing",
        "_ of a LIKE pattern also matches no character",
        "velo_engine.functions.python_patterns",
        '{"%": ".*", "_": _ANY_BUT_LINE_END}',
        '{"%": ".*", "_": _ANY_BUT_LINE_END + "?"}',
    ),
    Mutant(
        "left_is_right",
        "pads on the wrong side: LPAD fills behind the text",
        "velo_engine.functions.python_text",
        "return text_of_units(filling + body if left else body + filling)",
        "return text_of_units(body + filling)",
    ),
)


class _MutatingLoader(importlib.machinery.SourceFileLoader):
    """Compiles the module's text with the edit."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(mutant.path))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        """The code of the edited text; never from a cache."""
        text = self._mutant.path.read_text(encoding="utf-8")
        assert text.count(self._mutant.old) == 1, f"{self._mutant.name} no longer applies to {self._mutant.module}"
        return compile(text.replace(self._mutant.old, self._mutant.new), str(self._mutant.path), "exec")


class _Finder:
    """Finds the mutated module before Python's own finders do."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The edited module, and no other."""
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_loader(fullname, _MutatingLoader(self._mutant), origin=str(self._mutant.path))


def plant(mutant: Mutant) -> None:
    """Let this process import the mutated module. It must not have been imported yet."""
    assert mutant.module not in sys.modules, f"{mutant.module} is imported already"
    sys.meta_path.insert(0, _Finder(mutant))  # type: ignore[arg-type]
