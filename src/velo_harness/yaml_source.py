"""YAML text as a tree of positioned nodes that keep the text of every scalar.

Nothing here turns `12.30` into a float or `NO` into a boolean: who reads a node knows the type it expects and resolves
the text against it (`velo_harness.scalars`). The tree is built from the parser's events, so no constructor runs, and
depth, aliases and size are bounded while reading. Every refusal is a `VeloError` at its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from velo_engine.errors import ErrorCode, Location, VeloError

MAX_BYTES = 16 * 1024 * 1024
"""Size of one YAML file."""
MAX_DEPTH = 64
"""Nesting of mappings and sequences."""
MAX_ALIASES = 1000
"""Alias expansions in one file, nested ones counted each time."""
MAX_NODES = 2_000_000
"""Nodes of one file, expanded aliases included."""

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INLINE = (yaml.ScalarEvent, yaml.AliasEvent, yaml.DocumentStartEvent)
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, slots=True)
class YamlScalar:
    """One scalar: its text after YAML's own unquoting and folding."""

    text: str
    plain: bool
    """Written without quotes, block indicator or tag, so that its text may stand for something other than text."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class YamlSequence:
    """A list of nodes."""

    items: tuple[YamlNode, ...]
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class YamlMapping:
    """Keys with their nodes, in the order written; keys are unique text."""

    entries: tuple[tuple[YamlScalar, YamlNode], ...]
    location: Location = field(compare=False)

    def get(self, key: str) -> YamlNode | None:
        """The node under `key`, or None."""
        return next((value for name, value in self.entries if name.text == key), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """The texts of the keys."""
        return tuple(name.text for name, _ in self.entries)


YamlNode: TypeAlias = YamlScalar | YamlSequence | YamlMapping


def read_yaml(path: Path) -> YamlNode:
    """The tree of a YAML file. Errors: FILE_NOT_FOUND, FILE_UNREADABLE, YAML_SYNTAX."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A UTF-8 text file of at most `MAX_BYTES`."""
    start = Location(str(path), 1)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file "{path}"') from None
    except OSError as error:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be read: {error.strerror}') from None
    if len(content) > MAX_BYTES:
        hint = "keep data in csv, json lines or parquet files and name them with data_file or rows_file"
        message = f"the file is longer than {MAX_BYTES // 1024**2} MiB"
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, location=start, hint=hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = Location(str(path), line)
        raise VeloError(ErrorCode.FILE_UNREADABLE, "the file is not UTF-8 text", location=where) from None


def parse_yaml(text: str, file: str) -> YamlNode:
    """The tree of one YAML document. `file` is what error messages call the text. Errors: YAML_SYNTAX."""
    lines = _LINE_BREAK.split(text)
    try:
        builder = _TreeBuilder(file, lines)
        for event in yaml.parse(text, Loader=_PARSER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file, lines) from None
    except yaml.reader.ReaderError as error:
        message = f"the YAML text has a character that is not allowed: {error.reason}"
        raise VeloError(ErrorCode.YAML_SYNTAX, message, location=_not_allowed(text, file)) from None
    return builder.document()


def _not_allowed(text: str, file: str) -> Location:
    """Where the first character stands that YAML does not allow."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    at = 0 if found is None else found.start()
    return Location(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _syntax_error(error: yaml.MarkedYAMLError, file: str, lines: list[str]) -> VeloError:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(part for part in (error.context, error.problem) if part)
    line = mark.line + 1 if mark else 1
    text = lines[line - 1] if line <= len(lines) else ""
    location = Location(file, line, mark.column + 1 if mark else 1, 1, text)
    hint = None
    if "\t" in text[: location.column] or "'\\t'" in problem:
        hint = "YAML is indented with spaces, not tabs"
    return VeloError(ErrorCode.YAML_SYNTAX, f"the YAML text does not parse: {problem}", location=location, hint=hint)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    location: Location
    anchor: str | None
    mapping: bool
    children: list[YamlNode]
    keys: set[str]
    """Texts of the keys so far; only of a mapping."""
    size: int = 1
    """Nodes below and including this one, aliases expanded."""
    depth: int = 0
    """Greatest nesting below."""
    aliases: int = 0
    """Expansions below."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases may repeat, with the numbers of `_Open`."""

    node: YamlNode
    size: int
    depth: int
    aliases: int


