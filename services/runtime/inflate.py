"""Compressed HTTP bodies, opened piece by piece: no more comes out than was asked for, however much a small piece would grow to."""

from __future__ import annotations

import zlib

from services.runtime.errors import Malformed

ACCEPTED = "gzip, deflate"
"""What we ask servers for: what the standard library opens with a bound on the output."""

_GZIP, _ZLIB, _RAW = 31, 15, -15


class Inflater:
    """Opens a body of one content encoding (RFC 9110 section 8.4). Raises Malformed for one that we did not ask for."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Malformed(f"the body is encoded as {self._encoding[:40]!r}; asked for {ACCEPTED}")
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes, room: int) -> bytes:
        """What `data` holds, cut at `room` bytes (more than 0). Raises Malformed."""
        if self._encoding in ("", "identity"):
            return data[:room]
        try:
            return self._inflate(data, room)
        except zlib.error as exc:
            raise Malformed(f"the body is no {self._encoding}") from exc

    def end(self) -> None:
        """To be called when the body has ended. Raises Malformed when it broke off."""
        if self._stream is not None and not self._stream.eof:
            raise Malformed(f"the {self._encoding} body breaks off")

    def _inflate(self, data: bytes, room: int) -> bytes:
        out = b""
        while data and len(out) < room:
            if self._stream is None or self._stream.eof:  # gzip may hold several streams, one after the other
                self._stream = zlib.decompressobj(_GZIP if self._encoding != "deflate" else _deflate_window(data))
            out += self._stream.decompress(data, room - len(out))
            data = self._stream.unused_data
        return out


def _deflate_window(data: bytes) -> int:
    """Some servers send deflate without its zlib header, against the RFC; a header's low four bits are 8."""
    return _ZLIB if data[0] & 0x0F == 8 else _RAW
