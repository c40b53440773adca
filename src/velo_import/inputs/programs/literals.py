"""String literals to the text that a program has when it runs; every character knows where it was written.

Rules: Java Language Specification 3.10.5 to 3.10.7 (strings, text blocks, escapes), Scala's string literals and its
interpolators s, f and raw, Python's string literals, formatted ones among them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from velo_import.inputs.programs.tokens import Language, Token


@dataclass(frozen=True, slots=True)
class Known:
    """Text, and the offset in the program of each of its characters."""

    text: str
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """What stands in a text and is known only when the program runs."""

    written: str
    """The expression."""
    at: int


Part = Known | Hole

_SIMPLE = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_JAVA = {**_SIMPLE, "s": " ", "\n": "", "\r\n": "", "\r": ""}
_PYTHON = {**_SIMPLE, "a": "\a", "v": "\v", "\n": "", "\r\n": "", "\r": ""}
_JAVA_ESCAPE = r"\\(?:u+(?P<hex>[0-9a-fA-F]{4})|(?P<octal>[0-3]?[0-7]{1,2})|(?P<one>\r\n|.))"
_PYTHON_ESCAPE = (
    r"\\(?:x(?P<byte>[0-9a-fA-F]{2})|u(?P<hex>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|N\{(?P<named>[^}]+)\}"
    r"|(?P<octal>[0-7]{1,3})|(?P<one>\r\n|.))"
)
_BRACES = r"(?P<doubled>\{\{|\}\})|\{(?P<hole>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}"
_DOLLARS = r"(?P<doubled>\$\$)|\$\{(?P<hole>[^{}]*)\}|\$(?P<name>[^\W\d]\w*)"
_SCALA_FORMAT = r"(?:%[-#+ 0,(]*\d*(?:\.\d+)?[a-zA-Z])?"


def parts_of(token: Token, text: str, language: Language, *, has_margin: bool) -> list[Part]:
    """What a literal says. `has_margin`: Scala's stripMargin is called on it."""
    start, end = token.body
    prefix = token.prefix.lower()
    stretches: Iterator[tuple[int, int]] = iter([(start, end)])
    if language is Language.JAVA and len(token.quote) == 3:
        stretches = _text_block(text, start, end)
    elif has_margin:
        stretches = _margined(text, start, end)
    pattern, simple = _syntax(language, prefix, is_triple=len(token.quote) == 3)
    parts: list[Part] = []
    for first, last in stretches:
        _read(text, first, last, pattern, simple, parts)
    return parts


def _syntax(language: Language, prefix: str, *, is_triple: bool) -> tuple[re.Pattern[str], dict[str, str]]:
    """What is not itself in a literal, and single characters behind a backslash."""
    if language is Language.PYTHON:
        parts = [] if "r" in prefix else [_PYTHON_ESCAPE]
        return re.compile("|".join([*parts, *([_BRACES] if "f" in prefix else [])]) or r"(?!)", re.DOTALL), _PYTHON
    if language is Language.JAVA:
        return re.compile(_JAVA_ESCAPE, re.DOTALL), _JAVA
    is_raw = prefix == "raw" or (is_triple and not prefix)
    parts = [] if is_raw else [_JAVA_ESCAPE]
    if prefix == "f":
        parts.append(_DOLLARS.replace("(?P<hole>[^{}]*)\\}", "(?P<hole>[^{}]*)\\}" + _SCALA_FORMAT) + _SCALA_FORMAT)
    elif prefix:
        parts.append(_DOLLARS)
    return re.compile("|".join(parts) or r"(?!)", re.DOTALL), _SIMPLE


def _read(text: str, start: int, end: int, pattern: re.Pattern[str], simple: dict[str, str], parts: list[Part]) -> None:
    """The parts of a stretch of a literal."""
    position = start
    for match in pattern.finditer(text, start, end):
        _add(parts, text[position : match.start()], range(position, match.start()))
        groups = match.groupdict()
        expression = groups.get("hole") or groups.get("name")
        if groups.get("doubled"):
            _add(parts, match.group()[0], (match.start(),))
        elif expression is not None:
            parts.append(Hole(_expression(expression), match.start()))
        else:
            made = _unescaped(match, groups, simple)
            _add(parts, made, (match.start(),) * len(made))
        position = match.end()
    _add(parts, text[position:end], range(position, end))


def _add(parts: list[Part], text: str, offsets: range | tuple[int, ...]) -> None:
    if text:
        parts.append(Known(text, tuple(offsets)))


def _expression(written: str) -> str:
    """Of a formatted literal of Python: without what says how it is shown."""
    return re.sub(r"(?:![rsa])?(?::[^:\]]*)?=?\Z", "", written).strip()


