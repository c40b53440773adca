"""Every statement of real scripts that Flink's parser accepts is read, or refused by name; and read as Flink reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.flink_dialect import corpora
from tests.flink_dialect.shapes import as_written_by_people, shape
from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.flink.statements import Command, Explain

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
from installation import FlinkMissingError
from statement_parser import Parsed, parse

pytestmark = pytest.mark.skipif(not corpora.FOLDER.is_dir(), reason="the collection of Flink SQL scripts is not here")

REFUSED = {
    "a quantifier without a least number of rows is not supported": "nor run by Flink",
    "ALL ROWS PER MATCH is not supported": "Flink refuses it when it validates",
    'expected "," or ")", found "TABLE"': "a window table function in a select list: Flink refuses it when it validates",
    "only one PRIMARY KEY can be declared": "Flink refuses it when it validates the table",
    'expected a type, found "SERIAL"': "no type of Flink's: its parser takes it for a user-defined one",
    "HOP in GROUP BY takes a time column and two lengths": "Flink refuses it when it validates the query",
    "the statement set that starts here has no END": "the statements of a set stand alone here",
    'a statement cannot start with "END"': "as above",
    'a statement cannot start with "end"': "as above",
}
"""Messages for statements that Flink's grammar accepts and that are refused here, and why."""

WRITTEN_BACK_DIFFERENTLY = 2
"""Flink writes the alias PI as its constant, and leaves parentheses around VALUES away."""


@pytest.fixture(scope="module")
def accepted() -> list[str]:
    verdicts = corpora.verdicts()
    return [statement for statement in corpora.statements() if corpora.digest(statement) in verdicts]


def test_what_flink_accepts_is_read_or_refused_by_name(accepted: list[str]) -> None:
    assert len(accepted) > 2000
    unread = [u.error for statement in accepted for u in parse_script(statement).unread]
    unexplained = [str(error) for error in unread if error.message not in REFUSED]
    assert not unexplained, "\n\n".join(unexplained)
    assert {error.message for error in unread} == REFUSED.keys()


def test_trees_have_the_shape_that_flink_reads(accepted: list[str]) -> None:
    """The tree of a statement is that of Flink's own rendering of it, where every name is quoted and every operator in
    parentheses: so precedence, clauses and arguments are read as Flink reads them."""
    try:
        answers = parse(accepted)
    except FlinkMissingError as missing:
        pytest.skip(str(missing))
    compared = 0
    different = []
    for statement, answer in zip(accepted, answers, strict=True):
        read = parse_script(statement)
        if _comparable(answer) and not read.unread and not isinstance(read.statements[0], Command | Explain):
            compared += 1
            if shape(read.statements) != shape(parse_script(as_written_by_people(answer.text)).statements):
                different.append(f"{statement}\n--- Flink:\n{answer.text}")
    assert compared > 1700
    assert len(different) == WRITTEN_BACK_DIFFERENTLY, f"{len(different)} of {compared}:\n\n" + "\n\n".join(different)


def _comparable(answer: Parsed) -> bool:
    """Flink cannot write back everything that it reads; unicode escapes come back as escapes."""
    return bool(answer.text) and answer.kind != "EXTENDED" and "u&'" not in answer.text
