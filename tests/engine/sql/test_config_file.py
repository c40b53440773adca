"""Configuration files: nested maps, `extends`, and what is refused."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.config_file import read_config_file


def read(path, **variables):
    return {key: found.value for key, found in read_config_file(path, variables).items()}


def test_nested_maps_become_dotted_keys_and_lists_are_numbered(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "topic: trades\n"
        "schema:\n"
        "  key.format: string\n"
        "  fields:\n"
        "    - name: id\n"
        "      key: yes\n"
        "    - {name: price, type: 'decimal(10,2)'}\n"
        "retries: 007\n"
        "nothing:\n"
        "empty: ''\n"
    )
    assert read(path) == {
        "topic": "trades",
        "schema.key.format": "string",
        "schema.fields.0.name": "id",
        "schema.fields.0.key": "true",
        "schema.fields.1.name": "price",
        "schema.fields.1.type": "decimal(10,2)",
        "retries": "007",
        "empty": "",
    }


def test_values_know_their_place(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a:\n  b: value # comment\n")
    found = read_config_file(path, {})["a.b"]
    assert (found.location.line, found.location.column, found.location.length) == (2, 6, 5)
    assert (found.name_location.line, found.name_location.column, found.name_location.length) == (2, 3, 1)
    assert found.location.text == "  b: value # comment"


def test_a_file_overrides_what_it_extends(tmp_path):
    (tmp_path / "env").mkdir()
    (tmp_path / "root.yaml").write_text("a: root\nb: root\nc: root\n")
    (tmp_path / "env" / "base.yaml").write_text("extends: ../root.yaml\nb: base\nc: base\n")
    (tmp_path / "env" / "top.yaml").write_text("extends: ${NAME}.yaml\nc: top\n")
    assert read(tmp_path / "env" / "top.yaml", NAME="base") == {"a": "root", "b": "base", "c": "top"}


def test_several_bases_count_in_their_order(tmp_path):
    (tmp_path / "one.yaml").write_text("a: 1\nb: 1\n")
    (tmp_path / "two.yaml").write_text("b: 2\n")
    (tmp_path / "top.yaml").write_text("extends: [one.yaml, two.yaml]\n")
    assert read(tmp_path / "top.yaml") == {"a": "1", "b": "2"}


def test_files_that_extend_each_other_are_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1\nextends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(VeloError, match=r"in a circle: a.yaml -> b.yaml -> a.yaml") as caught:
        read(tmp_path / "a.yaml")
    assert caught.value.code is ErrorCode.BAD_VALUE
    assert (caught.value.location.file, caught.value.location.column) == (str(tmp_path / "b.yaml"), 10)


def test_a_missing_base_is_an_error_where_it_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1\nextends: nowhere.yaml\n")
    with pytest.raises(VeloError, match="does not exist") as caught:
        read(tmp_path / "a.yaml")
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND
    assert (caught.value.location.line, caught.value.location.column) == (2, 10)


def test_no_file_outside_the_root_is_read(tmp_path):
    inside = tmp_path / "project"
    inside.mkdir()
    (tmp_path / "secret.yaml").write_text("a: 1\n")
    (inside / "a.yaml").write_text("extends: ../secret.yaml\n")
    with pytest.raises(VeloError, match="lies outside") as caught:
        read_config_file(inside / "a.yaml", {}, root=inside)
    assert caught.value.code is ErrorCode.PATH_OUTSIDE_PROJECT


@pytest.mark.parametrize(
    ("text", "code", "message", "line"),
    [
        ("a: [1, 2\n", ErrorCode.YAML_SYNTAX, "expected", 2),
        ("- a\n- b\n", ErrorCode.YAML_SYNTAX, "is a map of keys to values", 1),
        ("a: 1\nb: 2\na: 3\n", ErrorCode.UNKNOWN_KEY, "the key a is given twice", 3),
        ("base: &b {x: 1}\nuse:\n  <<: *b\n", ErrorCode.YAML_SYNTAX, "merge keys are not read", 3),
        ("? [a, b]\n: 1\n", ErrorCode.YAML_SYNTAX, "a key is a word", 1),
        ("extends: {a: 1}\n", ErrorCode.BAD_VALUE, "extends takes the name of a file", 1),
        ("a: 1\nb: ${NOPE}\n", ErrorCode.UNSET_VARIABLE, "the variable NOPE is not set", 2),
        ("a: 1\n---\nb: 2\n", ErrorCode.YAML_SYNTAX, "", 2),
    ],
)
def test_a_bad_file_is_an_error_at_its_line(text, code, message, line, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(VeloError) as caught:
        read(path)
    assert caught.value.code is code
    assert message in caught.value.message
    assert (caught.value.location.file, caught.value.location.line) == (str(path), line)


def test_tags_run_nothing(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: !!python/object/apply:os.system ['false']\nb: !x 1\n")
    assert read(path) == {"a.0": "false", "b": "1"}


def test_aliases_cannot_grow_without_bound(tmp_path):
    path = tmp_path / "a.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    path.write_text("\n".join(lines))
    with pytest.raises(VeloError, match="more than 1000 uses of anchors"):
        read(path)


def test_an_anchor_within_itself_is_an_error(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a\n  b: *a\n")
    with pytest.raises(VeloError, match="levels of nesting"):
        read(path)


def test_a_file_that_is_not_text_or_too_long_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(VeloError, match="is not UTF-8 text"):
        read(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(VeloError, match="at most 1,000,000 are read"):
        read(path)
