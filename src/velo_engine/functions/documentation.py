"""The page docs/functions.md, written from the function table: `python -m velo_engine.functions.documentation`."""

from __future__ import annotations

import sys

from velo_engine.functions.aggregates import UNAVAILABLE_AGGREGATES
from velo_engine.functions.table import CATEGORIES, UNAVAILABLE
from velo_engine.type_rules.aggregates import AGGREGATES

_HEAD = """# Functions

The types and values are Flink's, held by 1 500 recorded expressions; what differs is listed at the end. Names are
read in any case. An argument that is NULL makes the result NULL unless the table says otherwise.

Where an expression has no value for a row (an integer divided by zero, a string that is no number) the row fails: it
goes to the dead letters, or stops the job, as the failure strategy says. `AND`, `OR`, `CASE` and `IF` evaluate only
what they need, and so mask such errors; every other function evaluates all its arguments. `TRY_CAST(x AS type)` gives
NULL where `CAST(x AS type)` fails.

Functions marked (Velostream) are not Flink's. This page is generated from the function table.
"""

_DIFFERENCES = """
## What differs from Flink

- The last digit of logarithms, powers and trigonometric functions is that of the platform's library, here as in Java.
- A FLOAT or DOUBLE as a string has the fewest digits that name it, as Java has them since version 19; older
  ones sometimes write more.
- Dates and times lie between the years 1 and 9999 and are exact to the microsecond. A result outside fails its row.
- `GREATEST` and `LEAST` of decimals give NULL when an argument is; Flink 2.3 fails.
- `TO_DATE` with a format fails the row where the text does not fit; Flink gives a meaningless date.
- `CONVERT_TZ` fails the row for an unknown time zone; Flink takes it for GMT.
- Rounding that makes a decimal from a string longer than its type gives NULL (`TRY_CAST`) or fails the row (`CAST`).
- Constant expressions are not evaluated when planning: `1/0` fails its rows.
- Refused, never approximated: pattern letters and units that are not in the table, JSON paths with filters, slices or
  `..`, regular expressions with class intersections, Unicode properties or flags in the middle,
  `=` of a string and a number.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for title, functions in CATEGORIES:
        parts.append(f"\n## {title}\n\n| function | gives |\n|---|---|\n")
        parts += [f"| {_code(function.usage)} | {function.summary} |\n" for function in functions]
    parts.append("\n## Aggregate functions\n\n")
    parts += [f"- {_code(_aggregate_usage(name))}\n" for name in sorted(AGGREGATES.keys() - UNAVAILABLE_AGGREGATES)]
    parts.append("\n## Not there\n\nThese are refused by name:\n\n")
    missing = dict(UNAVAILABLE) | {name.upper(): reason for name, reason in UNAVAILABLE_AGGREGATES.items()}
    parts += [f"- `{name}`: {reason}\n" for name, reason in sorted(missing.items())]
    parts.append(_DIFFERENCES)
    return "".join(parts)


def _code(usage: str) -> str:
    """Code in a table cell, where a bar would end it."""
    return "`" + usage.replace("|", "\\|") + "`"


def _aggregate_usage(name: str) -> str:
    function = AGGREGATES[name]
    names = ", ".join(spelling.upper() for spelling in (name, *function.aliases))
    return (
        f"{names} ({function.minimum_args} to {function.maximum_args} arguments)"
        if function.maximum_args > 1
        else names
    )


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
