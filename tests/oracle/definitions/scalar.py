"""Expressions over columns: projection, filter, arithmetic, logic, strings. Values stand in columns, never as literals
that the planner would fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracle.case import Definition, Situation, Table
from tests.oracle.definitions.rows import records

NULLS, OVERFLOW, ERROR, BOUNDARY, EMPTY = (
    Situation.NULLS,
    Situation.OVERFLOW,
    Situation.ERROR,
    Situation.BOUNDARY,
    Situation.EMPTY,
)

INTEGERS = Table(
    "id INT, t TINYINT, s SMALLINT, i INT, j INT, b BIGINT",
    records(
        "id t s i j b",
        (0, 7, 7, 7, 2, 7),
        (1, -7, -7, -7, 2, -7),
        (2, 7, -7, 7, -2, 2),
        (3, -128, -32768, -2147483648, -1, -9223372036854775808),
        (4, 127, 32767, 2147483647, 1, 9223372036854775807),
        (5, None, None, None, None, None),
        (6, 1, None, None, 3, 5),
        (7, 0, 0, 0, 5, 0),
        (8, 100, 1000, 65536, 65537, 4294967296),
    ),
)

FLOATS = Table(
    "id INT, d DOUBLE, e DOUBLE, f FLOAT, i INT",
    records(
        "id d e f i",
        (0, 1.5, 0.5, 1.5, 3),
        (1, -1.5, 0.1, -2.5, -3),
        (2, 0.1, 0.2, 0.1, 7),
        (3, 1e300, 1e300, 1e30, 1),
        (4, None, 1.0, None, None),
        (5, 2.5, 0.0, 0.5, 2),
        (6, -0.0, 3.0, -0.0, 0),
        (7, 123456789.123456789, 1e-7, 123456.789, 2147483647),
        (8, 1e20, 1e7, 1e7, 10),
        (9, 0.001, 12345678.9, 0.001, 1),
    ),
)

DECIMALS = Table(
    "id INT, x DECIMAL(10,2), y DECIMAL(12,4), z DECIMAL(38,18), i INT, b BIGINT, d DOUBLE",
    records(
        "id x y z i b d",
        (0, "1.00", "3.0000", "1", 3, 7, 0.5),
        (1, "-1.00", "3.0000", "-2.5", 7, -7, 1.5),
        (
            2,
            "99999999.99",
            "99999999.9999",
            "12345678901234567890.123456789012345678",
            2147483647,
            9223372036854775807,
            1e3,
        ),
        (3, "-99999999.99", "0.0001", "0.000000000000000001", -3, 3, -2.0),
        (4, "0.01", "0.0003", "0.333333333333333333", 2, 2, 0.1),
        (5, None, "1.0000", None, 1, None, 1.0),
        (6, "1.00", None, "1", None, 1, None),
        (7, "2.50", "-0.5000", "10", 10, 10, 4.0),
        (8, "1.25", "2.5000", "7", 4, -4, 8.0),
        (9, "0.05", "7.0000", "6", 6, 6, 3.0),
    ),
)

STRINGS = Table(
    "id INT, a STRING, b STRING, c VARCHAR(5), n INT, m INT",
    records(
        "id a b c n m",
        (0, "hello", "l", "abc", 2, 3),
        (1, "Hello World", "o W", "x_z", 0, 2),
        (2, "", "", "", 1, 0),
        (3, "  padded  ", " ", " a ", -3, 2),
        (4, "héllo wörld", "ö", "ß", 3, 100),
        (5, None, "a", None, 1, 1),
        (6, "abc", None, "abcde", None, 2),
        (7, "a%b_c", "%", "a%", 1, None),
        (8, "aaaa", "aa", "a", 5, 1),
        (9, "日本語テキスト", "語", "日本", 2, 2),
        (10, "x'y\"z\\w", "'", "'", 10, 5),
        (11, "HELLO", "hello", "Abc", -10, 4),
        (12, "Tab\tNew\nline", "\n", "\t", 4, 6),
    ),
)

LOGIC = Table(
    "id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING",
    records(
        "id p q i j a",
        (0, True, True, 1, 1, "a"),
        (1, True, False, 1, 2, "b"),
        (2, True, None, 2, 1, "c"),
        (3, False, True, None, 1, None),
        (4, False, False, 1, None, "ab"),
        (5, False, None, None, None, ""),
        (6, None, True, 5, 5, "b%"),
        (7, None, False, -1, 5, "abc"),
        (8, None, None, 3, 3, "A"),
    ),
)


def case(
    group: str,
    name: str,
    table: Table,
    expressions: Sequence[str],
    *situations: Situation,
    where: str = "",
    config: Mapping[str, str] | None = None,
) -> Definition:
    """A projection of `t`: the row's id, then every expression as a column."""
    columns = ", ".join(["id", *(f"{text} AS e{i}" for i, text in enumerate(expressions))])
    query = f"SELECT {columns} FROM t{where and ' WHERE ' + where}"
    return Definition(name, group, situations, {"t": table}, query, config=config or {})


