"""The Protobuf formats: `protobuf` (a message alone) and `protobuf-confluent` (behind the id of its schema).

Types: docs/formats.md. Known differences to Flink 2.3's protobuf format: a field declared `optional` in proto3 and not
set is NULL (Flink: the default), unsigned numbers are never negative (too large ones are failures), an enum's unknown
number is a failure for a STRING column, and `google.protobuf.Timestamp` may be a TIMESTAMP.

Options:

* `protobuf.schema.file` (a `.proto`, or a descriptor set), or `protobuf.schema` (the text of a `.proto`);
* `protobuf.message` (`protobuf.message-class-name`): which message of the schema;
* `protobuf.read-default-values` (false): fields that are not set have their defaults;
* `schema.registry.url` and what `connectors.schema_registry` lists; with it `protobuf` is framed too, and needs no
  schema to read;
* `subject`, `auto.register.schemas` (true), `use.latest.version` (false): for sinks.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError, Message

from velo_engine.connectors.schema_registry import RegistrySchema
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.avro.default_value import varint
from velo_engine.formats.base import Decoded
from velo_engine.formats.framing import FRAME_SIZE, Subject, flag, frame, framed_registry, subject_of
from velo_engine.formats.protobuf.descriptors import (
    MessageTypes,
    path_of,
    type_of,
    types_from_file,
    types_from_registry,
    types_from_text,
)
from velo_engine.formats.protobuf.reader import MessageReader, message_reader
from velo_engine.formats.protobuf.writer import MessageWriter, message_writer
from velo_engine.formats.text_columns import Failures
from velo_engine.formats.wanted_columns import WantedColumns, present_values
from velo_engine.schema import RowSchema

MAX_PATH = 32
"""Messages within each other that a frame may name."""


class ProtobufFormat:
    """Messages of one type without anything around them."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str], decoded: frozenset[int] | None = None) -> None:
        """`decoded`: the positions of the columns that are wanted (None: all); the others are NULL in every row."""
        types = explicit_types(options)
        if types is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                'the format "protobuf" needs the type of its messages',
                hint="set protobuf.schema.file and protobuf.message",
            )
        self._columns = _Columns(schema, options, decoded)
        self._message = types.message(options.get("protobuf.message"))
        self._reader: MessageReader | None = None
        self._writer: MessageWriter | None = None

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message."""
        if self._reader is None:
            self._reader = self._columns.reader(self._message)
        failures: Failures = {}
        values = present_values(messages, failures)
        parsed = parsed_messages(self._message, values, failures)
        columns, refused = self._reader.columns(parsed)
        return self._columns.decoded(columns, len(values), refused | failures)

    def encode(self, table: pa.Table) -> list[bytes]:
        """One message a row."""
        if self._writer is None:
            self._writer = self._columns.writer(self._message)
        return self._columns.encode(self._writer, table)


class FramedProtobufFormat:
    """Messages behind the id of their schema in a registry, and the path of their type in it."""

    def __init__(
        self,
        schema: RowSchema,
        options: Mapping[str, str],
        decoded: frozenset[int] | None = None,
        *,
        is_key: bool = False,
    ) -> None:
        """As `ProtobufFormat`; `is_key`: the records are keys, so the subject is `<topic>-key`."""
        self._columns = _Columns(schema, options, decoded)
        self._registry = framed_registry("protobuf-confluent", options)
        self._subject = subject_of(self._registry, options, is_key=is_key)
        self._name = options.get("protobuf.message")
        self._types = explicit_types(options)
        self._readers: dict[tuple[int, tuple[int, ...]], tuple[type[Message], MessageReader] | str] = {}
        self._writer: tuple[bytes, MessageWriter] | None = None

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message, each by its own writer's schema (by the explicit one when there is one)."""
        failures: Failures = {}
        values = present_values(messages, failures)
        found: dict[tuple[int, tuple[int, ...]], list[tuple[int, bytes]]] = {}
        for i, value in enumerate(values):
            if i not in failures:
                framed = _unframed(value)
                if framed is None:
                    failures[i] = "the record does not begin with a zero byte, a schema id and the path of a message"
                else:
                    found.setdefault(framed[0], []).append((i, framed[1]))
        parts: list[list[pa.Array]] = []
        where: list[list[int]] = []
        for key, rows in found.items():
            reader = self._reader(key)
            if isinstance(reader, str):
                failures.update({i: reader for i, _ in rows})
                continue
            refused: Failures = {}
            parsed = parsed_messages(reader[0], [body for _, body in rows], refused)
            columns, wrong = reader[1].columns(parsed)
            failures.update({rows[at][0]: reason for at, reason in (wrong | refused).items()})
            parts.append(columns)
            where.append([i for i, _ in rows])
        return self._columns.decoded(self._columns.placed(parts, where, len(values)), len(values), failures)

    def _reader(self, key: tuple[int, tuple[int, ...]]) -> tuple[type[Message], MessageReader] | str:
        known = self._readers.get(key)
        if known is None:
            known = self._readers[key] = self._opened_reader(*key)
        return known

    def _opened_reader(self, schema_id: int, path: tuple[int, ...]) -> tuple[type[Message], MessageReader] | str:
        if self._types is not None:
            message = self._types.message(self._name)
            return message, self._columns.reader(message)
        found = self._registry.schema_by_id(schema_id, serialized=True)
        if found is None:
            return f"schema {schema_id} is not in the registry {self._registry.url}"
        if found.kind != "PROTOBUF":
            return f"schema {schema_id} is of the kind {found.kind}, not PROTOBUF"
        try:
            chosen = types_from_registry(self._registry, found, f"schema {schema_id}").at(path)
            if chosen is None:
                return f"schema {schema_id} has no message at {list(path)}"
            return chosen, self._columns.reader(chosen)
        except VeloError as problem:
            if problem.code is ErrorCode.INFRASTRUCTURE_MISSING:
                raise
            return problem.message

    def encode(self, table: pa.Table) -> list[bytes]:
        """One framed message a row; the first call registers the schema or looks it up."""
        if self._writer is None:
            self._writer = self._opened_writer()
        head, writer = self._writer
        return self._columns.encode(writer, table, head)

    def _opened_writer(self) -> tuple[bytes, MessageWriter]:
        if self._subject is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY, "the sink has no topic to name its schema's subject by", hint="set subject"
            )
        if self._subject.use_latest:
            schema_id, found = self._subject.latest(serialized=True)
            types = types_from_registry(self._registry, found, f"the schema of {self._subject.name}")
        elif self._types is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                "a sink in the format protobuf needs the type of its messages",
                hint="set protobuf.schema.file and protobuf.message, or use.latest.version = true",
            )
        else:
            types = self._types
            schema_id = self._subject.id_of(_registered_file(self._subject, types.file))
        message = types.message(self._name)
        return frame(schema_id) + path_bytes(path_of(type_of(message))), self._columns.writer(message)


