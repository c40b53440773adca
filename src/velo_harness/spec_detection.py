"""Whether a YAML file is a spec of ours: by its name and top-level keys, without parsing it.

Other tools keep YAML files in the same folders and under the same names. A file is ours when its top level has
`queries` and `application` (or `test_suite`); a file that nearly has them and lies beside a `.sql`, or is named after
one (`x.test.yaml` beside `x.sql`), is a mistake worth an error, and so is an empty file, or one in UTF-16, beside a
`.sql`; the rest is other people's. Every pytest run imports
this module, so it needs nothing but the standard library.
"""

from __future__ import annotations

import difflib
import re
from enum import Enum
from pathlib import Path

NAMING_KEYS = ("application", "test_suite")

_SCANNED_BYTES = 16 * 1024 * 1024
_NEARNESS = 0.75
_TOP_LEVEL_KEY = re.compile(r"""^(?:"([^"\n]+)"|'([^'\n]+)'|([A-Za-z_][\w .-]*?))\s*:(?=\s|$)""", re.MULTILINE)
_FLOW_KEY = re.compile(r"""["']?(queries|application|test_suite)["']?\s*:""")


class Verdict(Enum):
    """What a YAML file is to us."""

    SPEC = "spec"
    NEAR_MISS = "near miss"
    """Meant as a spec, but a key is missing or misspelt."""
    FOREIGN = "foreign"


def judge(path: Path) -> Verdict:
    """What the file at `path`, which is named like a spec, is. Of an unreadable one its neighbours tell."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_SCANNED_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return Verdict.NEAR_MISS if _beside_sql(path) else Verdict.FOREIGN
    if _holds_nothing(text) and _beside_sql(path):
        return Verdict.NEAR_MISS
    keys = top_level_keys(text)
    if "queries" in keys and not keys.isdisjoint(NAMING_KEYS):
        return Verdict.SPEC
    if _named_after_sql(path) or (any(_near(key) for key in keys) and _beside_sql(path)):
        return Verdict.NEAR_MISS
    return Verdict.FOREIGN


def _holds_nothing(text: str) -> bool:
    """Whether the text is empty but for comments, or not text in UTF-8 at all: no other tool has such files."""
    return "\0" in text or all(not line or line.startswith("#") for line in map(str.strip, text.splitlines()))


def top_level_keys(text: str) -> set[str]:
    """The keys that start a line of `text` without indentation (of a flow mapping: our keys anywhere in it)."""
    if text.lstrip().startswith("{"):
        return {match[1] for match in _FLOW_KEY.finditer(text)}
    return {next(filter(None, match.groups())) for match in _TOP_LEVEL_KEY.finditer(text)}


def _near(key: str) -> bool:
    return bool(difflib.get_close_matches(key.casefold(), ("queries", *NAMING_KEYS), n=1, cutoff=_NEARNESS))


def _named_after_sql(path: Path) -> bool:
    return path.with_name(path.name.split(".")[0] + ".sql").is_file()


def _beside_sql(path: Path) -> bool:
    return any(path.parent.glob("*.sql"))