def without_nulls(table: Table) -> Table:
    """The rows of a table that hold no NULL."""
    return Table(table.columns, tuple(row for row in table.rows if None not in row.values()))


def only(table: Table, *ids: int) -> Table:
    """The rows of a table with these ids."""
    return Table(table.columns, tuple(row for row in table.rows if row["id"] in ids))


def single(columns: str, **values: Any) -> Table:
    """A table of one row."""
    return Table(columns, (values,))


_ARITHMETIC = (
    case(
        "arithmetic",
        "int_plus_minus_times",
        INTEGERS,
        ["i + j", "i - j", "i * j", "-i", "+i", "i + 1", "2 * i"],
        NULLS,
        OVERFLOW,
    ),
    case("arithmetic", "int_divide", INTEGERS, ["i / j", "b / j", "t / j", "i / 2", "b / 10"], NULLS, OVERFLOW),
    case(
        "arithmetic",
        "int_modulo",
        INTEGERS,
        ["i % j", "MOD(i, j)", "MOD(b, j)", "MOD(i, 3)", "b % 10"],
        NULLS,
        OVERFLOW,
    ),
    case("arithmetic", "bigint_wraps", INTEGERS, ["b + 1", "b - 1", "b * 2", "b + i", "b * j", "-b"], NULLS, OVERFLOW),
    case(
        "arithmetic",
        "small_integers",
        INTEGERS,
        ["t + t", "t * t", "s + t", "s * s", "t + i", "s - b", "-t", "-s"],
        NULLS,
        OVERFLOW,
    ),
    case(
        "arithmetic",
        "int_absolute_and_sign",
        INTEGERS,
        ["ABS(i)", "ABS(b)", "ABS(t)", "SIGN(i)", "SIGN(b)"],
        NULLS,
        OVERFLOW,
    ),
    case(
        "arithmetic",
        "int_rounding",
        INTEGERS,
        ["ROUND(i, 0)", "ROUND(i, -1)", "ROUND(b, -2)", "CEIL(i)", "FLOOR(b)"],
        NULLS,
        OVERFLOW,
    ),
    case(
        "arithmetic",
        "double_plus_minus_times_divide",
        FLOATS,
        ["d + e", "d - e", "d * e", "d / e", "-d", "d + i", "d / i"],
        NULLS,
        OVERFLOW,
    ),
    case("arithmetic", "float_arithmetic", FLOATS, ["f + f", "f * f", "f / f", "f + d", "f * i", "f - 1"], NULLS),
    case(
        "arithmetic",
        "double_rounding",
        FLOATS,
        ["ROUND(d, 0)", "ROUND(d, 2)", "ROUND(d)", "CEIL(d)", "FLOOR(d)", "ABS(d)", "SIGN(d)"],
        NULLS,
    ),
    case(
        "arithmetic",
        "double_functions",
        FLOATS,
        ["SQRT(e)", "EXP(f)", "POWER(e, 2)", "LN(e + 1)", "LOG10(e + 1)"],
        NULLS,
    ),
    # Flink fails with a NullPointerException for TRUNCATE(NULL, n) of a DOUBLE.
    case(
        "arithmetic", "double_truncate", without_nulls(FLOATS), ["TRUNCATE(d, 1)", "TRUNCATE(e, 0)", "TRUNCATE(d, -1)"]
    ),
    case(
        "arithmetic",
        "greatest_least",
        INTEGERS,
        ["GREATEST(i, j)", "LEAST(i, j)", "GREATEST(i, j, 3)", "LEAST(b, 5)"],
        NULLS,
    ),
    case("arithmetic", "int_divided_by_zero", single("id INT, i INT, z INT", id=0, i=1, z=0), ["i / z"], ERROR),
    case("arithmetic", "int_modulo_zero", single("id INT, i INT, z INT", id=0, i=1, z=0), ["MOD(i, z)"], ERROR),
    case(
        "arithmetic",
        "double_divided_by_zero",
        Table("id INT, d DOUBLE, z DOUBLE", records("id d z", (0, 1.0, 0.0), (1, -1.0, 0.0), (2, 0.0, 0.0))),
        ["d / z", "-d / z", "z / z", "d / z > 1"],
        BOUNDARY,
    ),
    case(
        "arithmetic",
        "mixed_types",
        FLOATS,
        ["i + d", "i * f", "CAST(i AS BIGINT) + f", "i / d", "CAST(i AS DECIMAL(10,2)) * d"],
        NULLS,
    ),
    case(
        "arithmetic",
        "precedence",
        INTEGERS,
        ["i + j * 2", "(i + j) * 2", "i - j - 1", "i / 2 * 2", "-i + j", "i * -j"],
        NULLS,
        OVERFLOW,
    ),
)

