"""The JSON report: its frozen form, reading it again, what is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import fields, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.shadow.reports_sample import (
    DIFFERENT,
    EMPTY,
    EQUAL,
    FULL,
    HOSTILE_TEXT,
    SAFE,
    difference,
    hostile,
    report,
)

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.json_schemas import shipped_text
from velo_shadow.model import ComparisonResult, Decision
from velo_shadow.reports.document import MAX_DIFFERENCES, ShadowReport, overall
from velo_shadow.reports.json_report import (
    MAX_FINDINGS,
    document,
    read_shadow_report,
    shadow_json,
    shadow_report_of,
    shadow_schema,
)

REPORTS = {
    "full": report(),
    "three": report(FULL, SAFE, EMPTY),
    "equal": report(SAFE),
    "none": ShadowReport((), overall(())),
    "hostile": hostile(HOSTILE_TEXT),
}


def closed(schema: Any) -> Any:
    """The schema, in which an object may have no other keys than those it names."""
    if isinstance(schema, dict):
        made = {name: closed(part) for name, part in schema.items()}
        return {**made, "additionalProperties": False} if "properties" in made and "required" in made else made
    return [closed(part) for part in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_has_the_form_of_its_schema_and_no_key_beside(name: str) -> None:
    values = json.loads(shadow_json(REPORTS[name]))

    jsonschema.Draft202012Validator(closed(shadow_schema())).validate(values)
    migration = json.loads(shipped_text("migration-report"))
    jsonschema.Draft202012Validator({**migration["$defs"]["part_file"], "$defs": migration["$defs"]}).validate(values)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_that_is_read_again_is_the_same(name: str) -> None:
    values = json.loads(shadow_json(REPORTS[name]))

    again = shadow_report_of(values, "r.json")

    if name != "hostile":  # of which the file holds neither secrets nor half characters
        assert again == REPORTS[name]
    told = ("headline", "findings")  # sentences, in which half characters are written out
    assert {key: part for key, part in json.loads(shadow_json(again)).items() if key not in told} == {
        key: part for key, part in values.items() if key not in told
    }


def test_every_field_of_a_result_is_in_the_full_report() -> None:
    blank = ComparisonResult(**{name: getattr(EQUAL, name) for name in REQUIRED_FIELDS})
    empty, full = document(report(replace(SAFE, result=blank)))["sinks"][0], document(report())["sinks"][0]

    same = [name for name in full if full[name] == empty[name]]

    assert {field.name for field in fields(ComparisonResult)} - set(full) == set()
    assert same == ["differences_left_out"]


REQUIRED_FIELDS = ("plan", "counts", "differences", "causes", "segments", "coverage", "verdict")


def test_the_verdict_over_all_is_the_worst_and_names_its_sinks() -> None:
    assert report(SAFE).verdict.reasons == ("40 compared, none differs",)
    assert report(SAFE, EMPTY).verdict.decision is Decision.INCONCLUSIVE
    worst = report(EMPTY, FULL, SAFE).verdict
    assert worst.decision is Decision.NOT_SAFE
    assert worst.reasons[0] == "totals: 164 rows with other values"
    assert int(report(EMPTY, FULL, SAFE).exit_code) == 1
    assert int(REPORTS["none"].exit_code) == 4


def test_differences_beyond_the_bound_are_counted() -> None:
    many = replace(DIFFERENT, differences=tuple(difference(number) for number in range(MAX_DIFFERENCES + 7)))

    (sink,) = document(report(replace(FULL, result=many)))["sinks"]

    assert (len(sink["differences"]), sink["differences_left_out"]) == (MAX_DIFFERENCES, 7)


def test_the_findings_are_of_every_sink() -> None:
    found = [one["message"] for one in document(report(FULL, replace(FULL, name="second")))["findings"]]

    assert len(found) <= MAX_FINDINGS
    assert found[0] == "totals: order_id=1: amount is 20.0050 on the left, 20.0100 on the right"
    assert "second: order_id=7: only left" in found


def test_a_later_version_may_add_keys_and_causes() -> None:
    values = deepcopy(document(report()))
    values["new"] = values["sinks"][0]["new"] = values["sinks"][0]["counts"]["new"] = 1
    values["sinks"][0]["differences"][0]["cause"] = "a cause of the year 2030"

    assert shadow_report_of(values, "r.json").sinks[0].differences[0].cause == "a cause of the year 2030"
    jsonschema.Draft202012Validator(shadow_schema()).validate(json.loads(json.dumps(values)))


BROKEN: dict[str, tuple[Any, str]] = {
    "a list": ([], '"r.json" is no report of velo shadow'),
    "another kind": ({"schema_version": 1, "kind": "tests"}, '"r.json" is no report of velo shadow'),
    "a later form": ({**document(report()), "schema_version": 2}, '"r.json" has schema_version 2'),
    "no sinks": ({"schema_version": 1, "kind": "shadow"}, '"r.json" is not a report of velo shadow'),
    "a wrong type": ({**document(report()), "sinks": [{"name": 1}]}, "$.sinks[0]"),
    "a verdict there is not": ({**document(report()), "verdict": {"decision": "OK", "reasons": []}}, "$.verdict"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_report_is_refused(name: str) -> None:
    values, message = BROKEN[name]

    with pytest.raises(VeloError, match=r"r\.json") as caught:
        shadow_report_of(values, "r.json")

    assert caught.value.code is ErrorCode.BAD_VALUE
    assert message in caught.value.message


def test_a_file_is_read_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(shadow_json(REPORTS["three"]))

    assert read_shadow_report(tmp_path / "r.json") == REPORTS["three"]
    with pytest.raises(VeloError) as caught:
        read_shadow_report(tmp_path / "none.json")
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


def test_every_key_of_the_schema_says_what_it_is() -> None:
    def undescribed(schema: Any, place: str) -> list[str]:
        if not isinstance(schema, dict):
            return []
        names = schema.get("properties", {})
        return [f"{place}.{name}" for name, part in names.items() if not described(part)] + [
            line for name, part in schema.get("$defs", {}).items() for line in undescribed(part, name)
        ]

    def described(part: Any) -> bool:
        return bool({"description", "const", "enum", "$ref"} & set(part))

    plain = {"message", "level", "name", "decision", "left", "right", "value"}
    assert [name for name in undescribed(shadow_schema(), "") if name.rpartition(".")[2] not in plain] == []


def test_times_are_exact_and_without_zeros_that_say_nothing() -> None:
    whole = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
    values = [whole, whole.replace(microsecond=204_000), datetime(2026, 1, 1, 10, 0, 0, 10), [whole], time(10, 30)]
    shown = [
        report(replace(FULL, result=replace(DIFFERENT, differences=(difference(1, left=value),)))).sinks[0]
        for value in values
    ]

    assert [sink.differences[0].left for sink in shown] == [
        "2026-01-01T10:00:00+00:00",
        "2026-01-01T10:00:00.204+00:00",
        "2026-01-01T10:00:00.00001",
        ["2026-01-01T10:00:00+00:00"],
        "10:30:00",
    ]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("began", "2026-01-01T00:00:00", "has no zone"),
        ("ended", "yesterday", "isoformat"),
        ("counts", {"left": -1}, '"totals" has a number that none can be'),
        ("over_time", [{"begins": "2026-01-01T00:00:00", "seconds": 0, "rows": 1, "different": 0}], "stretch of time"),
    ],
)
def test_numbers_and_times_that_none_can_be_are_refused(place: str, value: Any, message: str) -> None:
    values = deepcopy(document(report()))
    sink = values["sinks"][0]
    if place in values:
        values[place] = value
    else:
        sink[place] = {**sink[place], **value} if isinstance(value, dict) else value

    with pytest.raises(VeloError) as caught:
        shadow_report_of(values, "r.json")

    assert message in caught.value.message
