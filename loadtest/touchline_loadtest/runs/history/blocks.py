"""The format of the files in ``traces/`` and ``log/``. Pure.

A file begins with `MAGIC` and has one block after the other: the length of its data, the CRC-32 of its data, and the
CRC-32 of these two, in 4 bytes each, big-endian; then the data, a MessagePack array. A block has what its process saw
in about a second, so a process that is killed loses that at most, and the block that it was writing.

The length has a checksum of its own, so that a damaged one is not taken for the last block of a killed process.
"""

import struct
import zlib
from collections.abc import Generator
from typing import BinaryIO, TypeVar

import msgspec

from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import TopicFacts
from touchline_loadtest.checks.trace import Item
from touchline_protocol.messages import Deliver

MAGIC = b"touchline-history-2\n"

BLOCK_BYTES_MAX = 1 << 30
"""No writer makes blocks this large: a longer one is damaged."""

_HEAD = struct.Struct("!II")
_HEAD_CHECKSUM = struct.Struct("!I")


class DamagedFile(Exception):
    """The file is not in this format, or has changed since it was written. Says where."""


class TraceHead(msgspec.Struct, frozen=True, array_like=True):
    """A trace, whose items follow under its number."""

    number: int
    client: str
    room: str
    deliver: Deliver
    shows_skips: bool


class TraceBlock(msgspec.Struct, array_like=True):
    """What a process's clients saw, from ``at_ms`` on.

    ``items`` are those of each trace, by its number; ``handed_out`` are actions by the reader that received them.
    """

    at_ms: float
    traces: list[TraceHead] = []
    items: dict[int, list[Item]] = {}
    closes: list[Close] = []
    causes: list[Cause] = []
    acted: list[Acted] = []
    handed_out: dict[str, list[ActionEntry]] = {}
    openings: list[Opening] = []


class LogBlock(msgspec.Struct, array_like=True):
    """What a witness read of the log, from ``at_ms`` on.

    ``records`` are those of each partition, in the order of offsets, with their rooms. ``starts`` says which offset a
    partition began at, and when that was seen.
    """

    at_ms: float
    topics: dict[str, TopicFacts] = {}
    records: list[tuple[LogId, list[tuple[str, Entry]]]] = []
    starts: list[tuple[LogId, float, int]] = []
    actions: list[LoggedAction] = []
    verdicts: list[Verdict] = []


Block = TypeVar("Block", TraceBlock, LogBlock)

_encoder = msgspec.msgpack.Encoder()


def encode(block: TraceBlock | LogBlock) -> bytes:
    """A block as it stands in the file."""
    data = _encoder.encode(block)
    head = _HEAD.pack(len(data), zlib.crc32(data))
    return head + _HEAD_CHECKSUM.pack(zlib.crc32(head)) + data


def decode(file: BinaryIO, kind: type[Block]) -> Generator[Block, None, int | None]:
    """The blocks of a file, in order.

    It may end in the middle of one: its writer was killed, or is writing it now. The generator returns the place at
    which that block begins, None if the file is whole.

    Raises:
        DamagedFile: the file is not one of these, or is damaged.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC[: len(magic)]:
        raise DamagedFile("it does not begin as such a file does")
    if len(magic) < len(MAGIC):
        return 0
    decoder = msgspec.msgpack.Decoder(kind)
    while True:
        place = file.tell()
        data = _data(file, place)
        if data is None:
            return None if file.tell() == place else place
        try:
            yield decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DamagedFile(f"the block at byte {place}: {error}") from error


def _data(file: BinaryIO, place: int) -> bytes | None:
    """The data of the next block; None if the file ends before its end."""
    head, head_checksum = file.read(_HEAD.size), file.read(_HEAD_CHECKSUM.size)
    if len(head_checksum) < _HEAD_CHECKSUM.size:
        return None
    if head_checksum != _HEAD_CHECKSUM.pack(zlib.crc32(head)):
        raise DamagedFile(f"the block at byte {place} has a damaged length")
    length, checksum = _HEAD.unpack(head)
    if length > BLOCK_BYTES_MAX:
        raise DamagedFile(f"the block at byte {place} claims to have {length} bytes")
    data = file.read(length)
    if len(data) < length:
        return None
    if zlib.crc32(data) != checksum:
        raise DamagedFile(f"the block at byte {place} has a wrong checksum")
    return data
