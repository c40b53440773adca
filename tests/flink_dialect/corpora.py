"""Real Flink SQL scripts: their statements, and which of them Flink's own parser accepts.

The scripts lie beside the project and are not part of it; `accepted.json` holds Flink's verdict by the digest of each
statement: `python -m tests.flink_dialect.corpora` asks again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "shared" / "corpora" / "flink-sql"
VERDICTS = Path(__file__).parent / "accepted.json"
_TOKEN = re.compile(r"--[^\n]*|/\*(?!\+).*?\*/|'(?:[^']|'')*'|`[^`]*`|\"[^\"]*\"|;|.", re.DOTALL)


def statements() -> list[str]:
    """The different statements of all scripts, without comments and semicolons, in order of appearance."""
    found: dict[str, None] = {}
    for path in sorted(FOLDER.rglob("*.sql")):
        found.update(dict.fromkeys(split(path.read_text(encoding="utf-8", errors="replace"))))
    return list(found)


def verdicts() -> dict[str, str]:
    """The kind that Flink's parser gives each accepted statement, by digest."""
    return dict(json.loads(VERDICTS.read_text(encoding="utf-8")))


def digest(statement: str) -> str:
    """A short name of a statement."""
    return hashlib.sha256(statement.encode()).hexdigest()[:16]


def split(text: str) -> Iterator[str]:
    """The statements of a text, without comments and semicolons."""
    current: list[str] = []
    for match in _TOKEN.finditer(text + ";"):
        token = match.group()
        if token == ";":
            statement = "".join(current).strip()
            current = []
            if statement:
                yield statement
        elif token.startswith("--") or (token.startswith("/*") and not token.startswith("/*+")):
            current.append(" ")
        else:
            current.append(token)


def main() -> None:
    """Write Flink's verdicts again."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
    from statement_parser import parse

    found = statements()
    answers = {digest(s): p.kind for s, p in zip(found, parse(found), strict=True) if p.accepted}
    VERDICTS.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(answers)} of {len(found)} statements are Flink's")


if __name__ == "__main__":
    main()
