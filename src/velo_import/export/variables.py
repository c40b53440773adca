"""`${NAME:default}` in exported SQL: Flink has no variables, so each has its value there.

What an import made of `${NAME}`, `${NAME:NAME}`, is `${NAME}` again: whoever submits the script replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.program import Property
from velo_engine.sql.source_text import SourceText, reference_end
from velo_engine.sql.variables import expand

_OF_IMPORT = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:\1\}\Z")


_STRING = re.compile(r"'((?:[^']|'')*)'")
_KEPT = "\ue000{"
"""Stands for the `${` of a reference that nobody replaces, a character of no text."""


def as_it_stands(value: str) -> str:
    """An option that an import kept: its references are those of whoever runs it in production."""
    return value.replace("${", _KEPT)


def written_value(source: SourceText, value: Property) -> str:
    """The value of a property as the program writes it, references and all."""
    start = source.line_starts[value.location.line - 1] + value.location.column - 1
    match = _STRING.match(source.text, start)
    return value.value if match is None else match[1].replace("''", "'")


def with_values(text: str, variables: Mapping[str, str], given: Mapping[str, str]) -> str:
    """The text with the values of its variables; `given` are those that somebody set for this export.

    One without a value is left: the program was planned, so it is of the options that an import kept for production.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find("${", position)) >= 0:
        end = reference_end(text, start)
        if end is None:
            break
        reference = text[start:end]
        kept = _OF_IMPORT.match(reference)
        if kept is not None and kept[1] not in given:
            value = f"${{{kept[1]}}}"
        else:
            value = _value(reference, variables)
            value = value.replace("'", "''") if _is_quoted(text, start) else value
        parts += [text[position:start], value]
        position = end
    return "".join((*parts, text[position:])).replace(_KEPT, "${")


def _value(reference: str, variables: Mapping[str, str]) -> str:
    try:
        return expand(reference, variables, lambda _start, _end: None)
    except VeloError as error:
        if error.code is not ErrorCode.UNSET_VARIABLE:
            raise
        return reference


def kept_variables(text: str) -> list[str]:
    """The variables that are still in an exported text."""
    return list(dict.fromkeys(re.findall(r"\$\{([A-Za-z_][\w.]*)\}", text)))


def _is_quoted(text: str, position: int) -> bool:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line.count("'") % 2 == 1
