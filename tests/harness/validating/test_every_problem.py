"""However many mistakes a spec has, and wherever: each is told at its place, and nothing else; no text makes it stop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_harness.settings import RunSettings
from velo_harness.validating.files import validate
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlSequence, parse_yaml

SPEC = """\
application: shop
sql: |
  CREATE STREAM orders (id BIGINT, amount DECIMAL(10, 2), ts TIMESTAMP(3));
  CREATE STREAM large AS SELECT id, amount FROM orders WHERE amount > 10;
  CREATE STREAM small AS SELECT id FROM orders WHERE amount < 5;
topic_naming:
  pattern: "x_{run_id}_{base}"
queries:
  - name: large
    description: what is large
    inputs:
      - source: orders
        records: 5
        time_simulation:
          start_time: -1h
    assertions:
      - type: record_count
        greater_than: 0
      - type: no_nulls
        fields: [id]
  - name: small
    inputs:
      - source: orders
        rows:
          - { id: 1, amount: 2.00 }
    expect:
      rows:
        - { id: 1 }
      tolerance:
        id:
          abs: 0
"""
FREE = ("rows", "tolerance")
"""Mappings below these have the keys of rows, not of the format."""


def insertable(node: YamlNode, above: str = "") -> list[tuple[int, int]]:
    """Line and column of the block mappings of the format; a key can be written above their first one."""
    found = []
    if isinstance(node, YamlMapping):
        flow = node.location.text[node.location.column - 1 :].startswith("{")
        if not flow and above not in FREE:
            found.append((node.location.line, node.location.column))
        for key, value in node.entries:
            found += insertable(value, key.text)
    elif isinstance(node, YamlSequence):
        for item in node.items:
            found += insertable(item, above)
    return found


PLACES = sorted(insertable(parse_yaml(SPEC, "")))


def places_of(text: str, folder: Path) -> list[tuple[int, str]]:
    path = folder / "shop.test.yaml"
    path.write_text(text)
    return sorted((f.location.line, f.code.code) for f in validate([path], RunSettings()).findings if f.location)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs")


def test_the_spec_has_no_problem_and_many_places_for_one(folder: Path) -> None:
    assert places_of(SPEC, folder) == []
    assert len(PLACES) == 11


@settings(max_examples=40, deadline=None)
@given(chosen=st.sets(st.sampled_from(PLACES), min_size=1))
def test_an_unknown_key_in_any_mappings_is_told_in_each(folder: Path, chosen: set[tuple[int, int]]) -> None:
    lines = SPEC.splitlines()
    for line, column in sorted(chosen, reverse=True):
        text = lines[line - 1]
        before, rest = text[: column - 1], text[column - 1 :]
        lines[line - 1 : line] = [f"{before}zzz{line}: 1", f"{' ' * (column - 1)}{rest}"]
    text = "\n".join(lines) + "\n"
    expected = [(at, "VELO2002") for at, line in enumerate(text.splitlines(), 1) if "zzz" in line]

    assert places_of(text, folder) == expected


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_text_makes_it_fail_or_go_on_for_ever(folder: Path, seed: int) -> None:
    draw = random.Random(seed)
    lines = SPEC.splitlines()
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(lines))
        change = draw.randrange(4)
        if change == 0 and len(lines) > 1:
            del lines[at]
        elif change == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif change == 2:
            column = draw.randint(0, len(lines[at]))
            lines[at] = lines[at][:column] + draw.choice("x:{}[],'\"-#;() ") + lines[at][column:]
        else:
            lines[at] = "  " + lines[at]

    first = places_of("\n".join(lines), folder)

    assert first == places_of("\n".join(lines), folder)
