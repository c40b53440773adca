"""How SQL is laid out: clauses on lines of their own, lists and conditions broken where they do not fit.

A list that its writer broke after the opening parenthesis (or after SELECT) stays broken; nothing else of the old
layout counts, so that formatting twice changes nothing. Comments stay at the token they stand at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_harness.formatting.layout import Document, Group, Hard, Indented, Line, Trailing
from velo_harness.formatting.sql_nesting import Parens, Part, head, is_query, last, nested, word_at
from velo_harness.formatting.sql_spacing import Context, spaced
from velo_harness.formatting.sql_tokens import SqlToken, TokenKind

_CLAUSES = (
    *(("SELECT",), ("FROM",), ("WHERE",), ("GROUP", "BY"), ("HAVING",), ("ORDER", "BY"), ("LIMIT",), ("OFFSET",)),
    *(
        ("FETCH", "FIRST"),
        ("FETCH", "NEXT"),
        ("UNION",),
        ("INTERSECT",),
        ("EXCEPT",),
        ("WINDOW",),
        ("EMIT",),
        ("INTO",),
    ),
    *(("WITH",), ("VALUES",), ("QUALIFY",)),
)
"""What begins a line of a query."""
_JOIN_WORDS = frozenset({"NATURAL", "CROSS", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "SEMI", "ANTI"})
_LISTS = frozenset({"SELECT", "GROUP", "ORDER"})
_OF_A_WINDOW = frozenset({"PARTITION", "ORDER", "ROWS", "RANGE"})
_OF_A_PATTERN = (
    *(("PARTITION", "BY"), ("ORDER", "BY"), ("MEASURES",), ("ONE", "ROW"), ("ALL", "ROWS"), ("AFTER", "MATCH")),
    *(("PATTERN",), ("WITHIN",), ("SUBSET",), ("DEFINE",)),
)


def statement_layout(tokens: Sequence[SqlToken]) -> tuple[Document, ...]:
    """The document of one statement. ValueError for parentheses that do not match."""
    return tuple(_sequence(nested(tokens), query=True))


def _sequence(parts: list[Part], *, query: bool) -> Iterator[Document]:
    """The parts of a query, clause by clause, or of a list."""
    if not query:
        yield from _items(parts)
        return
    for number, clause in enumerate(_clauses(parts)):
        leading = [part for part in clause if isinstance(part, SqlToken)][:1]
        if number and not (leading and leading[0].is_comment):
            yield Hard()
        yield from _clause(clause, first=number == 0)


def _clauses(parts: list[Part]) -> list[list[Part]]:
    """The parts, cut where a clause begins; comments on lines of their own go with the clause after them."""
    clauses: list[list[Part]] = [[]]
    at = 0
    while at < len(parts):
        width = _begins(parts, at)
        if width and any(not head(part).is_comment for part in clauses[-1]):
            moved: list[Part] = []
            while clauses[-1] and head(clauses[-1][-1]).is_comment and head(clauses[-1][-1]).breaks:
                moved.insert(0, clauses[-1].pop())
            clauses.append(moved)
        step = max(width, 1)
        clauses[-1] += parts[at : at + step]
        at += step
    return clauses


def _begins(parts: list[Part], at: int) -> int:
    """How many parts begin a clause at a position; 0 when none does."""
    if isinstance(parts[at], Parens) or head(parts[at]).is_comment:
        return 0
    before = next((word_at([p], 0) for p in reversed(parts[:at]) if not head(p).is_comment), "")
    for words in _CLAUSES:
        if all(word_at(parts, at + i) == word for i, word in enumerate(words)):
            return _checked(words, before, parts, at)
    word = word_at(parts, at)
    if word == "JOIN":
        return 0 if before in _JOIN_WORDS else 1
    if word in _JOIN_WORDS and before not in _JOIN_WORDS:
        end = at
        while word_at(parts, end) in _JOIN_WORDS:
            end += 1
        return end + 1 - at if word_at(parts, end) == "JOIN" else 0
    return 0


def _checked(words: tuple[str, ...], before: str, parts: list[Part], at: int) -> int:
    """`words` begin a clause, unless the word before makes them mean something else."""
    word, after = words[0], parts[at + 1] if at + 1 < len(parts) else None
    if word == "INTO" and before in ("INSERT", "OVERWRITE"):
        return 0
    if word == "FROM" and before == "DISTINCT":  # IS DISTINCT FROM
        return 0
    if word == "WITH" and not (isinstance(after, Parens) or not before or before == "AS" or _names_query(parts, at)):
        return 0
    if word in ("OFFSET", "WINDOW", "EMIT", "QUALIFY") and (before in ("SELECT", "AS", "BY") or _is_operand(after)):
        return 0
    if word == "VALUES" and isinstance(after, SqlToken):
        return 0
    return len(words)


def _names_query(parts: list[Part], at: int) -> bool:
    """Whether `name AS (` or `name (columns) AS (` follows WITH."""
    behind = at + 3 if at + 2 < len(parts) and isinstance(parts[at + 2], Parens) else at + 2
    return word_at(parts, behind) == "AS" and any(isinstance(part, Parens) for part in parts[behind + 1 : behind + 2])


def _is_operand(after: Part | None) -> bool:
    """Whether what follows a word shows that the word is a name."""
    return after is None or (isinstance(after, SqlToken) and after.kind is TokenKind.SYMBOL and after.text != "(")


def _clause(parts: list[Part], *, first: bool) -> Iterator[Document]:
    at = 0
    while at < len(parts) and head(parts[at]).is_comment:
        yield from _comment(parts[at], first=first and at == 0)
        at += 1
    if at < len(parts) and at and head(parts[at - 1]).kind is not TokenKind.LINE_COMMENT:
        yield Hard(blank=head(parts[at]).breaks > 1) if head(parts[at]).breaks else " "
    elif at < len(parts) and at and head(parts[at]).breaks > 1:
        yield Hard(blank=True)
    elif at < len(parts) and at:
        yield Hard()
    rest = parts[at:]
    if not rest:
        return
    word = word_at(rest, 0)
    if word in _LISTS:
        width = 2 if word in ("GROUP", "ORDER") or word_at(rest, 1) in ("DISTINCT", "ALL") else 1
        keyword = list(_items(rest[:width]))
        body = rest[width:]
        broken = bool(body) and head(body[0]).breaks > 0 and not head(body[0]).is_comment
        yield Group((*keyword, Indented((Line(), *_items(body, before=rest[width - 1])))), broken=broken)
    elif word in ("WHERE", "HAVING"):
        yield Group((*_items(rest[:1]), " ", Indented(tuple(_items(rest[1:], before=rest[0], conditions=True)))))
    elif word == "WITH" and len(rest) > 1 and not isinstance(rest[1], Parens):
        yield Group(tuple(_items(rest)))
    else:
        yield Group(tuple(_hanging(_items(rest, conditions="JOIN" in {word_at(rest, i) for i in range(6)}))))


def _hanging(documents: Iterator[Document]) -> Iterator[Document]:
    """Lines between the parts are indented; what is in parentheses is as it is."""
    for document in documents:
        yield Indented((document,)) if isinstance(document, (Line, Hard)) else document


def _comment(part: Part, *, first: bool) -> Iterator[Document]:
    token = head(part)
    if not first:
        if not token.breaks and token.kind is TokenKind.LINE_COMMENT:
            yield Trailing(token.text.rstrip())
            return
        yield Hard(blank=token.breaks > 1) if token.breaks else " "
    if token.kind is TokenKind.LINE_COMMENT:
        yield Trailing(token.text.rstrip())
    else:
        yield token.text


def _items(parts: Sequence[Part], *, before: Part | None = None, conditions: bool = False) -> Iterator[Document]:
    """Tokens one after the other; a line may break behind commas, before AND and OR, and around branches of CASE."""
    context = Context(conditions)
    for at, part in enumerate(parts):
        token = head(part)
        previous = parts[at - 1] if at else before
        if token.is_comment:
            if at and token.breaks:
                yield Hard(blank=token.breaks > 1)
            elif at and token.kind is TokenKind.BLOCK_COMMENT:
                yield " "
            yield Trailing(token.text.rstrip()) if token.kind is TokenKind.LINE_COMMENT else token.text
            continue
        if at and previous is not None:
            yield from _between(previous, part, context)
        context.take(part)
        if isinstance(part, Parens):
            yield from _case(part) if part.is_case else _parens(part, parts[at - 1] if at else before)
        else:
            yield token.shown


def _between(previous: Part, part: Part, context: Context) -> Iterator[Document]:
    """What stands between two neighbours."""
    left, right = last(previous), head(part)
    if left.is_comment:
        if left.kind is TokenKind.LINE_COMMENT or right.breaks:
            yield Hard()
        elif right.text not in (",", ";"):
            yield " "
        return
    if right.text in (",", ";") and right.kind is TokenKind.SYMBOL:
        return
    if left.text == "," and left.kind is TokenKind.SYMBOL:
        yield Line()
        return
    word = right.word
    if context.conditions and word in ("AND", "OR") and not (word == "AND" and context.betweens):
        yield Line()
    elif spaced(left, right, part, context):
        yield " "


def _case(part: Parens) -> Iterator[Document]:
    """CASE on one line, or each branch on its own."""
    inside = part.inside
    cuts = [at for at in range(len(inside)) if word_at(inside[at : at + 1], 0) in ("WHEN", "ELSE")]
    first = cuts[0] if cuts else len(inside)
    operand = (" ", *_items(inside[:first])) if first else ()
    branches: list[Document] = []
    for start, end in zip(cuts, (*cuts[1:], len(inside)), strict=True):
        commented = start > 0 and head(inside[start - 1]).is_comment
        branches.append(Hard() if commented else Line())
        branches.append(Group(tuple(_hanging(_items(inside[start:end], conditions=True)))))
    broken = bool(cuts) and head(inside[cuts[0]]).breaks > 0
    closing: Document = Hard() if inside and head(inside[-1]).is_comment else Line()
    yield Group((part.opening.shown, *operand, Indented(tuple(branches)), closing, "END"), broken=broken)


def _parens(part: Parens, before: Part | None) -> Iterator[Document]:
    inside = part.inside
    if not inside:
        yield "()"
        return
    word = head(before).word if before is not None else ""
    if word == "PATTERN":
        yield "(" + _as_written(inside) + ")"
        return
    if word == "MATCH_RECOGNIZE":
        yield Group(("(", Indented((Line(""), *_pattern_clauses(inside))), Line(""), ")"), broken=True)
        return
    query = is_query(inside)
    breaks = head(inside[0]).breaks > 0 and not head(inside[0]).is_comment
    if query:
        body: tuple[Document, ...] = tuple(_sequence(inside, query=True))
        simple = not breaks and len(_clauses(inside)) == 1
        yield Group(("(", Indented((Line(""), *body)), Line(""), ")"), broken=not simple)
        return
    if word == "OVER":
        yield Group(("(", Indented((Line(""), *_window_clauses(inside))), Line(""), ")"), broken=False)
        return
    commas = any(isinstance(p, SqlToken) and p.text == "," for p in inside)
    conditions = not commas
    body = tuple(_items(inside, conditions=conditions))
    opening: Document = Line("")
    if head(inside[0]).is_comment and not head(inside[0]).breaks:
        opening = " "
    yield Group(("(", Indented((opening, *body)), Line(""), ")"), broken=breaks and commas)


def _as_written(parts: Sequence[Part]) -> str:
    """A row pattern: its spaces tell quantifiers from what they belong to."""
    texts: list[str] = []
    for at, part in enumerate(parts):
        if at and head(part).spaced and not texts[-1].endswith("\n"):
            texts.append(" ")
        texts.append(f"({_as_written(part.inside)})" if isinstance(part, Parens) else part.text)
        if head(part).kind is TokenKind.LINE_COMMENT:
            texts.append("\n")
    return "".join(texts)


def _window_clauses(parts: list[Part]) -> Iterator[Document]:
    yield from _cut(parts, [at for at in range(1, len(parts)) if word_at(parts, at) in _OF_A_WINDOW])


def _pattern_clauses(parts: list[Part]) -> Iterator[Document]:
    cuts = [
        at
        for at in range(1, len(parts))
        if any(all(word_at(parts, at + i) == word for i, word in enumerate(words)) for words in _OF_A_PATTERN)
    ]
    yield from _cut(parts, cuts)


def _cut(parts: list[Part], cuts: Sequence[int]) -> Iterator[Document]:
    """Runs of parts, a line break allowed between them."""
    for start, end in zip((0, *cuts), (*cuts, len(parts)), strict=True):
        if start:
            yield Line()
        yield Group((Indented(tuple(_items(parts[start:end]))),))
