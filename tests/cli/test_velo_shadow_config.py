"""`velo shadow DIR`: sinks of a config over files, and the program over the files of its inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
job: shop
program: app.sql
inputs:
  - { source: orders, file: orders.jsonl }
sinks:
  - name: totals
    left: { file: flink.jsonl, changelog: upsert }
    key: [customer]
"""
APP = """
SET 'emit.semantics' = 'flink';
CREATE TABLE orders (customer STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'o');
CREATE TABLE totals (customer STRING, n BIGINT, total DECIMAL(38, 2), PRIMARY KEY (customer) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'totals');
INSERT INTO totals SELECT customer, COUNT(*), SUM(amount) FROM orders GROUP BY customer;
"""
ORDERS = [("ann", "1.10"), ("ben", "2.00"), ("ann", "3.05")]
FLINK = [("+I", "ann", 1, "1.10"), ("+I", "ben", 1, "2.00"), ("+U", "ann", 2, "4.15")]
"""By hand: what an upsert sink gets of the orders."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder as `velo import` leaves it, with what Flink read and wrote."""
    (tmp_path / "app.sql").write_text(APP)
    (tmp_path / "shadow_config.yaml").write_text(CONFIG)
    write(tmp_path / "orders.jsonl", [{"customer": c, "amount": a, "ts": "2026-01-01 00:00:00"} for c, a in ORDERS])
    write_flink(tmp_path, FLINK)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_flink(folder: Path, changes: list[tuple[str, str, int, str]], name: str = "flink.jsonl") -> None:
    lines = [f'{{"op":"{o}","customer":"{c}","n":{n},"total":{t}}}\n' for o, c, n, t in changes]
    (folder / name).write_text("".join(lines))


def test_the_program_runs_over_the_inputs_and_is_compared(command: Callable[..., Any], shop: Path) -> None:
    ran = command("velo", "shadow", ".")

    assert ran.code == 0, ran.err
    assert "2 equal, 0 with other values, 0 only left, 0 only right" in ran.out
    assert "app.sql (totals): 2 rows" in ran.out
    assert sorted(path.name for path in shop.iterdir()) == [
        "app.sql", "flink.jsonl", "orders.jsonl", "shadow_config.yaml"
    ]  # fmt: skip


def test_running_it_as_a_shadow_is_the_same(command: Callable[..., Any], shop: Path) -> None:
    folder = command("velo", "run", ".", "--shadow", "--report", "a.json")
    program = command("velo", "run", "--shadow", "app.sql")
    plain = command("velo", "run", "--help")

    assert (folder.code, program.code) == (0, 0), folder.err + program.err
    assert "2 equal" in folder.out
    assert (shop / "a.json").exists()
    assert "--shadow" in plain.out


def test_a_folder_and_its_config_mean_the_same_and_reports_are_written(command: Callable[..., Any], shop: Path) -> None:
    write_flink(shop, [*FLINK, ("+U", "ben", 1, "2.01")])

    ran = command("velo", "shadow", shop / "shadow_config.yaml", "--report", "a.json", "--report", "out/b.json")

    assert ran.code == 1
    documents = [json.loads((shop / name).read_text()) for name in ("a.json", "out/b.json")]
    assert documents[0] == documents[1]
    assert documents[0]["job"] == "shop"
    (sink,) = documents[0]["sinks"]
    assert (sink["name"], sink["counts"]["by_column"]) == ("totals", {"total": 1})


def test_a_tombstone_and_a_retraction_leave_no_row(command: Callable[..., Any], shop: Path) -> None:
    write_flink(shop, [*FLINK, ("+I", "cid", 1, "1.00"), ("-D", "cid", 1, "1.00")])
    upsert = command("velo", "shadow", ".")
    write_flink(shop, [*FLINK[:2], ("-U", "ann", 1, "1.10"), FLINK[2]])
    (shop / "shadow_config.yaml").write_text(CONFIG.replace("upsert", "retract"))
    retract = command("velo", "shadow", ".")

    assert (upsert.code, retract.code) == (0, 0)
    assert "2 equal" in upsert.out
    assert "2 equal" in retract.out