_DECIMALS = (
    case(
        "decimals", "plus_minus", DECIMALS, ["x + y", "x - y", "x + x", "y - x", "x + 1", "-x", "x + i", "y + b"], NULLS
    ),
    case("decimals", "times", DECIMALS, ["x * y", "x * x", "x * 3", "x * i", "y * b", "x * 0.5"], NULLS),
    case(
        "decimals", "divide", without_nulls(DECIMALS), ["x / y", "y / x", "x / x", "x / 3", "x / i", "x / b", "1 / x"]
    ),
    case("decimals", "divide_nulls", only(DECIMALS, 5, 6, 7), ["x / y", "y / x", "x / i"], NULLS),
    case("decimals", "modulo", without_nulls(DECIMALS), ["x % y", "MOD(y, x)", "MOD(x, 3)", "MOD(x, i)"]),
    case(
        "decimals",
        "wide",
        only(DECIMALS, 0, 1, 3, 4, 5, 6, 7),
        ["z + z", "z * z", "z / i", "z * x", "z - x", "z + b"],
        NULLS,
    ),
    case("decimals", "wide_overflow", only(DECIMALS, 2), ["z * z", "z * x", "z * b", "z + z", "z / x"], OVERFLOW),
    case("decimals", "with_double", DECIMALS, ["x + d", "x * d", "x / d", "y - d", "d * z"], NULLS),
    case(
        "decimals",
        "rounding",
        DECIMALS,
        [
            "ROUND(x, 1)",
            "ROUND(x, 0)",
            "ROUND(y, 2)",
            "ROUND(x, -1)",
            "CEIL(x)",
            "FLOOR(x)",
            "ABS(x)",
            "SIGN(x)",
            "TRUNCATE(y, 2)",
        ],
        NULLS,
    ),
    case(
        "decimals",
        "rescaled_by_cast",
        DECIMALS,
        [
            "CAST(x AS DECIMAL(5,1))",
            "CAST(y AS DECIMAL(12,2))",
            "CAST(y AS DECIMAL(20,10))",
            "CAST(x AS DECIMAL(4,0))",
            "CAST(z AS DECIMAL(10,2))",
        ],
        NULLS,
        OVERFLOW,
    ),
    case(
        "decimals",
        "compared",
        DECIMALS,
        ["x = y", "x < y", "x >= i", "x <> 1.00", "x = 1", "x > d", "y BETWEEN x AND 3"],
        NULLS,
    ),
    case(
        "decimals",
        "divided_by_zero",
        single("id INT, x DECIMAL(10,2), z DECIMAL(10,2)", id=0, x="1.00", z="0.00"),
        ["x / z"],
        ERROR,
    ),
    # Flink fails with a NullPointerException when an argument that it has to cast to the common DECIMAL is NULL.
    case("decimals", "greatest_least", without_nulls(DECIMALS), ["GREATEST(x, y)", "LEAST(x, y)", "GREATEST(x, 1)"]),
    case(
        "decimals",
        "coalesce_nullif",
        DECIMALS,
        ["COALESCE(x, y)", "COALESCE(x, 0)", "NULLIF(x, y)", "COALESCE(z, x)"],
        NULLS,
    ),
    case(
        "decimals", "literals", DECIMALS, ["x * 1.10", "x + 0.005", "x / 1.5", "x * 2.0 + 1", "(x + y) * 0.25"], NULLS
    ),
)

