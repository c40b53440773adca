"""`velo run DIR --dashboard`: a converted folder runs, and its panels show what the job exported, in a real browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 60
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PROGRAM = """
CREATE TABLE orders (id BIGINT, fruit STRING, price DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'orders.csv', 'format' = 'csv');
CREATE TABLE large (id BIGINT, price DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'large.json', 'format' = 'json');
-- @metric: shop_large_orders_total
-- @metric_type: counter
-- @metric_help: Large orders
-- @metric_labels: fruit
-- @metric: shop_price
-- @metric_type: histogram
-- @metric_field: price
-- @metric_buckets: 10, 100
CREATE VIEW bought AS SELECT id, fruit, price FROM orders WHERE price > 5;
INSERT INTO large SELECT id, price FROM bought WHERE price > 50;
"""
FRUITS = ("apples", "pears", "<img src=x onerror=document.title='bad'>")
COUNT = 300


def price(i: int) -> int:
    return i % 100


def counted() -> dict[str, int]:
    """How many orders over 5 each fruit has."""
    found = dict.fromkeys(FRUITS, 0)
    for i in range(COUNT):
        found[FRUITS[i % 3]] += price(i) > 5
    return found


def panel(kind: str, title: str, expression: str, legend: str, x: int) -> dict[str, Any]:
    targets = [{"refId": "A", "expr": expression, "legendFormat": legend}]
    return {"type": kind, "title": title, "gridPos": {"x": x, "y": 0, "w": 12, "h": 8}, "targets": targets}


DASHBOARD = {
    "title": "Fruit shop",
    "panels": [
        panel("timeseries", "Orders", "sum by (fruit) (rate(shop_large_orders_total[1m]))", "{{fruit}}", 0),
        panel("stat", "Read", "sum(velo_job_records_in_total)", "records", 12),
        panel("timeseries", "Smooth", "avg_over_time(rate(shop_large_orders_total[1m])[5m:])", "", 0),
        panel("timeseries", "Lag", "velo_job_source_lag_records", "", 12),
    ],
}
RULES = """\
groups:
  - name: shop
    rules:
      - { alert: ManyOrders, expr: sum(shop_large_orders_total) > 100, annotations: { summary: more than a hundred } }
"""


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A folder as `velo import` writes it, with files to read."""
    folder = tmp_path / "converted"
    for part in ("dashboards", "alerts"):
        (folder / part).mkdir(parents=True)
    (folder / "app.sql").write_text(PROGRAM)
    rows = [f'{i},"{FRUITS[i % 3]}",{price(i)}' for i in range(COUNT)]
    (folder / "orders.csv").write_text("\n".join(["id,fruit,price", *rows]) + "\n")
    (folder / "dashboards/app.grafana.json").write_text(json.dumps(DASHBOARD))
    (folder / "alerts/app.alertmanager.yaml").write_text(RULES)
    return folder


class Running:
    """A `velo run … --dashboard` in a process of its own."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-c", "from velo_cli.velo import main; main()", "run", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.told = ""
        self.address = self.wait_for(r"dashboard: (http://127\.0\.0\.1:\d+/)")

    def wait_for(self, pattern: str) -> str:
        assert self.process.stderr is not None
        while (found := re.search(pattern, self.told)) is None:
            line = self.process.stderr.readline()
            assert line, self.told
            self.told += line
        return found[0] if found.re.groups == 0 else found[1]

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}state?seconds=60", timeout=DEADLINE_S) as answer:
            document: dict[str, Any] = json.load(answer)
            return document

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        _, told = self.process.communicate(timeout=DEADLINE_S)
        self.told += told
        return self.process.returncode


@contextmanager
def running(*words: object) -> Iterator[Running]:
    job = Running(*words)
    try:
        yield job
    finally:
        job.process.kill()
        job.process.communicate()


def seen_by_a_browser(address: str, profile: Path) -> str:
    """The page's text and markup after its first numbers."""
    assert CHROMIUM is not None
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [CHROMIUM, *words, f"--user-data-dir={profile}", "--dump-dom", address],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env={**os.environ, "TZ": "UTC"},
    )
    return done.stdout


def legend(dom: str, name: str) -> list[str]:
    """The numbers of a series in the legend."""
    row = re.search(rf"</span>{re.escape(html.escape(name, quote=False))}</td>((?:<td>[^<]*</td>)+)", dom)
    assert row is not None, dom
    return re.findall(r"<td>([^<]*)</td>", row[1])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian package chromium)")
