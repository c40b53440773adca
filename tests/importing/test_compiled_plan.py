"""Plans that a real Flink compiled: the imported program answers as Flink did, and what is not read is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.importing.record_plans import PLANS
from tests.oracle import engine_runner
from tests.oracle.case import CASES, Compare, Rule, load
from tests.oracle.comparison import difference
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_import.convert.job import convert_job
from velo_import.inputs.compiled_plan.script import plan_script
from velo_import.inputs.files import read_jobs
from velo_import.inputs.sources import Source, read_source
from velo_import.model import Outcome

RECORDED = sorted(path for path in PLANS.glob("*__*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_imported_plan_answers_as_flink(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group, name, *_ = path.stem.split("__")
    case = load(CASES / group / f"{name}.json")
    (job_input,) = read_jobs(path)
    job = convert_job(job_input.name, job_input.scripts)
    assert [c.reason for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED] == []
    monkeypatch.setattr(engine_runner, "program_text", lambda _: job.app_sql)

    answer = engine_runner.run(case.definition, batch_size=10_000)

    # Counted in buckets first, a change is two changes, which Flink's mini-batches fold: the final table is the same.
    compare = Compare(Rule.NET) if path.stem.endswith("split_distinct") else case.definition.compare
    found = difference(case.answer, answer, compare)
    if found is not None:
        pytest.fail(found, pytrace=False)


def test_recorded_plans_have_all_kinds_of_nodes() -> None:
    kinds = {node["type"] for path in RECORDED for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]}
    assert len(RECORDED) > 45
    assert len(kinds) > 30


def test_a_statement_set_is_one_again() -> None:
    script = plan_script((PLANS / "statement_set.json").read_text(encoding="utf-8"), file="p.json")

    assert [type(one).__name__ for one in script.statements] == [
        "CreateTable",
        "CreateTable",
        "CreateTable",
        "StatementSet",
    ]
    job = convert_job("p", (script,))
    assert sorted(one.sink or "" for one in job.statements) == ["a", "b"]
    assert job.unconverted == ()


def test_a_node_that_is_not_read_is_named_and_the_rest_converts() -> None:
    plan = json.loads((PLANS / "statement_set.json").read_text(encoding="utf-8"))
    aggregates = [node for node in plan["nodes"] if "aggregate" in node["type"]]
    aggregates[0]["type"] = "stream-exec-python-group-aggregate_1"

    job = convert_job("p", (plan_script(json.dumps(plan), file="p.json"),))

    (left_out,) = (c for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED)
    wanted = f"node {aggregates[0]['id']} of the plan (stream-exec-python-group-aggregate_1) is not read"
    assert wanted in (left_out.reason or "")
    assert "GroupAggregate(" in (left_out.reason or "")
    assert [one.sink for one in job.statements if one.sql is not None] == ["b"]
    assert len(job.unconverted) == 1


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ({"kind": "DYNAMIC_PARAM", "type": "INT"}, "an expression of kind DYNAMIC_PARAM"),
        ({"kind": "CALL", "syntax": "BINARY", "internalName": "$XOR$1", "operands": []}, "the operation XOR"),
        ({"kind": "INPUT_REF", "inputIndex": 99, "type": "INT"}, "column 99 of an input"),
        ({"kind": "LITERAL", "value": 1, "type": "RAW('java.lang.Object', 'x')"}, "a literal of type RAW"),
        ({"kind": "CALL"}, "the function without a name"),
    ],
)
def test_an_expression_that_is_not_read_is_named(expression: dict[str, object], reason: str) -> None:
    plan = json.loads((PLANS / "logic__case_when.json").read_text(encoding="utf-8"))
    (calc,) = (node for node in plan["nodes"] if "calc" in node["type"])
    calc["projection"][0] = expression

    job = convert_job("p", (plan_script(json.dumps(plan), file="p.json"),))

    (left_out,) = (c for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED)
    assert reason in (left_out.reason or "")
    assert f"node {calc['id']} " in (left_out.reason or "")


NODE = '{"id": %d, "type": "stream-exec-calc_1", "outputType": "ROW<`k` INT>"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"flinkVersion": "2.3", "nodes": [', "not JSON: the file ends before the plan does"),
        ("", "not JSON: the file is empty"),
        ('{"flinkVersion": "2.3", "nodes": [}', "not JSON: here a value has to stand"),
        ('{"flinkVersion": "2.3', "not JSON: the text that begins here does not end"),
        ("[" * 100_000, "without end"),
        ('{"flinkVersion": "2.3", "nodes": [1], "edges": []}', "entry 1 of the plan's nodes is no node"),
        (f'{{"nodes": [{NODE % 4}, {NODE % 4}], "edges": []}}', "two nodes of the plan have the number 4"),
        (
            f'{{"nodes": [{NODE % 4}], "edges": [{{"source": 4, "target": 7}}]}}',
            "has the target 7, and there is no node 7",
        ),
        (f'{{"nodes": [{NODE % 4}], "edges": [{{"source": 4}}]}}', "entry 1 of the plan's edges is no edge"),
        ('{"name": "package", "version": 1}', "no compiled plan"),
        (
            '{"flinkVersion": "2.3", "nodes": [{"id": 1}], "edges": []}',
            "node 1 of the plan is not as Flink writes it: it has no type",
        ),
        ('{"flinkVersion": "2.3", "nodes": [], "edges": []}', "has no sink"),
    ],
)
def test_json_that_is_no_plan_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VeloError, match=message) as caught:
        read_jobs(path)
    assert caught.value.code in (ErrorCode.SQL_SYNTAX, ErrorCode.EMPTY_INPUT)


def test_plans_of_a_folder_are_found_other_json_is_not(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}', encoding="utf-8")
    (tmp_path / "plan.json").write_text((PLANS / "top_n__ascending.json").read_text(encoding="utf-8"), encoding="utf-8")

    assert [job.scripts[-1].file for job in read_jobs(tmp_path)] == ["plan.json.sql"]


def test_edges_that_go_in_a_circle_are_named() -> None:
    nodes = ",\n".join(NODE % number for number in (1, 2, 3, 4))
    edges = ", ".join(f'{{"source": {a}, "target": {b}}}' for a, b in ((1, 2), (2, 3), (3, 4), (4, 2)))

    with pytest.raises(VeloError, match="go in a circle: node 2 → 3 → 4 → 2") as caught:
        plan_script(f'{{"flinkVersion": "2.3", "nodes": [{nodes}],\n"edges": [{edges}]}}', file="p.json")
    assert caught.value.location == Location("p.json", 2)


def test_a_node_of_another_form_is_told_in_words() -> None:
    plan = json.loads((PLANS / "logic__case_when.json").read_text(encoding="utf-8"))
    (calc,) = (node for node in plan["nodes"] if "calc" in node["type"])
    del calc["projection"]

    job = convert_job("p", (plan_script(json.dumps(plan), file="p.json"),))

    (left_out,) = (c for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED)
    assert 'its JSON is not as Flink writes it: "projection" is missing;' in (left_out.reason or "")


@pytest.mark.parametrize(
    ("version", "said"),
    [("2.3", None), ("2.3.1", None), ("3.7", "the plan is of Flink 3.7;"), (17, "of Flink 17;"), ("", "does not name")],
)
def test_a_plan_of_another_flink_is_said(version: object, said: str | None, tmp_path: Path) -> None:
    plan = json.loads((PLANS / "top_n__ascending.json").read_text(encoding="utf-8"))
    (tmp_path / "p.json").write_text(json.dumps({**plan, "flinkVersion": version}), encoding="utf-8")

    (job,) = read_source(Source(tmp_path / "p.json"))

    assert [said in (note.reason or "") for note in job.notes if said] == ([] if said is None else [True])
    assert (said is None) == (job.notes == ())
