"""The pages of docs/ have a heading for every key that the program knows, and for no other."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.docs.pages import DOCS, PAGES, Block, Heading, blocks, headings
from velo_harness import constraint_keys, data_schema, shadow_keys, spec_keys, timeline_keys
from velo_harness.assertion_types import ASSERTION_TYPES
from velo_harness.constraints import Shape
from velo_harness.debugging import debug_keys
from velo_harness.faults import keys as fault_keys
from velo_harness.keys import Key, ObjectFormat
from velo_harness.stress import stress_keys
from velo_harness.yaml_source import YamlMapping, parse_yaml

SPECS = {
    "The spec": spec_keys.SPEC,
    "Test suite": spec_keys.TEST_SUITE,
    "Test suite defaults": spec_keys.SUITE_DEFAULTS,
    "Reference table": spec_keys.REFERENCE_TABLE,
    "Topic naming": spec_keys.TOPIC_NAMING,
    "Scenario": spec_keys.SCENARIO,
    "Query": spec_keys.QUERY,
    "Input": spec_keys.INPUT,
    "Time simulation": spec_keys.TIME_SIMULATION,
    "Source type": spec_keys.SOURCE_TYPE,
    "Expectation": spec_keys.EXPECT,
    "Tolerance": spec_keys.TOLERANCE,
    "Expected error": spec_keys.EXPECTED_ERROR,
    "Output": spec_keys.OUTPUT,
    "Captured output": spec_keys.CAPTURED_OUTPUT,
    "Sink type": spec_keys.SINK_TYPE,
}
FAULTS = {
    "Fault injection": fault_keys.FAULT_INJECTION,
    "Malformed records": fault_keys.MALFORMED_RECORDS,
    "Duplicates": fault_keys.DUPLICATES,
    "Out of order": fault_keys.OUT_OF_ORDER,
    "Field corruption": fault_keys.FIELD_CORRUPTION,
    "Slow processing": fault_keys.SLOW_PROCESSING,
    "Broker": fault_keys.BROKER,
}
DEBUGGING = {"Debug settings": debug_keys.DEBUG, "Breakpoint": debug_keys.BREAKPOINT}
SCHEMAS = {
    "The schema": data_schema.DATA_SCHEMA,
    "Fields": data_schema.FIELD,
    "Constraints": constraint_keys.CONSTRAINTS,
}
SHADOW = {
    "The config": shadow_keys.SHADOW_CONFIG,
    "Inputs": shadow_keys.INPUT,
    "Sinks": shadow_keys.SINK,
    "Streams": shadow_keys.STREAM,
    "Verdict": shadow_keys.VERDICT,
}
TABLES = [("specs.md", section, table) for section, table in SPECS.items()]
TABLES += [("time.md", "Timeline entry", timeline_keys.TIMELINE_ENTRY)]
TABLES += [("faults.md", section, table) for section, table in FAULTS.items()]
TABLES += [("debug.md", section, table) for section, table in DEBUGGING.items()]
TABLES += [("commands.md", "Stress test", stress_keys.STRESS_TEST)]
TABLES += [("shadow-config.md", section, table) for section, table in SHADOW.items()]
TABLES += [("data-schemas.md", section, table) for section, table in SCHEMAS.items()]


def below(page: str, section: str) -> list[Heading]:
    """The third-level headings of a section."""
    found: list[Heading] = []
    current = ""
    for heading in headings(DOCS / page):
        if heading.level == 2:
            current = heading.text
        elif heading.level == 3 and current == section:
            found.append(heading)
    return found


def described(key: Key) -> str:
    """How a paragraph about a key begins."""
    also = f" Also: {', '.join(f'`{name}`' for name in key.aliases)}." if key.aliases else ""
    return key.doc + (" Required." if key.required else "") + also


@pytest.mark.parametrize(("page", "section", "table"), TABLES, ids=[f"{p}-{s}" for p, s, _ in TABLES])
def test_every_key_has_a_heading(page: str, section: str, table: ObjectFormat) -> None:
    found = below(page, section)

    assert [heading.text for heading in found] == [f"`{key.name}`" for key in table.keys]
    for heading, key in zip(found, table.keys, strict=True):
        assert heading.paragraph.startswith(described(key))


@pytest.mark.parametrize(("page", "section", "table"), TABLES, ids=[f"{p}-{s}" for p, s, _ in TABLES])
def test_every_key_has_an_example_that_is_accepted(page: str, section: str, table: ObjectFormat) -> None:
    examples = {b.heading.strip("`"): b for b in blocks(DOCS / page, "key") if b.section == section}

    assert list(examples) == [key.name for key in table.keys]
    for key in table.keys:
        value_of(examples[key.name], key.name, table)


def value_of(block: Block, name: str, table: ObjectFormat) -> None:
    """Every key of the example is one of the table, and its value is of the key's kind."""
    node = parse_yaml(block.text, str(block))
    assert isinstance(node, YamlMapping)
    written = {key.text: value for key, value in node.entries}
    assert name in written
    for spelling, value in written.items():
        table.by_spelling[spelling].kind.read(value)


def reachable(root: object) -> list[ObjectFormat]:
    """The tables of keys that a table leads to, itself among them."""
    found: list[ObjectFormat] = []
    waiting, seen = [root], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, ObjectFormat):
            found.append(part)
        if isinstance(part, (tuple, list)):
            waiting.extend(part)
        elif dataclasses.is_dataclass(part):
            waiting.extend(getattr(part, field.name) for field in dataclasses.fields(part))
    return found


def test_no_table_of_keys_is_without_a_page() -> None:
    """Tables without headings of their own are parts of a constraint: its page names their keys."""
    described_tables = [table for _, _, table in TABLES]
    pages = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("data-schemas.md", "generation.md"))

    for table in [*reachable(spec_keys.SPEC), *reachable(data_schema.DATA_SCHEMA)]:
        if table not in described_tables:
            assert table not in (spec_keys.SPEC, spec_keys.QUERY, spec_keys.INPUT, spec_keys.EXPECT)
            assert [key.name for key in table.keys if not re.search(rf"\b{key.name}\b", pages)] == [], table.name


def test_every_type_of_assertion_has_a_heading_and_an_example() -> None:
    found = below("assertions.md", "One by one")

    assert [heading.text for heading in found] == [f"`{name}`" for name in ASSERTION_TYPES]
    examples = [b for b in blocks(DOCS / "assertions.md", "assertions") if b.section == "One by one"]
    assert [b.heading.strip("`") for b in examples] == list(ASSERTION_TYPES)
    for block in examples:
        assert f"type: {block.heading.strip('`')}\n" in block.text


def test_every_page_is_linked_from_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.name != "index.md" and f"]({page.name})" not in index] == []


def test_every_distribution_is_listed() -> None:
    page = (DOCS / "data-schemas.md").read_text(encoding="utf-8").partition("## Distributions")[2]
    for shape in Shape:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{shape.value}` |"))
        for key in constraint_keys._SHAPE_KEYS[shape]:
            assert f"`{key.name}`" in line


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            file = (DOCS / target) if target else page
            assert file.exists(), (page.name, target)
            if anchor:
                known = {re.sub(r"[^\w -]", "", h.text.lower()).replace(" ", "-") for h in headings(file)}
                assert anchor in known, (page.name, anchor)
