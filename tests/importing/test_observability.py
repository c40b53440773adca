"""What makes an imported job observable: which metrics and alerts a query means, and files that Grafana and Prometheus take."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.importing.watched import (
    exposition,
    faults_of_dashboard,
    panel_expressions,
    promtool,
    unknown_series,
)
from velo_engine.sql.flink.script import parse_script
from velo_harness.drafting.metric_names import counter_name, value_name
from velo_import.convert.job import convert_job
from velo_import.observability import ALERTS, DASHBOARD, Observed, observe

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian package prometheus)")

TABLES = """
CREATE TABLE trades (
    symbol STRING, price DECIMAL(19, 4), quantity BIGINT, customer_id STRING, status STRING, fraud_score DOUBLE,
    latency_ms BIGINT, delta DOUBLE, event_time TIMESTAMP(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'trades', 'format' = 'json');
CREATE TABLE alarms (score DOUBLE, level STRING) WITH ('connector' = 'kafka', 'topic' = 'alarms', 'format' = 'json');
CREATE TABLE spent (customer_id STRING, total_spent DECIMAL(38, 4), PRIMARY KEY (customer_id) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'spent', 'key.format' = 'json', 'value.format' = 'json');
"""
MINUTE = "GROUP BY symbol, TUMBLE(event_time, INTERVAL '1' MINUTE)"
EXAMPLE = f"""
SELECT symbol, COUNT(*) AS trade_count, SUM(quantity) AS total_volume, AVG(price) AS avg_price FROM trades {MINUTE};
"""
LEVEL = "CASE WHEN latency_ms > 500 THEN 'CRITICAL' WHEN latency_ms > 200 THEN 'slow' ELSE 'ok' END"
JOB = f"""
{EXAMPLE}
INSERT INTO alarms SELECT fraud_score, {LEVEL} FROM trades WHERE fraud_score > 0.8;
INSERT INTO spent SELECT customer_id, SUM(price) FROM trades WHERE status = 'completed' GROUP BY customer_id;
SELECT symbol, latency_ms FROM trades WHERE status = 'error';
SELECT status, AVG(delta) AS avg_delta FROM trades GROUP BY status HAVING AVG(delta) > 10;
"""


def observed(sql: str, name: str = "flink-job", **samples: pa.Table) -> Observed:
    return observe(convert_job(name, [parse_script(TABLES + sql, file="a.sql")]), samples)


def drafted(sql: str, **samples: pa.Table) -> list[tuple[str, str, str | None, tuple[str, ...]]]:
    """Name without app and statement, type, field and labels of each metric."""
    found = observed(sql, name="j", **samples).metrics
    return [(m.name.removeprefix(f"j_{m.statement}_"), m.type, m.field, m.labels) for m in found]


def alerts(sql: str, **samples: pa.Table) -> list[tuple[str, str, str | None, str]]:
    """Metric, alert, name and severity."""
    found = observed(sql, name="j", **samples).metrics
    return [(m.name.removeprefix(f"j_{m.statement}_"), a.alert, a.name, a.severity) for m in found for a in m.alerts]


def test_the_example_of_the_documentation() -> None:
    assert (
        """\
-- @metric: flink_job_select_1_trade_count_total
-- @metric_type: counter
-- @metric_help: Number of rows of trades by symbol in windows of 1m
-- @metric_field: trade_count
-- @metric_labels: symbol
-- @metric_window: 1m
-- @metric: flink_job_select_1_volume_total
-- @metric_type: counter
-- @metric_help: Sum of quantity of trades by symbol in windows of 1m
-- @metric_field: total_volume
-- @metric_labels: symbol
-- @metric_window: 1m
-- @metric: flink_job_select_1_avg_price
-- @metric_type: gauge
-- @metric_help: Average of price of trades by symbol in windows of 1m, newest
-- @metric_field: avg_price
-- @metric_labels: symbol
-- @metric_window: 1m
SELECT symbol, COUNT(*) AS trade_count, SUM(quantity) AS total_volume, AVG(price) AS avg_price FROM trades GROUP BY symbol
"""
        in observed(EXAMPLE).app_sql
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param(
            f"SELECT symbol, COUNT(*), MIN(price), MAX(latency_ms), SUM(delta) AS d FROM trades {MINUTE}",
            [
                ("record_count_total", "counter", "`EXPR$1`", ("symbol",)),
                ("min_price", "gauge", "`EXPR$2`", ("symbol",)),
                ("max_latency_seconds", "gauge", "`EXPR$3` * 0.001", ("symbol",)),
                ("d", "gauge", "d", ("symbol",)),
            ],
            id="names and units; a sum of what may be negative is no counter",
        ),
        pytest.param(
            f"SELECT symbol, COUNT(DISTINCT customer_id) AS customers, SUM(CASE WHEN delta < 0 THEN 1 ELSE 0 END) AS down "
            f"FROM trades {MINUTE}",
            [
                ("customers", "gauge", "customers", ("symbol",)),
                ("down_total", "counter", "down", ("symbol",)),
            ],
            id="different values do not add up over windows, ones and zeros do",
        ),
        pytest.param(
            f"SELECT symbol, SUM(delta) AS gain FROM trades WHERE delta > 0 {MINUTE}",
            [("gain_total", "counter", "gain", ("symbol",))],
            id="WHERE says that it is not negative",
        ),
        pytest.param(
            "SELECT symbol, COUNT(*) AS n FROM TABLE(HOP(TABLE trades, DESCRIPTOR(event_time), INTERVAL '1' MINUTE, "
            "INTERVAL '5' MINUTE)) GROUP BY symbol, window_start, window_end",
            [("n", "gauge", "n", ("symbol",))],
            id="windows that overlap count a row twice",
        ),
        pytest.param(
            "SELECT symbol, COUNT(*) AS trade_count FROM trades GROUP BY symbol",
            [("trade_count_latest", "gauge", "trade_count", ("symbol",))],
            id="what is updated is the newest value",
        ),
        pytest.param(
            "SELECT customer_id, AVG(price) AS p, COUNT(*) AS n FROM trades "
            "GROUP BY customer_id, TUMBLE(event_time, INTERVAL '1' MINUTE)",
            [("p", "histogram", "p", ()), ("n_total", "counter", "n", ())],
            id="an id is no label: a distribution over all customers",
        ),
        pytest.param(
            "INSERT INTO spent SELECT customer_id, SUM(price) FROM trades GROUP BY customer_id",
            [("total_spent", "gauge", "total_spent", ())],
            id="an id is no label of a gauge either",
        ),
        pytest.param(
            "SELECT customer_id, status, latency_ms FROM trades WHERE status = 'error'",
            [("error_count_total", "counter", None, ("status",)), ("latency_seconds", "histogram", "latency_ms * 0.001", ())],
            id="rows of a status",
        ),
        pytest.param(
            "INSERT INTO alarms SELECT fraud_score, 'a' FROM trades; INSERT INTO alarms SELECT delta, 'b' FROM trades",
            [("rows_total", "counter", None, ("level",)), ("score", "histogram", "score", ())],
            id="two INSERTs are one statement",
        ),
        pytest.param(
            "SELECT c.symbol, n FROM (SELECT symbol, COUNT(*) AS n, TUMBLE_ROWTIME(event_time, INTERVAL '1' MINUTE) AS at "
            "FROM trades GROUP BY symbol, TUMBLE(event_time, INTERVAL '1' MINUTE)) c JOIN trades t ON t.symbol = c.symbol "
            "AND t.event_time BETWEEN at - INTERVAL '1' MINUTE AND at",
            [("n", "gauge", "n", ("symbol",))],
            id="a join repeats rows, which would be counted again",
        ),
    ],
)  # fmt: skip
def test_metrics_follow_from_the_query(sql: str, expected: list[tuple[str, str, str, tuple[str, ...]]]) -> None:
    assert drafted(sql + ";") == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT symbol, fraud_score FROM trades WHERE fraud_score > 0.8",
            [("rows_total", "high_fraud_score", None, "warning")],
        ),
        ("SELECT symbol, price FROM trades WHERE price < 5", [("rows_total", "low_price", None, "info")]),
        ("SELECT symbol, price FROM trades WHERE price > 0", []),
        ("SELECT symbol, price FROM trades WHERE price > 5 AND price < 10", []),
        (
            f"SELECT symbol, COUNT(*) AS failures FROM trades {MINUTE} HAVING COUNT(*) > 3",
            [("failures_total", "high_failures", None, "warning")],
        ),
        (
            "SELECT customer_id, COUNT(*) AS n FROM trades GROUP BY customer_id HAVING COUNT(*) >= 100",
            [("updates_total", "high_n", None, "info")],
        ),
        (
            f"SELECT symbol, {LEVEL} AS level FROM trades",
            [
                ("critical_latency_rows_total", "critical_latency_ms", None, "critical"),
                ("slow_latency_rows_total", "slow_latency_ms", None, "warning"),
            ],
        ),
        ("SELECT symbol, CASE WHEN price > 10 THEN 'large' ELSE 'small' END AS kind FROM trades", []),
        ("SELECT t.symbol FROM trades t WHERE NOT EXISTS (SELECT 1 FROM alarms WHERE score > 0.5 AND level = t.symbol)", []),
    ],
)  # fmt: skip
def test_thresholds_are_alerts(sql: str, expected: list[tuple[str, str, str | None, str]]) -> None:
    assert alerts(sql + ";") == expected


@pytest.mark.parametrize(
    ("column", "name", "factor"),
    [
        ("price", "p_price", "1"),
        ("latencyMs", "p_latency_seconds", "0.001"),
        ("size_kb", "p_size_bytes", "1024"),
        ("cpu_percent", "p_cpu_ratio", "0.01"),
        ("waited_minutes", "p_waited_seconds", "60"),
        ("minute", "p_minute", "1"),
        ("last_30_days", "p_last_30_days", "1"),
        ("grand_total", "p_grand_total_latest", "1"),
        ("trade_count", "p_trade_count_latest", "1"),
    ],
)
def test_gauges_are_named_in_base_units(column: str, name: str, factor: str) -> None:
    found = value_name("p", column)
    assert (found.name, found.factor) == (name, factor)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("total_volume", "p_volume_total"),
        ("sum", "p_value_total"),
        ("trade_count", "p_trade_count_total"),
        ("bytes", "p_bytes_total"),
    ],
)
def test_counters_end_in_total(column: str, name: str) -> None:
    assert counter_name("p", column).name == name


def sample(**columns: list[object]) -> pa.Table:
    return pa.table(columns)


def test_samples_say_what_may_be_a_label() -> None:
    query = "SELECT symbol, customer_id, COUNT(*) AS n FROM trades GROUP BY symbol, customer_id;"
    few, many = ["a", "b"] * 30, [f"c{i}" for i in range(60)]
    assert drafted(query, trades=sample(customer_id=few, symbol=few))[0][3] == ("symbol", "customer_id")
    assert drafted(query, trades=sample(customer_id=few, symbol=many))[0][3] == ()  # one of the keys has many values
    assert drafted(query, trades=sample(customer_id=["a", "b"], symbol=["a", "b"]))[0][3] == ()  # two rows say nothing


def test_samples_say_what_is_never_negative() -> None:
    query = f"SELECT symbol, SUM(delta) AS d, SUM(quantity) AS q FROM trades {MINUTE};"
    assert [m[:2] for m in drafted(query)] == [("d", "gauge"), ("q_total", "counter")]
    measured = sample(delta=[0.0, 7.5], quantity=[-1, 4])
    assert [m[:2] for m in drafted(query, trades=measured)] == [("d_total", "counter"), ("q", "gauge")]


def test_values_beyond_all_that_were_sampled_are_an_alert() -> None:
    measured = sample(price=[Decimal("45.23"), Decimal("892.50")])
    found = alerts(EXAMPLE, trades=measured)
    assert found == [("avg_price", "avg_price > 1000", "high_avg_price", "info")]


def test_samples_make_buckets() -> None:
    (_, distribution) = observed("SELECT delta FROM trades;", trades=sample(delta=[2.0, 30.0])).metrics
    assert distribution.buckets == "2, 5, 10, 20, 50, 100"


def test_what_has_metrics_keeps_them_and_nothing_depends_on_chance() -> None:
    first = observed(JOB)
    assert observed(JOB) == first
    again = observe(convert_job("flink-job", [parse_script(TABLES + JOB, file="a.sql")]))
    assert again.files == first.files
    kept = [line for line in first.app_sql.splitlines() if not line.startswith(("-- @metric", "-- @alert"))]
    assert kept == convert_job("flink-job", [parse_script(TABLES + JOB, file="a.sql")]).app_sql.splitlines()


def test_a_job_without_statements() -> None:
    job = convert_job("empty", [parse_script("SHOW TABLES;", file="a.sql")])
    found = observe(job)
    assert (found.app_sql, found.metrics) == (job.app_sql, [])
    assert not faults_of_dashboard(found.files[DASHBOARD])


def rows() -> list[dict[str, object]]:
    """120 trades in two minutes, of which the first closes."""
    start = datetime(2026, 1, 1)
    return [
        {
            "symbol": "AB"[i % 2], "price": Decimal(i), "quantity": 10, "customer_id": f"c{i % 7}", "delta": 20.0,
            "status": ("completed", "error", "new")[i % 3], "fraud_score": i / 120, "latency_ms": i * 10,
            "event_time": start + timedelta(seconds=i),
        }
        for i in range(120)
    ]  # fmt: skip


def test_panels_and_rules_name_what_the_job_exports() -> None:
    found = observed(JOB)
    page = exposition(found, {"trades": rows()})
    exported: dict[str, set[str]] = {}
    values = {}
    for family in text_string_to_metric_families(page.decode()):
        for one in family.samples:
            exported.setdefault(one.name, set()).update(one.labels)
            values[one.name, *one.labels.values()] = one.value
    assert not unknown_series(found, exported)
    assert len(panel_expressions(found.files[DASHBOARD])) > 25
    # The end of the input closes all windows: 60 rows a symbol.
    assert values["flink_job_select_1_trade_count_total", "A"] == 60
    assert values["flink_job_select_1_volume_total", "B"] == 600
    assert values["flink_job_alarms_rows_total", "CRITICAL"] == 23  # fraud_score > 0.8: 97 to 119, latency 970 and more
    assert values["flink_job_select_2_error_count_total", "A"] == 20
    assert values["flink_job_select_2_latency_seconds_sum",] == pytest.approx(sum(range(1, 120, 3)) / 100)
    gone = found.files[DASHBOARD].replace("trade_count_total", "trades_total")
    broken = Observed(found.app_sql, {**found.files, DASHBOARD: gone}, found.metrics)
    assert any("trades_total" in line for line in unknown_series(broken, exported))


def test_grafana_takes_the_dashboard() -> None:
    text = observed(JOB).files[DASHBOARD]
    assert not faults_of_dashboard(text)
    document = json.loads(text)
    assert (document["uid"], document["title"], document["id"]) == ("velo-flink-job", "flink-job", None)
    assert document["__inputs"][0]["name"] == "DS_PROMETHEUS"
    assert [v["name"] for v in document["templating"]["list"]][:3] == ["DS_PROMETHEUS", "job", "symbol"]
    kinds = {panel["type"] for panel in document["panels"]}
    assert kinds == {"row", "timeseries", "barchart", "stat", "heatmap", "table"}
    assert {kind["id"] for kind in document["__requires"] if kind["type"] == "panel"} == kinds - {"row"}
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    cells = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not own & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= own
    wrong = json.loads(text)
    wrong["panels"][1]["gridPos"]["w"] = "12"
    wrong["panels"][1]["legend"] = {}
    assert len(faults_of_dashboard(json.dumps(wrong))) == 2


def test_the_panel_of_a_metric_is_of_its_kind() -> None:
    document = json.loads(observed(EXAMPLE + "SELECT latency_ms FROM trades;").files[DASHBOARD])
    panels = {panel["title"]: panel for panel in document["panels"]}
    count = "flink_job_select_1_trade_count_total"
    rate = panels["trade_count by symbol, a second"]
    chosen = '{job=~"$job", symbol=~"$symbol"}'
    assert rate["type"] == "timeseries"
    assert rate["targets"][0]["expr"] == f"sum by (symbol) (rate({count}{chosen}[5m]))"  # a value a minute
    bars = panels["trade_count by symbol, in the time shown"]
    assert (bars["type"], bars["options"]["xField"]) == ("barchart", "symbol")
    assert bars["targets"][0]["expr"] == f"sum by (symbol) (increase({count}{chosen}[$__range]))"
    price = panels["avg_price by symbol"]
    assert (price["type"], price["targets"][0]["expr"]) == ("timeseries", f"flink_job_select_1_avg_price{chosen}")
    latency = "flink_job_select_2_latency_seconds"
    bucket = f'{latency}_bucket{{job=~"$job"}}[$__rate_interval]'
    quantile = panels["latency_seconds, quantiles"]
    assert quantile["targets"][1]["expr"] == f"histogram_quantile(0.95, sum by (le) (rate({bucket})))"
    assert quantile["fieldConfig"]["defaults"]["unit"] == "s"
    heat = panels["latency_seconds, distribution"]
    assert (heat["type"], heat["targets"][0]["format"]) == ("heatmap", "heatmap")
    assert heat["targets"][0]["expr"] == f"sum by (le) (increase({bucket}))"


@needs_promtool
def test_prometheus_takes_rules_and_queries(tmp_path: Path) -> None:
    found = observed(JOB)
    (tmp_path / "rules.yaml").write_text(found.files[ALERTS])
    assert promtool("check", "rules", "rules.yaml", folder=tmp_path)[0] == 0
    queries = [{"record": f"r:{i}", "expr": expr} for i, expr in enumerate(panel_expressions(found.files[DASHBOARD]))]
    text = yaml.safe_dump({"groups": [{"name": "queries", "rules": queries}]})
    (tmp_path / "queries.yaml").write_text(text)
    assert promtool("check", "rules", "queries.yaml", folder=tmp_path)[0] == 0
    (tmp_path / "queries.yaml").write_text(text.replace("rate(", "rates(", 1))
    assert promtool("check", "rules", "queries.yaml", folder=tmp_path)[0] != 0


@needs_promtool
@pytest.mark.parametrize("name", ['Übung "x" 😀', "9 lives", "a\\b {{ nothing", "yes", "日本"])
def test_any_name_of_a_job_will_do(tmp_path: Path, name: str) -> None:
    found = observed(EXAMPLE, name=name)
    (tmp_path / "rules.yaml").write_text(found.files[ALERTS], encoding="utf-8")
    code, said = promtool("check", "rules", "rules.yaml", folder=tmp_path)
    assert code == 0, said
    rules = [rule for group in yaml.safe_load(found.files[ALERTS])["groups"] for rule in group["rules"]]
    labels = {rule["labels"]["app"].replace('{{ "{{" }}', "{{") for rule in rules if "alert" in rule}
    assert labels == {name}  # as Prometheus fills them in
    assert not faults_of_dashboard(found.files[DASHBOARD])
    uid = json.loads(found.files[DASHBOARD])["uid"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid)


@needs_promtool
def test_prometheus_finds_no_fault_in_the_names() -> None:
    page = exposition(observed(JOB), {"trades": rows()}).decode()
    said = [line for line in promtool("check", "metrics", text=page)[1].splitlines() if "flink_job" in line]
    assert said == []


@needs_promtool
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    found = observed(JOB, trades=sample(price=[Decimal("892.50")]))
    (tmp_path / "rules.yaml").write_text(found.files[ALERTS])
    price, alarms = "flink_job_select_1_avg_price", "flink_job_alarms_rows_total"
    series = {
        f'{price}{{job="flink-job", symbol="A"}}': "900x4 1001x5",
        f'{alarms}{{job="flink-job", level="none"}}': "_x4 1x20",
        'up{job="flink-job"}': "1x9 0x10",
        'up{job="other"}': "0x20",
    }
    rules = [rule for group in yaml.safe_load(found.files[ALERTS])["groups"] for rule in group["rules"]]
    labels = {rule["alert"]: rule["labels"] for rule in rules if "alert" in rule}
    assert labels["high_avg_price"] == {"app": "flink-job", "severity": "info", "statement": "select_1"}

    def expected(at: str, name: str, said: tuple[str, str] | None = None, **series: str) -> dict[str, object]:
        if said is None:
            return {"eval_time": at, "alertname": name, "exp_alerts": []}
        texts = {"summary": f"flink-job{said[0]}", "description": said[1]}
        alert = {"exp_labels": {**series, "job": "flink-job", **labels[name]}, "exp_annotations": texts}
        return {"eval_time": at, "alertname": name, "exp_alerts": [alert]}

    average = "Average of price of trades by symbol in windows of 1m, newest: 1001 (symbol A)"
    high = ": flink_job_select_1_avg_price > 1000", average
    risky = "Rows that alarms gave out (fraud_score > 0.8 only)"
    down = " does not answer", "flink-job does not answer: 0"

    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    expected("4m", "high_avg_price"),
                    expected("5m", "high_avg_price", high, symbol="A"),
                    expected("3m", "high_fraud_score"),
                    expected("4m", "high_fraud_score", (f": {risky}", f"{risky}: 1 (level none)"), level="none"),
                    expected("15m", "high_fraud_score"),
                    expected("9m", "JobDown"),
                    expected("12m", "JobDown", down),
                ],
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    code, said = promtool("test", "rules", "tests.yaml", folder=tmp_path)
    assert code == 0, said


def test_buckets_span_what_was_sampled() -> None:
    (_, distribution) = observed("SELECT latency_ms FROM trades;", trades=sample(latency_ms=[0, 900])).metrics
    assert distribution.buckets == "0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2"


@pytest.mark.parametrize("time", [", WATERMARK FOR ts AS ts", ""])
def test_a_job_without_event_time_has_no_alerts_on_it(time: str) -> None:
    script = (
        f"CREATE TABLE t (a INT, ts TIMESTAMP(3){time}) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
        "SELECT a FROM t;"
    )
    rules = observe(convert_job("job", [parse_script(script, file="job.sql")])).files[ALERTS]

    assert "alert: LagGrows" in rules
    assert ("alert: EventTimeStands" in rules, "alert: LateRecords" in rules) == (bool(time), bool(time))
