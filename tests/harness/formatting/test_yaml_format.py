"""The YAML formatter: indentation alone changes; comments, order, quotes and values stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velo_engine.errors import VeloError
from velo_harness.formatting.yaml_format import formatted_yaml
from velo_harness.yaml_source import parse_yaml

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "specs").rglob("*.yaml")])

BEFORE = """\
# head
a:
- b: 1\x20\x20\x20
  # about c
  c:
     -   d: [1,
              2]   # numbers
         e: |
           text
             more\x20
     # end of list
     - x
f:
    # of g
    g: "long
      text"
    h:
        - - 1
          - 2
        -
          k: 'v'


# tail
i:\x20\x20
  plain
  text
"""
AFTER = """\
# head
a:
  - b: 1
    # about c
    c:
      - d: [1,
             2]   # numbers
        e: |
          text
            more\x20
      # end of list
      - x
f:
  # of g
  g: "long
    text"
  h:
    - - 1
      - 2
    -
      k: 'v'

# tail
i:
  plain
  text
"""


def test_the_layout() -> None:
    assert formatted_yaml(BEFORE, "x.yaml") == AFTER
    assert formatted_yaml(AFTER, "x.yaml") == AFTER


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_our_files_say_what_they_said(path: Path) -> None:
    text = path.read_text()
    result = formatted_yaml(text, path.name)

    assert parse_yaml(result, "") == parse_yaml(text, "")
    assert comments(result) == comments(text)
    assert formatted_yaml(result, path.name) == result


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


SCALARS = st.sampled_from(["1", "'a b'", '"c: d"', "text", "2024-01-01", "[1, 2]", "{ a: 1 }", "~"])
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, min_size=1),
    max_leaves=12,
)


def written(tree: object, indent: int, draw: st.DataObject) -> str:
    """The tree as YAML with indentations of any width."""
    if isinstance(tree, str):
        return f"{tree}\n"
    pad = " " * indent
    comment = draw.draw(st.sampled_from(["", f"{pad}# here\n", "\n"]))
    lines = []
    if isinstance(tree, dict):
        for key, value in tree.items():
            wider = indent + draw.draw(st.integers(1, 4))
            if isinstance(value, list) and draw.draw(st.booleans()):
                wider = indent
            below = written(value, wider, draw)
            lines.append(f"{pad}{key}: {below}" if isinstance(value, str) else f"{pad}{key}:\n{below}")
    else:
        assert isinstance(tree, list)
        for value in tree:
            spaces = draw.draw(st.integers(1, 3))
            below = written(value, indent + 1 + spaces, draw).lstrip("\n")
            if below.lstrip().startswith("#") or isinstance(value, str):
                below = below if isinstance(value, str) else "\n" + below
                lines.append(f"{pad}- {below}" if isinstance(value, str) else f"{pad}-{below}")
            else:
                lines.append(f"{pad}-{' ' * spaces}{below.lstrip()}")
    return comment + "".join(lines)


@given(tree=TREES.filter(lambda tree: not isinstance(tree, str)), draw=st.data())
def test_any_tree_keeps_its_values_and_is_stable(tree: object, draw: st.DataObject) -> None:
    text = written(tree, 0, draw)
    before = parse_yaml(text, "x")

    result = formatted_yaml(text, "x")

    assert parse_yaml(result, "x") == before
    assert formatted_yaml(result, "x") == result
    assert result.count("# here") == text.count("# here")
    indents = {len(line) - len(line.lstrip(" -")) for line in result.splitlines() if line.strip(" -")}
    assert all(indent % 2 == 0 for indent in indents)


def test_a_text_that_depends_on_its_indentation_is_refused_by_name() -> None:
    text = "a:\n      - b: |2\n           x\n"
    before = parse_yaml(text, "x.yaml")
    try:
        result = formatted_yaml(text, "x.yaml")
    except VeloError as refused:
        assert "x.yaml" in refused.message  # noqa: PT017 - either is right
    else:
        assert parse_yaml(result, "x.yaml") == before


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(VeloError):
        formatted_yaml("a: [\n", "x.yaml")


def test_line_ends_of_windows_stay() -> None:
    assert formatted_yaml("a:\r\n    b: 1\r\n", "x") == "a:\r\n  b: 1\r\n"
