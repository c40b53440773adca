"""The recorded expressions that our engine does not answer as Flink does, each with the reason.

A case that begins to agree fails the test until it is removed from here.
"""

from __future__ import annotations

from collections.abc import Mapping

_NULL_DECIMAL = "NULL here; Flink fails with a NullPointerException"
_YEARS = "a row error here: the engine knows the years 1 to 9999"
_NULL_KEY = "a key that is NULL fails its row; the kernel's maps have none"
_NULL_ELEMENT = "here the NULL element stays NULL; Flink fails with a NullPointerException when it widens the array"
_SIMPLIFIED = (
    "Flink's planner sees the same array twice (i + 0 is i) and does not compare; else a NULL element equals nothing"
)

ANSWERED_DIFFERENTLY: Mapping[str, str] = {
    "arrays: ARRAY_UNION(a, e)": _NULL_ELEMENT,
    "arrays: ARRAY_EXCEPT(a, e)": _NULL_ELEMENT,
    "arrays: ARRAY_CONCAT(a, e)": _NULL_ELEMENT,
    "arrays: ARRAY_CONCAT(a, ARRAY[1.5])": _NULL_ELEMENT,
    "arrays: COALESCE(a, e)": _NULL_ELEMENT,
    "arrays: MAP_ENTRIES(MAP[i, k])": _NULL_KEY,
    "arrays: MAP_UNION(MAP[1, k], MAP[i, k], MAP[2, k])": _NULL_KEY,
    "arrays: MAP[k, i]": _NULL_KEY,
    "arrays: MAP[i, ARRAY[i]]": _NULL_KEY,
    "arrays: MAP_FROM_ARRAYS(ARRAY[1, CAST(NULL AS INT)], ARRAY[1, 2])": _NULL_KEY,
    "arrays: MAP['a', 1, k, 2]": _NULL_KEY,
    "arrays: MAP[k, 1, k, 2]['x']": "of a missing key NULL here; Flink gives -1 for a MAP of NOT NULL values",
    "arrays: MAP_FROM_ARRAYS(ARRAY['a','a'], ARRAY[1,2])": "of a key that repeats the last stays here; Flink keeps both",
    "arrays: ARRAY[i, CAST(NULL AS INT)] <> ARRAY[i + 0, CAST(NULL AS INT)]": _SIMPLIFIED,
    "arrays: ARRAY[i, CAST(NULL AS INT)] = ARRAY[i + 0, CAST(NULL AS INT)]": _SIMPLIFIED,
    "json_of_types: GREATEST(e, f)": _NULL_DECIMAL,
    "decimals: GREATEST(d,e)": _NULL_DECIMAL,
    "decimals: LEAST(d,s)": _NULL_DECIMAL,
    "decimals: GREATEST(d,f)": _NULL_DECIMAL,
    "decimals: .5": "the parser adds a zero, which counts as a digit of the type; the value is equal",
    "json: JSON_VALUE(j,k)": "a path from a column that this engine does not read fails its row",
    "nested: MAP[k,i]": "a NULL key fails its row; the kernel's maps have none",
    "parsing: TRY_CAST(s AS DECIMAL(10,2))": "NULL here; Flink lets rounding make a DECIMAL(10, 2) of eleven digits",
    "parsing: TRY_CAST(s AS DATE)": "NULL here for the year 0",
    "parsing: TO_DATE(s)": "NULL here for the year 0 and for numbers beyond an int, at which Flink fails",
    "time_edges: TO_DATE(s,f)": "a row error here where Flink gives the meaningless date 5471-09-27, and for years of two digits",
    "times: TO_DATE(s,f)": "a row error here where Flink gives the meaningless date 5471-09-27, and for years of two digits",
    "time_edges: UNIX_TIMESTAMP(s,f)": "a year of two digits depends on today's date: a row error here",
    "time_edges: CONVERT_TZ('2024-05-17 00:00:00','Bad/Zone','Asia/Tokyo')": "a row error here; Flink takes an unknown zone for GMT",
    "time_edges: FROM_UNIXTIME(n,'E w D F u S SS yy MMM a K k h')": _YEARS,
    "time_edges: FROM_UNIXTIME(n)": _YEARS,
    "time_edges: FROM_UNIXTIME(n,'YYYY-ww')": _YEARS,
    "times: TIMESTAMPADD(DAY,b,ts)": "a row error here where Flink overflows",
}
"""By file and expression."""

_PATH = "paths with filters, slices, unions, functions or .. are refused"
_NOT_WRITTEN = "not written"
_JSON_OF = "JSON of this type is refused"
_UNIT = "a unit or pattern letter that is refused"
_ROWS_DISTINCT = "IS DISTINCT FROM of rows, which Flink answers against its own rules"

