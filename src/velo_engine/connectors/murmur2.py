"""Kafka's default partitioner: murmur2 of the key, over whole columns of keys.

Source: org.apache.kafka.common.utils.Utils.murmur2 and toPositive (the Java client's default; librdkafka calls it
`murmur2_random`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Int32s

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


def partitions_of(keys: Sequence[bytes], partitions: int) -> Int32s:
    """The partition of each key among `partitions`."""
    by_length: dict[int, list[int]] = {}
    for i, key in enumerate(keys):
        by_length.setdefault(len(key), []).append(i)
    result = np.empty(len(keys), np.int32)
    for length, rows in by_length.items():
        data = np.frombuffer(b"".join([keys[i] for i in rows]), np.uint8).reshape(len(rows), length)
        result[rows] = (_murmur2(data) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
    return result


def _murmur2(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The hash of each row of `data`: keys of one length."""
    count, length = data.shape
    h = np.full(count, _SEED ^ np.uint32(length), np.uint32)
    blocks = length // 4
    words = np.ascontiguousarray(data[:, : blocks * 4]).view("<u4").reshape(count, blocks)
    for word in range(blocks):
        k = words[:, word] * _M
        k ^= k >> np.uint32(24)
        h = h * _M ^ k * _M
    tail = data[:, blocks * 4 :].astype(np.uint32)
    if tail.shape[1]:
        for at in range(tail.shape[1]):
            h ^= tail[:, at] << np.uint32(8 * at)
        h *= _M
    h ^= h >> np.uint32(13)
    h *= _M
    h ^= h >> np.uint32(15)
    return h