_LOGIC = (
    case(
        "logic",
        "three_valued",
        LOGIC,
        [
            "p AND q",
            "p OR q",
            "NOT p",
            "p AND NOT q",
            "p IS TRUE",
            "p IS NOT TRUE",
            "p IS FALSE",
            "p IS UNKNOWN",
            "p = q",
            "p <> q",
        ],
        NULLS,
    ),
    case(
        "logic",
        "comparisons",
        LOGIC,
        ["i = j", "i <> j", "i < j", "i <= j", "i > j", "i >= j", "i IS NULL", "i IS NOT NULL"],
        NULLS,
    ),
    case(
        "logic",
        "distinct_from",
        LOGIC,
        ["i IS DISTINCT FROM j", "i IS NOT DISTINCT FROM j", "a IS DISTINCT FROM 'a'"],
        NULLS,
    ),
    case(
        "logic",
        "in_and_between",
        LOGIC,
        [
            "i IN (1, 2)",
            "i IN (j, 5)",
            "i NOT IN (1, 2)",
            "i IN (1, CAST(NULL AS INT))",
            "i BETWEEN j AND 3",
            "i NOT BETWEEN 1 AND j",
            "a IN ('a', 'b')",
        ],
        NULLS,
    ),
    case(
        "logic",
        "case_when",
        LOGIC,
        [
            "CASE WHEN p THEN 'yes' WHEN q THEN 'maybe' ELSE 'no' END",
            "CASE WHEN p THEN i END",
            "CASE i WHEN 1 THEN 'one' WHEN j THEN 'j' ELSE 'other' END",
            "CASE WHEN i > j THEN i WHEN i < j THEN CAST(j AS BIGINT) ELSE 0 END",
        ],
        NULLS,
    ),
    case(
        "logic",
        "coalesce_nullif_if",
        LOGIC,
        ["COALESCE(i, j, 0)", "COALESCE(a, 'none')", "NULLIF(i, j)", "NULLIF(a, 'a')", "IF(p, i, j)", "IFNULL(i, -1)"],
        NULLS,
    ),
    case("logic", "and_hides_no_error", single("id INT, i INT, z INT", id=0, i=1, z=0), ["i = 1 AND i / z > 0"], ERROR),
    case(
        "logic",
        "and_masks_error",
        Table("id INT, i INT, z INT", records("id i z", (0, 1, 0), (1, 4, 2), (2, 1, None))),
        ["z <> 0 AND i / z > 1", "CASE WHEN z = 0 THEN -1 ELSE i / z END", "z = 0 OR i / z > 1"],
        NULLS,
    ),
    case(
        "logic",
        "string_comparisons",
        STRINGS,
        ["a = b", "a < b", "a >= c", "c = 'abc'", "a <> ''", "a || '' = a"],
        NULLS,
    ),
    case(
        "logic",
        "boolean_columns_alone",
        LOGIC,
        ["p", "NOT (p AND q)", "NOT p OR q", "(p OR q) AND NOT (p AND q)"],
        NULLS,
    ),
)

