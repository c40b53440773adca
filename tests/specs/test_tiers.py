"""The graded examples under tiers/: they pass, they teach, and they are what their READMEs list."""

from __future__ import annotations

import re
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from tests.specs.independent import ROOT
from velo_harness.kafka.providers import EmbeddedProvider
from velo_harness.kafka.session import KafkaSession
from velo_harness.mutation.run import MutationSettings, mutate
from velo_harness.result import Outcome, QueryResult, RunResult
from velo_harness.settings import RunSettings
from velo_harness.spec import Spec
from velo_harness.spec_loader import load_spec
from velo_harness.suite import find_spec_files, load_items, run_items

TIERS = ROOT / "tiers"
EXAMPLES = sorted(TIERS.glob("tier*/*.test.yaml"))
FOLDERS = sorted({path.parent for path in EXAMPLES})
STRESS = re.compile("stress")
"""Names of examples that run at volume; `velo-test run tiers/tier8` runs them, not every test run."""


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=f"{path.parent.name}/{path.name.removesuffix('.test.yaml')}") for path in paths]


@cache
def loaded(path: Path) -> Spec:
    return load_spec(path)


def run(folder: Path, kafka: KafkaSession | None = None) -> RunResult:
    files = [file for file in find_spec_files([folder]) if not STRESS.search(file.path.name)]
    items, errors = load_items(files, RunSettings(), [])
    assert errors == []
    return run_items(items, RunSettings(), kafka=kafka)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_example_of_a_tier_passes(folder: Path) -> None:
    result = run(folder)

    assert len(result.queries) >= len([path for path in EXAMPLES if path.parent == folder]) - 1
    bad = [q for q in result.queries if q.outcome is not Outcome.PASSED]
    assert [(q.item, str(q.error), [str(f.finding) for f in q.failures]) for q in bad] == []


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["tier1", "tier7"])
def test_on_a_broker_the_examples_give_what_they_give_in_memory(tier: str) -> None:
    in_memory = run(TIERS / tier)
    with closing(KafkaSession(EmbeddedProvider())) as session:
        on_broker = run(TIERS / tier, session)

    assert on_broker.kafka == session.provider.name
    assert [facts(q) for q in on_broker.queries] == [facts(q) for q in in_memory.queries]
    assert {q.outcome for q in on_broker.queries} == {Outcome.PASSED}


def facts(query: QueryResult) -> tuple[object, ...]:
    """What a broker must not change."""
    return query.item, query.outcome, query.numbers, query.late_rows


def test_there_are_enough_examples_in_every_tier() -> None:
    counts = [len(list(TIERS.glob(f"tier{number}/*.test.yaml"))) for number in range(1, 9)]

    assert sum(counts) >= 45
    assert min(counts) >= 5


@pytest.mark.parametrize("path", named(EXAMPLES))
def test_the_header_teaches_and_says_where_expected_values_come_from(path: Path) -> None:
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    text = [line for line in header if line != "#"]

    assert first == "# yaml-language-server: $schema=../../src/velo_harness/schemas/spec.schema.json"
    assert 5 <= len(text) <= 17
    assert any(line.startswith("# Expected ") for line in text)
    assert path.with_name(path.name.replace(".test.yaml", ".sql")).is_file()


@pytest.mark.parametrize("path", named(EXAMPLES))
def test_every_source_has_a_data_schema_and_every_query_an_expectation(path: Path) -> None:
    spec = loaded(path)
    names = {one.name.removesuffix(".schema.yaml") for one in path.parent.glob("schemas/*.schema.yaml")}
    statements = {query.name for query in spec.queries}

    for query in spec.queries:
        assert query.expect is not None or query.assertions
        for given in query.inputs:
            assert given.source in names | statements, given.source


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_of_a_tier_lists_its_examples(folder: Path) -> None:
    listed = re.findall(r"\]\((\w+\.test\.yaml)\) \| \S", (folder / "README.md").read_text(encoding="utf-8"))

    assert listed == [path.name for path in EXAMPLES if path.parent == folder]
    assert f"({folder.name}/README.md)" in (TIERS / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_examples_of_a_tier_notice_nine_in_ten_small_changes_of_their_sql(folder: Path) -> None:
    result = mutate([folder], RunSettings(), MutationSettings())

    assert result.file_errors == ()
    assert [entry for program in result.programs for entry in program.stale] == []
    assert result.score is not None
    assert result.score >= 0.9
