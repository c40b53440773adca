"""Flink's rules for types: arithmetic, common types, casts, aggregates, and how types are written."""

from velo_engine.type_rules.aggregates import AGGREGATES, aggregate_type
from velo_engine.type_rules.casting import can_cast, can_coerce, can_store
from velo_engine.type_rules.merging import case_type, common_type, comparable
from velo_engine.type_rules.numeric import (
    addition_type,
    division_type,
    modulo_type,
    multiplication_type,
    round_type,
)
from velo_engine.type_rules.spelling import parse_type

__all__ = [
    "AGGREGATES",
    "addition_type",
    "aggregate_type",
    "can_cast",
    "can_coerce",
    "can_store",
    "case_type",
    "common_type",
    "comparable",
    "division_type",
    "modulo_type",
    "multiplication_type",
    "parse_type",
    "round_type",
]
