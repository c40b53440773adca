"""Expressions as operators print them (`(q > 3)`, `SEARCH(k, Sarg[…])`, `5000:INTERVAL SECOND`) as SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from velo_import.inputs.compiled_plan.literals import milliseconds, months
from velo_import.inputs.compiled_plan.logical_types import quoted
from velo_import.inputs.running_job.descriptions import parts_of

_TEXT = re.compile(r"(?:_UTF-16LE)?(?P<text>'(?:[^']|'')*')(?::(?:VAR)?CHAR\(\d+\)(?: CHARACTER SET \"UTF-16LE\")?)?")
_INTERVAL = re.compile(r"(?P<count>-?\d+):INTERVAL (?P<unit>\w+)(?: TO \w+)?(?:\(\d+\))?")
_TYPED = re.compile(r"(?P<number>-?\d+(?:\.\d+)?(?:E[+-]?\d+)?):[A-Z]+(?:\(\d+(?:, ?\d+)?\))?")
_DATED = re.compile(r"(?P<date>\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?)?)(?::(?P<type>[A-Z_]+)(?:\(\d+\))?)?")
_RANGE = re.compile(r"(?P<low>[\[(])(?P<from>[^\[\](),]*)\.\.(?P<to>[^\[\](),]*)(?P<high>[\])])")
_TO = "~"
"""Between the bounds of a range."""
_FUNCTION = re.compile(r"(?<![\w$`])(?P<name>SEARCH|CASE|PROCTIME_MATERIALIZE|REINTERPRET|Reinterpret)\(")
_NOT_SQL = re.compile(r"__\w+|\$cor\d*|\bSarg\[|\bdynamic\b|\$\$|\$\d")


class UnreadText(Exception):  # noqa: N818 - not an error of the program
    """A text that is no SQL and is not made some."""


def sql_of(text: str, columns: Collection[str]) -> str:
    """The SQL of an expression over columns. UnreadText for what only the planner says."""
    kept: list[str] = []

    def keep(value: str) -> str:
        kept.append(value)
        return f"\0{len(kept) - 1}\0"

    text = _TEXT.sub(lambda found: keep(found["text"]), text)
    text = _DATED.sub(lambda found: keep(_date(found["date"])), text)
    text = _INTERVAL.sub(lambda found: keep(_interval(found["count"], found["unit"])), text)
    text = _TYPED.sub(lambda found: found["number"], text)
    text = _called(
        _RANGE.sub(_bounds, text).replace("VARCHAR(2147483647)", "STRING").replace("WITH_LOCAL_TIME_ZONE", "LTZ")
    )
    if unread := _NOT_SQL.search(text):
        raise UnreadText(f"{unread[0]} is no SQL")
    for name in sorted(columns, key=len, reverse=True):
        kept_name = keep(quoted(name))
        text = re.sub(rf"(?<![\w$`.\0]){re.escape(name)}(?![\w$(`\0])", kept_name, text)
    while "\0" in text:
        text = re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
    return text


def _date(text: str) -> str:
    return f"TIMESTAMP '{text}'" if " " in text else f"DATE '{text}'"


def _interval(count: str, unit: str) -> str:
    return months(int(count)) if unit in ("MONTH", "YEAR") else milliseconds(int(count))


def _called(text: str) -> str:
    """Operations that the planner prints as functions, written as SQL does."""
    while found := _FUNCTION.search(text):
        end = _closing(text, found.end())
        made = _WRITTEN[found["name"].upper()](parts_of(text[found.end() : end]))
        text = text[: found.start()] + made + text[end + 1 :]
    return text


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    raise UnreadText("a bracket is not closed")


def _case(parts: list[str]) -> str:
    whens = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(parts[:-1:2], parts[1::2], strict=False))
    return f"CASE {whens} ELSE {parts[-1]} END"


def _search(parts: list[str]) -> str:
    value, found = parts[0], re.match(r"Sarg\[(.*)\]", parts[1])
    if found is None or ";" in found[1]:
        raise UnreadText(f"the search argument {parts[1]} is not read")
    items = parts_of(found[1])
    points = [item for item in items if _TO not in item]
    tests = [f"{value} IN ({', '.join(points)})"] if points else []
    ranges = [item.split(_TO) for item in items if _TO in item]
    each = [" AND ".join(f"{value} {bound}" for bound in bounds if bound) for bounds in ranges]
    return "(" + " OR ".join(tests + [f"({one})" if one else f"{value} IS NOT NULL" for one in each]) + ")"


def _bounds(found: re.Match[str]) -> str:
    """`(5..7]` as `> 5` and `<= 7`: its brackets are no pairs."""
    low = f">{'=' if found['low'] == '[' else ''} {found['from']}" if "∞" not in found["from"] else ""
    high = f"<{'=' if found['high'] == ']' else ''} {found['to']}" if "∞" not in found["to"] else ""
    return low + _TO + high


_WRITTEN: dict[str, Callable[[list[str]], str]] = {
    "CASE": _case,
    "SEARCH": _search,
    "PROCTIME_MATERIALIZE": lambda parts: f"CAST({parts[0]} AS TIMESTAMP_LTZ(3))",
    "REINTERPRET": lambda parts: parts[0],
}
