"""What recorded queries are made of: `python -m tests.importing.proof` writes src/velo_import/proof.json again.

Counted are the queries of recorded cases that Flink answers, and the engine answers as Flink.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlglot import exp

from tests.oracle.case import Case, load, recorded_paths
from tests.oracle.known_differences import ANSWERED_DIFFERENTLY, REFUSED
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.features import features
from velo_import.convert.proof import DATA, words

PLACE = Path(__file__).parents[2] / "src" / "velo_import" / DATA


def agreed() -> Iterator[Case]:
    """The recorded cases in which the engine gives Flink's answer."""
    for path in recorded_paths():
        name = f"{path.parent.name}/{path.stem}"
        case = load(path)
        if case.answer.error is None and not {name, path.parent.name} & {*ANSWERED_DIFFERENTLY, *REFUSED}:
            yield case


def query_of(case: Case) -> exp.Expr:
    """The query of a case, as the import reads it."""
    (statement,) = parse_script(case.definition.query, file=case.definition.name).statements
    query = getattr(statement, "query", None)
    assert isinstance(query, exp.Expr), case.definition.query
    return query


def text() -> str:
    """The file."""
    counts: Counter[str] = Counter()
    found: set[str] = set()
    versions = set()
    for case in agreed():
        query = query_of(case)
        counts.update(features(query))
        found.update(words(query))
        versions.add(case.flink)
    (flink,) = versions
    data = {"flink": flink, "features": dict(sorted(counts.items())), "words": sorted(found)}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