class _TreeBuilder:
    """Builds the tree from parser events without recursion, so that nesting cannot exhaust the stack."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self._file = file
        self._lines = lines
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._root: YamlNode | None = None
        self._aliases = 0

    def document(self) -> YamlNode:
        """The finished tree."""
        if self._root is None:
            raise VeloError(ErrorCode.YAML_SYNTAX, "the file is empty", location=Location(self._file, 1))
        return self._root

    def take(self, event: Any) -> None:
        """Handles one parser event."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent() if self._root is not None:
                message = "the file holds more than one YAML document"
                raise self._error(message, self._location(event), hint="write one document a file")

    def _scalar(self, event: Any) -> None:
        location = self._location(event)
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            raise self._error(f"the tag {event.tag} has no meaning here", location)
        scalar = YamlScalar(event.value, event.tag is None and not event.style, location)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(scalar, 1, 0, 0)
        self._add(scalar, 1, 0, 0)

    def _open(self, event: Any) -> None:
        location = self._location(event)
        if event.tag is not None:
            raise self._error(f"the tag {event.tag} has no meaning here", location)
        if len(self._stack) >= MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep", location)
        self._refuse_as_key(location)
        if event.anchor:
            self._anchors[event.anchor] = None
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(location, event.anchor, mapping, [], set()))

    def _close(self) -> None:
        done = self._stack.pop()
        node: YamlNode
        if done.mapping:
            pairs = zip(done.children[::2], done.children[1::2], strict=True)
            node = YamlMapping(tuple((k, v) for k, v in pairs if isinstance(k, YamlScalar)), done.location)
        else:
            node = YamlSequence(tuple(done.children), done.location)
        if done.anchor:
            self._anchors[done.anchor] = _Anchored(node, done.size, done.depth + 1, done.aliases)
        self._add(node, done.size, done.depth + 1, done.aliases)

    def _alias(self, event: Any) -> None:
        location = self._location(event)
        found = self._anchors.get(event.anchor)
        if found is None:
            known = event.anchor in self._anchors
            what = "stands inside its own anchor" if known else "has no anchor before it"
            raise self._error(f"the alias *{event.anchor} {what}", location)
        if not isinstance(found.node, YamlScalar):
            self._refuse_as_key(location)
        self._aliases += found.aliases + 1
        if self._aliases > MAX_ALIASES:
            raise self._error(f"more than {MAX_ALIASES} alias expansions", location)
        if len(self._stack) + found.depth > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep", location)
        self._add(found.node, found.size, found.depth, found.aliases + 1)

    def _add(self, node: YamlNode, size: int, depth: int, aliases: int) -> None:
        """Puts a finished node into the collection that is open; the numbers are those of `_Anchored`."""
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if parent.mapping and len(parent.children) % 2 == 0 and isinstance(node, YamlScalar):
            self._check_key(parent, node)
        parent.children.append(node)
        parent.size += size
        parent.aliases += aliases
        if depth > parent.depth:
            parent.depth = depth
        if parent.size > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} values in one file", node.location)

    def _check_key(self, parent: _Open, key: YamlScalar) -> None:
        if key.plain and key.text == "<<":
            raise self._error("merge keys (<<) are not allowed", key.location, hint="write the keys out")
        if key.text in parent.keys:
            raise self._error(f'the key "{key.text}" stands twice in this mapping', key.location)
        parent.keys.add(key.text)

    def _refuse_as_key(self, location: Location) -> None:
        if self._stack and self._stack[-1].mapping and len(self._stack[-1].children) % 2 == 0:
            template = location.text[location.column - 1 :].startswith("{") and "{{" in location.text
            hint = 'quote templates: "{{ ... }}"' if template else None
            raise self._error("a key must be text, not a mapping or a list", location, hint=hint)

    def _location(self, event: Any) -> Location:
        start, end = event.start_mark, event.end_mark
        text = self._lines[start.line] if start.line < len(self._lines) else ""
        on_one_line = end.line == start.line and (isinstance(event, _INLINE) or event.flow_style)
        until = end.column if on_one_line else len(text.rstrip())
        return Location(self._file, start.line + 1, start.column + 1, max(1, until - start.column), text)

    @staticmethod
    def _error(message: str, location: Location, *, hint: str | None = None) -> VeloError:
        return VeloError(ErrorCode.YAML_SYNTAX, message, location=location, hint=hint)
