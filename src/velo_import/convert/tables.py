"""Declared tables: CREATE TABLE of Flink's to a declaration of a source or sink."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.sources import is_physical, physical_column
from velo_engine.schema import RowSchema
from velo_engine.sql.flink.statements import CreateTable
from velo_engine.sql.source_text import SourceText
from velo_import.catalog import quoted
from velo_import.convert.connectors import ConvertedOptions, converted_options, gives_changes, modern_options
from velo_import.convert.definitions import Item, ItemKind, includes_options, items_of, merged_items, without_metadata
from velo_import.convert.program import literal
from velo_import.convert.secrets import SecretNames
from velo_import.convert.spelling import edits_of_item
from velo_import.mapped_text import MappedText, edits_of_comments, edits_of_variables
from velo_import.model import Construct, Outcome


@dataclass(frozen=True, slots=True)
class Definition:
    """A table as Flink has it, LIKE resolved."""

    statement: CreateTable
    source: SourceText
    items: tuple[Item, ...]
    options: Mapping[str, str]

    @property
    def has_own_metadata(self) -> bool:
        """Whether the metadata is that of another system than Kafka; a topic that stands for it has it in its rows."""
        return modern_options(self.options).get("connector", "kafka").removeprefix("upsert-") != "kafka"

    @property
    def schema(self) -> RowSchema:
        """The columns that are in records. VeloError when one has a type that is none here."""
        own = self.has_own_metadata
        written = [
            replace(c, metadata_key=None) if own and c.metadata_key is not None else c for c in self.statement.columns
        ]
        untyped = next((c for c in written if c.type is None and c.expression is None), None)
        if untyped is not None:
            message = f"the column {untyped.name} needs a type"
            raise VeloError(ErrorCode.SQL_SYNTAX, message, location=untyped.location)
        columns = [physical_column(column) for column in written if is_physical(column)]
        keys = self.statement.primary_key
        return RowSchema(tuple(replace(c, type=c.type.as_nullable(False)) if c.name in keys else c for c in columns))


def definition_of(statement: CreateTable, source: SourceText, above: Definition | None) -> Definition:
    """`statement` with what LIKE takes from `above`."""
    own = items_of(statement, source)
    options = {key: found.value for key, found in statement.options.items()}
    if above is None or statement.like is None:
        return Definition(statement, source, own, options)
    like = statement.like.options
    items = merged_items(own, above.items, like)
    if includes_options(like):
        options = {**above.options, **options}
    kinds = {item.kind for item in items}
    names = {item.name for item in items}
    taken = {column.name for column in statement.columns}
    columns = [c for c in above.statement.columns if c.name in names and c.name not in taken]
    merged = replace(
        statement,
        columns=(*columns, *statement.columns),
        watermark=statement.watermark or (above.statement.watermark if ItemKind.WATERMARKS in kinds else None),
        primary_key=statement.primary_key or (above.statement.primary_key if ItemKind.CONSTRAINTS in kinds else ()),
    )
    return Definition(merged, source, items, options)


def with_options(definition: Definition, options: Mapping[str, str]) -> Definition:
    """The table as the hint OPTIONS makes it for one query."""
    return replace(definition, options={**definition.options, **options})


def declaration(
    definition: Definition,
    name: str,
    further: Iterable[str] = (),
    *,
    looked_up: bool = False,
    secrets: SecretNames | None = None,
) -> tuple[MappedText, ConvertedOptions]:
    """The converted declaration of the table, called `name`, and what became of its options.

    `further` are items that the table has without saying so; `looked_up`: a join asks it for rows by their key;
    `secrets`: the job's names for them.
    """
    keyed = bool(definition.statement.primary_key)
    options = converted_options(definition.options, name, keyed=keyed, looked_up=looked_up, secrets=secrets)
    text = MappedText()
    text.add("CREATE TABLE ", definition.statement.place.start)
    text.add(quoted(name), definition.statement.place.start)
    text.add(" (")
    for number, item in enumerate(definition.items):
        text.add(",\n    " if number else "\n    ")
        if item.kind is ItemKind.METADATA and options.reason is not None and definition.has_own_metadata:
            item = without_metadata(item)
        _copy(text, item, definition.source)
    for number, written in enumerate(further):
        text.add(",\n    " if number or definition.items else "\n    ")
        text.add(written)
    text.add("\n)")
    add_properties(text, options.properties)
    return text, options


def add_properties(text: MappedText, properties: Mapping[str, str]) -> None:
    """WITH (…), one property a line."""
    lines = ",\n    ".join(f"{literal(key)} = {literal(value)}" for key, value in properties.items())
    if lines:
        text.add(f" WITH (\n    {lines}\n)")


def _copy(text: MappedText, item: Item, source: SourceText) -> None:
    """An item; one of another file has no place here."""
    edits = [
        *edits_of_comments(item.source.text, item.start, item.end),
        *edits_of_variables(item.source.text, item.start, item.end),
        *edits_of_item(item),
    ]
    copied = MappedText()
    copied.copy(item.source.text, item.start, item.end, edits)
    if item.source is source:
        text.copy(source.text, item.start, item.end, edits)
    else:
        text.add(copied.text)


def constructs(definition: Definition, options: ConvertedOptions, name: str) -> tuple[Construct, ...]:
    """What became of the table and of its parts."""
    statement, place = definition.statement, definition.statement.place.location
    return (
        _connector(definition, options, name),
        *(_of_item(item, options) for item in definition.items if item.source is definition.source),
        *_of_clauses(statement, place),
        *_of_options(statement, options, place),
        *_of_secrets(statement, options, place),
    )


_FORMATS = ("format", "key.format", "value.format")
_SAME_FORMATS = ("json",)
"""Of managed tables: their topics hold JSON."""


def _of_options(statement: CreateTable, options: ConvertedOptions, place: Location) -> Iterable[Construct]:
    """Options without an effect; those of a stand-in are all kept for production."""
    reason = "it tunes or describes, no result depends on it"
    for key in options.left_out if options.reason is None else ():
        found = statement.options.get(key)
        if found is None:
            continue
        where = found.name_location or place
        form = found.value.strip()
        if key in _FORMATS and not options.connector and form.casefold() not in _SAME_FORMATS:
            told = f"records of the format {form} are not read: those of the topic are JSON"
            written = f"'{key}' = '{form}'"
            yield Construct(where, written, f"format {form}", "JSON in tests", Outcome.STAND_IN, told)
        else:
            yield Construct(where, f"'{key}' = …", "option without effect", "left out", Outcome.SAME, reason)


def _of_secrets(statement: CreateTable, options: ConvertedOptions, place: Location) -> Iterable[Construct]:
    """What to set before the program runs on its own cluster."""
    if options.secrets:
        became = " and ".join(f"${{{name}}}" for name in options.secrets)
        reason = f"secrets stay out of the program: set {', '.join(options.secrets)} to run it on its own cluster"
        written = f"CREATE TABLE {statement.name}"
        yield Construct(place, written, "secrets of a connector", became, Outcome.SAME, reason)


def _connector(definition: Definition, options: ConvertedOptions, name: str) -> Construct:
    statement = definition.statement
    connector = options.connector or "(managed)"
    feature = f"connector {connector}" + (" (connector.type)" if options.legacy else "")
    written = f"CREATE TABLE {statement.name}"
    place = statement.place.location
    if options.reason is None:
        became = "a topic of its name" if not options.connector else f"the table {name}, connector kept"
        return Construct(place, written, feature, became, Outcome.SAME)
    reason = options.reason
    if gives_changes(options.connector) and not statement.primary_key:
        reason += "; without a primary key its rows are only added"
    keyed = options.properties.get("connector") == "upsert-kafka"
    became = f"a topic {name} of {'rows by primary key' if keyed else 'rows'}, production options kept"
    alternative = "feed the topic from the system, for example by Kafka Connect"
    return Construct(place, written, feature, became, Outcome.STAND_IN, reason, alternative)


_ITEMS = {
    ItemKind.PHYSICAL: ("column", "the same column"),
    ItemKind.GENERATED: ("computed column", "the same column"),
    ItemKind.METADATA: ("metadata column", "the same column"),
    ItemKind.WATERMARKS: ("watermark", "kept: the engine follows it as Flink does"),
    ItemKind.CONSTRAINTS: ("primary key", "kept"),
}


def _of_item(item: Item, options: ConvertedOptions) -> Construct:
    feature, became = _ITEMS[item.kind]
    place = item.source.location(item.start, item.end)
    written = " ".join(item.text.split())
    if item.kind is ItemKind.METADATA and options.reason is not None:
        reason = "the topic that stands for the system has it in its rows"
        return Construct(place, written, feature, "a column of the rows", Outcome.STAND_IN, reason)
    return Construct(place, written, feature, became, Outcome.SAME)


def _of_clauses(statement: CreateTable, place: Location) -> Iterable[Construct]:
    if statement.partitioned_by:
        reason = "rows are the same; folders of files are not made"
        written = f"PARTITIONED BY ({', '.join(statement.partitioned_by)})"
        yield Construct(place, written, "partitioned table", "left out", Outcome.SAME, reason)
    if statement.distribution is not None:
        reason = "it says how rows are spread over buckets, not which there are"
        yield Construct(place, "DISTRIBUTED", "distribution", "left out", Outcome.SAME, reason)
    if statement.like is not None:
        yield Construct(place, f"LIKE {statement.like.source}", "table like", "its parts are written out", Outcome.SAME)
