"""Event-time windows: TUMBLE, HOP and SESSION as table functions and as group windows, and windows over windows."""

from __future__ import annotations

from tests.oracle.case import Compare, Definition, Rule, Situation, Table
from tests.oracle.definitions.rows import EVENT_COLUMNS, events, records

NULLS, LATE, OUT_OF_ORDER, BOUNDARY, EMPTY, TWO_STEPS, DUPLICATES, TIME_ZONE, MANY_KEYS, OVERFLOW = (
    Situation.NULLS,
    Situation.LATE,
    Situation.OUT_OF_ORDER,
    Situation.BOUNDARY,
    Situation.EMPTY,
    Situation.TWO_STEPS,
    Situation.DUPLICATES,
    Situation.TIME_ZONE,
    Situation.MANY_KEYS,
    Situation.OVERFLOW,
)
HARD = (NULLS, OUT_OF_ORDER, LATE, BOUNDARY)

BY_FIRST_COLUMN = Compare(Rule.PER_KEY, (0,))
ONE_KEY = Compare(Rule.PER_KEY)
"""No key: all rows are one sequence."""

_ALL = "COUNT(*) AS c, COUNT(px) AS n, SUM(px) AS s, AVG(px) AS a, MIN(px) AS mn, MAX(px) AS mx, COUNT(DISTINCT q) AS d"


def tumble(size: str, table: str = "t", time: str = "ts") -> str:
    """FROM a tumbling window."""
    return f"TABLE(TUMBLE(TABLE {table}, DESCRIPTOR({time}), INTERVAL {size}))"


def hop(slide: str, size: str) -> str:
    """FROM a hopping window."""
    return f"TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL {slide}, INTERVAL {size}))"


def session(gap: str, partition: str = "PARTITION BY k ") -> str:
    """FROM a session window."""
    return f"TABLE(SESSION(TABLE t {partition}, DESCRIPTOR(ts), INTERVAL {gap}))"


def aggregated(source: str, aggregates: str = _ALL, *, keys: str = "k", having: str = "") -> str:
    """GROUP BY keys and the window."""
    prefix = keys and keys + ", "
    return (
        f"SELECT {prefix}window_start, window_end, {aggregates} FROM {source} "
        f"GROUP BY {prefix}window_start, window_end{having and ' HAVING ' + having}"
    )


def generated(
    group: str,
    name: str,
    seed: int,
    count: int,
    query: str,
    *situations: Situation,
    compare: Compare = BY_FIRST_COLUMN,
    late: bool = True,
    keys: str = "ABC",
    window_ms: int = 10_000,
) -> Definition:
    """A case over generated rows."""
    table = Table(EVENT_COLUMNS, events(seed, count, keys=keys, late=late, window_ms=window_ms))
    return Definition(name, group, situations or HARD, {"t": table}, query, compare=compare)


_TUMBLE = (
    *(
        generated("tumble", f"random_{seed}", seed, 40, aggregated(tumble("'10' SECOND")))
        for seed in (301, 302, 303, 304)
    ),
    generated(
        "tumble",
        "random_in_order",
        305,
        40,
        aggregated(tumble("'10' SECOND")),
        NULLS,
        OUT_OF_ORDER,
        BOUNDARY,
        late=False,
    ),
    generated("tumble", "one_second", 306, 40, aggregated(tumble("'1' SECOND")), window_ms=1_000),
    generated("tumble", "one_minute", 307, 60, aggregated(tumble("'1' MINUTE")), window_ms=60_000),
    generated("tumble", "seven_seconds", 308, 40, aggregated(tumble("'7' SECOND")), window_ms=7_000),
    generated(
        "tumble",
        "many_keys",
        309,
        60,
        aggregated(tumble("'20' SECOND"), "COUNT(*) AS c, SUM(px) AS s"),
        *HARD,
        MANY_KEYS,
        keys="ABCDEFGHIJKLMNOP",
        window_ms=20_000,
    ),
    generated(
        "tumble",
        "two_keys",
        310,
        50,
        aggregated(tumble("'10' SECOND"), "COUNT(*) AS c, SUM(px) AS s", keys="k, q"),
        *HARD,
        MANY_KEYS,
        compare=Compare(Rule.PER_KEY, (0, 1)),
    ),
    generated("tumble", "no_keys", 311, 40, aggregated(tumble("'10' SECOND"), keys=""), compare=ONE_KEY),
    generated("tumble", "having", 312, 50, aggregated(tumble("'10' SECOND"), having="COUNT(*) > 1 AND SUM(px) > 0")),
    generated(
        "tumble",
        "window_time",
        313,
        40,
        f"SELECT k, window_start, window_end, window_time, COUNT(*) AS c FROM {tumble(chr(39) + '10' + chr(39) + ' SECOND')} GROUP BY k, window_start, window_end, window_time",
    ),
    generated(
        "tumble",
        "window_not_selected",
        314,
        40,
        f"SELECT k, COUNT(*) AS c, SUM(q) AS s FROM {tumble(chr(39) + '10' + chr(39) + ' SECOND')} GROUP BY k, window_start, window_end",
    ),
    generated(
        "tumble",
        "expressions",
        315,
        40,
        f"SELECT UPPER(k) || '!' AS kk, window_end, SUM(px) * 2 AS s2, MAX(q) - MIN(q) AS spread, COUNT(*) + 1 AS c1 FROM {tumble(chr(39) + '10' + chr(39) + ' SECOND')} GROUP BY k, window_start, window_end",
    ),
    generated(
        "tumble",
        "filtered_before",
        316,
        50,
        aggregated("TABLE(TUMBLE((SELECT * FROM t WHERE q > 1), DESCRIPTOR(ts), INTERVAL '10' SECOND))")
        if False
        else f"SELECT k, window_start, window_end, COUNT(*) AS c, SUM(px) AS s FROM {tumble(chr(39) + '10' + chr(39) + ' SECOND')} WHERE q > 1 GROUP BY k, window_start, window_end",
    ),
    generated(
        "tumble",
        "double_sums",
        317,
        60,
        aggregated(
            tumble("'20' SECOND"),
            "SUM(CAST(px AS DOUBLE)) AS s, AVG(CAST(px AS DOUBLE)) AS a, SUM(CAST(q AS FLOAT)) AS f",
        ),
        window_ms=20_000,
    ),
    generated(
        "tumble",
        "times",
        318,
        40,
        aggregated(tumble("'10' SECOND"), "MIN(ts) AS first_ts, MAX(ts) AS last_ts, COUNT(DISTINCT ts) AS d"),
    ),
    generated(
        "tumble",
        "with_offset",
        319,
        40,
        aggregated("TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '3' SECOND))"),
    ),
    Definition(
        "empty",
        "tumble",
        (EMPTY,),
        {"t": Table(EVENT_COLUMNS, ())},
        aggregated(tumble("'10' SECOND")),
        compare=BY_FIRST_COLUMN,
    ),
)

CASES = (*_TUMBLE,)
