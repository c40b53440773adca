"""Statements that define no rows: commands of the client and of Flink's runtime."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from velo_engine.errors import Location
from velo_engine.sql.flink.statements import Command, CreateFunction, CreateNamed, Explain
from velo_import.model import Construct, Outcome

_WITHOUT_EFFECT = {
    "SHOW": "it prints what there is",
    "DESCRIBE": "it prints what there is",
    "DESC": "it prints what there is",
    "HELP": "it speaks to the client",
    "CLEAR": "it speaks to the client",
    "QUIT": "it speaks to the client",
    "EXIT": "it speaks to the client",
    "USE": "names are resolved when they are converted",
    "USE CATALOG": "names are resolved when they are converted",
    "ANALYZE TABLE": "statistics choose plans, not results",
    "DROP TABLE": "later statements do not see it",
    "DROP VIEW": "later statements do not see it",
    "DROP FUNCTION": "later statements do not see it",
    "DROP DATABASE": "a converted program has one space of names",
    "DROP CATALOG": "a converted program has one space of names",
    "DROP MODEL": "later statements do not see it",
}
_OF_RUNTIME = {
    "ADD JAR": ("code of the JVM is not loaded", "write functions in Python: -- @udf: module:function"),
    "REMOVE JAR": ("code of the JVM is not loaded", None),
    "LOAD MODULE": ("functions of a module of Flink's are not here", "write those that you call: -- @udf"),
    "UNLOAD MODULE": ("functions of a module of Flink's are not here", None),
    "USE MODULES": ("functions of a module of Flink's are not here", "write those that you call: -- @udf"),
    "STOP JOB": ("it speaks of a running job of Flink's", "velo stop ends a job"),
    "COMPILE PLAN": ("a compiled plan is Flink's own", "velo explain shows the plan"),
    "TRUNCATE TABLE": ("it changes a stored table", "change it where it is stored"),
    "DELETE FROM": ("it changes a stored table", "change it where it is stored"),
    "UPDATE": ("it changes a stored table", "change it where it is stored"),
    "CALL": ("procedures belong to a catalog of Flink's", "call them there"),
}


def renaming(words: Sequence[str]) -> int | None:
    """Where RENAME TO stands in the words of ALTER TABLE; None: the table is not renamed."""
    upper = [word.upper() for word in words]
    return next((at for at, pair in enumerate(pairwise(upper)) if pair == ("RENAME", "TO")), None)


def command(statement: Command) -> Construct:
    """What becomes of a command that needs no further look."""
    place = statement.place.location
    written = " ".join((statement.name, *statement.words))
    feature = statement.name.lower()
    if statement.name in _WITHOUT_EFFECT:
        return Construct(place, written, feature, "no effect", Outcome.SAME, _WITHOUT_EFFECT[statement.name])
    reason, alternative = _OF_RUNTIME.get(
        statement.name,
        ("it changes an object after it was made", "write what it is in the end in its CREATE statement"),
    )
    return Construct(place, written, feature, "left out", Outcome.NOT_CONVERTED, reason, alternative)


def explained(statement: Explain) -> Construct:
    """What becomes of EXPLAIN."""
    return Construct(
        statement.place.location, "EXPLAIN", "explain", "no effect", Outcome.SAME, "velo explain prints the plan"
    )


def function(statement: CreateFunction) -> Construct:
    """What becomes of CREATE FUNCTION."""
    return Construct(
        statement.place.location,
        f"CREATE FUNCTION {statement.name} AS '{statement.implementation}'",
        "user-defined function",
        "left out",
        Outcome.NOT_CONVERTED,
        f"{statement.implementation} is code of the JVM or of PyFlink, which is not called here",
        f"write {statement.name} in Python and name it: -- @udf: module:function",
    )


def named(statement: CreateNamed) -> Construct:
    """What becomes of CREATE CATALOG, DATABASE, MODEL, …"""
    place: Location = statement.place.location
    written = f"CREATE {statement.kind} {statement.name}"
    feature = statement.kind.lower()
    if statement.kind == "DATABASE":
        reason = "a converted program has one space of names"
        return Construct(place, written, feature, "part of names", Outcome.SAME, reason)
    if statement.kind == "CATALOG":
        kind = statement.options["type"].value if "type" in statement.options else ""
        if kind == "generic_in_memory":
            reason = "a converted program has one space of names"
            return Construct(place, written, feature, "part of names", Outcome.SAME, reason)
        reason = f"the catalog of type {kind or '(none)'} is not reached, so the tables in it are not known"
        alternative = "add CREATE TABLE for those that the job reads"
        return Construct(place, written, f"catalog {kind}", "part of names", Outcome.STAND_IN, reason, alternative)
    reason = f"a {feature} belongs to Flink's runtime"
    instead = "call it from a function in Python: -- @udf: module:function" if feature == "model" else None
    return Construct(place, written, feature, "left out", Outcome.NOT_CONVERTED, reason, instead)