def test_every_sink_has_its_result_and_the_worst_is_the_verdict(command: Callable[..., Any], shop: Path) -> None:
    write_flink(shop, [("+I", "ann", 2, "4.15"), ("+I", "ben", 1, "2.00")], "good.jsonl")
    write_flink(shop, [("+I", "ann", 3, "4.15"), ("+I", "ben", 1, "2.00")], "bad.jsonl")
    other = (
        "  - { name: other, left: { file: good.jsonl }, right: { file: bad.jsonl }, key: [customer], ignore: [op] }\n"
    )
    (shop / "shadow_config.yaml").write_text(CONFIG + other)
    (shop / "w.yaml").write_text("waivers: [{ owner: a, reason: b, expires: 9999-12-31, column: n, sink: other }]\n")
    (shop / "v.yaml").write_text("waivers: [{ owner: a, reason: b, expires: 9999-12-31, column: n }]\n")

    both = command("velo", "shadow", ".", "--report", "r.json")
    one = command("velo", "shadow", ".", "--sink", "totals")
    waived = command("velo", "shadow", ".", "--waivers", "w.yaml")
    whose = command("velo", "shadow", ".", "--waivers", "v.yaml")

    assert (both.code, one.code, waived.code, whose.code) == (1, 0, 0, 2), both.err
    document = json.loads((shop / "r.json").read_text())
    assert [(s["name"], s["verdict"]["decision"]) for s in document["sinks"]] == [
        ("totals", "SAFE"), ("other", "NOT SAFE")
    ]  # fmt: skip
    assert "does not say of which sink it is" in whose.err


def test_a_right_side_that_is_there_is_compared_as_it_is(command: Callable[..., Any], shop: Path) -> None:
    config = CONFIG.replace("    key:", "    right: { file: velo.jsonl, changelog: upsert }\n    key:")
    (shop / "shadow_config.yaml").write_text(config)

    absent = command("velo", "shadow", ".")
    write_flink(shop, FLINK[:2], "velo.jsonl")
    there = command("velo", "shadow", ".")

    assert (absent.code, there.code) == (0, 1)
    assert "velo.jsonl: 2 rows" in there.out


