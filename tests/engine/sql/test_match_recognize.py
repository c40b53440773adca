"""MATCH_RECOGNIZE as syntax: what the tree holds, and what the grammar refuses by name."""

from __future__ import annotations

import pytest
from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.match_syntax import MatchRecognize, Semantics
from velo_engine.sql.parser import parse_program


def parsed(clauses: str, *, relation: str = "t", tail: str = "") -> MatchRecognize:
    (statement,) = parse_program(f"SELECT * FROM {relation} MATCH_RECOGNIZE ({clauses}){tail}").statements
    node = statement.query.args["from_"].this
    assert isinstance(node, MatchRecognize)
    return node


def pattern(text: str) -> list[tuple[str, int, int | None, bool]]:
    node = parsed(f"ORDER BY ts MEASURES A.x AS x PATTERN ({text}) DEFINE A AS TRUE")
    return [
        (v.name, v.args["minimum"], v.args.get("maximum"), bool(v.args.get("reluctant"))) for v in node.args["pattern"]
    ]


def test_every_clause_is_kept():
    node = parsed(
        "PARTITION BY k, t.z ORDER BY ts, p DESC MEASURES A.id AS a, FINAL LAST(B.id, 1) AS b ONE ROW PER MATCH "
        "AFTER MATCH SKIP TO LAST B PATTERN (A B+) WITHIN INTERVAL '5' MINUTE DEFINE A AS A.x > 1, B AS TRUE",
        tail=" AS m (k, z, a, b)",
    )
    assert [column.sql() for column in node.args["partition_by"]] == ["k", "t.z"]
    assert [(o.this.name, bool(o.args.get("desc"))) for o in node.args["order"].expressions] == [
        ("ts", False),
        ("p", True),
    ]
    assert [measure.alias for measure in node.args["measures"]] == ["a", "b"]
    assert isinstance(node.args["measures"][1].this, Semantics)
    assert (node.args["after"].args["kind"], node.args["after"].this.name) == ("last", "B")
    assert node.args["within_ms"] == 300_000
    assert [definition.alias for definition in node.args["define"]] == ["A", "B"]
    assert [column.name for column in node.args["alias"].args["columns"]] == ["k", "z", "a", "b"]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("", None),
        ("TO NEXT ROW", "next_row"),
        ("PAST LAST ROW", "past_last_row"),
        ("TO FIRST A", "first"),
        ("TO A", "last"),
    ],
)
def test_skip_strategies(written: str, kind: str | None):
    after = f"AFTER MATCH SKIP {written}" if written else ""
    found = parsed(f"ORDER BY ts MEASURES A.x AS x {after} PATTERN (A) DEFINE A AS TRUE").args.get("after")
    assert (None if found is None else found.args["kind"]) == kind


def test_quantifiers():
    assert pattern("A B+ C* D? E{2} F{2,} G{2,3}") == [
        ("A", 1, 1, False),
        ("B", 1, None, False),
        ("C", 0, None, False),
        ("D", 0, 1, False),
        ("E", 2, 2, False),
        ("F", 2, None, False),
        ("G", 2, 3, False),
    ]
    assert pattern("A+? B*? C{2,}? D{0,3}?") == [
        ("A", 1, None, True),
        ("B", 0, None, True),
        ("C", 2, None, True),
        ("D", 0, 3, True),
    ]


def test_parentheses_without_a_quantifier_mean_nothing():
    assert pattern("(A (B C))") == pattern("A B C")
    assert pattern("(A)+ B") == pattern("A+ B")


@pytest.mark.parametrize("relation", ["t AS x", "(SELECT * FROM t) AS x", "a.b.t"])
def test_any_relation_may_stand_before(relation: str):
    node = parsed("ORDER BY ts MEASURES A.x AS x PATTERN (A) DEFINE A AS TRUE", relation=relation)
    assert isinstance(node.this, exp.Table | exp.Subquery)


def test_the_words_are_names_elsewhere():
    for word in ("match_recognize", "pattern", "measures", "define", "final", "running", "within"):
        parse_program(f"SELECT {word}, t.{word} AS x FROM {word} AS t")


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("A | B", "|", "alternatives ( | ) in PATTERN are not supported"),
        ("A {- B -} C", "{", "exclusions ( {- -} ) in PATTERN are not supported"),
        ("{- A -} B", "{", "exclusions ( {- -} ) in PATTERN are not supported"),
        ("^ A B", "^", "anchoring a pattern at the start ( ^ ) is not supported"),
        ("A B $", "$", "anchoring a pattern at the end ( $ ) is not supported"),
        ("PERMUTE(A, B)", "PERMUTE", "PERMUTE in PATTERN is not supported"),
        ("(A B)+ C", "+", "a quantifier of a group of pattern variables is not supported"),
        ("A{,2} B", "{", "a quantifier without a least number of rows is not supported"),
        ("A{0} B", "{0}", "this quantifier takes no rows"),
        ("A{3,2} B", "{3,2}", "this quantifier takes no rows"),
    ],
)
def test_patterns_that_are_not_run_are_refused_at_their_place(text: str, marked: str, message: str):
    with pytest.raises(VeloError) as caught:
        pattern(text)
    place = caught.value.location
    assert caught.value.message == message
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length] == marked


@pytest.mark.parametrize(
    ("clauses", "message"),
    [
        (
            "ORDER BY ts MEASURES A.x AS x ALL ROWS PER MATCH PATTERN (A) DEFINE A AS TRUE",
            "ALL ROWS PER MATCH is not supported",
        ),
        ("ORDER BY ts MEASURES A.x AS x PATTERN (A B) SUBSET S = (A, B) DEFINE A AS TRUE", "SUBSET is not supported"),
        ("ORDER BY ts MEASURES A.x PATTERN (A) DEFINE A AS TRUE", 'expected AS, found "PATTERN"'),
        ("ORDER BY ts MEASURES A.x AS x PATTERN (A)", 'expected DEFINE, found ")"'),
        ("ORDER BY ts MEASURES A.x AS x PATTERN () DEFINE A AS TRUE", "a pattern needs a variable"),
        (
            "ORDER BY ts MEASURES A.x AS x PATTERN (A) WITHIN INTERVAL '1' MONTH DEFINE A AS TRUE",
            "a month has no fixed length",
        ),
        ("ORDER BY ts MEASURES A.x AS x PATTERN (A{1.5}) DEFINE A AS TRUE", "a number of rows is a whole number"),
    ],
)
def test_clauses_that_are_not_run_are_refused(clauses: str, message: str):
    with pytest.raises(VeloError) as caught:
        parsed(clauses)
    assert caught.value.message == message
