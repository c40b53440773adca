"""Inputs written by hand, by name: columns of every type with the values at which implementations differ."""

from __future__ import annotations

import re
from typing import Any

from tests.oracle.case import Table


def table(columns: str, *rows: list[Any] | tuple[Any, ...], lookup: bool = False) -> Table:
    """A table from the body of its DDL and the values of each row, in the order of the declared columns."""
    names = column_names(columns)
    return Table(columns, tuple(dict(zip(names, row, strict=True)) for row in rows), lookup)


def column_names(columns: str) -> list[str]:
    """The physical columns of a DDL body, in order: neither computed ones nor WATERMARK and PRIMARY KEY."""
    parts = re.split(r",(?![^(<]*[)>])", columns)
    pattern = re.compile(r"\s*(?:`([^`]+)`|(\w+))\s+(?!AS\b)(?!FOR\b)(?!KEY\b)")
    return [found[1] or found[2] for part in parts if (found := pattern.match(part))]


INTEGERS = table(
    "id INT, t TINYINT, s SMALLINT, i INT, j INT, b BIGINT",
    (0, 7, 7, 7, 2, 7),
    (1, -7, -7, -7, 2, -7),
    (2, 7, -7, 7, -2, 2),
    (3, -128, -32768, -2147483648, -1, -9223372036854775808),
    (4, 127, 32767, 2147483647, 1, 9223372036854775807),
    (5, None, None, None, None, None),
    (6, 1, None, None, 3, 5),
    (7, 0, 0, 0, 5, 0),
    (8, 100, 1000, 65536, 65537, 4294967296),
)

FLOATS = table(
    "id INT, d DOUBLE, e DOUBLE, f FLOAT, i INT",
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
)

DECIMALS = table(
    "id INT, x DECIMAL(10,2), y DECIMAL(12,4), z DECIMAL(38,18), i INT, b BIGINT, d DOUBLE",
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
)

STRINGS = table(
    "id INT, a STRING, b STRING, c VARCHAR(5), n INT, m INT",
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
    (13, "a😀b", "😀", "😀", 2, 1),
)

LOGIC = table(
    "id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING",
    (0, True, True, 1, 1, "a"),
    (1, True, False, 1, 2, "b"),
    (2, True, None, 2, 1, "c"),
    (3, False, True, None, 1, None),
    (4, False, False, 1, None, "ab"),
    (5, False, None, None, None, ""),
    (6, None, True, 5, 5, "b%"),
    (7, None, False, -1, 5, "abc"),
    (8, None, None, 3, 3, "A"),
)

TIMES = table(
    "id INT, ts TIMESTAMP(3), us TIMESTAMP(6), z TIMESTAMP_LTZ(3), d DATE, t TIME, n INT, ms BIGINT",
    (0, "2024-01-01 00:00:00.000", "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000Z", "2024-01-01", "00:00:00", 1, 0),
    (1, "2024-02-29 23:59:59.999", "2024-02-29 23:59:59.999999", "2024-02-29 23:59:59.999Z", "2024-02-29", "23:59:59", 12, 1),
    (2, "2023-12-31 12:34:56.700", "2023-12-31 12:34:56.7", "2023-12-31 12:34:56.7Z", "2023-12-31", "12:34:56", -1, 1704067199999),
    (3, "1970-01-01 00:00:00.001", "1970-01-01 00:00:01", "1970-01-01 00:00:00.001Z", "1970-01-01", "01:02:03", 0, 999),
    (4, "2024-03-31 01:30:00.000", "2024-03-31 01:30:00", "2024-03-31 01:30:00.000Z", "2024-03-31", "06:07:08", 25, 1711848600000),
    (5, None, None, None, None, None, None, None),
    (6, "2024-12-30 06:00:00.050", "2024-12-30 06:00:00.050060", "2024-12-30 06:00:00.05Z", "2024-12-30", "18:00:00", 100, 86400000),
    (7, "2038-01-19 03:14:08.000", "2038-01-19 03:14:08", "2038-01-19 03:14:08Z", "2038-01-19", "03:14:08", 31, 253402300799999),
    (8, "9999-12-31 23:59:59.999", "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999Z", "9999-12-31", "23:59:59", 1, 1000),
)  # fmt: skip

