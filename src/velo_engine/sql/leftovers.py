"""What a person most likely meant when a statement goes on behind its end."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import nearest

_CLAUSES = ("WHERE", "GROUP BY", "HAVING", "WINDOW", "ORDER BY", "LIMIT", "EMIT", "INTO", "WITH", "UNION", "JOIN")
_FIRST_WORDS = frozenset(phrase.split()[0] for phrase in _CLAUSES)
_STATEMENTS = ("CREATE", "INSERT", "SELECT", "SET")


def misread_token(previous: Token, found: Token) -> Token:
    """The token to point at: the one before `found` when that was a clause's misspelt first word."""
    if _misspelt(previous) is not None and found.token_type != TokenType.EQ:
        return previous
    return found


def hint_for_leftover(previous: Token, found: Token) -> str | None:
    """The advice for `found`, which the grammar does not allow behind `previous`."""
    word, before = found.text.upper(), previous.text.upper()
    if before in ("GROUP", "ORDER", "PARTITION"):
        return f"write {before} BY {found.text}"
    if (clause := _misspelt(previous)) is not None:
        return f"did you mean {clause}?"
    if word in ("EMIT", "INTO", "WITH"):
        return f"{word} belongs to the end of the statement, once"
    if word in _STATEMENTS:
        return "a statement ends with a semicolon; is one missing before this?"
    if word == "NOT":
        return "write IS NOT NULL to ask whether there is a value"
    if word == "FROM":
        return "a comma or a parenthesis may be missing before this"
    if found.token_type == TokenType.VAR and (close := nearest(word, _CLAUSES)) is not None:
        return f"did you mean {close}?"
    if found.token_type == TokenType.R_PAREN:
        return "this parenthesis closes nothing"
    return None


def _misspelt(token: Token) -> str | None:
    """The clause that the token, read as an alias, was meant to start; None for a correct word or a plain name."""
    word = token.text.upper()
    if token.token_type != TokenType.VAR or word in _FIRST_WORDS or len(word) < 4:
        return None
    if word in ("EMITS", "EMITT", "EMITTING"):
        return "EMIT CHANGES or EMIT FINAL"
    close = nearest(word, ("WHERE", "HAVING", "WINDOW", "LIMIT", "EMIT"))
    return "EMIT CHANGES or EMIT FINAL" if close == "EMIT" else close
