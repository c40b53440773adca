"""Types as people write them: `DECIMAL(10, 2) NOT NULL`, `TIMESTAMP(3)`, `ARRAY<STRING>`, `ROW<a INT, b STRING>`.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/reference/data-types/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.types import MAX_LENGTH, MAX_PRECISION, SqlType, TypeName

_PLAIN = {
    "BOOLEAN": t.BOOLEAN,
    "BOOL": t.BOOLEAN,
    "TINYINT": t.TINYINT,
    "SMALLINT": t.SMALLINT,
    "INT": t.INT,
    "INTEGER": t.INT,
    "BIGINT": t.BIGINT,
    "LONG": t.BIGINT,
    "FLOAT": t.FLOAT,
    "REAL": t.FLOAT,
    "DOUBLE": t.DOUBLE,
    "DOUBLE PRECISION": t.DOUBLE,
    "STRING": t.STRING,
    "TEXT": t.STRING,
    "BYTES": t.BYTES,
    "DATE": t.DATE,
    "NULL": t.NULL,
}

_SPELLINGS_OF_PARAMETERISED = {
    "DECIMAL": TypeName.DECIMAL,
    "DEC": TypeName.DECIMAL,
    "NUMERIC": TypeName.DECIMAL,
    "CHAR": TypeName.CHAR,
    "CHARACTER": TypeName.CHAR,
    "VARCHAR": TypeName.VARCHAR,
    "CHARACTER VARYING": TypeName.VARCHAR,
    "BINARY": TypeName.BINARY,
    "VARBINARY": TypeName.VARBINARY,
    "BINARY VARYING": TypeName.VARBINARY,
    "TIME": TypeName.TIME,
    "TIME WITHOUT TIME ZONE": TypeName.TIME,
    "TIMESTAMP": TypeName.TIMESTAMP,
    "DATETIME": TypeName.TIMESTAMP,
    "TIMESTAMP WITHOUT TIME ZONE": TypeName.TIMESTAMP,
    "TIMESTAMP_LTZ": TypeName.TIMESTAMP_LTZ,
    "TIMESTAMP WITH LOCAL TIME ZONE": TypeName.TIMESTAMP_LTZ,
}

_SQLGLOT_NAMES = {
    "TIMESTAMPLTZ": "TIMESTAMP_LTZ",
    "TIMESTAMPNTZ": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "NCHAR": "CHAR",
    "NVARCHAR": "VARCHAR",
    "BPCHAR": "CHAR",
    "STRUCT": "ROW",
    "LIST": "ARRAY",
    "BLOB": "BYTES",
}

_PUNCTUATION = frozenset("<>(),:")
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|\w+|[<>(),:])")


def parse_type(spelling: str | exp.DataType) -> SqlType:
    """The type that `spelling` names; nullable unless it says NOT NULL. VeloError TYPE_MISMATCH when it names none."""
    if isinstance(spelling, exp.DataType):
        return _from_syntax(spelling)
    parser = _Parser(spelling)
    found = parser.type()
    parser.end()
    return found


def _from_syntax(node: exp.DataType) -> SqlType:
    """The type of a sqlglot DataType, whose own names for types differ from Flink's."""
    kind = node.this
    if isinstance(kind, exp.Interval):
        return _interval(kind)
    name = str(kind.value if isinstance(kind, exp.DType) else kind).upper()
    if kind is exp.DType.USERDEFINED:
        name = str(node.args.get("kind")).upper()
    name = _SQLGLOT_NAMES.get(name, name)
    nullable = node.args.get("nullable") is not False
    parts = node.expressions
    if name in ("ARRAY", "MULTISET") and len(parts) == 1:
        return SqlType(TypeName(name), element=_part_type(parts[0])).as_nullable(nullable)
    if name == "MAP" and len(parts) == 2:
        return t.map_of(_part_type(parts[0]), _part_type(parts[1])).as_nullable(nullable)
    if name == "ROW":
        return t.row(*(_part_field(i, part) for i, part in enumerate(parts))).as_nullable(nullable)
    if not all(part.name.isdecimal() for part in parts):
        raise _unknown(node.sql())
    parameters = [int(part.name) for part in parts]
    return _named(name, parameters, node.sql()).as_nullable(nullable)


def _interval(node: exp.Interval) -> SqlType:
    unit = node.args.get("unit")
    first = unit.this if isinstance(unit, exp.IntervalSpan) else unit
    months = first is not None and first.name.upper() in ("YEAR", "QUARTER", "MONTH")
    return t.INTERVAL_YEAR_MONTH if months else t.INTERVAL_DAY_TIME


def _part_type(node: exp.Expression) -> SqlType:
    if isinstance(node, exp.DataType):
        return _from_syntax(node)
    raise _unknown(node.sql())


def _part_field(position: int, node: exp.Expression) -> tuple[str, SqlType]:
    """One field of a ROW: `name type`, or a type alone."""
    if isinstance(node, exp.ColumnDef) and node.kind is not None:
        not_null = any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in node.constraints)
        kind = _from_syntax(node.kind)
        return node.name, kind.as_nullable(kind.nullable and not not_null)
    return f"f{position}", _part_type(node)


def _named(name: str, parameters: list[int], spelling: str) -> SqlType:
    """A type without nested types, from its name and the numbers in parentheses."""
    plain = _PLAIN.get(name)
    if plain is not None:
        if parameters:
            raise VeloError(ErrorCode.TYPE_MISMATCH, f"{name} takes no parameters: {spelling}")
        return plain
    kind = _SPELLINGS_OF_PARAMETERISED.get(name)
    if kind is None:
        raise _unknown(name)
    build, lower, upper = _RANGES[kind]
    limit = 2 if kind is TypeName.DECIMAL else 1
    if len(parameters) > limit or any(not lower <= p <= upper for p in parameters[:1]):
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"{spelling}: {name} takes {lower} to {upper}")
    return build(parameters)


