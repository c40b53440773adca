"""Patterns of LIKE, SIMILAR TO and REGEXP as regular expressions that texts are drawn from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from velo_engine.errors import VeloError
from velo_engine.functions.java_regex import JavaRegexError, java_pattern_of_similar

EXAMPLES = 2
"""Texts that stand for a pattern."""
_SEED = 7


def regular_expression(function: str, constants: Sequence[str]) -> str | None:
    """The regular expression that texts match as a whole for which `function` is true; None: it cannot be said."""
    pattern = constants[0]
    escape = constants[1] if len(constants) > 1 else None
    if function == "like":
        return _of_like(pattern, escape)
    try:
        found = java_pattern_of_similar(pattern, escape) if function == "similar" else pattern
        re.compile(found)
    except (JavaRegexError, re.error):
        return None
    return found.removeprefix("^").removesuffix("$")


def _of_like(pattern: str, escape: str | None) -> str:
    parts: list[str] = []
    for before, character in pairwise("\0" + pattern):
        if escape is not None and before == escape:
            parts[-1] = re.escape(character)
        else:
            parts.append({"%": "[a-z]{0,3}", "_": "[a-z]"}.get(character, re.escape(character)))
    return "".join(parts)


def examples(pattern: str) -> list[str]:
    """A few texts that match, always the same ones; none when no text can be drawn."""
    import numpy as np

    from velo_harness.generation.patterns import matching

    try:
        found = matching(np.random.default_rng(_SEED), EXAMPLES, pattern).to_pylist()
    except (VeloError, re.error):
        return []
    return [text for text in dict.fromkeys(found) if re.fullmatch(pattern, text)]
