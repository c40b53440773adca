"""`velo-test annotate`: metrics that the job really exports, rules that Prometheus takes, and a program that means the same."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.test_velo_live import running

from velo_engine import Engine
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_harness.kafka.embedded import EmbeddedBroker

SQL = """\
-- @app: shop
CREATE TABLE orders (id BIGINT, country STRING, amount DECIMAL(10, 2))
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE sums (country STRING, n BIGINT, total DECIMAL(38, 2), PRIMARY KEY (country) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'sums', 'key.format' = 'json', 'value.format' = 'json');
CREATE VIEW sized AS
SELECT id, country, amount, CASE WHEN amount > 5 THEN 'large' ELSE 'tiny' END AS size FROM orders;
INSERT INTO sums SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM sized GROUP BY country;
"""
METRICS = {
    "shop_sized_rows_total": "counter",
    "shop_sized_amount": "histogram",
    "shop_sums_n": "gauge",
    "shop_sums_total_latest": "gauge",
}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as embedded:
        for topic in ("orders", "sums"):
            make_topic(KafkaCluster(embedded.bootstrap_servers), topic, 1)
        yield embedded


@pytest.fixture
def annotated(command, tmp_path: Path) -> Path:
    (tmp_path / "shop.sql").write_text(SQL)
    ran = command("velo-test", "annotate", "shop.sql")
    assert ran.code == 0, ran.err
    return tmp_path


def metrics_named(text: str) -> set[str]:
    """The series in an expression."""
    without = re.sub(r'\{[^}]*\}|"[^"]*"|\[[^\]]*\]|\bby \([^)]*\)|\boffset \w+', "", text)
    words = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", without)
    functions = {
        "rate",
        "increase",
        "sum",
        "max",
        "deriv",
        "min_over_time",
        "histogram_quantile",
        "and",
        "or",
        "unless",
    }
    functions |= {"up", "ALERTS"}  # Prometheus' own
    return set(words) - functions


def expressions(folder: Path) -> list[str]:
    """Those of all rules and panels."""
    rules = yaml.safe_load((folder / "monitoring/rules.yaml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((folder / "monitoring/grafana/dashboards/shop.json").read_text())
    return found + [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_program_means_the_same_and_has_metrics(annotated: Path) -> None:
    before, after = SQL, (annotated / "shop.annotated.sql").read_text()
    assert [line for line in after.splitlines() if "@metric" not in line] == before.splitlines()
    assert [s.query for s in Engine().parse(before).statements] == [s.query for s in Engine().parse(after).statements]
    named = re.findall(r"@metric: (\w+)\n-- @metric_type: (\w+)", after)
    assert dict(named) == METRICS
    assert "-- @metric_labels: size, country" in after
    assert "-- @metric_labels: country" in after


def test_every_metric_of_rules_and_dashboard_is_exported_when_the_program_runs(annotated: Path, broker) -> None:
    with running(annotated / "shop.annotated.sql", "--brokers", broker.bootstrap_servers) as job:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0, "log_level": 0})
        for i in range(10):
            producer.produce("orders", json.dumps({"id": i, "country": "ab"[i % 2], "amount": i}).encode())
        producer.flush()
        job.wait_for(10)
        page = job.get("/metrics")[1]
        assert job.end(signal.SIGTERM)[0] == 0
    families = list(text_string_to_metric_families(page))
    exported = {sample.name for family in families for sample in family.samples}
    declared = {family.name for family in families}
    # Event time: this program has none, so its watermark has no samples, but the name is the engine's own.
    exported |= {name for name in declared if name.startswith("velo_job_watermark")}

    assert set(METRICS) - {"shop_sized_amount"} <= exported
    found = {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}
    assert found["shop_sized_rows_total", "a", "large"] == 2  # 6, 8
    assert found["shop_sized_rows_total", "b", "tiny"] == 3  # 1, 3, 5
    assert found["shop_sized_amount_count",] == 10
    assert found["shop_sums_total_latest", "b"] == 1 + 3 + 5 + 7 + 9
    wanted = {name for expression in expressions(annotated) for name in metrics_named(expression)}
    assert wanted - exported == set()
    assert len(wanted) > 8


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian package prometheus)")
@pytest.mark.parametrize("words", [("check", "rules", "rules.yaml"), ("check", "config", "prometheus.yaml")])
def test_prometheus_takes_the_files(annotated: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *words], cwd=annotated / "monitoring", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout + done.stderr


def test_prometheus_scrapes_and_loads_the_rules(annotated: Path) -> None:
    config = yaml.safe_load((annotated / "monitoring/prometheus.yaml").read_text())
    assert config["rule_files"] == ["rules.yaml"]
    assert config["scrape_configs"][0]["job_name"] == "shop"


def test_statements_with_metrics_keep_theirs(command, tmp_path: Path) -> None:
    mine = "-- @metric: mine\n-- @metric_type: counter\nCREATE VIEW sized"
    (tmp_path / "shop.sql").write_text(SQL.replace("CREATE VIEW sized", mine))
    assert command("velo-test", "annotate", "shop.sql").code == 0
    text = (tmp_path / "shop.annotated.sql").read_text()
    assert re.findall(r"@metric: (\w+)", text) == ["mine", "shop_sums_n", "shop_sums_total_latest"]


@pytest.mark.parametrize("existing", ["shop.annotated.sql", "monitoring/rules.yaml"])
def test_nothing_is_overwritten_without_force(command, tmp_path: Path, existing: str) -> None:
    (tmp_path / "shop.sql").write_text(SQL)
    path = tmp_path / existing
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    ran = command("velo-test", "annotate", "shop.sql")
    assert ran.code == 2
    assert "exists; nothing was written" in ran.err
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == sorted(["shop.sql", path.name])
    assert command("velo-test", "annotate", "shop.sql", "--force").code == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("sql", "message"),
    [("CREATE STREAM s (x INT);", "no statement without metrics"), ("SELEKT", "VELO1001"), (None, "there is no file")],
)
def test_what_cannot_be_annotated(command, tmp_path: Path, sql: str | None, message: str) -> None:
    if sql is not None:
        (tmp_path / "shop.sql").write_text(sql)
    ran = command("velo-test", "annotate", "shop.sql")
    assert ran.code == 2
    assert message in ran.err


def test_rules_and_dashboard_show_the_alerts_that_the_program_had(command, tmp_path: Path) -> None:
    mine = (
        "-- @metric: mine\n-- @metric_type: gauge\n-- @metric_field: amount\n-- @metric_window: 10m\n"
        "-- @alert: amount > 1000\n-- @alert_name: large_orders\n-- @alert_severity: critical\nCREATE VIEW sized"
    )
    (tmp_path / "shop.sql").write_text(SQL.replace("CREATE VIEW sized", mine))
    assert command("velo-test", "annotate", "shop.sql").code == 0
    rules = yaml.safe_load((tmp_path / "monitoring/rules.yaml").read_text())
    (alert,) = [rule for rule in rules["groups"][-1]["rules"] if rule["alert"] == "large_orders"]
    assert alert["expr"] == 'mine{job="shop"} > 1000'
    assert alert["labels"] == {"app": "shop", "severity": "critical", "statement": "sized"}
    panels = json.loads((tmp_path / "monitoring/grafana/dashboards/shop.json").read_text())["panels"]
    (panel,) = [panel for panel in panels if panel["title"] == "mine"]
    assert panel["type"] == "gauge"
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1] == {"color": "red", "value": 1000}


def test_data_schemas_say_what_may_be_a_label(command, tmp_path: Path) -> None:
    (tmp_path / "shop.sql").write_text(SQL.replace("country", "customer"))
    assert command("velo-test", "annotate", "shop.sql").code == 0
    assert "@metric_labels: customer" not in (tmp_path / "shop.annotated.sql").read_text()
    (tmp_path / "orders.schema.yaml").write_text(
        "name: orders\nfields:\n  - { name: id, type: bigint }\n"
        "  - { name: customer, type: string, constraints: { enum: [ann, bob] } }\n"
        "  - { name: amount, type: decimal, precision: 10, scale: 2 }\n"
    )
    assert command("velo-test", "annotate", "shop.sql", "--force").code == 0
    assert "@metric_labels: customer\n" in (tmp_path / "shop.annotated.sql").read_text()
