"""The rows that a stream leaves at its present end: of a file, or of a topic read to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from velo_engine.kernel import Kernel
from velo_engine.schema import RowSchema
from velo_shadow.alignment import Relation
from velo_shadow.config import FileStream, ShadowSink, Stream, TopicStream
from velo_shadow.model import Side
from velo_shadow.offline import SideFile, folded_side, read_side
from velo_shadow.sides.topic_side import open_topic

_AT_ONCE = 10_000
_POLL_S = 0.5


def final_rows(stream: Stream, sink: ShadowSink, declared: RowSchema, side: Side = Side.LEFT) -> SideFile:
    """The rows, as a side of a comparison; `declared` are the columns that the program gives the sink.

    Errors: of reading the file or the topic; BAD_VALUE for upserts without a key.
    """
    if isinstance(stream, FileStream):
        found = read_side(stream.path, side, stream.changelog)
    else:
        found = _of_topic(stream, sink, declared, side)
    with Kernel() as kernel:
        return folded_side(kernel, found, sink.key)


def _of_topic(stream: TopicStream, sink: ShadowSink, declared: RowSchema, side: Side) -> SideFile:
    topic = open_topic(stream, key=sink.key, declared=declared)
    types = {name: kind for name, kind in topic.types.items() if kind is not None and name not in sink.ignored}
    reader = topic.reader(types, ignored=sink.ignored, once=True)
    tables, kinds = [], []
    try:
        while not reader.ended:
            changes = reader.poll(_AT_ONCE, _POLL_S)
            if changes is not None:
                tables.append(changes.table)
                kinds.append(changes.kinds)
    finally:
        reader.close()
    names = tuple(types)
    table = pa.concat_tables(tables) if tables else RowSchema.of(*types.items()).arrow().empty_table()
    all_kinds = np.concatenate(kinds) if kinds else np.zeros(0, np.int8)
    return SideFile(
        Path(topic.label),
        Relation(f"velo_{side}", names),
        dict(types),
        table,
        changelog=topic.changelog,
        kinds=pa.array(all_kinds, pa.int8()),
    )
