"""Unwindowed GROUP BY, over append input and over the changelog of another GROUP BY."""

from __future__ import annotations

from tests.oracle.case import Definition, Situation, Table
from tests.oracle.definitions.rows import EVENT_COLUMNS, events, records

NULLS, DUPLICATES, UNCHANGED, MANY_KEYS, RETRACTING, TWO_STEPS, EMPTY, OVERFLOW = (
    Situation.NULLS,
    Situation.DUPLICATES,
    Situation.UNCHANGED,
    Situation.MANY_KEYS,
    Situation.RETRACTING,
    Situation.TWO_STEPS,
    Situation.EMPTY,
    Situation.OVERFLOW,
)

TYPED = Table(
    "k STRING, t TINYINT, s SMALLINT, i INT, b BIGINT, x DECIMAL(10,2), f FLOAT, d DOUBLE, a STRING, p BOOLEAN, dt DATE, ts TIMESTAMP(3)",
    records(
        "k t s i b x f d a p dt ts",
        ("A", 1, 1, 1, 1, "1.00", 0.1, 0.1, "b", True, "2024-01-01", "2024-01-01 00:00:01"),
        ("B", None, None, None, None, None, None, None, None, None, None, None),
        ("A", 2, 2, 2, 2, "2.25", 0.2, 0.2, "a", False, "2023-12-31", "2024-01-01 00:00:00.999"),
        ("A", None, None, None, None, None, None, None, None, None, None, None),
        (None, 5, 5, 5, 5, "5.55", 5.5, 5.5, "n", True, "2024-02-29", "2024-02-29 12:00:00"),
        ("B", -7, -7, -7, -7, "-7.77", -7.7, -7.7, "é", False, "1999-12-31", "1999-12-31 23:59:59.999"),
        (
            "A",
            127,
            32767,
            2147483647,
            9223372036854775807,
            "99999999.99",
            1e30,
            1e300,
            "Z",
            True,
            "2024-01-01",
            "2024-01-01 00:00:01",
        ),
        (None, None, 6, None, 6, None, 6.5, None, "", None, "2024-01-01", None),
        ("A", 1, 1, 1, 1, "0.01", 1.0, 1.0, "ab", True, "2024-01-02", "2024-01-01 00:00:02"),
        ("B", -8, -8, -8, -8, "-0.01", 0.3, 0.3, "z", True, "2000-01-01", "1999-12-31 23:59:59.998"),
        (
            "B",
            -128,
            -32768,
            -2147483648,
            -9223372036854775808,
            "-99999999.99",
            -1e30,
            -1e300,
            "",
            False,
            "1970-01-02",
            "1970-01-02 00:00:00",
        ),
        ("C", 0, 0, 0, 0, "0.00", -0.0, 0.0, "0", False, "2024-06-01", "2024-06-01 00:00:00"),
        ("B", -128, -32768, -2147483648, -9223372036854775808, "-99999999.99", 3.0, 3.0, "a", None, None, None),
        ("C", 0, 0, 0, 0, "0.00", 0.0, -0.0, "0", False, "2024-06-01", "2024-06-01 00:00:00"),
    ),
)

_ALL = "COUNT(*) AS c, COUNT(px) AS n, SUM(px) AS s, AVG(px) AS a, MIN(px) AS mn, MAX(px) AS mx, COUNT(DISTINCT q) AS d"


def over_typed(name: str, query: str, *situations: Situation) -> Definition:
    """A case over TYPED."""
    return Definition(name, "group_by", (NULLS, *situations), {"t": TYPED}, query)


def over_events(
    group: str, name: str, seed: int, count: int, query: str, *situations: Situation, keys: str = "ABC"
) -> Definition:
    """A case over generated rows."""
    table = Table(EVENT_COLUMNS, events(seed, count, keys=keys))
    return Definition(name, group, (NULLS, *situations), {"t": table}, query)


_TYPES = tuple(
    over_typed(
        f"aggregates_{kind}",
        f"SELECT k, COUNT({column}) AS n, SUM({column}) AS s, AVG({column}) AS a, MIN({column}) AS mn, MAX({column}) AS mx, COUNT(DISTINCT {column}) AS d FROM t GROUP BY k",
        OVERFLOW,
    )
    for kind, column in (
        ("tinyint", "t"),
        ("smallint", "s"),
        ("int", "i"),
        ("bigint", "b"),
        ("decimal", "x"),
        ("float", "f"),
        ("double", "d"),
    )
) + tuple(
    over_typed(
        f"aggregates_{kind}",
        f"SELECT k, COUNT({column}) AS n, MIN({column}) AS mn, MAX({column}) AS mx, COUNT(DISTINCT {column}) AS d FROM t GROUP BY k",
    )
    for kind, column in (("string", "a"), ("timestamp", "ts"), ("date", "dt"))
)

