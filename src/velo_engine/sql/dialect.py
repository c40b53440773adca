"""The `velostream` dialect of sqlglot: which characters and words are special. The grammar is in `query_parser.py`.

Few words are reserved: everything that is not in `RESERVED_WORDS` is an ordinary name, so columns may be called
`date`, `timestamp`, `value`, `key` or `format` without quotes. Type names and statement keywords are recognised by
their text, where they can stand.
"""

from __future__ import annotations

from typing import ClassVar

from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

from velo_engine.sql.sqlglot_build import require_pure_python

require_pure_python()

RESERVED_WORDS = frozenset(
    """ALL AND ANTI ANY AS ASC BETWEEN CASE CREATE CROSS CUBE DESC DISTINCT ELSE END ESCAPE EXCEPT EXISTS FALSE FETCH
    FOR FROM FULL HAVING IN INNER INSERT INTERSECT INTO IS JOIN LATERAL LEFT LIKE LIMIT NATURAL NOT NULL OFFSET ON OR
    ORDINALITY OUTER OVER RECURSIVE RIGHT ROLLUP SELECT SEMI SOME TABLE THEN TRUE UNION UNKNOWN UNNEST USING VALUES WHEN
    WHERE WINDOW WITH JSON RLIKE REGEXP""".split()  # noqa: SIM905 - a word a line would fill a page
)
"""Words that the tokenizer tells from names. Some may still name a column (see `NAME_TOKENS` of the query parser)."""

_PHRASES = ("GROUP BY", "GROUPING SETS", "ORDER BY", "PARTITION BY", "PRIMARY KEY", "SIMILAR TO")
_OPERATORS = ("::", "||", ">=", "<=", "<>", "!=", "=>")


class VelostreamTokenizer(Tokenizer):
    """Standard SQL quoting; comments are blanked before (`variables.expand_sql`)."""

    IDENTIFIERS: ClassVar = ['"', "`"]
    QUOTES: ClassVar = ["'"]
    STRING_ESCAPES: ClassVar = ["'"]
    IDENTIFIER_ESCAPES: ClassVar = []
    HEX_STRINGS: ClassVar = [("x'", "'"), ("X'", "'")]
    UNICODE_STRINGS: ClassVar = [("U&'", "'"), ("u&'", "'")]
    VAR_SINGLE_TOKENS: ClassVar = {"$"}
    COMMANDS: ClassVar[set[TokenType]] = set()
    KEYWORDS: ClassVar = {
        word: token
        for word, token in Tokenizer.KEYWORDS.items()
        if word in RESERVED_WORDS or word in _PHRASES or word in _OPERATORS
    }


class Velostream(Dialect):
    """Velostream SQL. Names keep their case; NULLs sort low, as in Flink."""

    NORMALIZATION_STRATEGY = NormalizationStrategy.CASE_SENSITIVE
    NULL_ORDERING = "nulls_are_small"
    TYPED_DIVISION = True
    DPIPE_IS_STRING_CONCAT = True
    STRICT_STRING_CONCAT = True
    SUPPORTS_USER_DEFINED_TYPES = False

    Tokenizer = VelostreamTokenizer