def _decimal(parameters: list[int]) -> SqlType:
    precision, scale = [*parameters, *(10, 0)[len(parameters) :]]
    if scale > precision:
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"DECIMAL({precision}, {scale}): the scale exceeds the precision")
    return t.decimal(precision, scale)


def _sized(name: TypeName, default: int) -> Callable[[list[int]], SqlType]:
    return lambda parameters: SqlType(name, length=parameters[0] if parameters else default)


def _timed(name: TypeName, default: int) -> Callable[[list[int]], SqlType]:
    return lambda parameters: SqlType(name, precision=parameters[0] if parameters else default)


_RANGES: dict[TypeName, tuple[Callable[[list[int]], SqlType], int, int]] = {
    TypeName.DECIMAL: (_decimal, 1, MAX_PRECISION),
    TypeName.CHAR: (_sized(TypeName.CHAR, 1), 1, MAX_LENGTH),
    # In SQL text VARCHAR without a length is STRING (FlinkTypeSystem), unlike in Flink's type strings.
    TypeName.VARCHAR: (_sized(TypeName.VARCHAR, MAX_LENGTH), 1, MAX_LENGTH),
    TypeName.BINARY: (_sized(TypeName.BINARY, 1), 1, MAX_LENGTH),
    TypeName.VARBINARY: (_sized(TypeName.VARBINARY, MAX_LENGTH), 1, MAX_LENGTH),
    TypeName.TIME: (_timed(TypeName.TIME, 0), 0, 6),
    TypeName.TIMESTAMP: (_timed(TypeName.TIMESTAMP, 6), 0, 9),
    TypeName.TIMESTAMP_LTZ: (_timed(TypeName.TIMESTAMP_LTZ, 6), 0, 9),
}


def _unknown(name: str) -> VeloError:
    known = [*_PLAIN, *_SPELLINGS_OF_PARAMETERISED, "ARRAY", "MAP", "MULTISET", "ROW"]
    return VeloError(ErrorCode.TYPE_MISMATCH, f'there is no type "{name}"', hint=did_you_mean(name, known, noun="type"))


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens of one spelling."""

    spelling: str
    position: int = 0

    def type(self) -> SqlType:
        name = self._word().upper()
        if name in ("ARRAY", "MULTISET") and self._taken("<"):
            element = self.type()
            self._expect(">")
            return self._nullability(SqlType(TypeName(name), element=element))
        if name == "MAP" and self._taken("<"):
            key = self.type()
            self._expect(",")
            value = self.type()
            self._expect(">")
            return self._nullability(t.map_of(key, value))
        if name in ("ROW", "STRUCT"):
            return self._nullability(self._row())
        return self._nullability(self._scalar(name))

    def end(self) -> None:
        if self.spelling[self.position :].strip():
            raise self._error()

    def _scalar(self, name: str) -> SqlType:
        parameters: list[int] = []
        for words in ("PRECISION", "VARYING"):
            if self._words(words):
                name = f"{name} {words}"
        if self._taken("("):
            parameters.append(self._number())
            while self._taken(","):
                parameters.append(self._number())
            self._expect(")")
        for words in ("WITHOUT TIME ZONE", "WITH LOCAL TIME ZONE"):
            if self._words(words):
                name = f"{name} {words}"
        found = _named(name, parameters, self.spelling.strip())
        return SqlType(TypeName.ARRAY, element=found) if self._words("ARRAY") else found

    def _row(self) -> SqlType:
        closing = ">" if self._taken("<") else ")"
        if closing == ")":
            self._expect("(")
        fields: list[tuple[str, SqlType]] = []
        while not self._taken(closing):
            if fields:
                self._expect(",")
            name = self._word()
            self._taken(":")
            fields.append((_unquoted(name), self.type()))
            if (self._peek() or "").startswith("'"):
                self._next()  # a field's comment
        return t.row(*fields)

    def _nullability(self, found: SqlType) -> SqlType:
        if self._words("NOT NULL"):
            return found.as_nullable(False)
        self._words("NULL")
        return found

    def _words(self, words: str) -> bool:
        """Take `words` if they come next."""
        start = self.position
        for word in words.split():
            if (self._peek() or "").upper() != word:
                self.position = start
                return False
            self._next()
        return True

    def _taken(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._next()
        return True

    def _expect(self, token: str) -> None:
        if not self._taken(token):
            raise self._error()

    def _word(self) -> str:
        token = self._peek()
        if token is None or token in _PUNCTUATION or token.startswith("'"):
            raise self._error()
        self._next()
        return token

    def _number(self) -> int:
        word = self._word()
        if not word.isdecimal():
            raise self._error()
        return int(word)

    def _peek(self) -> str | None:
        found = _TOKEN.match(self.spelling, self.position)
        return found.group(1) if found else None

    def _next(self) -> None:
        found = _TOKEN.match(self.spelling, self.position)
        self.position = found.end() if found else self.position

    def _error(self) -> VeloError:
        return VeloError(ErrorCode.TYPE_MISMATCH, f'"{self.spelling}" is not a type')


def _unquoted(name: str) -> str:
    quote = name[0]
    return name[1:-1].replace(quote * 2, quote) if quote in '`"' else name