_ONE_STEP = (
    over_typed("count_only", "SELECT k, COUNT(*) AS c FROM t GROUP BY k"),
    over_typed("several_keys", "SELECT k, p, COUNT(*) AS c, SUM(i) AS s FROM t GROUP BY k, p"),
    over_typed("key_not_selected", "SELECT COUNT(*) AS c, MAX(a) AS m FROM t GROUP BY k"),
    over_typed("keys_of_other_types", "SELECT dt, x, COUNT(*) AS c FROM t GROUP BY dt, x"),
    over_typed("double_key", "SELECT d, f, COUNT(*) AS c FROM t GROUP BY d, f"),
    over_typed("expression_key", "SELECT MOD(i, 3) AS g, COUNT(*) AS c, SUM(b) AS s FROM t GROUP BY MOD(i, 3)"),
    over_typed(
        "expression_over_aggregates",
        "SELECT k, SUM(i) * 2 + COUNT(*) AS e, MAX(x) - MIN(x) AS spread, UPPER(MAX(a)) AS u FROM t GROUP BY k",
    ),
    over_typed("unchanged_results", "SELECT k, MIN(ts) AS mn, MAX(p) AS mx FROM t GROUP BY k", UNCHANGED),
    over_typed("unchanged_max", "SELECT k, MAX(x) AS mx FROM t GROUP BY k", UNCHANGED),
    over_typed("distinct_values", "SELECT DISTINCT k, p FROM t", UNCHANGED),
    over_typed("grouped_without_aggregates", "SELECT k FROM t GROUP BY k", UNCHANGED),
    over_typed("having_count", "SELECT k, COUNT(*) AS c FROM t GROUP BY k HAVING COUNT(*) > 2"),
    over_typed(
        "having_comes_and_goes",
        "SELECT k, SUM(CAST(t AS INT)) AS s FROM t GROUP BY k HAVING SUM(CAST(t AS INT)) > 0",
        RETRACTING,
    ),
    over_typed(
        "having_not_selected",
        "SELECT k, COUNT(*) AS c FROM t GROUP BY k HAVING MIN(i) < 0 OR MAX(x) IS NULL",
        RETRACTING,
    ),
    over_typed(
        "filter_clause",
        "SELECT k, COUNT(*) FILTER (WHERE p) AS c, SUM(i) FILTER (WHERE i > 0) AS s, COUNT(DISTINCT a) FILTER (WHERE p) AS d FROM t GROUP BY k",
    ),
    over_typed(
        "sum_distinct",
        "SELECT k, SUM(DISTINCT s) AS s, COUNT(DISTINCT i) AS d, AVG(DISTINCT b) AS a FROM t GROUP BY k",
        OVERFLOW,
    ),
    over_typed(
        "case_inside_aggregate",
        "SELECT k, SUM(CASE WHEN p THEN i ELSE 0 END) AS s, COUNT(CASE WHEN i > 0 THEN 1 END) AS c FROM t GROUP BY k",
    ),
    over_typed(
        "global", "SELECT COUNT(*) AS c, COUNT(i) AS n, SUM(i) AS s, AVG(x) AS a, MIN(a) AS mn, MAX(ts) AS mx FROM t"
    ),
    over_typed("global_having", "SELECT COUNT(*) AS c FROM t HAVING COUNT(*) > 10"),
    Definition(
        "global_over_empty",
        "group_by",
        (EMPTY,),
        {"t": Table(TYPED.columns, ())},
        "SELECT COUNT(*) AS c, SUM(i) AS s, MAX(a) AS m FROM t",
    ),
    Definition(
        "grouped_over_empty",
        "group_by",
        (EMPTY,),
        {"t": Table(TYPED.columns, ())},
        "SELECT k, COUNT(*) AS c FROM t GROUP BY k",
    ),
    over_typed("global_over_filtered_empty", "SELECT COUNT(*) AS c, SUM(i) AS s FROM t WHERE k = 'nobody'", EMPTY),
    over_events("group_by", "random_1", 101, 30, f"SELECT k, {_ALL} FROM t GROUP BY k", DUPLICATES),
    over_events("group_by", "random_2", 102, 60, f"SELECT k, {_ALL} FROM t GROUP BY k", DUPLICATES),
    over_events("group_by", "random_filtered", 103, 50, f"SELECT k, {_ALL} FROM t WHERE q > 1 GROUP BY k", DUPLICATES),
    over_events(
        "group_by",
        "random_many_keys",
        104,
        60,
        "SELECT id, k, COUNT(*) AS c, SUM(px) AS s FROM t GROUP BY id, k",
        MANY_KEYS,
    ),
    over_events(
        "group_by",
        "random_two_keys",
        105,
        50,
        "SELECT k, q, COUNT(*) AS c, SUM(px) AS s, MAX(ts) AS latest FROM t GROUP BY k, q",
        MANY_KEYS,
    ),
    over_events(
        "group_by",
        "random_time_key",
        106,
        40,
        "SELECT FLOOR(ts TO MINUTE) AS m, COUNT(*) AS c, SUM(q) AS s FROM t GROUP BY FLOOR(ts TO MINUTE)",
    ),
)

