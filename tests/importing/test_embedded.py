"""SQL in programs: its text is the one that the program has when it runs, and its places are those of the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importing.conftest import Ran
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import FlinkScript
from velo_import.convert.job import convert_job
from velo_import.inputs.programs.embedded import embedded_script
from velo_import.inputs.programs.tokens import Language
from velo_import.model import Outcome

JAVA, SCALA, PYTHON = Language.JAVA, Language.SCALA, Language.PYTHON


def texts(script: FlinkScript) -> list[str]:
    return [script.text[one.place.start : one.place.end] for one in script.statements]


def reasons(script: FlinkScript) -> list[tuple[int, int, str]]:
    found = []
    for one in script.unread:
        assert one.error.location is not None
        found.append((one.error.location.line, one.error.location.column, one.error.message))
    return found


ESCAPES = {
    # Language, what the program says, the text of the statement.
    "java, a backslash": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s LIKE 'a\\_%'");""", r"'a\_%'"),
    "java, a pattern": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE REGEXP(s, '^\\d+\\.\\d$')");""", r"'^\d+\.\d$')"),
    "java, a tab": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = 'tab\there'");""", "'tab\there'"),
    "java, a quote": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = 'quo\"te'");""", "'quo\"te'"),
    "java, unicode": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = 'u\u00e4'");""", "'uä'"),
    "java, no unicode": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = '\\u00e4'");""", r"'\u00e4'"),
    "java, a line": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = 'x\ny'");""", "'x\ny'"),
    "java, octal": (JAVA, r"""t.executeSql("SELECT * FROM t WHERE s = '\101\7'");""", "'A\7'"),
    "java, joined in a literal": (JAVA, """t.executeSql("SELECT * FROM t WHERE s = 'a" +\n  "b'");""", "'ab'"),
    "python, a backslash": (PYTHON, r"""t.execute_sql("SELECT * FROM t WHERE s LIKE 'a\\_%'")""", r"'a\_%'"),
    "python, no escape": (PYTHON, r"""t.execute_sql("SELECT * FROM t WHERE s LIKE 'a\_%'")""", r"'a\_%'"),
    "python, raw": (PYTHON, r"""t.execute_sql(r"SELECT * FROM t WHERE s = '\d\t\\'")""", r"'\d\t\\'"),
    "python, codes": (PYTHON, r"""t.execute_sql("SELECT * FROM t WHERE s = '\x41\u00e4\N{DIGIT ONE}'")""", "'Aä1'"),
    "python, adjacent": (PYTHON, """t.execute_sql("SELECT * FROM t "\n  "WHERE s = 'x'")""", "'x'"),
    "python, a comment is none": (PYTHON, """t.execute_sql("SELECT * FROM t WHERE s = '#//'")""", "'#//'"),
    "scala, a backslash": (SCALA, r"""t.executeSql("SELECT * FROM t WHERE s = 'a\\b\t'")""", "'a\\b\t'"),
    "scala, three quotes": (SCALA, r'''t.executeSql("""SELECT * FROM t WHERE s = '\d\t'""")''', r"'\d\t'"),
    "scala, raw": (SCALA, r"""t.executeSql(raw"SELECT * FROM t WHERE s = '\d'")""", r"'\d'"),
    "scala, s": (SCALA, r'''t.executeSql(s"""SELECT * FROM t WHERE s = '\\d$$'""")''', r"'\d$'"),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_a_literal_says_what_it_says_to_the_program(name: str) -> None:
    language, program, wanted = ESCAPES[name]

    (text,) = texts(embedded_script(program, language))

    assert text.startswith("SELECT * FROM t WHERE ")
    assert text.endswith(wanted)


def test_places_are_those_of_the_program() -> None:
    program = (
        "class K {\n"
        r"""  void f() { t.executeSql("INSERT INTO o\nSELECT '\\d', 'x\ny' " + // "SELECT"""
        "\n"
        """      /* as well */ "FROM t") ; t.executeSql("SELECT FROM WHERE x"); }\n"""
        "}"
    )

    script = embedded_script(program, JAVA, file="K.java")

    insert, broken = script.statements
    assert isinstance(insert, flink.Insert)
    assert (insert.place.location.line, insert.place.location.column) == (2, 28)
    assert insert.place.location.text == program.split("\n")[1]
    assert isinstance(broken, flink.Unread)
    assert (broken.place.location.line, broken.place.location.column) == (3, 47)
    assert texts(script)[0] == "INSERT INTO o\nSELECT '\\d', 'x\ny' FROM t"


