"""When a changelog is the same as the recorded one, and what to say when it is not.

The order among keys that one timer fires, and among several matches of one joined row, is Flink's heap and hash order
and means nothing; everything else is compared:

* EXACT: the same changes in the same order.
* PER_EVENT: the changes that each arriving row causes, the watermark step after it included, are the same multiset.
* PER_KEY: PER_EVENT, and the changes of each key stand in the same order.
* NET: what the changes of each arriving row come to, in the table that the changelog builds, is the same. For operators
  that read changes in an order that means nothing: their changes on the way depend on it.

Values are Flink's texts; only FLOAT and DOUBLE are compared as numbers, because Java versions print the same number
differently, and the entries of a MAP or MULTISET in any order, because theirs is of hashes (what a CAST to STRING gives
stays text, of course).

Except for NET, only the recorded side need know which row caused which change. The other changelog is cut into pieces of the same lengths:
a change that comes an event too early or too late makes a piece differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest

import numpy as np

from tests.oracle.case import Answer, Change, Compare, Rule

CONTEXT = 3
"""Changes shown on each side of the first difference."""

EQUAL_IN_THE_END = "the final tables are equal"
"""How a difference ends that is one of changes on the way only."""


class NotAChangelog(Exception):
    """A change takes back a row that was not there."""


def fold(changelog: Iterable[Change]) -> Counter[Change]:
    """The table that a changelog builds: each row without its kind, and how often it is there. Raises NotAChangelog."""
    table: Counter[Change] = Counter()
    for position, (kind, *values) in enumerate(changelog):
        row = tuple(values)
        table[row] += 1 if kind in ("+I", "+U") else -1
        if table[row] < 0:
            raise NotAChangelog(f"change {position}: {kind} {row} takes back a row that is not there")
    return +table


def difference(expected: Answer, actual: Answer, compare: Compare) -> str | None:
    """What differs between the recorded answer and another, for people; None when they are equal under the rule."""
    if expected.error is not None:
        return None if actual.error is not None else f"Flink fails here with {expected.error!r}, this gave an answer"
    if actual.error is not None:
        return f"failed: {actual.error}"
    if (found := _schema_difference(expected, actual)) is not None:
        return found
    expected, actual = _with_numbers(expected), _with_numbers(actual)
    found = _changelog_difference(expected, actual, compare)
    return found and f"{found}\n{_about_final_tables(expected, actual)}"


def plain_type(flink_type: str) -> str:
    """A column type without the mark that Flink gives to time attributes; what they are is not part of a result."""
    return flink_type.replace(" *ROWTIME*", "").replace(" *PROCTIME*", "")


def _with_numbers(answer: Answer) -> Answer:
    """The answer with one text for every value of a FLOAT, DOUBLE, MAP or MULTISET column."""
    bases = [plain_type(kind).removesuffix(" NOT NULL") for _, kind in answer.schema]
    readers = [_sorted_entries if base.startswith(("MAP<", "MULTISET<")) else _READERS.get(base) for base in bases]
    if not any(readers):
        return answer
    changelog = tuple(
        (kind, *(v if read is None or v is None else str(read(v)) for read, v in zip(readers, values, strict=True)))
        for kind, *values in answer.changelog
    )
    return replace(answer, changelog=changelog)


def _sorted_entries(text: str) -> str:
    return "{" + ", ".join(sorted(text[1:-1].split(", "))) + "}"


_READERS: dict[str, Callable[[str], object]] = {"DOUBLE": float, "FLOAT": np.float32}


def _schema_difference(expected: Answer, actual: Answer) -> str | None:
    for i, (left, right) in enumerate(zip_longest(expected.schema, actual.schema)):
        if left is None or right is None:
            return f"{len(expected.schema)} columns expected, got {len(actual.schema)}"
        if (left[0], plain_type(left[1])) != (right[0], plain_type(right[1])):
            return f"column {i}: expected `{left[0]}` {plain_type(left[1])}, got `{right[0]}` {plain_type(right[1])}"
    return None


def _changelog_difference(expected: Answer, actual: Answer, compare: Compare) -> str | None:
    if compare.rule is Rule.EXACT:
        return _sequence_difference(expected.changelog, actual.changelog, "changelog")
    if compare.rule is Rule.NET:
        return _net_difference(expected, actual)
    if (found := _per_event_difference(expected, actual.changelog)) is not None:
        return found
    if compare.rule is Rule.PER_KEY:
        return _per_key_difference(expected.changelog, actual.changelog, compare.key)
    return None


def _sequence_difference(expected: Sequence[Change], actual: Sequence[Change], what: str) -> str | None:
    for i, (left, right) in enumerate(zip_longest(expected, actual)):
        if left != right:
            around = slice(max(0, i - CONTEXT), i + CONTEXT + 1)
            lines = [f"{what}: first difference at change {i} ({len(expected)} expected, {len(actual)} got)"]
            lines += _shown("expected", expected[around]) + _shown("got", actual[around])
            return "\n".join(lines)
    return None


def _per_event_difference(expected: Answer, actual: Sequence[Change]) -> str | None:
    for event, start, stop in _pieces(expected.events):
        left, right = Counter(expected.changelog[start:stop]), Counter(actual[start:stop])
        if left != right:
            lines = [f"event {event}: other changes (at change {start})"]
            lines += _shown("expected", _by_text(left - right)) + _shown("got", _by_text(right - left))
            return "\n".join(lines)
    if len(actual) > len(expected.changelog):
        return "\n".join(["more changes than expected", *_shown("got", actual[len(expected.changelog) :][:CONTEXT])])
    return None


def _net_difference(expected: Answer, actual: Answer) -> str | None:
    try:
        fold(actual.changelog)
    except NotAChangelog as broken:
        return f"not a changelog: {broken}"
    left, right = _net_changes(expected), _net_changes(actual)
    for event in sorted(left.keys() | right.keys()):
        if left.get(event) != right.get(event):
            lines = [f"event {event}: other net changes"]
            lines += _shown("expected", left.get(event, ())) + _shown("got", right.get(event, ()))
            return "\n".join(lines)
    return None


def _net_changes(answer: Answer) -> dict[int, list[Change]]:
    """Of each event: the rows that it adds (`+I`) and takes away (`-D`) in all, sorted; events without any are left out."""
    counts: dict[int, Counter[Change]] = {}
    for event, (kind, *values) in zip(answer.events, answer.changelog, strict=True):
        counts.setdefault(event, Counter())[tuple(values)] += 1 if kind in ("+I", "+U") else -1
    net = {
        event: _by_text(
            Counter({("+I", *row): n for row, n in rows.items()})
            + Counter({("-D", *row): -n for row, n in rows.items()})
        )
        for event, rows in counts.items()
    }
    return {event: changes for event, changes in net.items() if changes}


def _per_key_difference(expected: Sequence[Change], actual: Sequence[Change], key: tuple[int, ...]) -> str | None:
    left, right = _by_key(expected, key), _by_key(actual, key)
    for value, changes in left.items():
        if (found := _sequence_difference(changes, right.get(value, []), f"key {value}")) is not None:
            return found
    return None


def _pieces(events: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(event, start, stop) of each run of changes that one event caused."""
    start = 0
    for event, run in groupby(events):
        stop = start + len(list(run))
        yield event, start, stop
        start = stop


def _by_key(changelog: Sequence[Change], key: tuple[int, ...]) -> dict[Change, list[Change]]:
    result: dict[Change, list[Change]] = {}
    for change in changelog:
        result.setdefault(tuple(change[1 + i] for i in key), []).append(change)
    return result


def _about_final_tables(expected: Answer, actual: Answer) -> str:
    try:
        same = fold(expected.changelog) == fold(actual.changelog)
    except NotAChangelog as broken:
        return f"not a changelog: {broken}"
    return EQUAL_IN_THE_END if same else "the final tables differ, too"


def _by_text(changes: Counter[Change]) -> list[Change]:
    return sorted(changes.elements(), key=str)


def _shown(label: str, changes: Sequence[Change]) -> list[str]:
    return [f"  {label}: {' | '.join('NULL' if v is None else v for v in change)}" for change in changes] or [
        f"  {label}: (nothing)"
    ]
