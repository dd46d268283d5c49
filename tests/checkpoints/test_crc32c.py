"""CRC-32C against the vectors of RFC 3720, and against its definition, a bit at a time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.checkpoints.crc32c import crc32c, masked
from tests.checkpoints.bundle_bytes import checksum

VECTORS = {  # RFC 3720, appendix B.4; the last is the usual check value of the catalogue of CRCs
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}


@pytest.mark.parametrize(("data", "crc"), VECTORS.items(), ids=range(len(VECTORS)))
def test_published_vectors(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    assert masked(crc32c(data)) == checksum(data)


@pytest.mark.parametrize("length", [32767, 32768, 32769, 65536, 100_003])
def test_lengths_around_a_row(length: int) -> None:
    data = bytes(i * i % 251 for i in range(length))
    assert masked(crc32c(data)) == checksum(data)
    assert masked(crc32c(memoryview(data)[1:])) == checksum(data[1:]), "at an odd address"


def test_a_large_file_takes_no_time() -> None:
    data = bytes(64 * 2**20)
    begin = time.perf_counter()
    crc32c(data)
    assert time.perf_counter() - begin < 2, "440 MB would take more than 14 seconds"
