"""The checksum of record batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.kafka.embedded.made_batches import bitwise_crc32c
from velo_harness.kafka.embedded.crc32c import crc32c, crc32c_after_change


def test_the_checksum_of_the_standard_check_text() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value that catalogues of CRCs give for CRC-32C


@given(st.binary(max_size=60), st.binary(min_size=22, max_size=22), st.binary(min_size=22, max_size=22))
def test_a_change_at_the_start_changes_the_checksum_as_if_it_were_computed_anew(
    rest: bytes, before: bytes, after: bytes
) -> None:
    change = bytes(a ^ b for a, b in zip(before, after, strict=True))
    updated = crc32c_after_change(bitwise_crc32c(before + rest), change, len(rest))
    assert updated == bitwise_crc32c(after + rest)
