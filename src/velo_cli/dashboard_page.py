"""`velo run --dashboard`: the panels of a program on a local page, while it runs and until somebody leaves."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from velo_engine.observability.metric_annotations import metric_definitions
from velo_engine.sql.program import Program
from velo_harness.dashboard.alerts import load_alerts
from velo_harness.dashboard.panels import Dashboard, dashboard_of, load_dashboard
from velo_harness.dashboard.server import DashboardServer
from velo_harness.dashboard.watch import JobWatch

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class DashboardPage:
    """The page of one run, from when its program is known; without a job there is none."""

    def __init__(self, sql: Path, port: int) -> None:
        """`sql` is the program; port 0 takes a free one."""
        self._sql, self._port = sql, port
        self._server: DashboardServer | None = None
        self._watch: JobWatch | None = None
        self._collect: Callable[[], Iterable[Metric]] = tuple
        self.stays = True
        """Whether there is a reason to look at it after the job: nobody has asked for the end."""

    def open(self, name: str, parsed: Program) -> None:
        """Serve the page of the job `name`, which is not there yet.

        Errors: those of the dashboard's file and the rules; INFRASTRUCTURE_MISSING when the page cannot be served.
        """
        rules = alerts_file(self._sql)
        alerts = load_alerts(rules) if rules.is_file() else ()
        panels = dashboard(self._sql, parsed, name)
        self._watch = JobWatch(name, panels, lambda: self._collect(), alerts)
        self._server = DashboardServer(self._port, self._watch.state)
        print(f"dashboard: {self._server.address}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def watching(self, collect: Callable[[], Iterable[Metric]]) -> Iterator[None]:
        """Show the job until it ends; `collect` gives its metrics. The page is open."""
        assert self._watch is not None
        self._collect = collect
        with self._watch:
            yield

    def stay(self) -> None:
        """Show the last numbers until SIGINT or SIGTERM."""
        if self._server is None or not self.stays:
            return
        print(f"the job has ended; {self._server.address} shows its last numbers: leave with Ctrl-C", file=sys.stderr)
        sys.stderr.flush()
        asked = threading.Event()
        before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        asked.wait()
        for number, handler in before.items():
            signal.signal(number, handler)

    def __enter__(self) -> DashboardPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()


def dashboard_file(sql: Path) -> Path:
    """Where `velo import` puts the dashboard of a program."""
    return sql.parent / "dashboards" / f"{sql.stem}.grafana.json"


def alerts_file(sql: Path) -> Path:
    """Where it puts the rules."""
    return sql.parent / "alerts" / f"{sql.stem}.alertmanager.yaml"


def dashboard(sql: Path, parsed: Program, name: str) -> Dashboard:
    """The dashboard beside a program; where there is none, panels of the engine's metrics and those it declares."""
    from velo_harness.drafting.exported_metrics import ExportedMetric
    from velo_harness.drafting.grafana_dashboard import dashboard_text

    file = dashboard_file(sql)
    if file.is_file():
        return load_dashboard(file)
    metrics = [ExportedMetric(definition) for definition in metric_definitions(parsed)]
    return dashboard_of(dashboard_text(name, metrics), str(file))
