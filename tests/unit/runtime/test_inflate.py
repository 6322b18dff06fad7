import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Malformed
from services.runtime.inflate import Inflater

PACK = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": lambda data: zlib.compress(data)[2:-4],  # as some servers send it
}


@given(st.binary(max_size=500), st.sampled_from(sorted(PACK)), st.integers(1, 40))
def test_a_body_comes_out_as_it_went_in_however_it_is_cut(body, encoding, size):
    packed = PACK[encoding](body)
    inflater = Inflater(encoding)

    opened = b"".join(inflater.feed(packed[at : at + size], 1_000) for at in range(0, len(packed), size))
    inflater.end()

    assert opened == body


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 1_000))
def test_no_more_comes_out_than_there_is_room_for(garbage, body, room):
    for packed in (garbage, gzip.compress(body * 1_000), gzip.compress(body) * 3):
        try:
            assert len(Inflater("gzip").feed(packed, room)) <= room
        except Malformed:
            assert packed == garbage


@given(st.integers(1, 20))
def test_a_compressed_body_that_breaks_off_is_told(missing):
    inflater = Inflater("gzip")
    inflater.feed(gzip.compress(b"news " * 100)[:-missing], 10_000)

    with pytest.raises(Malformed, match="breaks off"):
        inflater.end()


def test_no_body_at_all_is_in_order():
    Inflater("gzip").end()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_an_encoding_we_did_not_ask_for_is_refused(encoding):
    with pytest.raises(Malformed, match="asked for gzip, deflate"):
        Inflater(encoding)
