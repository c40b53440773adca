"""The fuzzer itself: the same seed gives the same case, recorded cases are answered as Flink did, planted bugs are found."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.found import MOST_EXPLAINED, explanations
from tests.fuzz.generate import BINARY, ROUND, UNARY, generated, without_unread_tables
from tests.fuzz.judge import Verdict, judged
from tests.fuzz.mutants import MUTANTS, Mutant
from tests.fuzz.recorded import RecordedCase, recorded_cases
from tests.fuzz.selftest import hunted
from tests.fuzz.shrink import shrunk, smaller_queries, with_arrivals
from tests.oracle.case import Definition

FEWEST_MUTANTS = 20
QUICK_MUTANTS = ("window_end_inclusive", "old_results_stay", "padded_rows_stay")
QUICK_CASES = 60


def rounds() -> dict[int, list[RecordedCase]]:
    found: dict[int, list[RecordedCase]] = defaultdict(list)
    for case in recorded_cases():
        found[case.seed // ROUND].append(case)
    return found


ROUNDS = rounds()


@pytest.mark.parametrize("number", ROUNDS)
def test_recorded_cases_are_answered_as_flink_did(number: int) -> None:
    for case in ROUNDS[number]:
        verdict, reason = judged(case.definition, case.batch_size, case.answer, planned=True)
        assert verdict is Verdict.EQUAL, f"seed {case.seed}: {case.definition.query}\n{reason}"


def test_a_seed_always_gives_the_same_case() -> None:
    assert [generated(seed) for seed in range(40)] == [generated(seed) for seed in range(40)]
    assert len({generated(seed).definition.query for seed in range(40)}) == 40


def test_every_operator_of_the_grammar_is_generated() -> None:
    made = Counter(part for seed in range(1500) for part in generated(seed).shape.replace("(", " ").split())
    assert {"group_by", "over", "match_recognize", "top_n", "deduplicate_first", "deduplicate_last"} <= made.keys()
    assert {"interval_join", "temporal_join", "full_join", "not_exists", "in", "except", "union_all"} <= made.keys()
    assert {"session", "cumulate", "window_top_n", "window_join", "unnest", "grouping_sets", "limit"} <= made.keys()
    assert UNARY
    assert BINARY


def test_the_rows_are_hard() -> None:
    """Of many rounds: nulls, late rows, empty inputs, ties."""
    definitions = [generated(ROUND * number).definition for number in range(60)]
    rows = [row for d in definitions for table in d.tables.values() for row in table.rows]
    assert any(value is None for row in rows for value in row.values())
    assert any(not table.rows for d in definitions for table in d.tables.values())
    stamps = Counter((id(d), row["ts"]) for d in definitions for row in d.tables["t"].rows)
    assert max(stamps.values()) > 1


def test_explanations_are_few_and_say_why() -> None:
    assert len(explanations()) <= MOST_EXPLAINED
    assert all(len(e.because) > 40 for e in explanations())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_applies_to_the_engine_as_it_is(mutant: Mutant) -> None:
    assert mutant.applies(), f"{mutant.module} no longer holds the text that {mutant.name} replaces: adapt mutants.py"


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= FEWEST_MUTANTS
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK_MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == name)
    assert hunted(mutant, cases=QUICK_CASES, seconds=120).seed is not None


def test_shrinking_keeps_what_differs_and_little_else() -> None:
    """A defect that shows whenever the row with id 5 of `t` and SUM are there."""
    case = generated(0).definition
    definition = replace(case, query="SELECT k, COUNT(*) AS c, SUM(i + 1) AS s FROM t WHERE p GROUP BY k")

    def differs(candidate: Definition) -> bool:
        return "SUM" in candidate.query and any(row["id"] == 5 for row in candidate.tables["t"].rows)

    small = shrunk(definition, differs)
    assert [row["id"] for row in small.tables["t"].rows] == [5]
    assert small.tables["u"].rows == ()
    assert "COUNT" not in small.query
    assert "WHERE" not in small.query


def test_rows_left_out_leave_the_arrival_order() -> None:
    definition = generated(0).definition
    turns = definition.arrivals()[::2]
    fewer = with_arrivals(definition, turns)
    rows = [definition.tables[name].rows[i] for name, i in turns]
    assert [fewer.tables[name].rows[i] for name, i in fewer.arrivals()] == rows


def test_unread_tables_are_left_out() -> None:
    definition = replace(generated(0).definition, query="SELECT id FROM u")
    only = without_unread_tables(definition)
    assert set(only.tables) == {"u"}
    assert {name for name, _ in only.arrivals()} <= {"u"}


def test_queries_that_cannot_be_read_have_no_smaller_ones() -> None:
    assert list(smaller_queries("SELECT FROM WHERE")) == []
    assert "SELECT a FROM t" in list(smaller_queries("SELECT a FROM t WHERE b"))
    assert "SELECT b FROM t" in list(smaller_queries("SELECT CASE WHEN TRUE THEN a ELSE b END FROM t"))


def test_nothing_found_is_kept_in_the_repository() -> None:
    assert "tests/fuzz/found/" in (Path(__file__).parents[2] / ".gitignore").read_text(encoding="utf-8")
