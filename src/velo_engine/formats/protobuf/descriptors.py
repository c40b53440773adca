"""Where message types come from: a `.proto` file or text, a descriptor set, a schema of the registry.

A `.proto` is compiled by protoc (of the package grpcio-tools, or on the path); descriptor sets and what a registry
gives in serialized form need no compiler. Every source has a pool of its own, so two programs' types never meet.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError, Message

from velo_engine.connectors.schema_registry import RegistrySchema, SchemaRegistry
from velo_engine.errors import ErrorCode, VeloError, did_you_mean

PROTOC_SECONDS = 60
MAX_REFERENCES = 100
"""Schemas of the registry that one schema may import, directly or not."""

_MAIN = "velostream_main.proto"
"""The name of a schema that has none."""


class MessageTypes:
    """The files of one schema; the last is the one that was asked for."""

    def __init__(self, files: Iterable[FileDescriptorProto], where: str) -> None:
        """Raises VeloError when the files do not fit together."""
        self._where = where
        self._pool = descriptor_pool.DescriptorPool()
        written = list(files)
        known = {file.name for file in written}
        try:
            for name, text in _well_known().items():
                if name not in known:
                    self._pool.AddSerializedFile(text)
            for file in written:
                self._pool.Add(file)
            self.file: FileDescriptor = self._pool.FindFileByName(written[-1].name)
        except (TypeError, KeyError, IndexError, ValueError) as problem:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"{where} is not a Protobuf schema: {problem}") from None

    def message(self, name: str | None) -> type[Message]:
        """The class of the message called `name`, with or without its package; None: of the only one there is.

        Raises VeloError when there is none.
        """
        names = [d.full_name for d in _all_messages(self.file.message_types_by_name.values())]
        if name is None:
            top = list(self.file.message_types_by_name.values())
            if len(top) == 1:
                return message_factory.GetMessageClass(top[0])
            hint = f"it has {', '.join(names[:12])}" if names else "it has none"
            raise VeloError(ErrorCode.BAD_PROPERTY, f"which message of {self._where}? Set protobuf.message", hint=hint)
        # Flink names the Java class: com.example.Outer$Order.
        wanted = name.replace("$", ".")
        found = next((n for n in names if n == wanted), None) or next(
            (n for n in names if n.rpartition(".")[2] == wanted.rpartition(".")[2]), None
        )
        if found is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'{self._where} has no message "{name}"',
                hint=did_you_mean(wanted, [n.rpartition(".")[2] for n in names], noun="message"),
            )
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(found))

    def at(self, path: tuple[int, ...]) -> type[Message] | None:
        """The class of the message at a path of indexes (Confluent's wire format); None: there is none."""
        messages = list(self.file.message_types_by_name.values())
        found: Descriptor | None = None
        for index in path:
            if not 0 <= index < len(messages):
                return None
            found = messages[index]
            messages = list(found.nested_types)
        return None if found is None else message_factory.GetMessageClass(found)


def type_of(message: type[Message]) -> Descriptor:
    """The type that a class of messages is of."""
    descriptor: Any = message.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    return descriptor


def path_of(message: Descriptor) -> tuple[int, ...]:
    """The path of indexes of a message in its file."""
    parent = message.containing_type
    if parent is None:
        return (list(message.file.message_types_by_name.values()).index(message),)
    return (*path_of(parent), list(parent.nested_types).index(message))


def _all_messages(messages: Iterable[Descriptor]) -> Iterable[Descriptor]:
    for message in messages:
        if message.GetOptions().map_entry:
            continue
        yield message
        yield from _all_messages(message.nested_types)


@lru_cache(maxsize=1)
def _well_known() -> dict[str, bytes]:
    from google.protobuf import (
        any_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
    )

    modules = (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
    files = [descriptor_pb2.DESCRIPTOR, *(module.DESCRIPTOR for module in modules)]
    return {file.name: file.serialized_pb for file in files}


def types_from_file(path: Path) -> MessageTypes:
    """Of a `.proto`, or of a descriptor set (`protoc --include_imports --descriptor_set_out`). Raises VeloError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f"there is no Protobuf schema {path}") from None
    except OSError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot read the Protobuf schema {path}: {problem}") from None
    if path.suffix == ".proto":
        return MessageTypes(_compiled_once(path), str(path))
    return MessageTypes(_descriptor_set(content, str(path)), str(path))


_COMPILED: dict[Path, tuple[dict[Path, int], list[FileDescriptorProto]]] = {}
"""For each `.proto` what protoc made of it, and when each file that went into it was changed."""


def _compiled_once(path: Path) -> list[FileDescriptorProto]:
    """As `_compiled`; again only when a file has changed."""
    place = path.resolve()
    known = _COMPILED.get(place)
    if known is not None and all(_changed(file) == at for file, at in known[0].items()):
        return known[1]
    files = _compiled(path.parent, path.name, str(path))
    parts = {place.parent / file.name: _changed(place.parent / file.name) for file in files}
    _COMPILED[place] = (parts, files)
    return files


def _changed(path: Path) -> int:
    """When the file was changed; 0 when there is none (Protobuf's own files are elsewhere)."""
    return path.stat().st_mtime_ns if path.exists() else 0


def types_from_text(text: str, where: str, imports: Mapping[str, str] | None = None) -> MessageTypes:
    """Of the text of a `.proto`, which may import the files `imports` (name to text). Raises VeloError."""
    return MessageTypes(_compiled_text(text, where, tuple((imports or {}).items())), where)


@lru_cache(maxsize=64)
def _compiled_text(text: str, where: str, imports: tuple[tuple[str, str], ...]) -> list[FileDescriptorProto]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (*imports, (_MAIN, text)):
            place = (Path(folder) / name).resolve()
            if not place.is_relative_to(Path(folder).resolve()):
                raise VeloError(ErrorCode.BAD_PROPERTY, f'{where} imports "{name}", which is no name of a file')
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, encoding="utf-8")
        return _compiled(Path(folder), _MAIN, where)


def _descriptor_set(content: bytes, where: str) -> list[FileDescriptorProto]:
    try:
        files = list(FileDescriptorSet.FromString(content).file)
    except DecodeError:
        files = []
    if not files:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f"{where} is neither a .proto file nor a descriptor set",
            hint="make one with protoc --include_imports --descriptor_set_out=FILE",
        )
    return files


def _compiled(folder: Path, name: str, where: str) -> list[FileDescriptorProto]:
    """What protoc makes of a file, its imports before it."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "descriptors"
        arguments = [f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", name]
        made = subprocess.run(  # noqa: S603 (protoc itself, with arguments of our own)
            [*_protoc(where), *arguments], capture_output=True, text=True, timeout=PROTOC_SECONDS, check=False
        )
        if made.returncode != 0:
            reason = made.stderr.strip().splitlines()
            first = next((line for line in reason if "error" in line or ".proto" in line), "protoc refuses it")
            raise VeloError(ErrorCode.BAD_PROPERTY, f"{where} is not a Protobuf schema: {first.replace(_MAIN, 'line')}")
        return _descriptor_set(out.read_bytes(), where)


def _protoc(where: str) -> list[str]:
    spec = find_spec("grpc_tools")
    if spec is not None and spec.submodule_search_locations:
        folders = [Path(next(iter(spec.submodule_search_locations))) / "_proto"]
        # The files google/type/*.proto come with the package googleapis-common-protos.
        google = find_spec("google")
        if google is not None and google.submodule_search_locations:
            folders += [Path(place).parent for place in google.submodule_search_locations]
        return [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{folder}" for folder in folders)]
    found = shutil.which("protoc")
    if found is None:
        raise VeloError(
            ErrorCode.INFRASTRUCTURE_MISSING,
            f"{where} needs a compiler, and there is no protoc",
            hint='pip install "velostream[protobuf]", or give a descriptor set in protobuf.schema.file',
        )
    return [found]


def types_from_registry(registry: SchemaRegistry, schema: RegistrySchema, where: str) -> MessageTypes:
    """Of a schema that the registry gave, serialized or as text, with all that it imports. Raises VeloError."""
    serialized = _serialized_file(schema.text, _MAIN)
    imports: dict[str, RegistrySchema] = {}
    _collect(registry, schema, where, imports)
    if serialized is None:
        texts = {name: found.text for name, found in imports.items()}
        return types_from_text(schema.text, where, texts)
    files = []
    for name, found in imports.items():
        file = _serialized_file(found.text, name)
        if file is None:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"{where}: its import {name} is not serialized as it is itself")
        files.append(file)
    return MessageTypes([*files, serialized], where)


def _collect(registry: SchemaRegistry, schema: RegistrySchema, where: str, imports: dict[str, RegistrySchema]) -> None:
    """The schemas that `schema` imports, those that others need first."""
    for name, subject, version in schema.references:
        if name in imports:
            continue
        found = registry.version(subject, version, serialized=_serialized_file(schema.text, _MAIN) is not None)
        if found is None or len(imports) >= MAX_REFERENCES:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH, f"{where} imports {name} ({subject}, version {version}), which is not there"
            )
        _collect(registry, found, where, imports)
        imports[name] = found


def _serialized_file(text: str, name: str) -> FileDescriptorProto | None:
    """A file descriptor in base64 under `name`; None when the text is not one."""
    try:
        file = FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, DecodeError):
        return None
    file.name = name
    return file
