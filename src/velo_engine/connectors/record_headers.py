"""Record headers as a column, and back: `MAP<STRING, BYTES>`, as Flink's Kafka connector has them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pyarrow as pa

from velo_engine.connectors.source import Headers


def headers_column(headers: Sequence[Headers]) -> pa.MapArray:
    """The headers of each record: of a name that occurs more than once the last value, at the place of the first.

    Source: Flink's KafkaDynamicSource.ReadableMetadata.HEADERS, which puts them into a map one after the other.
    """
    maps = [dict(one) for one in headers]
    ends = np.zeros(len(maps) + 1, np.int32)
    np.cumsum([len(one) for one in maps], out=ends[1:])
    names = pa.array(chain.from_iterable(maps), pa.string())
    values = pa.array(chain.from_iterable(one.values() for one in maps), pa.binary())
    return pa.MapArray.from_arrays(pa.array(ends), names, values)


def headers_of(column: pa.Array | pa.ChunkedArray) -> list[Headers]:
    """The headers that each record gets: without those whose name or value is NULL; of a map that is NULL none.

    Source: Flink's KafkaDynamicSink.WritableMetadata.HEADERS.
    """
    maps = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # A slice has the offsets of the whole; those of a NULL are of no entries or do not count.
    bounds = maps.offsets.to_numpy()
    first, last = (int(bounds[0]), int(bounds[-1])) if len(bounds) else (0, 0)
    names, values = (part.slice(first, last - first).to_pylist() for part in (maps.keys, maps.items))
    pairs = list(zip(names, values, strict=True))
    starts, stops = bounds[:-1] - first, np.where(maps.is_valid(), bounds[1:], bounds[:-1]) - first
    found = [tuple(pairs[start:stop]) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    if None not in names and None not in values:
        return found
    return [tuple(pair for pair in one if None not in pair) for one in found]
