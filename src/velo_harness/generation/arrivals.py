"""When rows come: evenly, by a rate that rises and falls, in bursts, or in sessions of an entity.

A rate that changes is a change of the clock: positions that are even in the integral of the rate are mapped back to
time. The rate is constant within each of `CELLS` parts of the range and a whole number, so that every machine adds up
the same; the ends of bursts are ends of parts too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.constraints import Arrival, Bursts, Seasonality, Sessions
from velo_harness.generation.randomness import stream

CELLS = 20_000
"""Parts of the range in which the rate is constant."""
_RATE_UNITS = 1_000_000
_WEEK_MS = 7 * 86_400_000
_FIRST_MONDAY_MS = 4 * 86_400_000
"""5 January 1970."""


def rising(rng: np.random.Generator, start: int, end: int, n: int) -> Int64s:
    """`n` rising instants from `start` to before `end`, as likely as sorted random ones.

    The gaps of sorted uniform numbers are exponential ones over their sum (Devroye, Non-Uniform Random Variate
    Generation, V.2.1): no sort is needed.
    """
    sums = np.cumsum(rng.standard_exponential(n + 1))
    return _placed(sums[:-1] / sums[-1], start, end)


def _placed(shares: Any, start: int, end: int) -> Int64s:
    """Instants at these shares (0 to 1) of the range."""
    instants: Int64s = np.minimum(start + (shares * (end - start)).astype(np.int64), end - 1)
    return instants


def warped(instants: Int64s, start: int, end: int, pattern: Arrival, seeds: tuple[int, str, str]) -> Int64s:
    """Even `instants` (microseconds from `start` to before `end`) as the pattern's rate has them, in their order.

    `seeds` are seed, table and column, for the places of bursts.
    """
    edges = np.linspace(start, end, CELLS + 1).astype(np.int64)
    starts = _burst_starts(pattern.bursts, start, end, seeds)
    length = 0 if pattern.bursts is None else pattern.bursts.length_ms * 1000
    edges = np.unique(np.clip(np.concatenate([edges, starts, starts + length]), start, end))
    rates = np.ones(len(edges) - 1)
    for season in pattern.seasonality:
        rates *= _seasonal(edges[:-1], season)
    if pattern.bursts is not None:
        before = np.searchsorted(starts, edges[:-1], side="right") - 1
        inside = (before >= 0) & (edges[:-1] < starts[np.maximum(before, 0)] + length)
        rates[inside] *= pattern.bursts.factor
    heights = np.rint(rates * _RATE_UNITS).astype(np.int64)
    sums = np.concatenate([[0.0], np.cumsum(heights * np.diff(edges).astype(np.float64))])
    if sums[-1] <= 0:
        return instants
    shares = (instants - start) / (end - start)
    moved: Int64s = np.minimum(np.interp(shares * sums[-1], sums, edges - start).astype(np.int64) + start, end - 1)
    return moved


def _seasonal(instants: Int64s, season: Seasonality) -> Any:
    """The rate at each instant, 1 on average."""
    origin = _FIRST_MONDAY_MS if season.period_ms % _WEEK_MS == 0 else 0
    period = season.period_ms * 1000
    phase = (instants - (origin + season.peak_ms) * 1000) % period
    return 1 + season.amplitude * np.cos(2 * np.pi * (phase / period))


def _burst_starts(bursts: Bursts | None, start: int, end: int, seeds: tuple[int, str, str]) -> Int64s:
    if bursts is None:
        return np.empty(0, np.int64)
    if bursts.every_ms is not None:
        return np.arange(start, end, bursts.every_ms * 1000, dtype=np.int64)
    seed, table, column = seeds
    drawn = stream(seed, table, column, "bursts").integers(
        start, max(end - bursts.length_ms * 1000, start + 1), bursts.count
    )
    return np.sort(drawn)


def in_sessions(
    rng: np.random.Generator,
    entities: Int64s,
    start: int,
    end: int,
    sessions: Sessions,
    unit: int,
    place: Location,
) -> Int64s:
    """An instant for each row; rows of one entity (equal codes 0, 1, …) come in sessions, one after the other.

    `unit` is the finest difference, in microseconds, that the field's type keeps. Errors: BAD_VALUE when the range is
    shorter than a session.
    """
    gap, length = sessions.gap_ms * 1000, sessions.length_ms * 1000
    apart = gap + 2 * unit  # whatever the type cuts off, more than the gap remains
    if end - start <= length:
        message = "the range of times is not longer than one session"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint="give start and end that are further apart")
    if len(entities) == 0:
        return np.empty(0, np.int64)
    order = np.argsort(entities, kind="stable")
    rows = np.bincount(entities)
    most = (end - 1 - start + apart) // (length + apart)
    counts = np.clip(-(-rows // sessions.events), 1, most)
    counts[rows == 0] = 0
    opened = _session_starts(rng, counts, start, end, length, apart)
    session = _session_of_rows(rows, counts)
    held = np.bincount(session, minlength=len(opened))
    widest = np.minimum(max(gap - unit, 0), length // np.maximum(held - 1, 1))
    first = np.concatenate([[True], session[1:] != session[:-1]])
    steps = (rng.random(len(session)) * widest[session]).astype(np.int64)
    steps[first] = 0
    walked = np.cumsum(steps)
    instants = np.empty(len(entities), np.int64)
    instants[order] = opened[session] + walked - walked[first][session]
    return instants


def _session_starts(rng: np.random.Generator, counts: Int64s, start: int, end: int, length: int, apart: int) -> Int64s:
    """The starts of all sessions, entity by entity: sorted free time, and before it the sessions that came first."""
    owner = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    free = (end - 1 - start) - counts * length - (counts - 1) * apart
    offsets = (rng.random(len(owner)) * (free[owner] + 1)).astype(np.int64)
    ordered = offsets[np.lexsort((offsets, owner))]
    starts: Int64s = start + ordered + number * (length + apart)
    return starts


def _session_of_rows(rows: Int64s, counts: Int64s) -> Int64s:
    """Which session (numbered over all entities) each row belongs to, rows in the order of their entities.

    The sessions of an entity have the same number of rows, or one more.
    """
    owner = np.repeat(np.arange(len(rows)), rows)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(rows) - rows, rows)
    before = np.cumsum(counts) - counts
    found: Int64s = before[owner] + number * counts[owner] // rows[owner]
    return found
