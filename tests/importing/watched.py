"""What dashboards and rules say, and what a job exports when it runs, for comparing the two."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import yaml

from velo_engine import Engine, JobOptions
from velo_engine.observability.exposition import JobCollector, registry_of
from velo_engine.observability.metric_annotations import metric_definitions
from velo_engine.observability.program_metrics import ProgramMetrics
from velo_engine.runtime.inputs import TableInput
from velo_engine.runtime.measurements import Distribution
from velo_engine.runtime.statistics import CheckpointStatistics, JobStatistics, SourceStatistics
from velo_harness.dashboard.promql_syntax import Aggregate, Selector, parse_promql
from velo_import.observability import ALERTS, DASHBOARD, Observed

SCHEMA = Path(__file__).parent / "grafana" / "dashboard.schema.json"
IMPORTED = ("__inputs", "__elements", "__requires")
"""What Grafana takes out of a file when it imports it."""
OF_PROMETHEUS = {"up", "ALERTS"}
"""Series that Prometheus makes itself."""
TARGET_LABELS = {"job", "instance"}
"""Labels that Prometheus adds when it scrapes."""


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def faults_of_dashboard(text: str) -> list[str]:
    """Where a dashboard is not what Grafana's model says."""
    document = json.loads(text)
    if not all(key in document for key in IMPORTED):
        return ["it cannot be imported"]
    model = {key: value for key, value in document.items() if key not in IMPORTED}
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in _validator().iter_errors(model)]


def panel_expressions(text: str) -> list[str]:
    """The queries of a dashboard, with the times that Grafana puts in."""
    found = [target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", ())]
    return [one.replace("$__rate_interval", "1m").replace("$__range", "1h") for one in found]


def rule_expressions(text: str) -> list[str]:
    """Those of recording and alerting rules."""
    return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def used(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each series of a query with the labels that the query speaks of."""
    yield from _used(parse_promql(expression), frozenset())


def _used(node: Any, by: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(node, Selector):
        yield node.name, by | {matcher.label for matcher in node.matchers}
        return
    if isinstance(node, Aggregate):
        by = by | set(node.labels)
    if is_dataclass(node):
        for part in fields(node):
            value = getattr(node, part.name)
            for child in value if isinstance(value, tuple) else (value,):
                yield from _used(child, by)


def promtool(*words: str, text: str | None = None, folder: Path | None = None) -> tuple[int, str]:
    """Exit code and output."""
    done = subprocess.run(["promtool", *words], input=text, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def exposition(observed: Observed, rows: Mapping[str, list[dict[str, Any]]]) -> bytes:
    """What `/metrics` shows after the job ran over `rows` of its sources."""
    from prometheus_client.exposition import generate_latest

    engine = Engine()
    parsed = engine.parse(observed.app_sql, file="app.sql", variables={})
    program = engine.plan(parsed, variables={})
    metrics = ProgramMetrics(program, metric_definitions(parsed))
    inputs = {name: TableInput(_table(source.schema.arrow(), rows[name])) for name, source in program.sources.items()}
    job = engine.job(program, inputs=inputs, options=JobOptions(on_changes=metrics.observe))
    job.run()
    # The end of the input is the end of event time, which has no lag: as it was while the job went on.
    statements = {name: replace(one, watermark_ms=1) for name, one in job.statement_statistics().items()}
    measured = Distribution((1.0,), (1, 0), 0.5)
    now = JobStatistics(
        records=job.records,
        sources={name: SourceStatistics(records, 0) for name, records in job.source_records.items()},
        statements=statements,
        dead_letters=job.dead_letter_count,
        checkpoints=CheckpointStatistics(),
        connections={},
        batches=measured,
        latency=measured,
        seconds={},
        silent_s=0.0,
    )
    page: bytes = generate_latest(registry_of(JobCollector("job", lambda: now, metrics)))
    metrics.close()
    return page


def _table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def unknown_series(observed: Observed, exported: Mapping[str, set[str]]) -> list[str]:
    """What panels and rules speak of and a job does not export; `exported` are the labels of series by name."""
    texts = [*panel_expressions(observed.files[DASHBOARD]), *rule_expressions(observed.files[ALERTS])]
    missing = []
    for expression in texts:
        for name, labels in used(expression):
            if name not in OF_PROMETHEUS and (name not in exported or labels - TARGET_LABELS - exported[name]):
                missing.append(f"{name} {sorted(labels)} in {expression}")
    return missing
