"""The automaton of a pattern, the queue of its matches, and what is kept of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from velo_engine import EmitSemantics, Engine, JobOptions, TopicInput, VeloError
from velo_engine.operators.match.automaton import FINAL, Edge, automaton
from velo_engine.operators.match.priority_queue import offer, poll, remove_if
from velo_engine.plan.match_nodes import PatternVariable

RECORDED = json.loads((Path(__file__).parent / "java_priority_queue.json").read_text(encoding="utf-8"))
"""Sequences of operations on java.util.PriorityQueue of JDK 17 over few keys, and its array at the end."""


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_the_queue_is_javas(case: dict[str, Any]) -> None:
    queue: list[tuple[Any, ...]] = []
    for operation, *arguments in case["operations"]:
        if operation == "offer":
            offer(queue, tuple(arguments))
        elif operation == "poll":
            assert poll(queue)[1] == arguments[0]
        else:
            remove_if(queue, lambda item, bound=arguments[0]: item[0] < bound)
    assert [item[1] for item in queue] == case["array"]


def variable(minimum: int, maximum: int | None, greedy: bool = False) -> PatternVariable:
    return PatternVariable("", minimum, maximum, greedy, None)


ONE = variable(1, 1)


def edges(*pattern: PatternVariable) -> tuple[int, tuple[tuple[Edge, ...], ...]]:
    found = automaton(pattern)
    return found.start, found.edges


def test_plain_variables_are_a_chain() -> None:
    assert edges(ONE, ONE) == (1, ((Edge(1, (), FINAL, None),), (Edge(0, (), 0, None),)))


def test_a_loop_may_go_on_or_end() -> None:
    start, states = edges(ONE, variable(1, None))
    assert states[start] == (Edge(0, (), start - 1, None),)
    first, looping = states[start - 1], states[0]
    assert first == (Edge(1, (), 0, ()),), "the first row may be the last"
    assert looping == (Edge(1, (), 0, ()),)


def test_a_greedy_variable_keeps_rows_from_the_next_one() -> None:
    start, states = edges(variable(1, None, greedy=True), ONE)
    assert states[start] == (Edge(0, (), 1, None),)
    assert states[1] == (Edge(0, (), 1, None), Edge(1, (0,), FINAL, None))


def test_a_reluctant_one_does_not() -> None:
    _, states = edges(variable(1, None), ONE)
    assert states[1] == (Edge(0, (), 1, None), Edge(1, (), FINAL, None))


def test_an_optional_variable_is_passed_over() -> None:
    start, states = edges(ONE, variable(0, 1), ONE)
    assert states[start] == (Edge(0, (), 1, None),)
    assert states[1] == (Edge(1, (), 0, None), Edge(2, (), FINAL, None))


def test_a_number_of_rows_is_so_many_states() -> None:
    start, states = edges(variable(2, 3), ONE)
    assert len(states) == 4
    second, third = states[start][0].target, states[states[start][0].target][0].target
    assert states[start] == (Edge(0, (), second, None),)
    assert states[second] == (Edge(0, (), third, None),)
    assert states[third] == (Edge(0, (), 0, None), Edge(1, (), FINAL, None))


def test_what_may_be_passed_over_at_the_end_completes_the_match() -> None:
    start, states = edges(ONE, variable(0, 2))
    assert states[start][0].completes == ()


DDL = "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);"


def held(query: str, rows: list[tuple[str, int, int]]) -> int:
    """The rows that are held once these (key, value, second) have come and the watermark stands behind the last."""
    engine = Engine()
    program = engine.plan(f"{DDL} CREATE TABLE result AS {query};")
    topic = engine.topics.create("t")
    for key, value, second in [*rows, ("", 0, 59)]:
        topic.append(json.dumps({"k": key, "v": value, "ts": f"2024-01-01 00:00:{second:02d}"}).encode())
    options = JobOptions(batch_size=1, emit=EmitSemantics.FLINK, now_ms=0)
    job = engine.job(program, inputs={"t": TopicInput(topic)}, options=options)
    *spans, _with_the_end_of_input = job.spans()
    for span in spans:
        job.step(span)
    return job.finish().statements["result"].accounting.state_rows


PATTERN = (
    "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS a "
    "AFTER MATCH SKIP PAST LAST ROW PATTERN (A B*? C) {} DEFINE A AS A.v = 1, B AS B.v < 3, C AS C.v = 3)"
)


def test_rows_are_held_as_long_as_a_match_may_need_them() -> None:
    waiting = [("a", 0, 30)]
    assert held(PATTERN.format(""), [("a", 1, 1), ("a", 2, 2), *waiting]) == 3, "a partial match, and a row that waits"
    assert held(PATTERN.format(""), [("a", 1, 1), ("a", 3, 2), *waiting]) == 1, "the match is complete"
    assert held(PATTERN.format(""), [("a", 1, 1), ("a", 5, 2), *waiting]) == 1, "the match has failed"
    assert held(PATTERN.format(""), [("a", 2, 1), ("a", 2, 2), *waiting]) == 1, "none has begun"


def test_a_bound_in_time_frees_the_rows_of_silent_partitions() -> None:
    rows = [("a", 1, 1), ("a", 2, 2), ("b", 1, 20), ("c", 0, 30)]
    assert held(PATTERN.format(""), rows) == 4
    assert held(PATTERN.format("WITHIN INTERVAL '10' SECOND"), rows) == 2, "of a nothing is left, b may go on"


def test_a_definition_without_a_value_fails_the_job() -> None:
    query = "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES A.v AS a PATTERN (A B) DEFINE B AS A.v / B.v > 0)"
    with pytest.raises(VeloError, match="DEFINE: / by zero"):
        held(query, [("a", 1, 1), ("a", 0, 2), ("a", 0, 30)])