_STRINGS = (
    case(
        "strings",
        "upper_lower_length",
        STRINGS,
        ["UPPER(a)", "LOWER(a)", "CHAR_LENGTH(a)", "CHARACTER_LENGTH(c)", "UPPER(c)", "INITCAP(a)"],
        NULLS,
    ),
    case(
        "strings",
        "trim",
        STRINGS,
        [
            "TRIM(a)",
            "TRIM(BOTH ' ' FROM c)",
            "TRIM(LEADING 'a' FROM a)",
            "TRIM(TRAILING 'a' FROM a)",
            "LTRIM(a)",
            "RTRIM(a)",
            "TRIM(LEADING ' ' FROM a)",
        ],
        NULLS,
    ),
    case(
        "strings",
        "substring",
        STRINGS,
        [
            "SUBSTRING(a FROM 2 FOR 3)",
            "SUBSTRING(a FROM 3)",
            "SUBSTRING(a, n)",
            "SUBSTRING(a FROM n FOR m)",
            "SUBSTR(a, n, 2)",
            "SUBSTRING(c FROM 1 FOR 2)",
        ],
        NULLS,
    ),
    case("strings", "left_right", STRINGS, ["LEFT(a, 2)", "RIGHT(a, 3)", "LEFT(a, n)", "RIGHT(a, m)"], NULLS),
    case(
        "strings",
        "concat",
        STRINGS,
        [
            "a || b",
            "a || '-' || c",
            "CONCAT(a, b)",
            "CONCAT(a, '/', b, '/', c)",
            "CONCAT_WS('-', a, b, c)",
            "CONCAT_WS(b, a, c)",
        ],
        NULLS,
    ),
    case(
        "strings",
        "replace_position",
        STRINGS,
        [
            "REPLACE(a, b, '*')",
            "REPLACE(a, 'l', 'LL')",
            "POSITION(b IN a)",
            "LOCATE(b, a)",
            "INSTR(a, b)",
            "POSITION('o' IN a)",
        ],
        NULLS,
    ),
    case(
        "strings",
        "like",
        STRINGS,
        [
            "a LIKE 'h%'",
            "a LIKE '%l%'",
            "a LIKE '_____'",
            "a NOT LIKE '%o%'",
            "a LIKE '%\\%%' ESCAPE '\\'",
            "c LIKE 'a%'",
            "a LIKE ''",
        ],
        NULLS,
    ),
    case("strings", "like_column_pattern", STRINGS, ["a LIKE b", "a LIKE '%' || b || '%'", "c LIKE b"], NULLS),
    case(
        "strings",
        "pad_repeat_reverse",
        STRINGS,
        ["LPAD(a, 7, 'xy')", "RPAD(a, 7, '*')", "REPEAT(c, 2)", "REVERSE(a)", "OVERLAY(a PLACING 'ZZ' FROM 2 FOR 3)"],
        NULLS,
    ),
    case(
        "strings",
        "greatest_least_case",
        STRINGS,
        [
            "GREATEST(a, b)",
            "LEAST(a, b)",
            "COALESCE(a, b, c)",
            "NULLIF(a, '')",
            "CASE WHEN a = '' THEN 'empty' ELSE c END",
        ],
        NULLS,
    ),
    case(
        "strings",
        "regexp_split",
        STRINGS,
        [
            "REGEXP_REPLACE(a, '[aeiou]', '#')",
            "REGEXP_EXTRACT(a, '([a-z]+)', 1)",
            "SPLIT_INDEX(a, ' ', 1)",
            "REGEXP(a, 'l+')",
        ],
        NULLS,
    ),
)

