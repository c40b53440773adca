"""`velo shadow report`: a report that was written as JSON, in its other forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.shadow.reports_sample import EMPTY, FULL, report

from velo_shadow.reports.json_report import shadow_json


def test_the_command_writes_a_report_again_in_every_form(command: Callable[..., Any], tmp_path: Path) -> None:
    found = report(FULL, EMPTY)
    (tmp_path / "r.json").write_text(shadow_json(found))

    for form, begins in (("html", "<!DOCTYPE html>"), ("md", "### ❌ velo shadow: NOT SAFE"), ("junit", "<?xml")):
        ran = command("velo", "shadow", "report", "r.json", "--format", form)
        assert (ran.code, ran.err, ran.out.startswith(begins)) == (0, "", True)
    on_terminal = command("velo", "shadow", "report", "r.json")
    assert (on_terminal.code, "NOT SAFE" in on_terminal.out) == (0, True)
    to_file = command("velo", "shadow", "report", "r.json", "--output", "out/r.json")
    assert (to_file.code, to_file.out) == (0, "")
    assert json.loads((tmp_path / "out/r.json").read_text()) == json.loads(shadow_json(found))
    refused = command("velo", "shadow", "report", "r.json", "--output", "r.pdf")
    assert (refused.code, ".html" in refused.err) == (2, True)
    assert command("velo", "shadow", "report", "none.json").code == 2