def test_a_browser_shows_the_numbers_of_a_job_that_has_ended(converted: Path, tmp_path: Path) -> None:
    with running(converted, "--dashboard") as job:
        job.wait_for("the job has ended")
        dom = seen_by_a_browser(job.address, tmp_path / "profile")
        state = job.state()
        code = job.interrupted()

    assert code == 0
    assert "<title>Fruit shop · velo</title>" in dom, "the name of a fruit is text, not markup"
    for fruit, count in counted().items():
        assert legend(dom, fruit)[1] == str(count)
    assert re.search(rf'class="big"[^>]*>{COUNT}<', dom)
    assert 'class="badge ended" role="status">ended<' in dom
    assert "a range of computed values (a subquery) is not computed here" in dom
    assert "avg_over_time(rate(shop_large_orders_total[1m])[5m:])" in dom
    assert "the job gave no data for this" in dom
    assert "<b>ManyOrders</b>firing: more than a hundred" in dom
    assert dom.count("<path") >= 3, "lines are drawn"
    assert {s["name"]: s["total"] for s in state["panels"][0]["series"]} == counted()
    assert state["job"]["records"] == COUNT
    assert len((converted / "large.json").read_text().splitlines()) == sum(price(i) > 50 for i in range(COUNT))


TOPICS = """
CREATE TABLE orders (id BIGINT, fruit STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', 'key.format' = 'raw', 'key.fields' = 'fruit');
CREATE TABLE counts (fruit STRING, n BIGINT, PRIMARY KEY (fruit) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'counts', 'key.format' = 'json', 'value.format' = 'json');
INSERT INTO counts SELECT fruit, COUNT(*) AS n FROM orders GROUP BY fruit;
"""
SCHEMA = """
name: orders
fields:
  - { name: id, type: bigint }
  - { name: fruit, type: string, constraints: { enum: [apples, pears] } }
  - { name: ts, type: timestamp }
"""


def test_a_program_without_a_cluster_runs_over_generated_records(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/orders.schema.yaml").write_text(SCHEMA)
    (tmp_path / "app.sql").write_text(TOPICS)
    with running(tmp_path, "--dashboard", "--generate", "400") as job:
        while (state := job.state())["job"]["records"] < 50:
            assert job.process.poll() is None
        code = job.interrupted()

    assert code == 0, job.told
    assert state["job"]["state"] == "running"
    assert state["job"]["name"] == tmp_path.name
    assert state["job"]["dead_letters"] == 0
    assert "the job has ended" not in job.told, "who has asked for the end need not ask twice"


def test_a_folder_without_a_program_is_said(command, tmp_path: Path) -> None:
    (tmp_path / "jobs/one").mkdir(parents=True)
    (tmp_path / "jobs/one/app.sql").write_text("SELECT 1;")

    ran = command("velo", "run", tmp_path / "jobs")

    assert ran.code == 2
    assert "has no app.sql" in ran.err
    assert "it has folders of programs: one" in ran.err


def test_generated_records_need_a_schema(command, tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(TOPICS)

    ran = command("velo", "run", tmp_path, "--generate", "10")

    assert ran.code == 2
    assert 'no data schema says what rows of "orders" are' in ran.err


def test_generated_records_and_a_cluster_exclude_each_other(command, tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(TOPICS)

    ran = command("velo", "run", tmp_path, "--generate", "10", "--brokers", "127.0.0.1:9")

    assert ran.code == 2
    assert "leave out the cluster" in ran.err


def test_a_dashboard_that_is_none_is_said_before_anything_runs(command, converted: Path) -> None:
    (converted / "dashboards/app.grafana.json").write_text("{}")

    ran = command("velo", "run", converted, "--dashboard")

    assert ran.code == 2
    assert "this is no Grafana dashboard" in ran.err
    assert not (converted / "large.json").exists()


def test_a_grafana_that_does_not_answer_is_said_before_the_job_runs(command, converted: Path) -> None:
    ran = command("velo", "run", converted, "--grafana-url", "http://127.0.0.1:1")

    assert ran.code == 3
    assert "Grafana at http://127.0.0.1:1 does not answer" in ran.err
    assert not (converted / "large.json").exists()


def test_a_program_without_a_dashboard_cannot_go_into_a_grafana(command, converted: Path) -> None:
    (converted / "dashboards/app.grafana.json").unlink()

    ran = command("velo", "run", converted, "--grafana-url", "http://127.0.0.1:1")

    assert ran.code == 2
    assert "there is no dashboard" in ran.err