def _unescaped(match: re.Match[str], groups: dict[str, str | None], simple: dict[str, str]) -> str:
    code = groups.get("hex") or groups.get("byte") or groups.get("long")
    if code:
        return chr(int(code, 16))
    if groups.get("octal"):
        return chr(int(groups["octal"] or "0", 8))
    if groups.get("named"):
        try:
            return unicodedata.lookup(groups["named"] or "")
        except KeyError:
            return match.group()
    return simple.get(groups.get("one") or "", match.group())


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Start, end without and end with the line's break, of every line."""
    for match in re.compile(r"[^\r\n]*(\r\n|\r|\n|\Z)").finditer(text[start:end]):
        yield start + match.start(), start + match.start(1), start + match.end()
        if not match.group(1):
            return


def _text_block(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of a text block of Java: without the indentation that all lines have, and blanks at their ends.

    The line of the closing quotes counts, if nothing else stands in it (JLS 3.10.6, String.stripIndent).
    """
    lines = list(_lines(text, start, end))[1:]
    counted = [line for line in lines[:-1] if text[line[0] : line[1]].strip()] + lines[-1:]
    margin = min((_indentation(text[first:last]) for first, last, _ in counted), default=0)
    for first, last, end_of_line in lines:
        shown = first + len(text[first:last].rstrip(" \t"))
        if shown < last:
            yield min(first + margin, shown), shown
            yield last, end_of_line
        else:
            yield min(first + margin, last), end_of_line


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _margined(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of a literal without blanks and a `|` at the beginnings of its lines."""
    for first, last, end_of_line in _lines(text, start, end):
        margin = first + _indentation(text[first:last])
        yield margin + 1 if text.startswith("|", margin) and margin < last else first, end_of_line


# --- texts with places for values ---

_PRINTF = re.compile(
    r"%(?:(?P<percent>%)|(?P<line>n)"
    r"|(?:(?P<number>\d+)\$|\((?P<name>\w+)\))?[-#+ 0,(]*\d*(?:\.\d+)?(?P<as>[a-zA-Z]))"
)
_FIELDS = re.compile(r"(?P<doubled>\{\{|\}\})|\{(?P<field>\w*)[^{}]*\}")


def printf(parts: list[Part], values: Callable[[str, int], list[Part] | None], *, python: bool) -> list[Part]:
    """`%s`, `%1$s` and `%(name)s` with what stands for them; None of `values`: nothing is known of it."""
    number = 0

    def filled(match: re.Match[str], at: int) -> list[Part] | None:
        nonlocal number
        if match["percent"] or (match["line"] and not python):
            return [Known("%" if match["percent"] else "\n", (at,))]
        if match["line"]:
            return None
        key = match["name"] or (str(int(match["number"]) - 1) if match["number"] else str(number))
        number += not (match["name"] or match["number"])
        return values(key, at) or [Hole(match.group(), at)]

    return _filled(parts, _PRINTF, filled)


def fields(parts: list[Part], values: Callable[[str, int], list[Part] | None]) -> list[Part]:
    """`{}`, `{0}` and `{name}` of Python's str.format, as `printf`."""
    number = 0

    def filled(match: re.Match[str], at: int) -> list[Part]:
        nonlocal number
        if match["doubled"]:
            return [Known(match["doubled"][0], (at,))]
        key = match["field"] or str(number)
        number += not match["field"]
        return values(key, at) or [Hole(match.group(), at)]

    return _filled(parts, _FIELDS, filled)


def _filled(
    parts: list[Part], pattern: re.Pattern[str], filled: Callable[[re.Match[str], int], list[Part] | None]
) -> list[Part]:
    found: list[Part] = []
    for part in joined(parts):
        if isinstance(part, Hole):
            found.append(part)
            continue
        position = 0
        for match in pattern.finditer(part.text):
            value = filled(match, part.offsets[match.start()])
            if value is None:
                continue
            found.append(_slice(part, position, match.start()))
            found += value
            position = match.end()
        found.append(_slice(part, position, len(part.text)))
    return found


def _slice(part: Known, start: int, end: int) -> Known:
    return Known(part.text[start:end], part.offsets[start:end])


def joined(parts: list[Part]) -> list[Part]:
    """The same with known texts that stand together as one."""
    found: list[Part] = []
    run: list[Known] = []

    def close() -> None:
        if run:
            text = "".join(one.text for one in run)
            found.append(Known(text, tuple(offset for one in run for offset in one.offsets)))
            run.clear()

    for part in parts:
        if isinstance(part, Known):
            run.append(part)
        else:
            close()
            found.append(part)
    close()
    return found
