"""Proposed patterns and ranges of source columns, held against types, rows that were seen, and the generator."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from velo_engine.errors import VeloError
from velo_engine.types import FLOATS, INTEGERS, NUMERICS, STRINGS, SqlType, TypeName
from velo_harness.constraints import FieldConstraints
from velo_harness.data_schema import DataField, data_schema_of
from velo_harness.yaml_source import parse_yaml
from velo_import.enrichment.suggestions import FieldIdea

if TYPE_CHECKING:
    import pyarrow as pa

TRIED_ROWS = 50
_BITS = {TypeName.TINYINT: 7, TypeName.SMALLINT: 15, TypeName.INT: 31, TypeName.BIGINT: 53}
"""Of a greatest value; a JSON number has no more than 53."""
_OPEN_REPEAT = re.compile(r"[*+]|\{\d*,\}")
_ESCAPES_AND_CLASSES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_RANGE = r"range: \{ min: (?P<low>[^{},]+), max: (?P<high>[^{},]+) \}"
_CONSTRAINTS = re.compile(rf', constraints: \{{ (?:{_RANGE}|pattern: "(?:[^"\\]|\\.)*") \}}')
_GUESSED = "by its name"
"""How comments end that stand behind values which only the name of the column speaks for."""


def revised_schemas(
    schemas: Mapping[str, str], ideas: Sequence[FieldIdea], samples: Mapping[str, pa.Table], notes: list[str]
) -> dict[str, str]:
    """The schemas, by path, with what was proposed and is right; `notes` hears of the rest."""
    found = dict(schemas)
    paths = {data_schema_of(parse_yaml(text, path)).name: path for path, text in schemas.items()}
    for idea in ideas:
        path = paths.get(idea.source)
        if path is None:
            notes.append(f'there is no source "{idea.source}"')
            continue
        try:
            found[path] = _revised(found[path], idea, samples.get(idea.source))
        except ValueError as problem:
            notes.append(f"{idea.source}.{idea.field}: {problem}")
    return found


def _revised(text: str, idea: FieldIdea, sample: pa.Table | None) -> str:
    """Raises ValueError with what is wrong."""
    schema = data_schema_of(parse_yaml(text, "schema"))
    field = next((one for one in schema.fields if one.name == idea.field), None)
    if field is None:
        raise ValueError("there is no such column")
    number, line, comment = _line(text, field)
    if field.constraints != FieldConstraints() and not _may_give_way(line, comment, idea):
        raise ValueError("its values are known better already")
    given = _pattern(idea, field.type) if idea.pattern is not None else _range(idea, field.type)
    seen = [] if sample is None or field.name not in sample.column_names else _seen(sample, field.name)
    if any(not _fits(idea, value) for value in seen):
        raise ValueError("rows that were seen have other values")
    plain = _CONSTRAINTS.sub("", line)
    body, closing, _ = plain.rpartition(" }")
    lines = text.splitlines()
    if not closing:
        raise ValueError("its line was written by somebody")
    lines[number] = f"{body}, constraints: {{ {given} }} }}  # proposed by --ai"
    revised = "\n".join(lines) + "\n"
    _try(revised)
    return revised


def _line(text: str, field: DataField) -> tuple[int, str, str]:
    """Where the column stands in the schema: the number of its line, the line, and its comment apart."""
    number = field.location.line - 1
    line, mark, comment = text.splitlines()[number].rpartition("}  # ")
    return (number, line + "}", comment) if mark else (number, comment, "")


def _may_give_way(line: str, comment: str, idea: FieldIdea) -> bool:
    """Whether what the rules found is a guess, or the proposal goes further in both directions."""
    match = _CONSTRAINTS.search(line)
    if match is None:
        return False
    if comment.endswith(_GUESSED) or match["low"] is None:
        return comment.endswith(_GUESSED)
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError:
        return False
    return idea.minimum is not None and idea.maximum is not None and idea.minimum <= low and idea.maximum >= high


def _pattern(idea: FieldIdea, kind: SqlType) -> str:
    pattern = idea.pattern
    assert pattern is not None
    if idea.minimum is not None or idea.maximum is not None:
        raise ValueError("a pattern and a range exclude each other")
    if kind.name not in STRINGS:
        raise ValueError(f"a pattern is for text, not for {kind}")
    if not pattern.isprintable() or "${" in pattern:
        raise ValueError("the pattern is not plain text of one line")
    if _OPEN_REPEAT.search(_ESCAPES_AND_CLASSES.sub("x", pattern)):
        raise ValueError("the pattern has no greatest length")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"the pattern is no regular expression: {problem}") from None
    return f"pattern: {json.dumps(pattern, ensure_ascii=False)}"


def _range(idea: FieldIdea, kind: SqlType) -> str:
    low, high = idea.minimum, idea.maximum
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise ValueError("a range has a minimum and a greater maximum")
    if kind.name not in NUMERICS:
        raise ValueError(f"a range is for numbers, not for {kind}")
    least, greatest = _limits(kind)
    if low < least or high > greatest:
        raise ValueError(f"{low:g} to {high:g} does not fit into {kind}")
    if kind.name in INTEGERS and not (low.is_integer() and high.is_integer()):
        raise ValueError(f"{kind} has whole numbers only")
    return f"range: {{ min: {_number(low)}, max: {_number(high)} }}"


def _limits(kind: SqlType) -> tuple[float, float]:
    if kind.name in FLOATS:
        return -1e300, 1e300
    if kind.name in _BITS:
        most = 2.0 ** _BITS[kind.name] - 1
        return -most, most
    most = 10.0 ** ((kind.precision or 38) - (kind.scale or 0)) - 1
    return -most, most


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else format(Decimal(repr(value)), "f")


def _seen(sample: pa.Table, name: str) -> list[object]:
    return [value for value in sample.column(name).to_pylist() if value is not None]


def _fits(idea: FieldIdea, value: object) -> bool:
    if idea.pattern is not None:
        return re.fullmatch(idea.pattern, str(value)) is not None
    assert idea.minimum is not None
    assert idea.maximum is not None
    return isinstance(value, (int, float, Decimal)) and idea.minimum <= value <= idea.maximum


def _try(text: str) -> None:
    """Rows can be made of the schema. Raises ValueError when not."""
    from velo_harness.generation.tables import generate

    try:
        schema = data_schema_of(parse_yaml(text, "schema"))
        generate(schema, records=TRIED_ROWS, seed=1, now=datetime(2024, 1, 1, tzinfo=UTC), references=None)
    except VeloError as problem:
        if problem.code.name != "UNKNOWN_SCHEMA":  # rows of another source, which are not here
            raise ValueError(problem.message) from None
