"""Syntax nodes of MATCH_RECOGNIZE; `match_parser.py` makes them."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp

from velo_engine.sql.sqlglot_build import require_pure_python

require_pure_python()


class MatchRecognize(exp.Expression):
    """`this MATCH_RECOGNIZE (…) AS alias`, where `this` is a Table, a Subquery or another relation of FROM.

    `partition_by` lists expressions; `order` is an exp.Order or None; `measures` and `define` list exp.Alias nodes (the
    alias of a definition is its variable); `after` is an AfterMatch or None; `pattern` lists PatternVariable nodes in
    order; `within_ms` is the length of WITHIN in milliseconds, or None; `alias` an exp.TableAlias or None.
    """

    arg_types: ClassVar[dict[str, bool]] = {
        "this": True,
        "partition_by": False,
        "order": False,
        "measures": False,
        "after": False,
        "pattern": True,
        "within_ms": False,
        "define": True,
        "alias": False,
    }


class PatternVariable(exp.Expression):
    """A variable of PATTERN with its quantifier: `this` is the Identifier.

    `quantifier` is the quantifier as written, empty without one; `minimum` and `maximum` say how many rows it takes, a
    `maximum` of None any number; `reluctant` stands for a `?` behind the quantifier.
    """

    arg_types: ClassVar[dict[str, bool]] = {
        "this": True,
        "quantifier": False,
        "minimum": False,
        "maximum": False,
        "reluctant": False,
    }


class AfterMatch(exp.Expression):
    """`AFTER MATCH SKIP …`: `kind` is next_row, past_last_row, first or last; `this` the Identifier of the variable."""

    arg_types: ClassVar[dict[str, bool]] = {"kind": True, "this": False}


class Semantics(exp.Expression, exp.Condition):
    """`FINAL call` or `RUNNING call`: `kind` is the word in upper case, `this` the call."""

    arg_types: ClassVar[dict[str, bool]] = {"kind": True, "this": True}
