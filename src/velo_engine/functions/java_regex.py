"""Java's regular expressions, read with Python's engine.

Both engines backtrack and take the first alternative that matches, so a pattern means the same once its spelling is
translated: classes such as \\d are ASCII in Java, `.` and `$` know five line terminators, escapes differ. What has no
counterpart (class intersection, \\p{…} of Unicode, flags in the middle) is refused, never approximated.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LINE_ENDS = "\\n\\r\\x85\\u2028\\u2029"
_CLASSES = {
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": " \\t\\n\\x0b\\f\\r",
}
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~",
    "Space": " \\t\\n\\x0b\\f\\r",
    "Blank": " \\t",
    "XDigit": "0-9a-fA-F",
    "ASCII": "\\x00-\\x7f",
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_END_OF_INPUT = f"(?=(?:\\r\\n|[{_LINE_ENDS}])?\\Z)"


class JavaRegexError(Exception):
    """A pattern that cannot be used: malformed for Java too, or (`unsupported`) only not translated."""

    def __init__(self, message: str, *, unsupported: bool) -> None:
        super().__init__(message)
        self.unsupported = unsupported


@lru_cache(maxsize=512)
def compile_java(pattern: str) -> re.Pattern[str]:
    """The Python pattern that matches what Java's `pattern` matches. JavaRegexError."""
    translated = _Translator(pattern).translate()
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as problem:
        raise JavaRegexError(str(problem), unsupported="look-behind" in str(problem)) from None


def usable(pattern: str) -> re.Pattern[str] | None:
    """As `compile_java`; None for a malformed or refused pattern."""
    try:
        return compile_java(pattern)
    except JavaRegexError:
        return None


def refusal(pattern: str) -> str | None:
    """Why a pattern is refused, or None; a malformed one is not, because Flink has an answer for it."""
    try:
        compile_java(pattern)
    except JavaRegexError as problem:
        return f"cannot use the regular expression '{pattern}': {problem}" if problem.unsupported else None
    return None


