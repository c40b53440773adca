"""A job that is watched: its metrics, sampled once a second, and what the page shows of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from velo_engine.observability.metric_annotations import OWN_METRICS
from velo_harness.dashboard.alerts import Alert, AlertStates
from velo_harness.dashboard.panels import Dashboard
from velo_harness.dashboard.samples import Samples, SampleStore
from velo_harness.dashboard.server import state_json
from velo_harness.dashboard.view import moments, panel_view

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

INTERVAL_S = 1.0
"""Between two samples."""
FIRST_SAMPLES_S = (0.1, 0.2, 0.4)
"""A job may be over before the first second is: so many seconds after its start it is looked at, too."""
INSTANCE = "local"
"""The label by which Prometheus tells the processes of a job apart."""


class JobWatch:
    """Samples a job from `__enter__` to `ended`; `state` may be asked for from any thread, and after the end."""

    def __init__(
        self,
        name: str,
        dashboard: Dashboard,
        collect: Callable[[], Iterable[Metric]],
        alerts: Sequence[Alert] = (),
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`collect` gives the metrics of the job `name` as they are now."""
        self._name, self._dashboard, self._collect, self._now_s = name, dashboard, collect, now_s
        self._labels = {"job": dashboard.job, "instance": INSTANCE}
        self._store = SampleStore()
        self._alerts = AlertStates(alerts)
        self._state = "waiting"
        self._began_s = now_s()
        self._lock = threading.Lock()
        self._made: dict[float, tuple[object, bytes]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="velo samples", daemon=True)

    def __enter__(self) -> JobWatch:
        self.sample()
        self._state = "running"
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state == "running":
            self.ended(failed=kind is not None)

    def sample(self) -> None:
        """Look at the job once."""
        now_s = self._now_s()
        self._store.add(now_s, self._collect(), self._labels)
        self._alerts.look(self._store.read(), now_s)
        self._store.add_to_last("ALERTS", [(self._labels | labels, 1.0) for labels in self._alerts.active()])

    def ended(self, *, failed: bool) -> None:
        """The job is over: its last numbers stay."""
        self._stop.set()
        self._thread.join()
        self.sample()
        self._state = "failed" if failed else "ended"

    def state(self, window_s: float) -> bytes:
        """What the page shows of the last so many seconds. Made once for each sample, however many ask."""
        with self._lock:
            samples = self._store.read()
            mark = (self._state, len(samples.times), float(samples.times[-1]) if len(samples.times) else 0.0)
            made = self._made.get(window_s)
            if made is None or made[0] != mark:
                if made is None:
                    self._made.clear()
                made = self._made[window_s] = (mark, state_json(self._document(samples, window_s)))
            return made[1]

    def _document(self, samples: Samples, window_s: float) -> Mapping[str, Any]:
        over = moments(samples, window_s)
        return {
            "title": self._dashboard.title,
            "job": {
                "name": self._name,
                "state": self._state,
                "seconds": round(float(over.at[-1]) - self._began_s, 3),
                "records": int(_sum(samples, "records_in_total")),
                "dead_letters": int(_sum(samples, "dead_letters_total")),
            },
            "times": [round(float(at), 3) for at in over.at],
            "panels": [panel_view(panel, over) for panel in self._dashboard.panels],
            "alerts": self._alerts.shown(),
            "left_out": self._store.left_out,
        }

    def _run(self) -> None:
        for wait_s in FIRST_SAMPLES_S:
            if self._stop.wait(wait_s):
                return
            self.sample()
        while not self._stop.wait(INTERVAL_S):
            self.sample()


def _sum(samples: Samples, name: str) -> float:
    """The newest values of the engine's own metric of this name, over all labels."""
    series = samples.series.get(OWN_METRICS + name, ())
    return float(np.nansum([values[-1] for _, values in series])) if series else 0.0
