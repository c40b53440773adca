"""Whether Prometheus and Grafana take what is generated for real jobs: `python -m tests.importing.monitoring` prints counts.

Every job of the corpora is imported; its rules go through `promtool check rules`, so do the queries of its panels, and
its dashboard through the schema of Grafana's models. Every series that a panel or rule names must be one that the
program declares, with its labels, or one of the engine's own.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.flink_dialect import corpora
from tests.importing.watched import (
    OF_PROMETHEUS,
    TARGET_LABELS,
    faults_of_dashboard,
    panel_expressions,
    promtool,
    rule_expressions,
    used,
)
from velo_engine import Engine
from velo_engine.observability.metric_annotations import OWN_METRICS, MetricType, metric_definitions
from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_import.convert.job import convert_job
from velo_import.inputs.files import read_jobs
from velo_import.model import ConvertedJob
from velo_import.observability import ALERTS, DASHBOARD, Observed, observe

AT_ONCE = 100
"""Files of one call of promtool."""


def jobs() -> Iterator[ConvertedJob]:
    """All jobs of the corpora."""
    for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
        for one in read_jobs(folder):
            yield convert_job(one.name, one.scripts)


def declared_series(observed: Observed) -> dict[str, set[str]]:
    """Labels of the series that the annotated program declares, by name."""
    found: dict[str, set[str]] = {}
    for definition in metric_definitions(Engine().parse(observed.app_sql, variables={})):
        metric = ExportedMetric(definition)
        if definition.type is MetricType.HISTOGRAM:
            found |= {metric.name + end: set(metric.labels) for end in ("_sum", "_count")}
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
        else:
            found[metric.name] = set(metric.labels)
    return found


def strangers(observed: Observed, expressions: list[str]) -> list[str]:
    """Series, or labels of them, that no program declares."""
    declared = declared_series(observed)
    return [
        f"{name} {sorted(labels)}"
        for expression in expressions
        for name, labels in used(expression)
        if name not in OF_PROMETHEUS
        and not name.startswith(OWN_METRICS)
        and (name not in declared or labels - TARGET_LABELS - declared[name])
    ]


def refused(folder: Path, files: list[Path]) -> list[str]:
    """What promtool says of those that it refuses."""
    found = []
    for start in range(0, len(files), AT_ONCE):
        names = [path.name for path in files[start : start + AT_ONCE]]
        code, said = promtool("check", "rules", *names, folder=folder)
        found += [] if code == 0 and said.count("SUCCESS") == len(names) else [said]
    return found


def main() -> int:
    """Prints counts, then every fault; 1 when there is one."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    expressions: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for job in jobs():
            observed = observe(job)
            counts["jobs"] += 1
            for metric in observed.metrics:
                counts[f"{metric.type}s"] += 1
                counts["metrics with labels"] += bool(metric.labels)
                counts["alerts of metrics"] += len(metric.alerts)
            panels, rules = panel_expressions(observed.files[DASHBOARD]), rule_expressions(observed.files[ALERTS])
            counts["rules"] += len(rules)
            counts["queries of panels"] += len(panels)
            expressions |= dict.fromkeys(panels)
            faults += [f"{job.name}: {fault}" for fault in faults_of_dashboard(observed.files[DASHBOARD])]
            faults += [f"{job.name}: no such series: {one}" for one in strangers(observed, [*panels, *rules])]
            files.append(folder / f"{len(files)}.yaml")
            files[-1].write_text(observed.files[ALERTS], encoding="utf-8")
        faults += refused(folder, files)
        queries = folder / "queries.yaml"
        records = [{"record": f"r:{i}", "expr": one} for i, one in enumerate(expressions)]
        queries.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}), encoding="utf-8")
        faults += refused(folder, [queries])
    for what, number in counts.items():
        print(f"{number:6} {what}")
    print(f"{len(expressions):6} different queries of panels")
    print(f"{len(faults):6} faults")
    print(*faults[:20], sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
