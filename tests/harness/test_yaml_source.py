"""The YAML reader keeps texts and places, and refuses what YAML allows and specs do not."""

import time

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness import yaml_source
from velo_harness.yaml_source import YamlMapping, YamlScalar, YamlSequence, parse_yaml, read_yaml


def scalars(node):
    match node:
        case YamlScalar():
            return node.text
        case YamlSequence(items=items):
            return [scalars(item) for item in items]
        case YamlMapping(entries=entries):
            return {key.text: scalars(value) for key, value in entries}


def refused(text):
    with pytest.raises(VeloError) as caught:
        parse_yaml(text, "f.yaml")
    return caught.value


@pytest.mark.parametrize(
    "text", ["12.30", "NO", "0123", "12:30:00", "2024-01-01", "1_000", "0x1F", "yes", "~", "on", ".5"]
)
def test_a_scalar_keeps_its_text(text):
    assert scalars(parse_yaml(f"a: {text}", "f")) == {"a": text}


def test_only_unquoted_scalars_are_plain():
    node = parse_yaml("- a\n- 'b'\n- \"c\"\n- !!str d\n- |-\n  e\n", "f")
    assert [item.plain for item in node.items] == [True, False, False, False, False]
    assert scalars(node) == ["a", "b", "c", "d", "e"]


def test_places_are_those_of_an_editor():
    text = "queries:\n  - name: über alles\n    rows: [1, 'zwei']\n"
    query = parse_yaml(text, "s.yaml").get("queries").items[0]
    (name_key, name), (_, rows) = query.entries
    assert (name_key.location.line, name_key.location.column, name_key.location.length) == (2, 5, 4)
    assert (name.location.line, name.location.column, name.location.length) == (2, 11, 10)
    assert name.location.text == "  - name: über alles"
    second = rows.items[1].location
    assert (second.file, second.line, second.column, second.length) == ("s.yaml", 3, 15, 6)


def test_places_count_lines_whatever_the_line_ending():
    node = parse_yaml("a: 1\r\nb: 2\r\nc: 3\r\n", "f")
    place = node.get("c").location
    assert (place.line, place.column, place.text) == (3, 4, "c: 3")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, 'the key "a" stands twice'),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", 3, 3, "merge keys"),
        ("a: 1\n---\nb: 2\n", 2, 1, "more than one YAML document"),
        ("a: !!python/object:os.system x\n", 1, 4, "the tag"),
        ("a: !custom {b: 1}\n", 1, 4, "the tag"),
        ("a: *nowhere\n", 1, 4, "has no anchor"),
        ("a: &a [1, *a]\n", 1, 11, "inside its own anchor"),
        ("expected: {{ inputs.a.count }}\n", 1, 12, "a key must be text"),
        ("a: [1, 2\nb: 3\n", 2, 2, "does not parse"),
        ("a: b: c\n", 1, 5, "does not parse"),
    ],
)
def test_what_is_refused_has_its_place(text, line, column, message):
    error = refused(text)
    assert error.code is ErrorCode.YAML_SYNTAX
    assert (error.location.line, error.location.column) == (line, column)
    assert message in error.message


def test_an_unquoted_template_gets_a_hint():
    assert refused("expected: {{ inputs.a.count }}\n").hint == 'quote templates: "{{ ... }}"'


def test_a_tab_gets_a_hint():
    assert refused("a:\n\tb: 1\n").hint == "YAML is indented with spaces, not tabs"


def test_an_empty_text_is_refused():
    assert refused("# nothing\n").message == "the file is empty"


def test_aliases_within_the_limit_are_expanded():
    node = parse_yaml("a: &x {b: 1}\nc: [*x, *x]\n", "f")
    assert scalars(node) == {"a": {"b": "1"}, "c": [{"b": "1"}, {"b": "1"}]}


def test_nested_aliases_count_every_expansion():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    started = time.process_time()
    error = refused("\n".join(lines))
    assert "more than 1000 alias expansions" in error.message
    assert error.location.line < 15
    assert time.process_time() - started < 2


def test_exactly_the_permitted_number_of_aliases_passes():
    parse_yaml("a: &x 1\nb: [" + ", ".join(["*x"] * yaml_source.MAX_ALIASES) + "]", "f")
    refused("a: &x 1\nb: [" + ", ".join(["*x"] * (yaml_source.MAX_ALIASES + 1)) + "]")


def test_aliases_of_long_texts_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(yaml_source, "MAX_NODES", 1000)
    assert "values in one file" in refused("a: &x [" + "1, " * 200 + "1]\nb: [*x, *x, *x, *x, *x]").message


def test_deep_nesting_is_refused_without_exhausting_the_stack():
    assert "levels deep" in refused("[" * 100_000).message


def test_deep_nesting_by_aliases_is_refused():
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 100)]
    error = refused("\n".join(lines))
    assert "levels deep" in error.message or "alias expansions" in error.message


def test_a_missing_file(tmp_path):
    with pytest.raises(VeloError) as caught:
        read_yaml(tmp_path / "no.yaml")
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


def test_a_folder_is_unreadable(tmp_path):
    with pytest.raises(VeloError) as caught:
        read_yaml(tmp_path)
    assert caught.value.code is ErrorCode.FILE_UNREADABLE


def test_a_file_over_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_source, "MAX_BYTES", 10)
    path = tmp_path / "long.yaml"
    path.write_text("a: 12345678")
    with pytest.raises(VeloError, match="longer than") as caught:
        read_yaml(path)
    assert (caught.value.location.file, caught.value.location.line) == (str(path), 1)


def test_a_byte_order_mark_is_not_text(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert scalars(read_yaml(path)) == {"a": "1"}


def test_bytes_that_are_no_utf8_have_a_line(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    with pytest.raises(VeloError, match="not UTF-8") as caught:
        read_yaml(path)
    assert caught.value.location.line == 2


def test_control_characters_are_refused():
    assert refused("a: \x00b").code is ErrorCode.YAML_SYNTAX


@pytest.mark.parametrize(
    ("text", "place"), [("a: 1\nbc: \0\n", (2, 5)), ("\0a: 1\n", (1, 1)), ("ä: ä\nb: ä\x07", (2, 5))]
)
def test_a_character_that_is_not_allowed_is_shown_at_its_place(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(VeloError) as caught:
        parse_yaml(text, "f")
    location = caught.value.location
    assert location is not None
    assert (location.line, location.column) == place