class _Translator:
    """One pass over a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.dot_matches_all = False
        self.output: list[str] = []

    def translate(self) -> str:
        self._leading_flags()
        while self.position < len(self.pattern):
            self._next()
        return "".join(self.output)

    def _leading_flags(self) -> None:
        match = re.match(r"\(\?([a-zA-Z]+)\)", self.pattern)
        if match is None:
            return
        flags = set(match.group(1))
        if not flags <= {"i", "s"} or ("i" in flags and not self.pattern.isascii()):
            raise _unsupported(f"the flags {match.group(0)}")
        self.dot_matches_all = "s" in flags
        self.position = match.end()
        if "i" in flags:
            if "\\b" in self.pattern or "\\B" in self.pattern:
                raise _unsupported("(?i) together with \\b")
            self.output.append("(?ai)")

    def _next(self) -> None:
        c = self.pattern[self.position]
        if c == "\\":
            self.output.append(self._escape(in_class=False))
            return
        if c == "[":
            self.output.append(self._class())
            return
        if c == "(":
            self.output.append(self._group())
            return
        self.position += 1
        if c == ".":
            self.output.append("(?s:.)" if self.dot_matches_all else f"[^{_LINE_ENDS}]")
        elif c == "^":
            self.output.append("\\A")
        elif c == "$":
            self.output.append(_END_OF_INPUT)
        elif c == "{":
            self.output.append(self._counted())
        elif c in "*+?|)":
            self.output.append(c)
        else:
            self.output.append(re.escape(c))

    def _counted(self) -> str:
        match = re.compile(r"(\d+)(,(\d*))?\}").match(self.pattern, self.position)
        if match is None:
            raise JavaRegexError("a { that starts no repetition", unsupported=False)
        self.position = match.end()
        return "{" + match.group(0)

    def _group(self) -> str:
        match = re.compile(r"\((\?(?:[:=!>]|<[=!]|<([a-zA-Z][a-zA-Z0-9]*)>))?").match(self.pattern, self.position)
        assert match is not None
        if match.group(1) is None and self.pattern.startswith("(?", self.position):
            raise _unsupported("a group that starts with " + self.pattern[self.position : self.position + 3])
        self.position = match.end()
        return f"(?P<{match.group(2)}>" if match.group(2) else match.group(0)

    def _escape(self, in_class: bool) -> str:
        """The escape at the position; in a class, a part of it."""
        self.position += 1
        if self.position >= len(self.pattern):
            raise JavaRegexError("it ends with a backslash", unsupported=False)
        c = self.pattern[self.position]
        self.position += 1
        if c in _CLASSES:
            return _CLASSES[c] if in_class else f"[{_CLASSES[c]}]"
        if c.lower() in _CLASSES:
            if in_class:
                raise _unsupported(f"\\{c} in a character class")
            return f"[^{_CLASSES[c.lower()]}]"
        if c in _CONTROLS:
            return re.escape(_CONTROLS[c])
        if c == "p":
            return self._property(in_class)
        if c in "xu":
            return self._code(4 if c == "u" else 2)
        if c == "Q" and not in_class:
            return self._quoted()
        if c in "123456789" and not in_class:
            return f"(?:\\{c})"
        if c in "bBAzZ" and not in_class:
            return {"z": "\\Z", "Z": _END_OF_INPUT}.get(c, f"\\{c}")
        if c == "k" and not in_class:
            match = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)>").match(self.pattern, self.position)
            if match is not None:
                self.position = match.end()
                return f"(?P={match.group(1)})"
        if c.isascii() and c.isalnum():
            raise _unsupported(f"\\{c}")
        return re.escape(c)

    def _property(self, in_class: bool) -> str:
        match = re.compile(r"\{(\w+)\}").match(self.pattern, self.position)
        if match is None or match.group(1) not in _POSIX:
            raise _unsupported("\\p" + (match.group(0) if match else ""))
        self.position = match.end()
        members = _POSIX[match.group(1)]
        return members if in_class else f"[{members}]"

    def _code(self, digits: int) -> str:
        code = self.pattern[self.position : self.position + digits]
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", code):
            raise _unsupported("an escape by code point")
        self.position += digits
        return re.escape(chr(int(code, 16)))

    def _quoted(self) -> str:
        end = self.pattern.find("\\E", self.position)
        text = self.pattern[self.position : end if end >= 0 else len(self.pattern)]
        self.position = end + 2 if end >= 0 else len(self.pattern)
        return "".join(re.escape(c) for c in text)

    def _class(self) -> str:
        self.position += 1
        parts = ["["]
        if self.pattern.startswith("^", self.position):
            parts.append("^")
            self.position += 1
        empty = len(parts)
        while True:
            c = self.pattern[self.position : self.position + 1]
            if not c:
                raise JavaRegexError("a [ is never closed", unsupported=False)
            if c == "]" and len(parts) > empty:
                self.position += 1
                return "".join(parts) + "]"
            if c in "[]" or self.pattern.startswith("&&", self.position):
                raise _unsupported("a class within a class")
            if c == "\\":
                parts.append(self._escape(in_class=True))
                continue
            self.position += 1
            parts.append(c if c == "-" else re.escape(c))


def _unsupported(what: str) -> JavaRegexError:
    return JavaRegexError(f"{what} is not supported here", unsupported=True)


_SIMILAR_SPECIALS = "_%^$[]()|+*?{}.-"


def java_pattern_of_similar(pattern: str, escape: str | None) -> str:
    """The Java regular expression of a SIMILAR TO pattern, by SqlLikeUtils.sqlToRegexSimilar."""
    output: list[str] = []
    position = 0
    while position < len(pattern):
        c = pattern[position]
        if c == escape:
            following = pattern[position + 1 : position + 2]
            if following != escape and (not following or following not in _SIMILAR_SPECIALS):
                raise JavaRegexError("an escape before an ordinary character", unsupported=False)
            output.append("\\" + following)
            position += 1
        elif c == "_":
            output.append(".")
        elif c == "%":
            output.append("(?:.|[\\n\\r\\u0085\\u2028\\u2029])*")
        else:
            output.append(c)
        position += 1
    return "".join(output)
