"""A YAML text as a tree of nodes that know where they begin and end in it.

`velo_harness.yaml_source` is what reads specs; this tree is only for editing a text that it has accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from velo_engine.errors import ErrorCode, Location, VeloError


@dataclass(frozen=True, slots=True)
class ScalarSpan:
    """A scalar. `style` is None for a plain one, else the character that it is written with."""

    start: int
    end: int
    line: int
    column: int
    text: str
    style: str | None
    shared: bool
    """It has an anchor, or is an alias: what is written here counts elsewhere, too."""


@dataclass(frozen=True, slots=True)
class ListSpan:
    """A list."""

    start: int
    end: int
    line: int
    column: int
    items: tuple[NodeSpan, ...]
    flow: bool
    shared: bool


@dataclass(frozen=True, slots=True)
class MappingSpan:
    """A mapping."""

    start: int
    end: int
    line: int
    column: int
    entries: tuple[tuple[ScalarSpan, NodeSpan], ...]
    flow: bool
    shared: bool

    def entry(self, key: str) -> tuple[ScalarSpan, NodeSpan] | None:
        """The key called so with its value."""
        return next((entry for entry in self.entries if entry[0].text == key), None)


NodeSpan: TypeAlias = ScalarSpan | ListSpan | MappingSpan


def spans_of(text: str) -> NodeSpan:
    """The tree of one YAML document, which must parse. Lines and columns count from 1, offsets in characters from 0."""
    # The C parser counts bytes in some releases; offsets must be characters.
    events = (
        e for e in yaml.parse(text, Loader=yaml.SafeLoader) if isinstance(e, yaml.NodeEvent | yaml.CollectionEndEvent)
    )
    return _node(next(events), events, text)


def _node(event: Any, events: Iterator[Any], text: str) -> NodeSpan:
    start, line, column = event.start_mark.index, event.start_mark.line + 1, event.start_mark.column + 1
    match type(event):
        case yaml.AliasEvent:
            return ScalarSpan(start, event.end_mark.index, line, column, event.anchor, "*", shared=True)
        case yaml.ScalarEvent:
            end = event.end_mark.index
            if event.style in ("|", ">"):
                end = start + len(text[start:end].rstrip())
            return ScalarSpan(start, end, line, column, event.value, event.style, event.anchor is not None)
    shared, flow = event.anchor is not None, bool(event.flow_style)
    children: list[NodeSpan] = []
    closing = next(events)
    while not _closes(closing):
        children.append(_node(closing, events, text))
        closing = next(events)
    # The end of a block collection is only noticed at the next token, behind comments and blank lines.
    end = closing.end_mark.index if flow or not children else children[-1].end
    if isinstance(event, yaml.SequenceStartEvent):
        return ListSpan(start, end, line, column, tuple(children), flow, shared)
    pairs = zip(children[::2], children[1::2], strict=True)
    entries = tuple((key, value) for key, value in pairs if isinstance(key, ScalarSpan))
    return MappingSpan(start, end, line, column, entries, flow, shared)


def _closes(event: Any) -> bool:
    return isinstance(event, yaml.CollectionEndEvent)


def children_of(node: NodeSpan) -> Iterator[NodeSpan]:
    """The nodes directly below."""
    match node:
        case ListSpan(items=items):
            yield from items
        case MappingSpan(entries=entries):
            for key, value in entries:
                yield key
                yield value


def mapping_at(root: NodeSpan, location: Location) -> MappingSpan | None:
    """The mapping that begins at a place."""
    return next((m for m in _mappings(root) if (m.line, m.column) == (location.line, location.column)), None)


def mapping_holding(root: NodeSpan, key: str, location: Location) -> MappingSpan | None:
    """The mapping whose value of `key` begins at a place."""
    for mapping in _mappings(root):
        found = mapping.entry(key)
        if found is not None and (found[1].line, found[1].column) == (location.line, location.column):
            return mapping
    return None


def _mappings(root: NodeSpan) -> Iterator[MappingSpan]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, MappingSpan):
            yield node
        waiting.extend(children_of(node))


def refuse_shared(node: NodeSpan, location: Location) -> None:
    """Raises BAD_VALUE when the node holds an anchor or an alias: editing it would change what stands elsewhere."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if found.shared:
            message = "an expectation with YAML anchors or aliases cannot be updated"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=location, hint="write its rows out, once")
        waiting.extend(children_of(found))