def test_a_text_block_has_no_indentation() -> None:
    program = (
        'class K { void f() {\n    t.executeSql("""\n'
        "        SELECT 'a   \n"
        "          b\\tc \\\n"
        "        d\\s' \n"
        '      FROM t""");\n}}'
    )

    (text,) = texts(embedded_script(program, JAVA))

    assert text == "SELECT 'a\n    b\tc   d ' \nFROM t".replace("' \n", "'\n")


def test_a_margin_is_stripped_where_it_is_told() -> None:
    program = 't.executeSql("""SELECT \'a\n    |b\'\n  |FROM t""".stripMargin)\n'
    program += 't.executeSql("""SELECT \'a\n    |b\'\n  FROM t""")'

    assert texts(embedded_script(program, SCALA)) == ["SELECT 'a\nb'\nFROM t", "SELECT 'a\n    |b'\n  FROM t"]


HOLES = {
    "python, f, a constant": (
        PYTHON,
        "TOPIC = 'clicks'\nt.execute_sql(f\"SELECT * FROM t WHERE s = '{TOPIC}' AND u = '{{x}}'\")",
        "SELECT * FROM t WHERE s = 'clicks' AND u = '{x}'",
    ),
    "python, f, a number": (
        PYTHON,
        'MIN: int = 5\nt.execute_sql(f"SELECT * FROM t WHERE id > {MIN}")',
        "SELECT * FROM t WHERE id > 5",
    ),
    "python, f, a variable": (
        PYTHON,
        "t.execute_sql(f\"SELECT * FROM t WHERE s = '{args.topic}'\")",
        "SELECT * FROM t WHERE s = '${args_topic}'",
    ),
    "python, f, assigned twice": (
        PYTHON,
        "x = 'a'\nx = 'b'\nt.execute_sql(f\"SELECT * FROM t WHERE s = '{x}'\")",
        "SELECT * FROM t WHERE s = '${x}'",
    ),
    "python, f, a parameter": (
        PYTHON,
        "x = 'a'\ndef f(x):\n  t.execute_sql(f\"SELECT * FROM t WHERE s = '{x}'\")",
        "SELECT * FROM t WHERE s = '${x}'",
    ),
    "python, percent": (
        PYTHON,
        "t.execute_sql(\"SELECT * FROM t WHERE s = '%s' AND u LIKE 'a%%'\" % name)",
        "SELECT * FROM t WHERE s = '${name}' AND u LIKE 'a%'",
    ),
    "python, no format": (
        PYTHON,
        "t.execute_sql(\"SELECT * FROM t WHERE u LIKE '%s{}'\")",
        "SELECT * FROM t WHERE u LIKE '%s{}'",
    ),
    "python, format": (
        PYTHON,
        "T = 'clicks'\nt.execute_sql(\"SELECT * FROM {0} \"\n\"WHERE s = '{s}'\".format(T, s='x'))",
        "SELECT * FROM clicks WHERE s = 'x'",
    ),
    "java, a constant": (
        JAVA,
        'static final String T = "clicks";\nt.executeSql("SELECT * FROM " + T + " WHERE s = 1");',
        "SELECT * FROM clicks WHERE s = 1",
    ),
    "java, String.format": (
        JAVA,
        'static final String T = "clicks";\nt.executeSql(String.format("SELECT * FROM %s WHERE s = \'%s\'", T, name));',
        "SELECT * FROM clicks WHERE s = '${name}'",
    ),
    "java, formatted": (
        JAVA,
        "t.executeSql(\"SELECT * FROM t WHERE s = '%2$s' AND u = %1$d\".formatted(3, name));",
        "SELECT * FROM t WHERE s = '${name}' AND u = 3",
    ),
    "scala, s": (
        SCALA,
        'val topic: String = "clicks"\nt.executeSql(s"SELECT * FROM $topic WHERE s = \'${conf.name}\'")',
        "SELECT * FROM clicks WHERE s = '${conf_name}'",
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_what_varies_is_a_constant_or_a_variable(name: str) -> None:
    language, program, wanted = HOLES[name]

    script = embedded_script(program, language)

    assert (texts(script), script.unread) == ([wanted], ())


UNKNOWN = {
    "an element": (JAVA, 't.executeSql("SELECT * FROM t WHERE s = \'" + args[0] + "\'");', 1, 46, "`args[0]`"),
    "a call": (PYTHON, "t.execute_sql(f\"SELECT * FROM t WHERE s = '{name()}'\")", 1, 44, "`name()`"),
    "no value": (PYTHON, "t.execute_sql(\"SELECT * FROM t WHERE s = '{}{}'\".format(a))", 1, 45, "`{}`"),
    "a table": (PYTHON, '\nt.execute_sql(f"INSERT INTO {sink} SELECT id FROM t")', 2, 29, "`sink`"),
    "a method": (JAVA, "t.executeSql(\"SELECT * FROM t WHERE s = 'a'\".replace('a', 'b'));", 1, 46, "`.replace(…)`"),
    "grows": (
        PYTHON,
        'q = "SELECT * FROM t"\nif x:\n    q += " WHERE a = 1"\nt.execute_sql(q)',
        1,
        6,
        "added to it later",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_text_that_is_not_known_is_told(name: str) -> None:
    language, program, line, column, what = UNKNOWN[name]

    ((found_line, found_column, message),) = reasons(embedded_script(program, language))

    assert (found_line, found_column) == (line, column)
    assert message.startswith("the text of the statement is assembled from pieces: ")
    assert what in message


def test_pieces_with_comments_between_them_are_one_statement() -> None:
    program = """t.executeSql("CREATE TABLE ev (" +
      " kind STRING," + // the kind, "quoted" + 'and'
      " v DOUBLE" /* as a + "text" */ +
      ") WITH ('connector'='print')");"""

    (text,) = texts(embedded_script(program, JAVA))

    assert text == "CREATE TABLE ev ( kind STRING, v DOUBLE) WITH ('connector'='print')"


@pytest.mark.parametrize(
    "program",
    [
        'print("SELECT your option from the list")',
        'log.info("SELECT a, b FROM t")',
        'raise ValueError("SELECT * FROM t fails")',
        'title = "Create your account"',
        "msg = 'DELETE is not allowed'",
        "# t.execute_sql('SELECT * FROM t')",
    ],
)
def test_prose_is_no_sql(program: str) -> None:
    assert embedded_script(program, PYTHON).statements == ()


def test_what_may_be_sql_is_told_and_makes_no_table() -> None:
    script = embedded_script('label = "SELECT your option from the list"', PYTHON, file="a.py")

    ((line, column, message),) = reasons(script)

    assert (line, column) == (1, 10)
    assert "it has not the structure of one" in message
    job = convert_job("a", (script,))
    assert (job.tables, [c.outcome for c in job.constructs]) == ({}, [Outcome.NOT_CONVERTED])


@pytest.mark.parametrize(
    "program",
    [
        'q = "SELECT a FROM t"\nt.sql_query(q)',
        't.execute_sql(textwrap.dedent("""SELECT a FROM t"""))',
        'QUERIES = ["SELECT a FROM t WHERE a > 1"]',
    ],
)
def test_what_is_run_or_has_the_structure_is_sql(program: str) -> None:
    (statement,) = embedded_script(program, PYTHON).statements

    assert isinstance(statement, flink.Query)


def test_a_piece_is_no_statement_of_its_own() -> None:
    program = "HEAD = \"CREATE TABLE t (\"\nt.execute_sql(HEAD + \"a INT) WITH ('connector'='print')\")"

    assert texts(embedded_script(program, PYTHON)) == ["CREATE TABLE t (a INT) WITH ('connector'='print')"]


def test_the_program_itself_is_kept(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    program = """t.execute_sql("CREATE TABLE t (s STRING) WITH ('connector'='datagen')")\n"""
    program += r"""t.execute_sql("SELECT s FROM t WHERE s LIKE 'a\\_%'")""" + "\n"
    (tmp_path / "job.py").write_text(program, encoding="utf-8")

    result = velo_import(tmp_path / "job.py", "--output", tmp_path / "out")

    assert result.code == 0, result.err
    assert (tmp_path / "out/original/job.py").read_text(encoding="utf-8") == program
    assert r"LIKE 'a\_%'" in (tmp_path / "out/app.sql").read_text(encoding="utf-8")
