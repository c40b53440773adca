"""What topics are called: patterns, their placeholders, long names."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.spec_loader import load_spec
from velo_harness.topic_naming import TopicNaming, topic_name

SPEC = """\
application: a
{naming}
sql: CREATE STREAM s AS SELECT id FROM t
queries: [{{ name: s, assertions: [{{ type: record_count, equals: 0 }}] }}]
"""


def naming(tmp_path: Path, text: str) -> TopicNaming:
    (tmp_path / "pyproject.toml").write_text("")
    file = tmp_path / "s.test.yaml"
    file.write_text(SPEC.format(naming=f"topic_naming: {text}" if text else ""))
    return load_spec(file).topic_naming


def named(tmp_path: Path, text: str, base: str = "orders", environment: dict[str, str] | None = None) -> str:
    return topic_name(naming(tmp_path, text), base, "r1", environment or {})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "test_r1_orders"),
        ("{ pattern: '{base}.{run_id}' }", "orders.r1"),
        ("{ pattern: '{base}' }", "orders_r1"),
        ("{ pattern: '{namespace}-{base}-{run_id}', namespace: pay ments }", "pay-ments-orders-r1"),
        ("{ pattern: '{branch}_{user}_{base}', branch: feature/x, user: ann }", "feature-x_ann_orders_r1"),
        ("{ pattern: '{branch}_{base}', branch_from_env: BRANCH }", "main_orders_r1"),
        ("{ pattern: '{run_id}/{base}/{base}' }", "r1-orders-orders"),
    ],
)
def test_names(tmp_path: Path, text: str, name: str) -> None:
    assert named(tmp_path, text, environment={"BRANCH": "main"}) == name


def test_long_names_are_cut_and_stay_apart(tmp_path: Path) -> None:
    first, second = (named(tmp_path, "", "x" * 300 + end) for end in "ab")
    assert len(first) == len(second) == 249
    assert first != second
    assert first.startswith("test_r1_xxx")
    assert len(named(tmp_path, "{ max_topic_length: 40 }", "x" * 100)) == 40


def test_long_names_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(VeloError) as refused:
        named(tmp_path, "{ hash_long_names: false, max_topic_length: 32 }", "x" * 40)
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert "is longer than 32 characters" in refused.value.message
    assert refused.value.location is not None


def test_a_variable_that_is_not_set_is_an_error_when_it_is_needed(tmp_path: Path) -> None:
    read = naming(tmp_path, "{ pattern: '{user}_{base}', user_from_env: NOBODY }")
    with pytest.raises(VeloError) as refused:
        topic_name(read, "orders", "r1", {})
    assert refused.value.code is ErrorCode.UNSET_VARIABLE
    assert refused.value.location is not None
    assert refused.value.location.line == 2


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{ pattern: '{run_id}' }", ErrorCode.BAD_VALUE, "all topics would have the same name"),
        ("{ pattern: '{base}_{brunch}' }", ErrorCode.BAD_VALUE, '"{brunch}" is not a placeholder'),
        ("{ pattern: '{base}_{branch}' }", ErrorCode.MISSING_KEY, 'uses {branch}, and "branch" is not given'),
        ("{ namespace: n }", ErrorCode.BAD_VALUE, "namespace has no effect: the pattern has no {namespace}"),
        ("{ user_from_env: USER }", ErrorCode.BAD_VALUE, "user_from_env has no effect"),
        (
            "{ pattern: '{user}{base}', user: a, user_from_env: USER }",
            ErrorCode.BAD_VALUE,
            "user and user_from_env both give {user}",
        ),
        ("{ max_topic_length: 250 }", ErrorCode.BAD_VALUE, "this must be a whole number from 32 to 249"),
        ("{ patern: x }", ErrorCode.UNKNOWN_KEY, 'unknown key "patern"'),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_an_error(tmp_path: Path, text: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(VeloError) as refused:
        naming(tmp_path, text)
    assert refused.value.code is code
    assert message in refused.value.message
    assert refused.value.location is not None
    assert refused.value.location.line == 2


def test_a_misspelt_placeholder_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(VeloError) as refused:
        naming(tmp_path, "{ pattern: '{base}_{brunch}' }")
    assert refused.value.hint == 'did you mean "branch"?'
