"""Differences that somebody has accepted: a YAML file in which each waiver has an owner, a reason and a last day.

    waivers:
      - owner: ann
        reason: Flink rounds half to even here, agreed with accounting
        expires: 2026-12-31
        column: amount
        cause: decimal scale or rounding

`column`, `cause`, `kind` (missing, extra, value) and `key` (column: value) say what is accepted: a difference that has
all that are given. A waiver that matches nothing is an error, as is one whose last day is over: what nobody needs or
answers for any more must not hide the next difference. Where several sinks are compared, `sink` says of which it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.reports.shown_values import text_of
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence, read_yaml
from velo_shadow.causes.context import row_of
from velo_shadow.model import Cause, Difference, Kind

_NEEDED = ("owner", "reason", "expires")
_SELECTING = ("column", "cause", "kind", "key")
_SINK = "sink"


@dataclass(frozen=True, slots=True)
class Waiver:
    """What is accepted, by whom, why, and until when."""

    owner: str
    reason: str
    expires: date
    """The last day on which it holds."""
    column: str | None = None
    cause: Cause | None = None
    kind: Kind | None = None
    key: Mapping[str, str] = field(default_factory=dict)
    sink: str | None = None
    """None: the only one."""
    location: Location = field(default_factory=lambda: Location("", 1), compare=False)

    def accepts(self, difference: Difference) -> bool:
        """Whether the difference has all that the waiver names."""
        return (
            self.column in (None, difference.column)
            and self.cause in (None, difference.cause)
            and self.kind in (None, difference.kind)
            and all(name in difference.key and text_of(difference.key[name]) == text for name, text in self.key.items())
        )


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file. Errors: FILE_NOT_FOUND, YAML_SYNTAX, UNKNOWN_KEY, MISSING_KEY, BAD_VALUE."""
    root = read_yaml(path)
    listed = _mapping(root, ("waivers",)).get("waivers")
    if not isinstance(listed, YamlSequence):
        raise VeloError(ErrorCode.MISSING_KEY, 'the file holds no list "waivers"', location=root.location)
    return tuple(_waiver(node) for node in listed.items)


def waivers_by_sink(waivers: Sequence[Waiver], sinks: Sequence[str]) -> dict[str, tuple[Waiver, ...]]:
    """The waivers of each sink. Errors: BAD_VALUE for an unknown sink, or none where there are several."""
    found: dict[str, list[Waiver]] = {name: [] for name in sinks}
    for waiver in waivers:
        name = sinks[0] if waiver.sink is None and len(sinks) == 1 else waiver.sink
        if name is None:
            message = f"this waiver of {waiver.owner} does not say of which sink it is"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=waiver.location, hint=f"sink: {' or '.join(sinks)}")
        if name not in found:
            hint = did_you_mean(name, sinks, noun="sink")
            message = f'this waiver of {waiver.owner} is of the sink "{name}", which is not compared'
            raise VeloError(ErrorCode.BAD_VALUE, message, location=waiver.location, hint=hint)
        found[name].append(waiver)
    return {name: tuple(ones) for name, ones in found.items()}


def waived_rows(differences: Sequence[Difference], waivers: Sequence[Waiver], today: date) -> int:
    """How many differing rows are accepted: those of which every difference is.

    Errors: BAD_VALUE for a waiver that has expired or matches nothing.
    """
    for waiver in waivers:
        if waiver.expires < today:
            message = f"this waiver of {waiver.owner} held until {waiver.expires}"
            hint = "take it out, or have its owner renew it"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=waiver.location, hint=hint)
        if not any(waiver.accepts(difference) for difference in differences):
            message = f"this waiver of {waiver.owner} matches no difference"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=waiver.location, hint="take it out")
    accepted = [any(waiver.accepts(difference) for waiver in waivers) for difference in differences]
    lone = sum(ok for one, ok in zip(differences, accepted, strict=True) if one.kind is not Kind.VALUE)
    rows: dict[str, bool] = {}
    for one, ok in zip(differences, accepted, strict=True):
        if one.kind is Kind.VALUE:
            rows[row_of(one.row)] = ok and rows.get(row_of(one.row), True)
    return lone + sum(rows.values())


def _waiver(node: YamlNode) -> Waiver:
    entry = _mapping(node, (*_NEEDED, *_SELECTING, _SINK))
    for name in _NEEDED:
        if entry.get(name) is None:
            raise VeloError(ErrorCode.MISSING_KEY, f'this waiver has no "{name}"', location=entry.location)
    if all(entry.get(name) is None for name in _SELECTING):
        message = "this waiver would accept every difference"
        hint = f"say which: {', '.join(_SELECTING)}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=entry.location, hint=hint)
    cause, kind, key = _text(entry, "cause"), _text(entry, "kind"), entry.get("key")
    return Waiver(
        owner=_text(entry, "owner") or "",
        reason=_text(entry, "reason") or "",
        expires=_day(entry),
        column=_text(entry, "column"),
        cause=None if cause is None else Cause(_one_of(entry, "cause", [c.value for c in Cause])),
        kind=None if kind is None else Kind(_one_of(entry, "kind", [k.value for k in Kind])),
        key={} if key is None else _texts(key),
        sink=_text(entry, _SINK),
        location=entry.location,
    )


def _mapping(node: YamlNode, known: Sequence[str]) -> YamlMapping:
    if not isinstance(node, YamlMapping):
        message = f"this must be an object with {', '.join(known)}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=node.location)
    for name, _ in node.entries:
        if name.text not in known:
            hint = did_you_mean(name.text, known, noun="key")
            raise VeloError(ErrorCode.UNKNOWN_KEY, f'"{name.text}" is no key here', location=name.location, hint=hint)
    return node


def _text(entry: YamlMapping, name: str) -> str | None:
    node = entry.get(name)
    if node is None:
        return None
    if not isinstance(node, YamlScalar) or not node.text.strip():
        raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" must be text', location=node.location)
    return node.text


def _texts(node: YamlNode) -> dict[str, str]:
    if not isinstance(node, YamlMapping) or not node.entries:
        raise VeloError(ErrorCode.BAD_VALUE, '"key" must be an object: column: value', location=node.location)
    return {name.text: _text(node, name.text) or "" for name, _ in node.entries}


def _one_of(entry: YamlMapping, name: str, known: Sequence[str]) -> str:
    text = _text(entry, name) or ""
    if text not in known:
        hint = did_you_mean(text, known, noun=name)
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is no {name}', location=entry.location, hint=hint)
    return text


def _day(entry: YamlMapping) -> date:
    text = _text(entry, "expires") or ""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f'"expires" must be a day such as 2026-12-31, not "{text}"'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=entry.location) from None
