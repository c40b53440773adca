"""Paths into JSON with a dot before a bracket; expected values are those of Flink 2.3.0."""

from __future__ import annotations

import pytest

from velo_engine.functions.json_path import parse_path


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("strict $.['contains blank']", ("contains blank",)),
        ("lax $.a.[1]", ("a", 1)),
        ("lax $.a.[*]", ("a", None)),
        ('lax $.["a"].[0]', ("a", 0)),
    ],
)
def test_a_dot_may_stand_before_a_bracket(path: str, steps: tuple[object, ...]) -> None:
    assert parse_path(path).steps == steps
