"""CRC-32C (Castagnoli), the checksum of record batches: of small data, and updated where a few bytes changed."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # bits reversed
_ONE = 1 << 31  # the polynomial 1, bits reversed


def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _byte_table()


def crc32c(data: bytes | bytearray) -> int:
    """The checksum of `data`. A Python loop over its bytes: for control batches, not for users' records."""
    return _remainder(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def crc32c_after_change(checksum: int, change: bytes, following: int) -> int:
    """The checksum of data whose first bytes were changed, without looking at the rest.

    `checksum` is that of the data before, `change` the exclusive or of the old and new first bytes, `following` the
    number of unchanged bytes after them. A CRC is affine: the checksums of two texts of one length differ by the
    remainder of their difference, and following zeros multiply that by a power of x (as in zlib's crc32_combine).
    """
    return checksum ^ _product(_power_of_x(8 * following), _remainder(change, 0))


def _remainder(data: bytes | bytearray, state: int) -> int:
    for byte in data:
        state = state >> 8 ^ _TABLE[(state ^ byte) & 0xFF]
    return state


def _product(a: int, b: int) -> int:
    """`a` times `b` modulo the polynomial."""
    product, bit = 0, _ONE
    while bit:
        if a & bit:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return product


def _power_of_x(exponent: int) -> int:
    """x to the power of `exponent` modulo the polynomial."""
    power, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            power = _product(power, square)
        square = _product(square, square)
        exponent >>= 1
    return power
