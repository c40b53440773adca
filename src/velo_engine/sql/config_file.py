"""Configuration files (`<name>.config_file`): YAML, nested maps become dotted keys, `extends:` names a base file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from velo_engine.errors import ErrorCode, Location, VeloError, nearest
from velo_engine.sql.program import Property
from velo_engine.sql.variables import expand

MAX_BYTES = 1_000_000
MAX_ALIASES = 1_000
"""Uses of anchors in one file."""
MAX_NESTING = 50
_TRUE = frozenset({"true", "yes", "on"})


@dataclass(slots=True)
class _Walk:
    """What reading one file needs to know on its way down."""

    file: str
    lines: list[str]
    variables: Mapping[str, str]
    aliases: int = 0
    seen: set[int] = field(default_factory=set)

    def place(self, node: yaml.Node) -> Location:
        line = node.start_mark.line
        text = self.lines[line] if line < len(self.lines) else ""
        column = node.start_mark.column
        same_line = node.end_mark.line == line
        length = max(1, (node.end_mark.column if same_line else len(text)) - column)
        return Location(self.file, line + 1, column + 1, length, text)

    def expanded(self, node: yaml.ScalarNode) -> str:
        """The text of a scalar with its references replaced."""
        place = self.place(node)
        return expand(str(node.value), self.variables, lambda _start, _end: place)

    def problem(self, code: ErrorCode, message: str, node: yaml.Node, hint: str | None = None) -> VeloError:
        return VeloError(code, message, location=self.place(node), hint=hint)


def read_config_file(path: Path, variables: Mapping[str, str], *, root: Path | None = None) -> dict[str, Property]:
    """The properties of the file at `path` and of the files it extends; its own win.

    Lists are numbered: `fields.0.name`. `${NAME}` references in values are replaced. Files that `extends` names are
    looked for next to the file that names them; with `root` none may lie outside it.

    VeloError FILE_NOT_FOUND, FILE_UNREADABLE, YAML_SYNTAX, BAD_VALUE (`extends` in a circle), UNKNOWN_KEY (a key given
    twice), PATH_OUTSIDE_PROJECT.
    """
    return _read(path, variables, root, chain=())


def _read(path: Path, variables: Mapping[str, str], root: Path | None, chain: tuple[Path, ...]) -> dict[str, Property]:
    resolved = path.resolve()
    if root is not None and not resolved.is_relative_to(root.resolve()):
        raise VeloError(
            ErrorCode.PATH_OUTSIDE_PROJECT,
            f"{path} lies outside {root}",
            hint="move the file into the project, or allow the path with --allow-path",
        )
    text = _text(path)
    walk = _Walk(str(path), text.splitlines(), variables)
    node = _composed(text, walk)
    own: dict[str, Property] = {}
    bases: list[tuple[str, yaml.Node]] = []
    if node is not None:
        if not isinstance(node, yaml.MappingNode):
            raise walk.problem(ErrorCode.YAML_SYNTAX, "a configuration file is a map of keys to values", node)
        bases = _take_extends(node, walk)
        own = dict(_flattened(node, "", walk, depth=0))
    merged: dict[str, Property] = {}
    for name, named_at in bases:
        base = path.parent / name
        if base.resolve() in (*chain, resolved):
            circle = " -> ".join([*(each.name for each in (*chain, resolved)), base.name])
            raise walk.problem(ErrorCode.BAD_VALUE, f"the files extend each other in a circle: {circle}", named_at)
        try:
            merged |= _read(base, variables, root, (*chain, resolved))
        except VeloError as error:
            if error.location is None:
                error.location = walk.place(named_at)
            raise
    return merged | own


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        close = nearest(path.name, (each.name for each in path.parent.iterdir())) if path.parent.is_dir() else None
        raise VeloError(
            ErrorCode.FILE_NOT_FOUND,
            f"{path} does not exist",
            hint=f'did you mean "{close}"?' if close is not None else None,
        ) from None
    except OSError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} cannot be read: {problem.strerror}") from None
    if len(data) > MAX_BYTES:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is not UTF-8 text", hint="save it as UTF-8") from None


def _composed(text: str, walk: _Walk) -> yaml.Node | None:
    """The node tree; nothing is constructed, so no tag has a meaning."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line if mark is not None else 0
        shown = walk.lines[line] if line < len(walk.lines) else ""
        problem = getattr(error, "problem", None) or "this is not YAML"
        location = Location(walk.file, line + 1, (mark.column if mark is not None else 0) + 1, 1, shown)
        raise VeloError(ErrorCode.YAML_SYNTAX, problem, location=location) from None
    except RecursionError:
        raise VeloError(ErrorCode.YAML_SYNTAX, f"{walk.file} is nested too deeply") from None


def _take_extends(node: yaml.MappingNode, walk: _Walk) -> list[tuple[str, yaml.Node]]:
    """The names under `extends`, which is removed from the map."""
    found: list[tuple[str, yaml.Node]] = []
    for pair in list(node.value):
        key, value = pair
        if key.value == "extends":
            node.value.remove(pair)
            items = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for item in items:
                if not isinstance(item, yaml.ScalarNode) or not item.value:
                    raise walk.problem(ErrorCode.BAD_VALUE, "extends takes the name of a file", item)
                found.append((walk.expanded(item), item))
    return found


def _flattened(node: yaml.Node, prefix: str, walk: _Walk, depth: int) -> Iterator[tuple[str, Property]]:
    if depth > MAX_NESTING:
        raise walk.problem(ErrorCode.YAML_SYNTAX, f"more than {MAX_NESTING} levels of nesting", node)
    if not isinstance(node, yaml.ScalarNode):
        _count_alias(node, walk)
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = _key(key, names, walk)
            for path, found in _flattened(value, f"{prefix}{name}.", walk, depth + 1):
                yield (
                    path,
                    found
                    if found.name_location is not None
                    else Property(found.value, found.location, walk.place(key)),
                )
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _flattened(item, f"{prefix}{index}.", walk, depth + 1)
    elif isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
        value = walk.expanded(node)
        if node.tag == "tag:yaml.org,2002:bool":
            value = "true" if value.casefold() in _TRUE else "false"
        yield prefix.removesuffix("."), Property(value, walk.place(node))


def _count_alias(node: yaml.Node, walk: _Walk) -> None:
    if id(node) in walk.seen:
        walk.aliases += 1
        if walk.aliases > MAX_ALIASES:
            raise walk.problem(ErrorCode.YAML_SYNTAX, f"more than {MAX_ALIASES} uses of anchors", node)
    walk.seen.add(id(node))


def _key(key: yaml.Node, names: set[str], walk: _Walk) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise walk.problem(ErrorCode.YAML_SYNTAX, "a key is a word", key)
    if key.tag == "tag:yaml.org,2002:merge":
        raise walk.problem(ErrorCode.YAML_SYNTAX, "merge keys are not read", key, "name the base file with extends")
    if key.value in names:
        raise walk.problem(ErrorCode.UNKNOWN_KEY, f"the key {key.value} is given twice", key)
    names.add(key.value)
    return str(key.value)
