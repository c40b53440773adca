"""Going on after an error in a YAML file: the part that is wrong is left out, and the rest is read again.

Readers of YAML stop at the first thing they refuse. To hear all of it, the innermost key or item at the error's place
is taken out of the tree. What would only be a consequence (a key that is missing because it was taken out, a query that
checks nothing any more) is taken out silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence

_Place: TypeAlias = tuple[int, int]
_Path: TypeAlias = tuple[int, ...]

_OF_THE_WHOLE = frozenset({ErrorCode.MISSING_KEY, ErrorCode.NOTHING_CHECKED})
"""Errors about a mapping, not about the key that happens to stand first in it."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What became of an error."""

    tell: bool
    """It is more than a consequence of what was taken out before."""
    goes_on: bool
    """Something was taken out: the rest can be read again."""


@dataclass(slots=True)
class PrunedTree:
    """A tree, and what was taken out of it."""

    root: YamlNode
    cut: set[tuple[_Place, type]] = field(default_factory=set)
    """Collections that something was taken out of."""

    def prune(self, error: VeloError) -> Pruning:
        """Takes out what `error` is about."""
        if error.location is None:
            return Pruning(tell=True, goes_on=False)
        path = _path_to(self.root, _place(error.location))
        if error.code in _OF_THE_WHOLE:
            path = _enclosing_mapping(self.root, path)
        found = _at(self.root, path)
        container = found if isinstance(found, (YamlMapping, YamlSequence)) else _at(self.root, path[:-1])
        known = self._is_cut(container)
        consequence = known and (error.code in _OF_THE_WHOLE or _is_empty(container))
        if not path:
            return Pruning(not consequence, goes_on=False)
        for depth in range(len(path)):
            above = _at(self.root, path[:depth])
            self.cut.add((_place(above.location), type(above)))
        self.root = _without(self.root, path)
        return Pruning(not consequence, goes_on=True)

    def _is_cut(self, node: YamlNode) -> bool:
        return (_place(node.location), type(node)) in self.cut


def _place(location: Location) -> _Place:
    return location.line, location.column


def _is_empty(node: YamlNode) -> bool:
    return not (node.entries if isinstance(node, YamlMapping) else getattr(node, "items", True))


def _path_to(root: YamlNode, place: _Place) -> _Path:
    """The innermost node or key that begins at `place`, else the last one that begins before it."""
    best: tuple[_Place, _Path] = ((0, 0), ())
    waiting: list[tuple[YamlNode, _Path]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        for at, (begins, child) in enumerate(_children(node)):
            if begins <= place:
                best = max(best, (begins, (*path, at)))
            waiting.append((child, (*path, at)))
            value = _place(child.location)
            if value <= place:
                best = max(best, (value, (*path, at)))
    return best[1]


def _children(node: YamlNode) -> list[tuple[_Place, YamlNode]]:
    match node:
        case YamlMapping():
            return [(_place(key.location), value) for key, value in node.entries]
        case YamlSequence():
            return [(_place(item.location), item) for item in node.items]
        case YamlScalar():
            return []


def _at(root: YamlNode, path: _Path) -> YamlNode:
    node = root
    for step in path:
        node = _children(node)[step][1]
    return node


def _enclosing_mapping(root: YamlNode, path: _Path) -> _Path:
    """The path of the innermost mapping that the node at `path` is a key's value of, or is itself."""
    while path and not isinstance(_at(root, path), YamlMapping):
        path = path[:-1]
    return path


def _without(node: YamlNode, path: _Path) -> YamlNode:
    first, rest = path[0], path[1:]
    if isinstance(node, YamlMapping):
        entries = list(node.entries)
        if rest:
            key, value = entries[first]
            entries[first] = (key, _without(value, rest))
        else:
            del entries[first]
        return replace(node, entries=tuple(entries))
    assert isinstance(node, YamlSequence)
    items = list(node.items)
    if rest:
        items[first] = _without(items[first], rest)
    else:
        del items[first]
    return replace(node, items=tuple(items))