def _registered_file(subject: Subject, file: FileDescriptor) -> RegistrySchema:
    """The schema of a file, serialized; its imports are registered under their own names."""
    references = []
    for imported in file.dependencies:
        if not imported.name.startswith("google/protobuf/"):
            schema = _registered_file(subject, imported)
            subject.registry.register(imported.name, schema)
            references.append((imported.name, imported.name, subject.registry.version_of(imported.name, schema)))
    written = FileDescriptorProto()
    file.CopyToProto(written)
    return RegistrySchema(base64.b64encode(written.SerializeToString()).decode(), "PROTOBUF", tuple(references))


def path_bytes(path: tuple[int, ...]) -> bytes:
    """The path of a message as the frame has it; that of the first message is short."""
    return b"\x00" if path == (0,) else varint(len(path)) + b"".join(map(varint, path))


def _unframed(value: bytes) -> tuple[tuple[int, tuple[int, ...]], bytes] | None:
    """The schema id, the path and the message; None when the record is not framed."""
    if len(value) <= FRAME_SIZE or value[0] != 0:
        return None
    schema_id = int.from_bytes(value[1:FRAME_SIZE])
    if value[FRAME_SIZE] == 0:
        return (schema_id, (0,)), value[FRAME_SIZE + 1 :]
    numbers: list[int] = []
    at = FRAME_SIZE
    while not numbers or len(numbers) <= numbers[0]:
        read = _zigzag(value, at)
        if read is None or not 0 <= read[0] <= (10_000 if numbers else MAX_PATH):
            return None
        numbers.append(read[0])
        at = read[1]
    return (schema_id, tuple(numbers[1:])), value[at:]


def _zigzag(value: bytes, at: int) -> tuple[int, int] | None:
    """A number of up to five bytes, and where it ends."""
    raw = 0
    for shift, byte in enumerate(value[at : at + 5]):
        raw |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at + shift + 1
    return None


def parsed_messages(message: type[Message], values: Sequence[bytes], failures: Failures) -> list[Message]:
    """The messages, an empty one for each that is not one."""
    parse = message.FromString
    try:
        return list(map(parse, values))
    except (DecodeError, RecursionError):
        pass
    parsed = []
    for i, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except (DecodeError, RecursionError) as problem:
            failures.setdefault(i, f"not a message of the type {message.DESCRIPTOR.full_name}: {problem}")
            parsed.append(message())
    return parsed


class _Columns(WantedColumns):
    """The wanted columns, read from messages."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str], decoded: frozenset[int] | None) -> None:
        super().__init__(schema, decoded)
        self._options = dict(options)
        self._read_defaults = flag(options, "protobuf.read-default-values", False)

    def reader(self, message: type[Message]) -> MessageReader:
        columns = [self.schema.columns[i] for i in self.positions]
        return message_reader(type_of(message), columns, self._options, read_defaults=self._read_defaults)

    def writer(self, message: type[Message]) -> MessageWriter:
        return message_writer(type_of(message), [(c.name, c.type) for c in self.schema.columns])

    def encode(self, writer: MessageWriter, table: pa.Table, head: bytes = b"") -> list[bytes]:
        columns = [table.column(i).combine_chunks() for i in range(len(self.schema))]
        return writer.encode(columns, table.num_rows, head)


def explicit_types(options: Mapping[str, str]) -> MessageTypes | None:
    """The types of the schema that the options give. Raises VeloError."""
    if "protobuf.schema" in options:
        return types_from_text(options["protobuf.schema"], "protobuf.schema")
    path = options.get("protobuf.schema.file")
    return None if path is None else types_from_file(Path(path))
