"""SQL within Java, Scala and Python: the string literals that hold statements, each at its place in the file."""

from __future__ import annotations

import re

_STATEMENT = re.compile(
    r"\s*(?:CREATE|INSERT\s+INTO|INSERT\s+OVERWRITE|SELECT|WITH\s+\w+\s+AS|EXECUTE\s+(?:STATEMENT|INSERT)|BEGIN\s+STATEMENT"
    r"|USE\s+\w|DROP\s+(?:TEMPORARY\s+)?(?:TABLE|VIEW)|SET\s+'?[\w.-]+'?\s*=)\b",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    r"(?://[^\r\n]*|/\*.*?\*/)|(?:#[^\r\n]*)|(?:(?<!\w)[fFrRbBuUsS]{1,2})?"
    r"(?P<quote>\"{3}|'{3}|\"|')(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)",
    re.DOTALL,
)
_JOINED = re.compile(r"\s*\+?\s*\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MARGIN = re.compile(r"^([ \t]*)\|", re.MULTILINE)

SUFFIXES = frozenset({".java", ".scala", ".py"})
"""Files of programs that are looked into."""


def embedded_sql(text: str, *, python: bool) -> str:
    """The statements in string literals of a program, with blanks for all else; every character keeps its place.

    Literals that are joined by `+`, in Python also by standing together, are one. Each statement ends with a semicolon
    where its last literal ends.
    """
    kept = [character if character in "\r\n" else " " for character in text]
    run: list[re.Match[str]] = []
    for match in _LITERAL.finditer(text):
        if not match["quote"]:
            continue
        between = text[run[-1].end() : match.start()] if run else ""
        if run and not (_JOINED.match(between) and (python or "+" in between)):
            _keep(run, kept)
            run = []
        run.append(match)
    _keep(run, kept)
    return "".join(kept)


def _keep(run: list[re.Match[str]], kept: list[str]) -> None:
    """Puts the text of joined literals where it stands, if it is a statement."""
    bodies = [_body(match) for match in run]
    if not run or not _STATEMENT.match("".join(bodies)):
        return
    for match, body in zip(run, bodies, strict=True):
        kept[match.start("body") : match.end("body")] = body
    if not "".join(bodies).rstrip().endswith(";"):
        kept[run[-1].end() - 1] = ";"


def _body(match: re.Match[str]) -> str:
    """The text of a literal, as long as it is written: escapes become blanks and what they stand for."""
    body = match["body"]
    if "|" in body and len(match["quote"]) == 3:
        body = _MARGIN.sub(lambda margin: margin[1] + " ", body)
    return _ESCAPE.sub(lambda e: " " + (e[1] if e[1] in "\"'\\\r\n" else " "), body)