def test_order_says_which_row_of_all_inputs_came_first(command: Callable[..., Any], shop: Path) -> None:
    """The last order of a customer by arrival: by position in the files it would be another."""
    (shop / "app.sql").write_text(
        APP.replace("SELECT customer, COUNT(*), SUM(amount) FROM orders GROUP BY customer",
                    "SELECT customer, COUNT(*), CAST(LAST_VALUE(amount) AS DECIMAL(38, 2)) FROM "
                    "(SELECT * FROM orders UNION ALL SELECT * FROM more) GROUP BY customer")
        .replace("CREATE TABLE totals", "CREATE TABLE more (customer STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3)) "
                 "WITH ('connector' = 'kafka', 'topic' = 'm');\nCREATE TABLE totals")
    )  # fmt: skip
    write(shop / "orders.jsonl", [{"at": i, "customer": "ann", "amount": f"{i}.00"} for i in (0, 1, 3)])
    write(shop / "more.jsonl", [{"at": i, "customer": "ann", "amount": f"{i}.00"} for i in (2, 4)])
    write_flink(shop, [("+I", "ann", 5, "4.00")])
    plain = CONFIG.replace("orders.jsonl }", "orders.jsonl }\n  - { source: more, file: more.jsonl }")
    ordered = plain.replace(".jsonl }\n", ".jsonl, order: at }\n")

    (shop / "shadow_config.yaml").write_text(plain)
    by_position = command("velo", "shadow", ".")
    (shop / "shadow_config.yaml").write_text(ordered)
    by_arrival = command("velo", "shadow", ".")
    write(shop / "more.jsonl", [{"at": "x", "customer": "ann", "amount": "1.00"}])
    wrong = command("velo", "shadow", ".")

    assert (by_position.code, by_arrival.code, wrong.code) == (1, 0, 2), by_arrival.out + by_arrival.err
    assert 'row 1 of "more.jsonl" has no whole number in "at"' in wrong.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Usage: velo shadow"),
        (["nowhere"], 'there is no folder and no config "nowhere"'),
        (["reprot"], 'did you mean "report"?'),
        (["empty"], "has no shadow_config.yaml"),
        ([".", "--key", "customer"], "--key: with a config its sinks say what is compared"),
        ([".", "--sink", "totls"], 'did you mean "totals"?'),
        ([".", "--once", "--state", "x"], "--once, --state: about topics, and all sides are files"),
        ([".", "--brokers", "kafka:9092"], "--brokers: about topics, and all sides are files"),
        ([".", "--once", "--duration", "1h"], "--once and --duration say two things about the end"),
        ([".", "--duration", "1h"], "--duration: about topics"),
        ([".", "--memory-limit", "much"], '"much" is no size of memory'),
        ([".", "--no-run"], "--no-run: the output of the program"),
        ([".", "--report", "x.pdf"], 'the ending of "x.pdf" is that of no report'),
        ([".", "--compare-topic", "flink"], '"flink" names no topic'),
        (["--left", "flink.jsonl"], "--right is missing"),
        (["--key", "customer"], "--left is missing"),
        (["--left", "flink.jsonl", "--right", "flink.jsonl"], "are the same stream"),
        (["--left", "flink.jsonl", "--right", "kafka://x"], "nothing says where the topic"),
        (["--left", "flink.jsonl", "--right", "x.jsonl", "--left-changelog", "upsrt"], 'did you mean "upsert"?'),
        (
            [
                "--left",
                "flink.jsonl",
                "--right",
                "orders.jsonl",
                "--left-changelog",
                "upsert",
                "--ignore",
                "amount,ts,n,total",
            ],
            "need the key of a row",
        ),
        (["--left", "orders.jsonl", "--right", "flink.jsonl", "--left-changelog", "retract"], 'has no column "op"'),
        (["--left", "flink.jsonl", "--right", "orders.jsonl", "--sink", "a"], "--sink is about a config"),
    ],
)
def test_what_does_not_go_together_is_said(
    command: Callable[..., Any], shop: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VELO_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    (shop / "empty").mkdir()

    ran = command("velo", "shadow", *words)

    assert ran.code == (2 if words else 0)
    assert message in " ".join((ran.out + ran.err).split())
    assert "SAFE\n" not in ran.out


def test_too_few_rows_for_the_config_are_inconclusive(command: Callable[..., Any], shop: Path) -> None:
    (shop / "shadow_config.yaml").write_text(CONFIG + "verdict: { least_rows: 3 }\n")

    few = command("velo", "shadow", ".")
    (shop / "shadow_config.yaml").write_text(CONFIG + "verdict: { least_rows: 2 }\n")
    enough = command("velo", "shadow", ".")
    bound = command("velo", "shadow", ".", "--bound", "0.01")

    assert (few.code, enough.code, bound.code) == (4, 0, 4)
    assert "2 rows were compared, and at least 3 are asked for" in few.out


def test_inputs_and_sinks_that_the_program_does_not_have(command: Callable[..., Any], shop: Path) -> None:
    config = shop / "shadow_config.yaml"
    found = []
    for old, new in (
        ("source: orders", "source: order"),
        ("name: totals", "name: total"),
        ("inputs:", "inputs: []\nx:"),
    ):
        config.write_text(CONFIG.replace(old, new))
        found.append(command("velo", "shadow", "."))

    assert [ran.code for ran in found] == [2, 2, 2]
    assert 'the program has no source "order"' in found[0].err
    assert 'the program has no statement "total"' in found[1].err


def test_the_page_has_every_option() -> None:
    import typer.main

    from velo_cli.shadow_command import shadow_app

    page = (Path(__file__).parents[2] / "docs/shadow.md").read_text(encoding="utf-8")
    known = {option for parameter in typer.main.get_command(shadow_app).commands["compare"].params
             for option in parameter.opts if option.startswith("--")}  # fmt: skip
    options = page.partition("## Options")[2]

    assert set(re.findall(r"--[a-z][a-z-]*", options)) == known - {"--debug"}
