"""What changed since an earlier run, worked out by hand."""

from __future__ import annotations

import pytest
from tests.harness.running.test_reports import failure, query

from velo_harness.reports.markdown import run_markdown
from velo_harness.reports.text import run_text
from velo_harness.reports.trends import trend, trend_text
from velo_harness.result import Change, Outcome, QueryResult, RunResult, Trend


def named(name: str, outcome: Outcome = Outcome.PASSED, **changes) -> QueryResult:
    failures = (failure(),) if outcome is Outcome.FAILED else ()
    return query(outcome, item=name, failures=failures, **changes)


def changed(before: list[QueryResult], after: list[QueryResult]) -> Trend:
    return trend(RunResult(tuple(before)), RunResult(tuple(after)), "old.json")


def test_outcomes_are_compared_by_id() -> None:
    bad, skipped = Outcome.FAILED, Outcome.SKIPPED
    before = [named("broke"), named("mended", bad), named("bad", Outcome.ERROR), named("gone"), named("left out", bad)]
    after = [named("new", bad), named("broke", bad), named("mended"), named("bad", bad), named("left out", skipped)]
    found = changed(before, after)
    assert found.newly_failing == ("broke",)
    assert found.fixed == ("mended",)
    assert found.still_failing == ("bad",)
    assert found.added == ("new",)
    assert found.removed == ("gone",)


def test_queries_of_specs_that_were_not_run_are_not_gone() -> None:
    assert changed([named("a"), named("b", spec_file="other")], [named("c")]).removed == ("a",)


def test_what_was_skipped_and_fails_now_is_newly_failing() -> None:
    assert changed([named("q", Outcome.SKIPPED)], [named("q", Outcome.FAILED)]).newly_failing == ("q",)


@pytest.mark.parametrize(
    ("before", "after", "slower", "faster"),
    [
        (100, 150, True, False),
        (100, 149, False, False),  # not by half
        (10, 59, False, False),  # less than 50 ms
        (0, 50, True, False),
        (300, 200, False, True),
        (290, 200, False, False),
    ],
)
def test_times_count_when_they_change_by_half_and_noticeably(before, after, slower: bool, faster: bool) -> None:
    found = changed([named("q", execution_ms=before)], [named("q", execution_ms=after)])
    expected = (Change("q", before, after),)
    assert (found.slower, found.faster) == (expected if slower else (), expected if faster else ())


def test_times_of_queries_that_failed_say_nothing() -> None:
    assert changed([named("q", execution_ms=1)], [named("q", Outcome.FAILED, execution_ms=1000)]).slower == ()


def test_rows_are_compared_where_the_seed_is_the_same() -> None:
    same = changed([named("q", output_rows=3)], [named("q", output_rows=5)])
    other = changed([named("q", output_rows=3)], [named("q", output_rows=5, seed=1)])
    assert same.rows_changed == (Change("q", 3, 5),)
    assert other.rows_changed == ()


def test_text_and_markdown_say_it() -> None:
    before, after = [named("a", execution_ms=100)], [named("a", Outcome.FAILED), named("b")]
    run = RunResult(tuple(after), trend=changed(before, after))
    assert "since old.json:\n  1 newly failing\n    a\n  1 new\n    b\n" in run_text(run)
    assert "- **1 newly failing:** <code>a</code>\n- **1 new:** <code>b</code>" in run_markdown(run)


def test_no_change_is_said_too_and_lists_are_capped() -> None:
    assert trend_text(Trend("old.json")) == "since old.json: nothing changed"
    text = trend_text(Trend("old.json", newly_failing=tuple(f"q{i}" for i in range(13))))
    assert text.endswith("    q9\n    and 3 more")
