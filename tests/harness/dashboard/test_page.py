"""The page of a job: what is sampled, what panels become, what the server answers to whom."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from velo_engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.metric_annotations import metric_definitions
from velo_harness.dashboard import page
from velo_harness.dashboard.alerts import AlertStates, load_alerts
from velo_harness.dashboard.panels import dashboard_of
from velo_harness.dashboard.samples import Samples, SampleStore
from velo_harness.dashboard.server import DashboardServer
from velo_harness.dashboard.view import MOST_SHOWN, moments, panel_view
from velo_harness.dashboard.watch import JobWatch
from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.grafana_dashboard import dashboard_text
from velo_harness.drafting.prometheus_rules import rules_text

PAGE_JS = Path(page.__file__).with_name("page.js")


def counter(name: str, **values: float) -> Metric:
    family = CounterMetricFamily(name, "help", labels=("k",))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def gauge(value: float) -> Metric:
    return GaugeMetricFamily("level", "help", value)


def values(samples: Samples, name: str) -> dict[str, list[float | None]]:
    found = samples.series[name]
    return {own.get("k", ""): [None if np.isnan(v) else float(v) for v in row] for own, row in found}


def test_a_counter_that_comes_later_was_0_before() -> None:
    store = SampleStore()
    store.add(1.0, [counter("orders", a=5), gauge(1)])
    store.add(2.0, [counter("orders", a=7, b=3)])
    store.add(3.0, [counter("orders", a=7, b=4), gauge(2)])

    samples = store.read()

    assert samples.times.tolist() == [1, 2, 3]
    assert values(samples, "orders_total") == {"a": [5, 7, 7], "b": [0, 3, 4]}
    assert values(samples, "level") == {"": [1, None, 2]}, "a gauge that is away is not there"


def test_only_the_newest_samples_and_so_many_series_are_kept() -> None:
    store = SampleStore(most_samples=4, most_series=2)
    for i in range(11):
        store.add(float(i), [counter("orders", a=i, b=1)])

    assert store.left_out
    assert store.read().times.tolist() == [7, 8, 9, 10]
    assert values(store.read(), "orders_total") == {"a": [7, 8, 9, 10]}, "the other series is up"


def test_labels_of_the_target_are_those_of_every_series() -> None:
    store = SampleStore()
    family = CounterMetricFamily("orders", "help", labels=("job", "empty"))
    family.add_metric(("packing", ""), 1)
    store.add(1.0, [family], {"job": "shop"})

    ((found, _),) = store.read().series["orders_total"]
    assert found == {"exported_job": "packing", "job": "shop"}
    assert [own for own, _ in store.read().series["up"]] == [{"job": "shop"}]


def grafana(*panels: dict[str, object], **more: object) -> str:
    return json.dumps({"title": "Shop", "panels": panels, **more})


def query(text: str, **more: object) -> dict[str, object]:
    return {"title": "one", "type": "timeseries", "targets": [{"expr": text, "legendFormat": "{{ k }}"}], **more}


def test_panels_of_a_dashboard_are_read() -> None:
    defaults = {"unit": "s", "decimals": 2, "min": 0, "thresholds": {"steps": [{"value": None, "color": "green"}]}}
    inner = query("x{job=~'$job'}", gridPos={"x": 12, "y": 3, "w": 6, "h": 4}, fieldConfig={"defaults": defaults})
    text = grafana(
        {"type": "row", "title": "closed", "panels": [inner]},
        query("rate(x[$__rate_interval]) + ${missing}", type="stat"),
        templating={"list": [{"name": "job", "current": {"value": ["$__all"]}}]},
    )

    row, first, second = dashboard_of(json.dumps({"dashboard": json.loads(text)}), "d.json").panels

    assert (row.kind, row.title) == ("row", "closed")
    assert (first.kind, first.unit, first.decimals, first.least, first.place) == ("lines", "s", 2, 0.0, (12, 3, 6, 4))
    assert first.targets[0].text == "x{job=~'.+'}"
    assert first.thresholds[0].colour == "green"
    assert second.kind == "stat"
    assert second.targets[0].query is None
    assert second.targets[0].problem is not None


@pytest.mark.parametrize("text", ["[]", '{"panels": 3}', "{", '{"a":' * 5000])
def test_what_is_no_dashboard_is_refused(text: str) -> None:
    with pytest.raises(VeloError) as refused:
        dashboard_of(text, "d.json")
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert refused.value.location is not None


ANNOTATED = """
CREATE TABLE orders (k STRING, v DOUBLE) WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
-- @metric: shop_orders_total
-- @metric_type: counter
-- @metric_labels: k
-- @alert: many
-- @metric: shop_revenue_total
-- @metric_type: counter
-- @metric_field: v
-- @metric: shop_value
-- @metric_type: histogram
-- @metric_field: v
-- @metric_window: 1m
-- @metric: shop_newest
-- @metric_type: gauge
-- @metric_field: v
-- @metric_labels: k
-- @alert: shop_newest > 10
-- @metric: shop_last
-- @metric_type: gauge
-- @metric_field: v
-- @alert: shop_last < 1
CREATE VIEW fresh AS SELECT k, v FROM orders;
"""


def test_every_generated_query_is_one_that_the_page_computes() -> None:
    definitions = metric_definitions(Engine().parse(ANNOTATED))
    exported = [ExportedMetric(definition) for definition in definitions]
    generated = dashboard_of(dashboard_text("shop", exported), "d.json")

    targets = [target for panel in generated.panels for target in panel.targets]

    assert len(targets) > 20
    assert [(target.text, target.problem) for target in targets if target.query is None] == []
    assert generated.job == "shop"


def test_every_generated_alert_is_one_that_the_page_computes(tmp_path: Path) -> None:
    exported = [ExportedMetric(definition) for definition in metric_definitions(Engine().parse(ANNOTATED))]
    (tmp_path / "rules.yaml").write_text(rules_text("shop", ["fresh"], exported))

    alerts = load_alerts(tmp_path / "rules.yaml")

    assert len(alerts) > 6
    assert [alert.expression for alert in alerts if alert.query is None] == []
    assert {"severity", "app"} <= alerts[0].labels.keys()


def sampled(*scrapes: list[Metric]) -> Samples:
    store = SampleStore()
    for i, families in enumerate(scrapes):
        store.add(1000.0 + i, families, {"job": "shop"})
    return store.read()


def test_a_panel_shows_rates_and_what_they_add_up_to() -> None:
    samples = sampled(*([counter("orders", a=10 * i, b=i)] for i in range(5)))
    (panel,) = dashboard_of(grafana(query("rate(orders_total[1m])")), "d.json").panels

    shown = panel_view(panel, moments(samples, 300))

    assert [(s["name"], s["last"], s["total"]) for s in shown["series"]] == [
        ("a", pytest.approx(10, rel=0.01), 40.0),
        ("b", pytest.approx(1, rel=0.01), 4.0),
    ], "a rate of the last minute is one of four seconds while there are four"
    assert shown["queries"] == [{"text": "rate(orders_total[1m])", "problem": None}]


def test_one_sample_has_totals_but_no_rates() -> None:
    (panel,) = dashboard_of(grafana(query("sum by (k) (rate(orders_total[1m]))")), "d.json").panels

    shown = panel_view(panel, moments(sampled([counter("orders", a=7)]), 300))

    assert shown["series"] == [{"name": "a", "values": [], "last": None, "total": 7.0}]


def test_of_many_series_the_greatest_are_shown_in_their_order() -> None:
    samples = sampled([counter("orders", **{f"k{i}": float(i) for i in range(30)})])
    (panel,) = dashboard_of(grafana(query("orders_total")), "d.json").panels

    shown = panel_view(panel, moments(samples, 300))

    assert [s["name"] for s in shown["series"]] == [f"k{i}" for i in range(30 - MOST_SHOWN, 30)]
    assert shown["more"] == 30 - MOST_SHOWN


def test_a_heatmap_shows_each_bucket_alone() -> None:
    family = HistogramMetricFamily("size", "help", [("1", 3), ("10", 7), ("+Inf", 8)], 20)
    text = grafana(query("sum by (le) (size_bucket)", type="heatmap"))
    (panel,) = dashboard_of(text, "d.json").panels

    shown = panel_view(panel, moments(sampled([family]), 300))

    assert shown["bounds"] == ["1", "10", "∞"]
    assert [row[-1] for row in shown["cells"]] == [3, 4, 1]


def test_a_query_that_cannot_be_computed_is_shown_with_the_reason() -> None:
    samples = sampled([counter("orders", a=1, b=2), gauge(1)])
    (panel,) = dashboard_of(grafana(query("level * on () orders_total")), "d.json").panels

    shown = panel_view(panel, moments(samples, 300))

    assert shown["series"] == []
    assert "several series" in shown["queries"][0]["problem"]


RULES = """\
groups:
  - name: shop
    rules:
      - record: x:rate
        expr: rate(x[5m])
      - { alert: Low, expr: level < 3, for: 2s, annotations: { summary: the level is low } }
      - { alert: Odd, expr: "label_join(x)" }
