"""How rooms lie in Redis: names of keys, fields of hashes, and the scripts that read and write them.

All keys of a partition share a hash tag, so they are in one Cluster slot, and are lost and restored together:

- ``prefix:{topic:epoch:partition}:progress``, a hash: the fields of `Progress`, by name; ``built_with`` as
  a JSON array.
- ``prefix:{topic:epoch:partition}:room:id``, a hash: ``build``, ``head``, ``ts``, ``full``, and a field ``s:key`` for
  each event key: offset and time in 8 bytes each (big-endian), then the value.

One key is the topic's: ``prefix:{topic:epoch}:layout``, a hash with ``partitions``, the largest count that was seen,
and ``scattered``, if a room may have records in several partitions.

A room has at most ``state_bytes_max`` bytes, so reading one at once holds up Redis for less than a millisecond.
"""

import struct
from collections.abc import Iterator

import msgspec

from touchline_server.core.room_keeping import KeptEntry, KeptPartition
from touchline_server.core.room_store import BuiltWith

from .scripts import Script

ENTRY_PREFIX = b"s:"
PROGRESS_FIELDS = ("build", "next", "written", "term", "term_start", "complete", "built_with")
"""The fields of a `Progress`, in its order."""
_ENTRY = struct.Struct(">qq")
_LENGTH = struct.Struct(">I")

_GUARD = """
local p = redis.call('HMGET', KEYS[1], 'build', 'next', 'written')
local next, written = tonumber(p[2]), tonumber(p[3]) -- nil if anybody else wrote them: reading them again discards them
if p[1] ~= ARGV[1] or not next or not written or next < tonumber(ARGV[2]) then return -2 end
"""


READ = Script.of("""
local p = redis.call('HMGET', KEYS[1], 'build', 'next', 'written', 'term', 'complete', 'built_with')
if not p[1] then return '' end
p[6] = p[6] or '' -- nil if an older keeper wrote it
local texts = {}
local function add(list)
  for _, text in ipairs(list) do texts[#texts + 1] = struct.pack('>I4c0', #text, text) end
end
add(p)
add(redis.call('HGETALL', KEYS[2]))
return table.concat(texts)
""")
"""Progress and room at one moment. Keys: progress, room. The answer is one string, see `texts_of`: redis-py takes
longer to read forty short answers than an edge takes for all the rest."""

BEGIN = Script.of("""
if redis.call('HEXISTS', KEYS[1], 'build') == 0 then
  redis.call('HSET', KEYS[1], 'build', ARGV[1], 'next', ARGV[2], 'written', ARGV[3], 'term', ARGV[4],
    'term_start', ARGV[5], 'complete', ARGV[6], 'built_with', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return redis.call('HMGET', KEYS[1], 'build', 'next', 'written', 'term', 'term_start', 'complete', 'built_with')
""")
"""Begin a build, unless there is one. Keys: progress. Arguments: the fields, the time to live."""

DISCARD = Script.of("""
if redis.call('HGET', KEYS[1], 'build') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
""")

INTEND = Script.of(
    _GUARD
    + """
local again = p[3] == ARGV[4] and redis.call('HGET', KEYS[1], 'term') == ARGV[5]
if p[3] ~= ARGV[3] and not again then return -2 end
if tonumber(ARGV[4]) > written then
  redis.call('HSET', KEYS[1], 'written', ARGV[4], 'term', ARGV[5], 'term_start', ARGV[6])
end
return 0
"""
)
"""Say how far rooms will be written. Keys: progress. Arguments: build, first offset, written before, written, term, its
start. Answers 0, or -2 if the partition has moved."""

WRITE = Script.of(
    _GUARD
    + """
if written <= tonumber(ARGV[4]) then return -2 end
local room = redis.call('HMGET', KEYS[2], 'build', 'head')
local head = -1
if room[1] == ARGV[1] then head = tonumber(room[2]) elseif room[1] then redis.call('DEL', KEYS[2]) end
if head ~= tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[2], 'build', ARGV[1], 'head', ARGV[4], 'ts', ARGV[5], 'full', ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
local removed = tonumber(ARGV[8])
for n = 9, 8 + removed do redis.call('HDEL', KEYS[2], ARGV[n]) end
for n = 9 + removed, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[n], ARGV[n + 1]) end
return 0
"""
)
"""Write a room. Keys: progress, room. Arguments: build, first offset, the head that this follows, the new head, its
time, full, the time to live, how many fields to remove, these, then fields and values. Answers 0, -1 if the room has
another head, or -2 if the partition has moved."""

ADVANCE = Script.of(
    _GUARD
    + """
if tonumber(ARGV[3]) > next then redis.call('HSET', KEYS[1], 'next', ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 0
"""
)
"""Note how far the partition is kept. Keys: progress. Arguments: build, first offset, next offset, the time to live."""

LAYOUT = Script.of("""
local known = redis.call('HMGET', KEYS[1], 'partitions', 'scattered')
local count = tonumber(ARGV[1])
local before = tonumber(known[1]) -- nil if anybody else wrote it
local scattered = known[2] == '1' or ARGV[2] == '1' or (known[1] and before ~= count)
if before and before > count and before <= 100000 then count = known[1] end
redis.call('HSET', KEYS[1], 'partitions', count, 'scattered', scattered and '1' or '0')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return scattered and 1 or 0
""")


READ_LAYOUT = Script.of("""
local known = redis.call('HMGET', KEYS[1], 'partitions', 'scattered')
return {tonumber(known[1] or 0) or -1, known[2] == '1' and 1 or 0}
""")
"""How many partitions a topic has, and whether rooms may be in several of them. Keys: layout."""


class Keys:
    """The names of keys that begin with ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def progress(self, partition: KeptPartition) -> str:
        """The progress of a partition."""
        return f"{self._of(partition)}:progress"

    def room(self, partition: KeptPartition, room_id: str) -> str:
        """A room, as far as its records are in a partition."""
        return f"{self._of(partition)}:room:{room_id}"

    def layout(self, topic: str, epoch: str) -> str:
        """What is known of a topic's partitions."""
        return f"{self._prefix}:{{{topic}:{epoch}}}:layout"

    def _of(self, partition: KeptPartition) -> str:
        return f"{self._prefix}:{{{partition.topic}:{partition.epoch}:{partition.partition}}}"


def pack(entry: KeptEntry) -> bytes:
    """An entry as the value of a field."""
    return _ENTRY.pack(entry.offset, entry.ts) + entry.value


def unpack(packed: bytes) -> KeptEntry:
    """The entry in the value of a field."""
    offset, ts = _ENTRY.unpack_from(packed)
    return KeptEntry(offset, ts, packed[_ENTRY.size :])


def pack_built_with(built: BuiltWith) -> bytes:
    """How states are built, as the value of a field of a progress: a JSON array, which an operator can read."""
    return msgspec.json.encode(built)


def unpack_built_with(packed: bytes) -> BuiltWith:
    """How the states of a partition are built.

    Raises:
        msgspec.MsgspecError: Touchline did not write it, or an older version did.
    """
    return msgspec.json.decode(packed, type=BuiltWith)


def texts_of(packed: bytes) -> Iterator[bytes]:
    """The texts in the answer of `READ`, each of which stands behind its length."""
    position = 0
    while position < len(packed):
        begin = position + _LENGTH.size
        position = begin + _LENGTH.unpack_from(packed, position)[0]
        yield packed[begin:position]
