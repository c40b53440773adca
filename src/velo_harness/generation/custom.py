"""Generators that plugins add: `constraints: {generator: NAME}` draws a field's values from one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.types import SqlType, arrow_type
from velo_harness.constraints import Custom
from velo_harness.generation.choices import Drawing

if TYPE_CHECKING:
    import numpy as np

Generator: TypeAlias = "Callable[[np.random.Generator, int, Mapping[str, Any]], Sequence[Any] | pa.Array]"
"""Gives so many values, made from nothing but the random numbers and the options: the same seed, the same values."""

_ADDED: dict[str, Generator] = {}


def add_generator(name: str, generator: Generator) -> None:
    """Makes `name` a generator. Raises ValueError when it is one."""
    if name in _ADDED:
        raise ValueError(f'there is already a generator "{name}"')
    _ADDED[name] = generator


def remove_generator(name: str) -> None:
    """Takes a generator back."""
    _ADDED.pop(name, None)


def custom_drawing(given: Custom, kind: SqlType, place: Location) -> Drawing:
    """What draws values of a field from a plugin's generator.

    Errors: BAD_VALUE when there is none of the name; PLUGIN_FAILED for values that are not the field's.
    """
    generator = _ADDED.get(given.name)
    if generator is None:
        hint = did_you_mean(
            given.name, _ADDED, noun="generator; a conftest.py or a package adds one: docs/extending.md"
        )
        raise VeloError(ErrorCode.BAD_VALUE, f'there is no generator "{given.name}"', location=place, hint=hint)

    def drawing(rng: np.random.Generator, n: int) -> pa.Array:
        values = generator(rng, n, given.options)
        if len(values) != n:
            message = f'the generator "{given.name}" gave {len(values)} values where {n} were asked for'
            raise VeloError(ErrorCode.PLUGIN_FAILED, message, location=place)
        try:
            return _typed(values, arrow_type(kind))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            message = f'the generator "{given.name}" gave what is no {kind.as_nullable()}: {error}'
            raise VeloError(ErrorCode.PLUGIN_FAILED, message, location=place) from None

    return drawing


def _typed(values: Sequence[Any] | pa.Array, wanted: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks().cast(wanted)
    return values.cast(wanted) if isinstance(values, pa.Array) else pa.array(values, wanted)