_RANDOM = "random numbers and identifiers, which a second run would not give again"

REFUSED_HERE: Mapping[str, str] = {
    "more_functions: RAND() < 1": _RANDOM,
    "more_functions: RAND(1)": _RANDOM,
    "more_functions: RAND(1) < 1": _RANDOM,
    "more_functions: RAND_INTEGER(5) < 5": _RANDOM,
    "more_functions: RAND_INTEGER(1, 10)": _RANDOM,
    "more_functions: CHAR_LENGTH(UUID())": _RANDOM,
    "more_functions: ENCODE(s, 'UTF-16')": "UTF-16 with a byte order mark",
    "more_functions: FLOOR(t TO CENTURY)": "a unit or pattern letter that is refused",
    "arrays: r IS DISTINCT FROM ROW(1, 'a')": _ROWS_DISTINCT,
    "arrays: r IS DISTINCT FROM ROW(r.n, r.t)": _ROWS_DISTINCT,
    "arrays: r IS NOT DISTINCT FROM ROW(r.n, r.t)": _ROWS_DISTINCT,
    "arrays: r IS NOT DISTINCT FROM ROW(1, 'a')": _ROWS_DISTINCT,
    """json_of_types: JSON_QUERY('{"a":[1]}', '$.a' RETURNING VARCHAR(3))""": "JSON_QUERY returns a STRING or ARRAY<STRING>",
    "json: JSON_VALUE(j,'$..d')": _PATH,
    "json: JSON_VALUE(j,'$.c.length()')": _PATH,
    "json_edges: JSON_VALUE(j,'$.b[0,1]')": _PATH,
    "json_edges: JSON_VALUE(j,'')": _PATH,
    "json_edges: JSON_VALUE(j,'$.')": _PATH,
    "json_edges: JSON_VALUE(j,'$.c..d')": _PATH,
    "json_edges: JSON_VALUE(j,'$[?(@.a==1)]')": _PATH,
    "json_edges: JSON_QUERY(j,'$..a')": _PATH,
    "logic: UNKNOWN": "a name like any other",
    "logic: TYPEOF(NULL)": "NULL without a type",
    "numbers: PI": "PI is written with parentheses",
    "string_edges: PI": "PI is written with parentheses",
    "string_edges: SHA2(s,1)": "an algorithm that does not exist: refused when planning",
    "string_edges: ENCODE(v,'bad')": "a character set that does not exist: refused when planning",
    "string_edges: s SIMILAR TO '('": "a malformed pattern: refused when planning",
    "strings: _UTF8'x'": "character set prefixes",
    "time_edges: DATE_FORMAT(ts,'w W Y e c')": _UNIT,
    "time_edges: DATE_FORMAT(ts,'[HH]:mm')": _UNIT,
    "times: DATE_FORMAT(ts,'bad{pattern')": "a malformed pattern: refused when planning",
    "times: DATE_FORMAT(ts,'yyyy-MM-dd''T''HH:mm:ssX')": "Flink fails at run time; refused when planning",
    "times: DATE_FORMAT(lz,'VV z')": "Flink fails at run time; refused when planning",
    "time_edges: FLOOR(ts TO DECADE)": _UNIT,
    "time_edges: FLOOR(ts TO MICROSECOND)": "Flink divides by zero",
    "time_edges: EXTRACT(HOUR FROM INTERVAL '25' HOUR)": "parts of an interval",
    "times: EXTRACT(DAY FROM INTERVAL '3' DAY)": "parts of an interval",
    "times: COALESCE(dt,ts)": "a DATE beside a TIMESTAMP, which Flink cuts to a DATE",
    "times: TIMESTAMP '2024-02-29 10:20:30.1234567'": "times finer than a microsecond",
}
"""By file and expression: the engine must say that it does not do this."""

_FOLDED = "Flink fails when it folds the constants; here the row fails"
_OURS = "Velostream's own"

ACCEPTED_HERE: Mapping[str, str] = {
    "constants: 1/0": _FOLDED,
    "constants: CAST(1 AS DOUBLE)/0": "Infinity, as of a column; Flink fails when it folds the constants",
    "constants: CAST(1 AS DECIMAL(5,2))/0": _FOLDED,
    "decimals: 1.23456789012345678901234567890": "a number of 30 digits",
    "json: JSON_EXTRACT(j,'$.a')": _OURS,
    "logic: NULL": "the statement decides whether a NULL without a type may stand there",
    "string_edges: s RLIKE 'a'": _OURS,
    "strings: LENGTH(s)": _OURS,
    "times: DATEDIFF(dt,dt2)": _OURS,
    "times: DATE_TRUNC('DAY',ts)": _OURS,
}
"""By file and expression: Flink refuses it."""
