"""Bytes of a client that were received and not looked at yet, cut at the ends of frames.

websockets' parser parses all that it is given at once, and 256 KiB may be 40,000 pings. So it is given one frame at a
time: what was parsed is served, and what has to wait has cost nothing yet.

Only the length of a frame is read here. Whether the frame is valid is the parser's business, which stops at the first
that is not; from there on it does not matter where the bytes are cut.
"""

_HEADER_BYTES, _HEADER_BYTES_MAX = 2, 10
_LENGTH_16 = 126
_MASK_BYTES = 4


class InputBuffer:
    """Bytes in the order in which they came."""

    __slots__ = ("_data", "_frame_left", "_header", "_start")

    def __init__(self) -> None:
        self._data = b""
        self._start = 0
        self._frame_left = 0
        self._header = b""  # what was taken of a frame whose length is not known yet

    def __len__(self) -> int:
        return len(self._data) - self._start

    def add(self, data: bytes) -> None:
        """Bytes have come."""
        self._data = self._data[self._start :] + data if len(self) else data
        self._start = 0

    def take_all(self) -> bytes:
        """Take all bytes, whatever they are."""
        data, self._data = self._data[self._start :], b""
        self._start = 0
        return data

    def take_frame(self) -> bytes:
        """Take a frame, or what there is of it."""
        data, start = self._data, self._start
        if not self._frame_left:
            header = self._header + data[start : start + _HEADER_BYTES_MAX]
            frame_bytes = _frame_bytes(header)
            if not frame_bytes:
                self._header = header
                return self.take_all()
            self._frame_left = frame_bytes - len(self._header)
            self._header = b""
        end = start + self._frame_left
        if end >= len(data):
            self._frame_left = end - len(data)
            return self.take_all()
        self._frame_left = 0
        self._start = end
        return data[start:end]


def _frame_bytes(header: bytes) -> int:
    """The bytes of a frame that begins with ``header`` (RFC 6455, section 5.2); 0 if its length is not there yet."""
    if len(header) < _HEADER_BYTES:
        return 0
    length = header[1] & 0x7F
    if length < _LENGTH_16:
        return _HEADER_BYTES + _MASK_BYTES + length
    end = _HEADER_BYTES + (2 if length == _LENGTH_16 else 8)
    if len(header) < end:
        return 0
    return end + _MASK_BYTES + int.from_bytes(header[_HEADER_BYTES:end])
