"""Numbers with their nouns, as people write them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `2 rows`, `1,000 rows`; with `plural` for nouns and phrases that do not end with an s then."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