"""


def test_an_alert_is_pending_then_fires_then_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    states = AlertStates(load_alerts(tmp_path / "rules.yaml"))
    store, seen = SampleStore(), []
    for second, level in enumerate([5, 2, 2, 2, 4]):
        store.add(float(second), [gauge(level)])
        states.look(store.read(), float(second))
        (alert,) = states.shown()
        seen.append(alert["state"])

    assert seen == ["quiet", "pending", "pending", "firing", "quiet"]
    assert (alert["name"], alert["text"]) == ("Low", "the level is low")


def test_a_watched_job_keeps_its_last_numbers() -> None:
    now, rows = iter(range(100, 200)), iter([0.0, 6.0])
    dashboard = dashboard_of(grafana(query("orders_total")), "d.json")
    watch = JobWatch("shop", dashboard, lambda: [counter("orders", a=next(rows))], now_s=lambda: float(next(now)))

    watch.sample()
    watch.sample()
    shown = json.loads(watch.state(60))

    assert shown["title"] == "Shop"
    assert shown["job"]["name"] == "shop"
    assert shown["panels"][0]["series"][0]["last"] == 6


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[DashboardServer, list[float]]]:
    asked: list[float] = []

    def state(seconds: float) -> bytes:
        asked.append(seconds)
        return b"{}"

    with DashboardServer(0, state) as server:
        yield server, asked


def get(server: DashboardServer, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(f"{server.address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, dict(refused.headers), refused.read().decode()


def test_the_policy_allows_the_script_and_the_style_of_the_page_alone(served) -> None:
    status, headers, text = get(served[0], "")

    assert status == 200
    policy = headers["Content-Security-Policy"]
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z]+\.", text), "nothing comes from elsewhere"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "", "127.0.0.1.evil.example:{port}"])
def test_who_calls_it_by_another_name_gets_nothing(served, host: str) -> None:
    server, asked = served
    before = len(asked)

    status, _, text = get(server, "state", Host=host.format(port=server.port))

    assert status == 421
    assert len(asked) == before
    assert "{}" not in text


def test_it_answers_at_localhost_too(served) -> None:
    assert get(served[0], "state", Host=f"localhost:{served[0].port}")[0] == 200


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("60", 60), ("0", 1), ("1e9", 900), ("nan", 900), ("inf", 900), ("a", 900), ("", 900), ("-5", 1)],
)
def test_the_time_that_is_asked_for_is_bounded(served, asked: str, seconds: float) -> None:
    get(served[0], f"state?seconds={asked}")

    assert served[1][-1] == seconds


def test_there_is_nothing_else(served) -> None:
    assert get(served[0], "../../etc/passwd")[0] == 404
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(served[0].address, data=b"x", timeout=30)
    with refused.value:
        assert refused.value.code == 501


def test_a_port_that_is_taken_is_said(served) -> None:
    with pytest.raises(VeloError, match=r"the dashboard cannot be served at 127\.0\.0\.1") as refused:
        DashboardServer(served[0].port, lambda _: b"")
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node (Debian package nodejs)")
def test_what_the_script_computes() -> None:
    script = Path(__file__).with_name("page.test.js")

    done = subprocess.run(["node", str(script), str(PAGE_JS)], capture_output=True, text=True, check=False)

    assert done.stdout == "ok\n", done.stderr
