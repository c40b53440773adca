"""`velo shadow explain` as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.shadow.command import velo
from tests.shadow.test_reproducer import keys_that_differ, outcome, scenario

from velo_harness.result import Outcome


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario whose program is wrong, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return scenario("left_join", tmp_path, "LEFT JOIN", "${KIND} JOIN")


def test_a_test_is_written_once_and_fails(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND", "INNER")
    key = keys_that_differ(wrong)[0]
    words = ["shadow", "explain", f"order_id={key}", "left_join"]

    written, again, forced = velo(words), velo(words), velo([*words, "--force"])

    assert (written[0], again[0], forced[0]) == (0, 2, 0)
    assert "the row is only on the left" in written[1]
    assert "1 of " in written[1]
    assert f"written to left_join/order-status-{key}.test.yaml: it fails until" in written[1]
    assert "exists; nothing was written" in again[1]
    (wrong / f"order-status-{key}.test.yaml").rename(wrong / "case.test.yaml")
    assert outcome(wrong) is Outcome.FAILED


def test_variables_of_the_program_are_those_of_the_test(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND", "INNER")
    key = keys_that_differ(wrong)[0]
    monkeypatch.delenv("KIND")

    code, shown = velo(
        ["shadow", "explain", key, "left_join", "--var", "KIND=INNER", "--output", str(wrong / "case.test.yaml")]
    )
    right = velo(["shadow", "explain", key, "left_join", "--var", "KIND=LEFT", "--force"])

    assert (code, right[0]) == (0, 4), shown
    assert "the program gives what the left has" in right[1]
    assert outcome(wrong) is Outcome.FAILED


def test_what_cannot_be_explained_is_said(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND", "LEFT")
    cases = {
        ("17", "nowhere"): "there is no config",
        ("no_such_column=17", "left_join"): '"no_such_column" is no column of the key',
        ("99999999", "left_join"): "has a row of order_id=99999999",
        ("17", "left_join", "--report", "none.json"): "none.json",
        ("17", "left_join", "--sink", "order_statuses"): 'did you mean "order_status"?',
    }
    for words, message in cases.items():
        code, shown = velo(["shadow", "explain", *words])

        assert code == 2, words
        assert message in shown


def test_inputs_that_do_not_fit_the_program_are_said(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND", "LEFT")
    config = (wrong / "shadow_config.yaml").read_text()
    changes = {
        ("source: orders", "source: ordres"): 'did you mean "orders"?',
        ("input/orders.jsonl", "input/none.jsonl"): 'the input "orders": there is no file',
        ("name: order_status", "name: order_state"): 'no statement of the program writes "order_state"',
        ("program: app.sql", "program: none.sql"): "none.sql",
    }
    for (old, new), message in changes.items():
        (wrong / "shadow_config.yaml").write_text(config.replace(old, new))

        code, shown = velo(["shadow", "explain", "17", "left_join"])

        assert (code, message in shown) == (2, True), shown
        assert "velo_shadow.test.yaml" not in shown