_INNER = "SELECT k, MOD(COUNT(*), 3) AS g, SUM(px) AS s, MAX(q) AS m FROM t GROUP BY k"

_TWO_STEPS = tuple(
    over_events(
        "two_steps",
        f"{name}_{seed}",
        seed,
        40,
        f"SELECT g, {aggregates} FROM ({_INNER}) AS inner_groups GROUP BY g",
        RETRACTING,
        TWO_STEPS,
        keys="ABCDE",
    )
    for name, aggregates in (
        ("count_sum_avg", "COUNT(*) AS c, COUNT(s) AS n, SUM(s) AS s, AVG(s) AS a"),
        ("min_max", "MIN(m) AS mn, MAX(m) AS mx, MIN(s) AS ms, MAX(s) AS xs"),
        ("count_distinct", "COUNT(DISTINCT m) AS d, COUNT(DISTINCT s) AS e"),
    )
    for seed in (201, 202)
) + (
    over_events(
        "two_steps",
        "counts_of_counts",
        203,
        40,
        "SELECT c, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS g GROUP BY c",
        RETRACTING,
        TWO_STEPS,
        keys="ABCDEFGH",
    ),
    over_events(
        "two_steps",
        "global_over_groups",
        204,
        40,
        "SELECT COUNT(*) AS n, SUM(s) AS s, AVG(c) AS a FROM (SELECT k, COUNT(*) AS c, SUM(px) AS s FROM t GROUP BY k) AS g",
        RETRACTING,
        TWO_STEPS,
    ),
    over_events(
        "two_steps",
        "over_having",
        205,
        40,
        "SELECT g, COUNT(*) AS n, SUM(s) AS s FROM (SELECT k, MOD(COUNT(*), 2) AS g, SUM(q) AS s FROM t GROUP BY k HAVING SUM(q) > 4) AS x GROUP BY g",
        RETRACTING,
        TWO_STEPS,
    ),
    over_events(
        "two_steps",
        "having_over_groups",
        206,
        40,
        "SELECT c, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS g GROUP BY c HAVING COUNT(*) > 1",
        RETRACTING,
        TWO_STEPS,
        keys="ABCDEFGH",
    ),
    over_events(
        "two_steps",
        "double_sums",
        207,
        40,
        "SELECT g, SUM(s) AS s, AVG(s) AS a FROM (SELECT k, MOD(COUNT(*), 2) AS g, SUM(CAST(px AS DOUBLE)) AS s FROM t GROUP BY k) AS x GROUP BY g",
        RETRACTING,
        TWO_STEPS,
    ),
    over_events(
        "two_steps",
        "filter_between",
        208,
        40,
        "SELECT m, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c, MAX(q) AS m FROM t GROUP BY k) AS g WHERE c > 2 GROUP BY m",
        RETRACTING,
        TWO_STEPS,
    ),
    over_events(
        "two_steps",
        "projection_of_changes",
        209,
        30,
        "SELECT k, c * 10 AS tens, CASE WHEN c > 3 THEN 'many' ELSE 'few' END AS size FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS g",
        RETRACTING,
    ),
    over_events(
        "two_steps",
        "unchanged_projection",
        210,
        30,
        "SELECT k, c > 3 AS many FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS g",
        RETRACTING,
        UNCHANGED,
    ),
    over_events(
        "two_steps",
        "three_steps",
        211,
        40,
        "SELECT n, COUNT(*) AS g FROM (SELECT c, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS a GROUP BY c) AS b GROUP BY n",
        RETRACTING,
        TWO_STEPS,
        keys="ABCDEFGH",
    ),
)

CASES = (*_TYPES, *_ONE_STEP, *_TWO_STEPS)