_FILTER = (
    case("filter", "comparison", INTEGERS, ["i"], NULLS, where="i > j"),
    case("filter", "null_is_not_true", LOGIC, ["p", "q"], NULLS, where="p AND q OR i = 1"),
    case("filter", "not_of_null", LOGIC, ["p"], NULLS, where="NOT (p AND q)"),
    case("filter", "in_list", LOGIC, ["i", "a"], NULLS, where="a IN ('a', 'c', 'abc') OR i IN (3, 5)"),
    case("filter", "not_in_with_null", LOGIC, ["i"], NULLS, where="i NOT IN (1, j)"),
    case("filter", "nothing_left", LOGIC, ["i"], EMPTY, where="i > 1000"),
    case("filter", "everything_stays", LOGIC, ["i", "p"], NULLS, where="id >= 0"),
    case("filter", "over_expression", DECIMALS, ["x * i"], NULLS, where="x * i > 5 AND d IS NOT NULL"),
    case("filter", "like_and_between", STRINGS, ["a"], NULLS, where="a LIKE '%l%' AND CHAR_LENGTH(a) BETWEEN 5 AND 11"),
    case("filter", "empty_input", Table(LOGIC.columns, ()), ["i", "p"], EMPTY, where="p"),
    case(
        "filter",
        "divides_by_zero",
        Table("id INT, i INT, z INT", records("id i z", (0, 4, 2), (1, 1, 0))),
        ["i"],
        ERROR,
        where="i / z > 1",
    ),
)

_PROJECTION = (
    Definition("star", "projection", (NULLS,), {"t": LOGIC}, "SELECT * FROM t"),
    Definition(
        "reordered_and_repeated",
        "projection",
        (NULLS,),
        {"t": LOGIC},
        "SELECT a, id, a AS again, i + 1 AS next_i, 'constant' AS word, 42 AS number FROM t",
    ),
    Definition(
        "subquery",
        "projection",
        (NULLS,),
        {"t": LOGIC},
        "SELECT id, total * 2 AS doubled FROM (SELECT id, i + j AS total FROM t) AS s WHERE total > 2",
    ),
    Definition(
        "common_table",
        "projection",
        (NULLS,),
        {"t": LOGIC},
        "WITH s AS (SELECT id, i + j AS total FROM t WHERE p) SELECT id, total FROM s WHERE total > 2",
    ),
    Definition("unnamed_columns", "projection", (NULLS,), {"t": LOGIC}, "SELECT id, i + j, UPPER(a) FROM t"),
    Definition(
        "quoted_names",
        "projection",
        (NULLS,),
        {
            "t": Table(
                "`order` INT, `Weird Name` STRING",
                ({"order": 1, "Weird Name": "a"}, {"order": None, "Weird Name": "b"}),
            )
        },
        "SELECT `order`, UPPER(`Weird Name`) AS `Out Put` FROM t",
    ),
    Definition(
        "qualified_names",
        "projection",
        (NULLS,),
        {"t": LOGIC},
        "SELECT x.id, x.i, x.a AS name FROM t AS x WHERE x.i > 0",
    ),
    Definition(
        "duplicate_rows",
        "projection",
        (Situation.DUPLICATES,),
        {"t": Table("a INT, b STRING", records("a b", (1, "x"), (1, "x"), (2, "y"), (1, "x")))},
        "SELECT b, a FROM t WHERE a < 2",
    ),
)

CASES = (*_ARITHMETIC, *_DECIMALS, *_LOGIC, *_STRINGS, *_FILTER, *_PROJECTION)
