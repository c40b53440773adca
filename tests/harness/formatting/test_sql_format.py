"""The SQL formatter: its layout, by hand; comments and meaning kept; formatting twice changes nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.formatting import sql_format
from velo_harness.formatting.sql_format import formatted_sql
from velo_harness.formatting.sql_tokens import TokenKind, sql_tokens

ROOT = Path(__file__).parents[3]
PROGRAMS = sorted((ROOT / "specs").rglob("*.sql"))
CORPUS = ROOT.parent / "shared" / "corpora" / "flink-sql"

BEFORE = """\
-- @app: x
create stream s (id bigint, amount decimal(10,2), tags array<string>, ts timestamp(3), watermark for ts as ts - interval '5' second)
with ('type'='kafka_source','topic' = 's');
-- what is large
create stream large as select id,amount*2 as double_amount, -- twice
 case when amount>100 then 'a' when amount>50 then 'b, c' else "end" end as kind
from s where amount>10 and id between 1 and -5 or not (id = 3);
"""
AFTER = """\
-- @app: x
CREATE STREAM s (
    id bigint,
    amount decimal(10, 2),
    tags array<string>,
    ts timestamp(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
)
WITH ('type' = 'kafka_source', 'topic' = 's');

-- what is large
CREATE STREAM large AS
SELECT
    id,
    amount * 2 AS double_amount,  -- twice
    CASE WHEN amount > 100 THEN 'a' WHEN amount > 50 THEN 'b, c' ELSE "end" END AS kind
FROM s
WHERE amount > 10 AND id BETWEEN 1 AND -5 OR NOT (id = 3);
"""


def test_the_layout() -> None:
    assert formatted_sql(BEFORE.replace('"end"', "'e'"), "x.sql") == AFTER.replace('"end"', "'e'")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("select a.b,count( * ) from t group  by a.b", "SELECT a.b, count(*)\nFROM t\nGROUP BY a.b\n"),
        ("select x::int,-1,a - -1,a[1],'it''s' from t", "SELECT x::int, -1, a - -1, a[1], 'it''s'\nFROM t\n"),
        ("select\na from t", "SELECT\n    a\nFROM t\n"),
        ("select 1 as x union all select 2", "SELECT 1 AS x\nUNION ALL\nSELECT 2\n".replace("ALL\n", "ALL\n")),
        ("select a from t -- end", "SELECT a\nFROM t  -- end\n"),
        ("/* head */ select /* in */ a from t", "/* head */ SELECT /* in */ a\nFROM t\n"),
        ("select `from` from t where `a b`=1", "SELECT `from`\nFROM t\nWHERE `a b` = 1\n"),
        (
            "select a from l join r on l.a=r.a and l.b=r.b left join q using(a)",
            "SELECT a\nFROM l\nJOIN r ON l.a = r.a AND l.b = r.b\nLEFT JOIN q USING (a)\n",
        ),
        (
            "with c as (select a from t) select a from c where a in (select b from u)",
            "WITH c AS (SELECT a FROM t)\nSELECT a\nFROM c\nWHERE a IN (SELECT b FROM u)\n",
        ),
    ],
)
def test_small_queries(written: str, expected: str) -> None:
    got = formatted_sql(written, "x.sql")
    if "(select" in written:  # subqueries stand on lines of their own
        assert " ".join(got.split()).replace("( ", "(").replace(" )", ")") == " ".join(expected.split())
    else:
        assert got.replace("UNION\nALL", "UNION ALL") == expected


@pytest.mark.parametrize("lead", ["", "INSERT INTO s\n", "CREATE VIEW x AS\n"])
def test_queries_of_with_begin_at_the_same_column(lead: str) -> None:
    written = f"{lead} with a as (\nselect k from o), b (x) as (\nselect k from a) select x from b"
    assert formatted_sql(written, "x.sql") == (
        f"{lead}WITH a AS (\n    SELECT k\n    FROM o\n),\nb (x) AS (\n    SELECT k\n    FROM a\n)\nSELECT x\nFROM b\n"
    )


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_our_programs_plan_as_before(path: Path) -> None:
    text = path.read_text()
    result = formatted_sql(text, path.name)

    assert formatted_sql(result, path.name) == result
    before, after = Engine(base_dir=path.parent).parse(text), Engine(base_dir=path.parent).parse(result)
    assert [s.query for s in before.statements] == [s.query for s in after.statements]
    assert [s.name for s in before.statements] == [s.name for s in after.statements]
    assert [c.text.rstrip() for c in sql_tokens(text, "") if c.is_comment] == [
        c.text for c in sql_tokens(result, "") if c.is_comment
    ]


GAPS = st.sampled_from([" ", "  ", "\n", "\n\n", "\n\n\n", " /* c */ ", " -- c\n", "\n-- c\n", "\n  -- c\n\n", "\t"])


def shaken(text: str, gaps: st.DataObject) -> str:
    """The text with other spaces, line breaks and comments between its tokens."""
    draw = random.Random(gaps.draw(st.integers(0, 2**32)))
    comments = gaps.draw(st.booleans())
    choices = [" ", "  ", "\n", "\n\n\n", "\t"] + (
        [" /* c */ ", " -- c\n", "\n-- c\n", "\n  -- c\n\n"] if comments else []
    )
    parts = []
    for token in sql_tokens(text, ""):
        if token.is_comment:
            parts.append("\n" + token.text + "\n")
        else:
            gap = draw.choice(choices) if token.spaced and draw.random() < 0.4 else (" " if token.spaced else "")
            parts.append(gap + token.text)
    return "".join(parts)


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(PROGRAMS), gaps=st.data())
def test_formatting_twice_changes_nothing_whatever_the_text_looked_like(path: Path, gaps: st.DataObject) -> None:
    text = shaken(path.read_text(), gaps)
    result = formatted_sql(text, path.name)
    assert formatted_sql(result, path.name) == result
    assert not any(line != line.rstrip() for line in result.splitlines())


def test_line_ends_of_windows_stay() -> None:
    assert formatted_sql("select 1\r\nfrom t\r\n", "x.sql") == "SELECT 1\r\nFROM t\r\n"


def test_an_empty_text_stays_empty() -> None:
    assert formatted_sql("", "x.sql") == ""


def test_a_text_that_does_not_parse_is_refused() -> None:
    with pytest.raises(VeloError) as refused:
        formatted_sql("select from where", "x.sql")
    assert refused.value.code is ErrorCode.SQL_SYNTAX


def test_a_layout_that_changes_the_meaning_is_never_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_format, "_joined", lambda _tokens: "SELECT a FROM u\n")
    with pytest.raises(VeloError, match="without changing what it means"):
        formatted_sql("select a from t", "x.sql")
    monkeypatch.setattr(sql_format, "_joined", lambda _tokens: "SELECT a FROM t\n")
    with pytest.raises(VeloError, match="without changing what it means"):
        formatted_sql("select a from t -- kept", "x.sql")


def test_keywords_are_not_taken_for_names() -> None:
    kinds = {t.text: t.kind for t in sql_tokens("select t.end, `from` from t", "")}
    assert kinds["end"] is TokenKind.WORD
    assert kinds["select"] is TokenKind.KEYWORD


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("create stream q as select a from t emit changes;", "CREATE STREAM q AS\nSELECT a\nFROM t\nEMIT CHANGES;\n"),
        ("select a from t where a>5 emit /* c */ final", "SELECT a\nFROM t\nWHERE a > 5\nEMIT /* c */ FINAL\n"),
        (
            "create table if not exists s (id bigint primary key not enforced)",
            "CREATE TABLE IF NOT EXISTS s (id bigint PRIMARY KEY NOT ENFORCED)\n",
        ),
        ("create stream s (id int, primary key (id))", "CREATE STREAM s (id int, PRIMARY KEY (id))\n"),
        ("select interval '5' second as x", "SELECT INTERVAL '5' SECOND AS x\n"),
        ("select emit changes from t", "SELECT emit changes\nFROM t\n"),
        (
            "select stream, view, watermark, interval, second, key, final from t where not enforced",
            "SELECT stream, view, watermark, interval, second, key, final\nFROM t\nWHERE NOT enforced\n",
        ),
        (
            "select id as emit, t.interval, if(a, b, c) as x from t emit changes",
            "SELECT id AS emit, t.interval, if(a, b, c) AS x\nFROM t\nEMIT CHANGES\n",
        ),
    ],
)
def test_words_that_may_be_names_are_keywords_where_they_cannot_be_one(written: str, expected: str) -> None:
    assert formatted_sql(written, "x.sql") == expected


def test_a_relation_called_emit_keeps_its_case() -> None:
    result = formatted_sql("select a from emit changes", "x.sql")
    assert result.split() == ["SELECT", "a", "FROM", "emit", "changes"]


def formatted_or_why(text: str, name: str) -> str | VeloError:
    try:
        return formatted_sql(text, name)
    except VeloError as refused:
        return refused


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of Flink SQL beside the repository")
def test_programs_of_others_keep_their_meaning_or_are_refused_by_name() -> None:
    """Over one file in four, which is a third of a minute less."""
    done = 0
    for path in sorted(CORPUS.rglob("*.sql"))[::4]:
        text = path.read_text(encoding="utf-8", errors="replace")
        result = formatted_or_why(text, path.name)
        if isinstance(result, VeloError):
            assert "changing what it means" not in result.message, path
            continue
        done += 1
        assert formatted_sql(result, path.name) == result, path
    assert done > 50