TEXTS = table(
    "id INT, number STRING, flag STRING, moment STRING",
    (0, "1", "true", "2024-01-01 00:00:00"),
    (1, "-1", "false", "2024-02-29 23:59:59.999"),
    (2, " 42 ", "TRUE", "2024-02-29 23:59:59.123456"),
    (3, "127", "t", "2024-12-31"),
    (4, None, None, None),
    (5, "0", "F", "1970-01-01 00:00:00.001"),
    (6, "+7", "1", "2024-06-15 12:30:00.5"),
)

NOT_NUMBERS = table(
    "id INT, a STRING",
    (0, "1"),
    (1, "abc"),
    (2, ""),
    (3, None),
    (4, "1.5"),
    (5, "99999999999"),
    (6, "1e3"),
    (7, " 12 "),
    (8, "true"),
    (9, "2024-01-01"),
    (10, "2024-13-01"),
    (11, "NaN"),
    (12, "-0"),
    (13, "0x10"),
    (14, "128"),
    (15, "12:30:00"),
)

TYPED = table(
    "k STRING, t TINYINT, s SMALLINT, i INT, b BIGINT, x DECIMAL(10,2), f FLOAT, d DOUBLE, a STRING, p BOOLEAN, "
    "dt DATE, ts TIMESTAMP(3)",
    ("A", 1, 1, 1, 1, "1.00", 0.1, 0.1, "b", True, "2024-01-01", "2024-01-01 00:00:01"),
    ("B", None, None, None, None, None, None, None, None, None, None, None),
    ("A", 2, 2, 2, 2, "2.25", 0.2, 0.2, "a", False, "2023-12-31", "2024-01-01 00:00:00.999"),
    ("A", None, None, None, None, None, None, None, None, None, None, None),
    (None, 5, 5, 5, 5, "5.55", 5.5, 5.5, "n", True, "2024-02-29", "2024-02-29 12:00:00"),
    ("B", -7, -7, -7, -7, "-7.77", -7.7, -7.7, "é", False, "1999-12-31", "1999-12-31 23:59:59.999"),
    ("A", 127, 32767, 2147483647, 9223372036854775807, "99999999.99", 1e30, 1e300, "Z", True, "2024-01-01", "2024-01-01 00:00:01"),
    (None, None, 6, None, 6, None, 6.5, None, "", None, "2024-01-01", None),
    ("A", 1, 1, 1, 1, "0.01", 1.0, 1.0, "ab", True, "2024-01-02", "2024-01-01 00:00:02"),
    ("B", -8, -8, -8, -8, "-0.01", 0.3, 0.3, "z", True, "2000-01-01", "1999-12-31 23:59:59.998"),
    ("B", -128, -32768, -2147483648, -9223372036854775808, "-99999999.99", -1e30, -1e300, "", False, "1970-01-02", "1970-01-02 00:00:00"),
    ("C", 0, 0, 0, 0, "0.00", -0.0, 0.0, "0", False, "2024-06-01", "2024-06-01 00:00:00"),
    ("B", -128, -32768, -2147483648, -9223372036854775808, "-99999999.99", 3.0, 3.0, "a", None, None, None),
    ("C", 0, 0, 0, 0, "0.00", 0.0, -0.0, "0", False, "2024-06-01", "2024-06-01 00:00:00"),
)  # fmt: skip

PRODUCTS = table(
    "sku STRING, name STRING, price DECIMAL(10,2), region INT",
    ("A", "anvil", "10.00", 1),
    ("B", "bolt", "0.05", 1),
    ("B", "bolt, used", "0.03", 2),
    ("D", None, None, None),
    (None, "nameless", "1.00", 3),
    ("A", "anvil, large", "99.99", 2),
    ("C", "crate", "5.50", None),
)
"""For lookups: one sku with one row, others with several, a NULL key."""

TABLES = {
    "integers": INTEGERS,
    "floats": FLOATS,
    "decimals": DECIMALS,
    "strings": STRINGS,
    "logic": LOGIC,
    "times": TIMES,
    "texts": TEXTS,
    "not_numbers": NOT_NUMBERS,
    "typed": TYPED,
    "products": PRODUCTS,
}
