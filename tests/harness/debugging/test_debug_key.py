"""The key `debug` of specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.debugging.debug_settings import DebugSettings, LogLevel
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec import Spec
from velo_harness.spec_loader import load_spec


def spec(folder: Path, debug: str) -> Spec:
    (folder / "pyproject.toml").write_text("")
    path = folder / "app.test.yaml"
    path.write_text(
        f"""application: x
sql: |
  CREATE STREAM one AS SELECT id FROM t WITH ('t.type' = 'kafka_source', 't.topic' = 't');
  CREATE STREAM two AS SELECT id FROM t WITH ('t.type' = 'kafka_source', 't.topic' = 't');
{debug}
schemas: {{t: t.schema.yaml}}
queries:
  - {{name: one, inputs: [{{source: t, rows: [{{id: 1}}]}}], expect: {{rows: [{{id: 1}}]}}}}
  - {{name: two, inputs: [{{source: t, rows: [{{id: 1}}]}}], expect: {{rows: [{{id: 1}}]}}}}
"""
    )
    (folder / "t.schema.yaml").write_text("name: t\nfields: [{name: id, type: bigint}]\n")
    return load_spec(path)


def notes(found: Spec) -> list[tuple[str, ...]]:
    return [run_query(found, query, RunSettings(), item="x", rerun="").notes for query in found.queries]


def test_a_spec_without_it(tmp_path: Path) -> None:
    found = spec(tmp_path, "")
    assert found.debug == DebugSettings(enabled=False, pause_on_start=True)
    assert notes(found) == [(), ()]


def test_all_of_it(tmp_path: Path) -> None:
    found = spec(
        tmp_path,
        "debug: {enabled: true, pause_on_start: false, breakpoints: [{query: one, after_record: 3}, {query: two}], "
        "show_intermediate_values: true, log_level: trace}",
    )
    assert (found.debug.enabled, found.debug.pause_on_start, found.debug.show_intermediate_values) == (
        True,
        False,
        True,
    )
    assert [(b.query, b.after_record) for b in found.debug.breakpoints] == [("one", 3), ("two", None)]
    assert found.debug.log_level is LogLevel.TRACE


def test_a_plain_run_says_once_that_it_is_ignored(tmp_path: Path) -> None:
    found = spec(tmp_path, "debug: {enabled: true}")
    first, second = notes(found)
    assert [note for note in first if "debug is ignored here: velo-test debug" in note]
    assert second == ()


def test_not_enabled_it_is_nothing_to_speak_of(tmp_path: Path) -> None:
    assert notes(spec(tmp_path, "debug: {enabled: false, log_level: debug}")) == [(), ()]


@pytest.mark.parametrize(
    ("debug", "code"),
    [
        ("debug: {enable: true}", ErrorCode.UNKNOWN_KEY),
        ("debug: {log_level: loud}", ErrorCode.BAD_VALUE),
        ("debug: {breakpoints: [{after_record: 1}]}", ErrorCode.MISSING_KEY),
        ("debug: {breakpoints: [{query: one, after_record: 0}]}", ErrorCode.BAD_VALUE),
    ],
)
def test_what_is_refused(tmp_path: Path, debug: str, code: ErrorCode) -> None:
    with pytest.raises(VeloError) as refused:
        spec(tmp_path, debug)
    assert refused.value.code is code
    assert refused.value.location is not None
