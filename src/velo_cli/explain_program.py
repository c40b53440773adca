"""Explaining a program without running it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from velo_engine import Engine
from velo_engine.explain.explanation import explain
from velo_engine.explain.text import explanation_json, explanation_text
from velo_harness.programs import shown_path
from velo_harness.yaml_source import read_text


def explain_program(sql: Path, *, base_dir: Path | None, variables: Mapping[str, str], as_json: bool) -> str:
    """The explanation of a SQL file as text or JSON. Errors are those of reading, parsing and planning it."""
    engine = Engine(base_dir=(base_dir or sql.absolute().parent).absolute())
    given = {**os.environ, **variables}
    program = engine.parse(read_text(sql), file=shown_path(sql), variables=given)
    explanation = explain(engine.plan(program, variables=given), program)
    return explanation_json(explanation) if as_json else explanation_text(explanation)
