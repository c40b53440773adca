"""Names, addresses and the like: Faker, which is slow, fills a pool once, and rows draw from the pool."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean

POOL_SEED = 42
POOL_SIZE = 500
"""Distinct draws from Faker behind a column that need not be unique."""
UNIQUE_FACTOR = 4
"""Draws for each value that a unique column needs."""
MAX_POOL = 100_000
"""Draws at most, some ten seconds."""

_TIMED_MODULE = "faker.providers.date_time"
"""Everything in it looks at today's date."""
_TIMED_NAMES = frozenset({"credit_card_expire", "credit_card_full", "passport_dates", "passport_full", "passport_dob"})
"""Other formats that do."""


def pool_size(records: int, *, unique: bool) -> int:
    """How many values the pool of a column has."""
    return min(records * UNIQUE_FACTOR, MAX_POOL) if unique else POOL_SIZE


def pool(provider: str, size: int, location: Location | None) -> tuple[str, ...]:
    """`size` values of a Faker provider, always the same ones: what differs by seed is how columns draw from them.

    Errors: BAD_VALUE.
    """
    try:
        return _pool(provider, size)
    except _RefusedError as refusal:
        raise VeloError(ErrorCode.BAD_VALUE, str(refusal), location=location, hint=refusal.hint) from None


class _RefusedError(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@lru_cache(maxsize=64)
def _pool(provider: str, size: int) -> tuple[str, ...]:
    fake = _faker()
    make = _method(fake, provider)
    fake.seed_instance(POOL_SEED)
    values = tuple(make() for _ in range(size))
    if not all(isinstance(value, str | int) for value in values):
        raise _RefusedError(f'the Faker provider "{provider}" does not give text')
    return tuple(str(value) for value in values)


@lru_cache(maxsize=1)
def _faker() -> Any:
    from faker import Faker

    return Faker("en_US")


def _method(fake: Any, provider: str) -> Any:
    """The method that is called so; only public methods that providers define are ever called."""
    owners = {name: owner for owner in reversed(fake.get_providers()) for name in _defined(owner)}
    if provider not in owners:
        raise _RefusedError(f'there is no Faker provider "{provider}"', did_you_mean(provider, owners, noun="provider"))
    module = type(owners[provider]).__module__
    if module.startswith(_TIMED_MODULE) or provider in _TIMED_NAMES:
        hint = "use start and end, or timestamp_range"
        raise _RefusedError(f'the Faker provider "{provider}" depends on today\'s date', hint)
    return getattr(owners[provider], provider)


def _defined(owner: Any) -> list[str]:
    from faker.providers import BaseProvider

    inherited = set(dir(BaseProvider))
    return [n for n in dir(type(owner)) if not n.startswith("_") and n not in inherited and callable(getattr(owner, n))]
