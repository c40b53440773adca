"""YAML with even indentation and no trailing spaces. Comments, order, quotes and line breaks stay as they are.

Lines are moved, never written anew: each line keeps its text, and only the spaces before it and after dashes change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.yaml_source import parse_yaml

INDENT = 2
"""Spaces for each level; a list below a key is a level of its own."""

_DASHES = re.compile(r"(?:-(?:[ \t]+|$))+")
_LEADING = re.compile(r" *")


def formatted_yaml(text: str, file: str) -> str:
    """`text` with even indentation. Formatting it again changes nothing.

    Errors: those of reading the YAML; YAML_SYNTAX when the new text would not say the same.
    """
    before = parse_yaml(text, file)
    lines = text.replace("\r\n", "\n").split("\n")
    result = "\n".join(_moved(lines, _scanned(lines))).rstrip("\n") + "\n"
    result = result.lstrip("\n")
    try:
        same = parse_yaml(result, file) == before
    except VeloError:
        same = False
    if not same:
        message = f"{file} cannot be indented evenly without changing what it says"
        hint = "it was left as it is; write its long texts with | and without an indentation number"
        raise VeloError(ErrorCode.YAML_SYNTAX, message, location=Location(file, 1), hint=hint)
    return result.replace("\n", "\r\n") if "\r\n" in text else result


@dataclass(slots=True)
class _Level:
    """An open block collection: the column of its entries, as written and as they become."""

    written: int
    becomes: int
    sequence: bool
    real: bool = True
    """Has an end of its own; a list at its key's column has none."""


@dataclass(slots=True)
class _Scan:
    """What each line is. Lines count from 0."""

    indents: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Line → column of its first token, as written and as it becomes."""
    inside: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """Lines within a text or a flow collection that began above → the line where it began, and whether it is a text."""


def _scanned(lines: list[str]) -> _Scan:
    scan = _Scan()
    levels: list[_Level] = []
    flows: list[int] = []
    for token in yaml.scan("\n".join(lines), Loader=yaml.SafeLoader):
        _take(token, levels, scan)
        start, end = token.start_mark, token.end_mark
        match token:
            case yaml.FlowMappingStartToken() | yaml.FlowSequenceStartToken():
                flows.append(start.line)
            case yaml.FlowMappingEndToken() | yaml.FlowSequenceEndToken():
                began = flows.pop()
                if not flows:
                    for line in range(began + 1, start.line + 1):
                        scan.inside.setdefault(line, (began, False))
            case yaml.ScalarToken() if end.line > start.line:
                last = end.line if end.column and token.style not in ("|", ">") else end.line - 1
                for line in range(start.line + 1, last + 1):
                    scan.inside[line] = (start.line, True)
    return scan


def _take(token: Any, levels: list[_Level], scan: _Scan) -> None:
    """Opens and closes levels, and notes the column of the first token of a line."""
    line, column = token.start_mark.line, token.start_mark.column
    match token:
        case yaml.BlockMappingStartToken() | yaml.BlockSequenceStartToken():
            _close_unreal(levels, column, isinstance(token, yaml.BlockSequenceStartToken))
            becomes = levels[-1].becomes + INDENT if levels else 0
            levels.append(_Level(column, becomes, isinstance(token, yaml.BlockSequenceStartToken)))
            return
        case yaml.BlockEndToken():
            while not levels.pop().real:
                pass
            return
        case yaml.BlockEntryToken():
            if levels and not levels[-1].sequence and levels[-1].written == column:
                levels.append(_Level(column, levels[-1].becomes + INDENT, True, real=False))
            else:
                _close_above(levels, column)
        case yaml.KeyToken() if levels and not levels[-1].real and levels[-1].written == column:
            levels.pop()
        case yaml.StreamStartToken() | yaml.StreamEndToken() | yaml.DocumentStartToken() | yaml.DocumentEndToken():
            return
    if line in scan.indents or line in scan.inside:
        return
    level = levels[-1] if levels else _Level(0, -INDENT, False)
    own = column == level.written and (isinstance(token, yaml.BlockEntryToken) == level.sequence)
    becomes = level.becomes if own else max(level.becomes + INDENT, 0)
    scan.indents[line] = (column, becomes)


def _close_unreal(levels: list[_Level], column: int, sequence: bool) -> None:
    """A list at its key's column ends where something begins that does not belong to it."""
    while levels and not levels[-1].real and column < levels[-1].written + (0 if sequence else 1):
        levels.pop()


def _close_above(levels: list[_Level], column: int) -> None:
    while levels and not levels[-1].real and column < levels[-1].written:
        levels.pop()


def _moved(lines: list[str], scan: _Scan) -> list[str]:
    shifts: dict[int, int] = {}
    result: list[str] = []
    following = _following(lines, scan)
    for number, line in enumerate(lines):
        if number in scan.inside:
            began, is_text = scan.inside[number]
            moved = _shifted(line, shifts.get(began, 0))
            result.append(moved if is_text else moved.rstrip())
        elif number in scan.indents:
            written, becomes = scan.indents[number]
            moved, shifts[number] = _placed(line, written, becomes)
            result.append(moved.rstrip())
        elif not line.strip():
            if result and result[-1].strip():
                result.append("")
        else:
            result.append(" " * following[number] + line.strip() if line.strip().startswith("#") else line.rstrip())
    return result


def _placed(line: str, written: int, becomes: int) -> tuple[str, int]:
    """A line with its first token at the column `becomes`, and how far the text behind its dashes moved."""
    rest = line[written:]
    dashes = _DASHES.match(rest)
    if dashes is None:
        return " " * becomes + rest, becomes - written
    count = dashes[0].count("-")
    behind = rest[dashes.end() :]
    moved = " " * becomes + "- " * count + behind
    return moved, becomes + 2 * count - (written + dashes.end())


def _shifted(line: str, by: int) -> str:
    if not line.strip() or not by:
        return line
    leading = _LEADING.match(line)
    spaces = len(leading[0]) if leading else 0
    return " " * max(spaces + by, 0) + line[spaces:]


def _following(lines: list[str], scan: _Scan) -> dict[int, int]:
    """For comments on lines of their own: the column they become, that of the line after them or of a level above."""
    becomes: dict[int, int] = {}
    known: dict[int, int] = {}
    ahead = (0, 0)
    for number in range(len(lines) - 1, -1, -1):
        if number in scan.indents:
            ahead = scan.indents[number]
        elif number not in scan.inside and lines[number].strip().startswith("#"):
            column = len(lines[number]) - len(lines[number].lstrip())
            becomes[number] = ahead[1] if column == ahead[0] else -1
    for number in range(len(lines)):
        if number in scan.indents:
            known[scan.indents[number][0]] = scan.indents[number][1]
        elif becomes.get(number) == -1:
            column = len(lines[number]) - len(lines[number].lstrip())
            nearest = max((written for written in known if written <= column), default=0)
            becomes[number] = known.get(nearest, 0) + (column - nearest) // INDENT * INDENT
    return becomes
