"""Outputs made by hand and assertions read from YAML: assertions are tested without an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, arrow_type
from velo_harness.assertion_loader import Assertion, assertion_spec
from velo_harness.assertions.evaluate import OutputFacts, failures
from velo_harness.discovery import PathPolicy
from velo_harness.relation import Relation
from velo_harness.result import CheckFailure
from velo_harness.spec import AssertionSpec
from velo_harness.templates import TemplateScope
from velo_harness.yaml_source import parse_yaml

Columns = Mapping[str, tuple[SqlType, Sequence[Any]]]


def make_relation(name: str, columns: Columns, aliases: Mapping[str, str] | None = None) -> Relation:
    schema = RowSchema.of(*((column, kind) for column, (kind, _) in columns.items()))
    arrays = [pa.array(values, arrow_type(kind)) for kind, values in columns.values()]
    return Relation(name, schema, pa.table(arrays, schema=schema.arrow()), aliases or {})


@pytest.fixture
def relation() -> Callable[..., Relation]:
    return make_relation


@pytest.fixture
def assertion(tmp_path: Path) -> Callable[[str], AssertionSpec]:
    def read(text: str) -> AssertionSpec:
        node = parse_yaml(text, "orders.test.yaml")
        return assertion_spec(Assertion().read(node), tmp_path, PathPolicy(tmp_path.resolve()))

    return read


@pytest.fixture
def facts() -> Callable[..., OutputFacts]:
    """Facts about an output whose records are also its final contents, unless `final` is given."""

    def make(output: Relation, final: Relation | None = None, **changes: Any) -> OutputFacts:
        inputs: dict[str, Relation] = changes.pop("inputs", {})
        given = OutputFacts(
            records=output,
            final=final or output,
            updates=final is not None,
            key=(),
            inputs=inputs,
            scope=TemplateScope(inputs, {output.name: output}, {"limit": "3"}),
            time_zone="UTC",
            execution_ms=12.5,
            window=None,
        )
        return replace(given, **changes)

    return make


@pytest.fixture
def check(
    assertion: Callable[[str], AssertionSpec], facts: Callable[..., OutputFacts]
) -> Callable[..., CheckFailure | None]:
    """Evaluates one assertion over an output: its failure, or None when it holds."""

    def evaluate(text: str, output: Relation, final: Relation | None = None, **changes: Any) -> CheckFailure | None:
        errors, warnings = failures([assertion(text)], facts(output, final, **changes))
        found = [*errors, *warnings]
        return found[0] if found else None

    return evaluate
