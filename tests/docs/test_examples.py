"""The examples of docs/ do what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, Block, blocks
from velo_engine import Engine, TableInput, TopicInput
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceKind
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec import Spec
from velo_harness.spec_loader import load_spec


def of_role(role: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, role)]


def folder_of(block: Block, tmp_path: Path) -> Path:
    """A folder with the files of the block's page."""
    (tmp_path / "pyproject.toml").write_text("")
    for file in blocks(DOCS / block.page, "file"):
        path = tmp_path / file.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    return tmp_path


def check(spec: Spec, name: str | None = None) -> None:
    for query in spec.queries:
        if name in (None, query.name):
            result = run_query(spec, query, RunSettings(), item=query.name, rerun="")
            assert result.error is None, str(result.error)
            assert result.outcome is Outcome.PASSED, result.failures
            assert not result.warnings


@pytest.mark.parametrize("block", of_role("test"), ids=str)
def test_the_spec_passes(block: Block, tmp_path: Path) -> None:
    path = folder_of(block, tmp_path) / "example.test.yaml"
    path.write_text(block.text)

    check(load_spec(path))


@pytest.mark.parametrize("block", of_role("assertions"), ids=str)
def test_the_assertions_hold(block: Block, tmp_path: Path) -> None:
    base = blocks(DOCS / block.page, "test")[0].text
    path = folder_of(block, tmp_path) / "example.test.yaml"
    name = block.argument or re.findall(r"^  - name: (\w+)$", base, re.MULTILINE)[0]
    head, _, rest = base.partition(f"  - name: {name}\n")
    query, next_query, others = rest.partition("  - name: ")
    query = query.partition("    assertions:\n")[0]
    indented = "".join(f"      {line}\n" for line in block.text.splitlines())
    path.write_text(f"{head}  - name: {name}\n{query}    assertions:\n{indented}{next_query}{others}")

    spec = load_spec(path)

    assert any(query.name == name and query.assertions for query in spec.queries)
    check(spec, name)


@pytest.mark.parametrize("block", of_role("plan"), ids=str)
def test_the_statements_run(block: Block) -> None:
    engine = Engine()
    program = engine.plan(declared(block) + block.text)

    result = engine.run(program, inputs=empty_inputs(program))

    assert set(result.statements) == set(program.statements)


@pytest.mark.parametrize("block", of_role("refused"), ids=str)
def test_the_statements_are_refused(block: Block) -> None:
    statements = [part.strip() for part in block.text.split(";") if part.strip()]
    for statement in statements:
        comment, _, _ = statement.partition("\n")
        with pytest.raises(VeloError) as refused:
            Engine().plan(declared(block) + statement + ";")
        assert refused.value.code is ErrorCode.SQL_UNSUPPORTED, statement
        assert comment.removeprefix("-- ") in refused.value.message
        assert refused.value.location is not None


def declared(block: Block) -> str:
    """The sources of the page."""
    return "".join(other.text for other in blocks(DOCS / block.page, "sources"))


def empty_inputs(program: PlannedProgram) -> dict[str, TopicInput | TableInput]:
    """No rows for any source."""
    topics = Engine().topics
    return {
        name: TableInput(source.schema.arrow().empty_table())
        if source.kind is SourceKind.TABLE
        else TopicInput(topics.create(name))
        for name, source in program.sources.items()
    }
