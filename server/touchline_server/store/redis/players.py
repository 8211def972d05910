"""The player store in Redis: one script per slot, with everything of an exchange that is in that slot.

Players are spread over `SLOTS` hash tags, so that a script touches the keys of one Cluster slot only, and a fleet's
players are spread over a Cluster. The keys of slot 7, with the prefix ``touchline``:

    touchline:{players.7}:workers                 sorted set: worker, time of its last sign of life here
    touchline:{players.7}:connections:<worker>    hash: player, connections there
    touchline:{players.7}:session:<player>:<name> hash: number, worker, newest action known to be in the log
    touchline:{players.7}:rate:<player>           when the player's bucket is full, in Redis's milliseconds
    touchline:{players.7}:lost:<worker>           list: sessions that were claimed from this worker, until it reads them

Signs of life are kept in each slot, not only in `Workers`: who counts and what is counted then change in one atomic
step. Times are by Redis's own clock. All keys expire by themselves once nobody uses them.
"""

import contextlib
from typing import TypeAlias
from zlib import crc32

import msgspec

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.core.players.player_store import Admission, Answer, Exchange, Holding, Loss

from .connection import RedisConnection
from .contents import reading
from .scripts import Call, Script, run_scripts
from .store_errors import raises_store_errors
from .workers import ALIVE_S

SLOTS = 16
"""Hash tags. More would spread better over a Cluster of many nodes, and cost each worker more calls per sync."""

WORKER_TTL_S = 60
"""How long Redis keeps what a worker has presented, without a sign of life: long after it counts as dead."""

SESSION_TTL_S = 3_600
"""How long a session is remembered that nobody presents. Those in use are presented three times as often."""

LEFT_TTL_S = 600
"""The same for one whose client has left: twice as long as actions may be sent again."""

_EXCHANGE = Script.of("""
local base, me, alive_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local connections_max, interval_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local batch = cmsgpack.unpack(ARGV[5])
local worker_ttl, session_ttl, left_ttl = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local workers = base .. ':workers'
local mine = base .. ':connections:' .. me

-- The number in a field, 0 if there is none that Touchline may have written: anybody can write to Redis.
local function amount(field)
  local number = tonumber(field)
  return number and number > 0 and number < 2 ^ 53 and number or 0
end

local function plain(number) return string.format('%.0f', number) end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, '-inf', plain(now_ms - alive_ms))) do
  redis.call('DEL', base .. ':connections:' .. name, base .. ':lost:' .. name)
  redis.call('ZREM', workers, name)
end
local is_known = redis.call('ZSCORE', workers, me) and 1 or 0
redis.call('ZADD', workers, plain(now_ms), me)
redis.call('EXPIRE', workers, worker_ttl)

local function session_key(player, name) return base .. ':session:' .. player .. ':' .. name end

local function read(key)
  local fields = redis.call('HMGET', key, 'number', 'worker', 'last')
  return math.floor(amount(fields[1])), fields[2], math.floor(amount(fields[3]))
end

local function keep(key, number, last)
  redis.call('HSET', key, 'number', plain(number), 'worker', me, 'last', plain(last))
  redis.call('EXPIRE', key, session_ttl)
end

-- The first number is a time (in microseconds), so that it is higher than any from before Redis was emptied.
local function claim(player, name, last_here)
  local key = session_key(player, name)
  local number, owner, last = read(key)
  local claimed = number > 0 and number + 1 or time[1] * 1000000 + time[2]
  last = math.max(last, last_here)
  if owner and owner ~= me and redis.call('ZSCORE', workers, owner) then
    local lost = base .. ':lost:' .. owner
    redis.call('RPUSH', lost, cmsgpack.pack({player, name, claimed}))
    redis.call('EXPIRE', lost, worker_ttl)
  end
  keep(key, claimed, last)
  return claimed, last
end

local function until_full(player)
  local full_ms = amount(redis.call('GET', base .. ':rate:' .. player))
  return math.max(0, math.ceil(full_ms - now_ms))
end

for _, change in ipairs(batch.connections) do
  if change[2] > 0 then redis.call('HSET', mine, change[1], change[2]) else redis.call('HDEL', mine, change[1]) end
end

for _, holding in ipairs(batch.released) do
  local key = session_key(holding[1], holding[2])
  local number, owner, last = read(key)
  if number == holding[3] and (not owner or owner == me) then
    redis.call('HDEL', key, 'worker')
    redis.call('HSET', key, 'last', plain(math.max(last, holding[4])))
    redis.call('EXPIRE', key, left_ttl)
  end
end

local held = {}
for index, holding in ipairs(batch.held) do
  local key = session_key(holding[1], holding[2])
  local number, owner, last = read(key)
  if holding[3] == 0 then
    held[index] = claim(holding[1], holding[2], holding[4])
  elseif number > holding[3] or (number == holding[3] and owner ~= me) then
    held[index] = 0
  else  -- or Redis went back to an older state: the higher number counts
    keep(key, holding[3], math.max(last, holding[4]))
    held[index] = holding[3]
  end
end

local owed = {}
for index, change in ipairs(batch.actions) do
  local key = base .. ':rate:' .. change[1]
  local full_ms = math.max(amount(redis.call('GET', key)), now_ms) + change[2] * interval_ms
  redis.call('SET', key, string.format('%.3f', full_ms), 'PX', plain(math.ceil(full_ms - now_ms) + 1))
  owed[index] = until_full(change[1])
end

local admissions = {}
local living = #batch.arrivals > 0 and redis.call('ZRANGE', workers, 0, -1) or {}
for index, arrival in ipairs(batch.arrivals) do
  local player, total = arrival[1], arrival[2]
  for _, name in ipairs(living) do
    if name ~= me then total = total + amount(redis.call('HGET', base .. ':connections:' .. name, player)) end
  end
  if total > connections_max then
    admissions[index] = {1, 0, 0, 0}
  else
    redis.call('HSET', mine, player, arrival[2])
    local number, last = 0, 0
    if arrival[3] ~= '' then number, last = claim(player, arrival[3], 0) end
    admissions[index] = {0, number, last, until_full(player)}
  end
end
redis.call('EXPIRE', mine, worker_ttl)

local lost = {}
if batch.everywhere then
  local key = base .. ':lost:' .. me
  lost = redis.call('LRANGE', key, 0, -1)
  redis.call('DEL', key)
  for index, entry in ipairs(lost) do lost[index] = cmsgpack.unpack(entry) end
end
return cmsgpack.pack({is_known, admissions, held, owed, lost})
""")

_LEAVE = Script.of("""
redis.call('DEL', KEYS[1] .. ':connections:' .. ARGV[1], KEYS[1] .. ':lost:' .. ARGV[1])
redis.call('ZREM', KEYS[1] .. ':workers', ARGV[1])
""")


class _Part(msgspec.Struct):
    """What of an exchange belongs to one slot, as the script reads it. The numbers are places in the exchange."""

    everywhere: bool
    arrivals: list[tuple[str, int, str]] = []
    connections: list[tuple[str, int]] = []
    released: list[Holding] = []
    held: list[Holding] = []
    actions: list[tuple[str, int]] = []


class _Places:
    """Which arrival and which session of the exchange each of a slot's is."""

    def __init__(self) -> None:
        self.arrivals: list[int] = []
        self.held: list[int] = []


_Result: TypeAlias = tuple[
    int,
    list[tuple[int, int, int, int]],
    list[int],
    list[int],
    list[tuple[str, str, int]],
]
_decoder = msgspec.msgpack.Decoder(_Result)
_encoder = msgspec.msgpack.Encoder()


@raises_store_errors
class RedisPlayerStore:
    """The player store of one worker. ``worker`` is its name, and no other process ever has it."""

    def __init__(self, connection: RedisConnection, worker: str) -> None:
        self._connection = connection
        self._worker = worker

    async def exchange(self, exchange: Exchange) -> Answer:
        """See `PlayerStore.exchange`."""
        parts, places = _by_slot(exchange)
        calls = [Call(_EXCHANGE, [self._base(slot)], self._arguments(exchange, part)) for slot, part in parts.items()]
        answers = await run_scripts(self._connection, calls)
        with reading(self._base("*") + ":*", "delete these keys; all workers present their players again"):
            results: dict[int, _Result] = dict(zip(parts, map(_decoder.decode, answers), strict=True))
        admissions = [Admission(is_refused=True)] * len(exchange.arrivals)
        held = [0] * len(exchange.held)
        owed: dict[str, int] = {}
        lost: list[Loss] = []
        is_known = True
        for slot, (known, admitted, holdings, until_full, losses) in results.items():
            is_known = is_known and bool(known)
            for place, (refused, number, last, until_full_ms) in zip(places[slot].arrivals, admitted, strict=True):
                admissions[place] = Admission(bool(refused), number, last, until_full_ms)
            for place, number in zip(places[slot].held, holdings, strict=True):
                held[place] = number
            for (player, _), until_full_ms in zip(parts[slot].actions, until_full, strict=True):
                owed[player] = until_full_ms
            lost += [Loss(*loss) for loss in losses]
        return Answer(is_known, admissions, held, owed, lost)

    async def close(self) -> None:
        """See `PlayerStore.close`."""
        calls = [Call(_LEAVE, [self._base(slot)], [self._worker]) for slot in range(SLOTS)]
        with contextlib.suppress(StoreUnavailable, StoreRefused):  # then it counts as dead in a moment
            await run_scripts(self._connection, calls)

    def _base(self, slot: int | str) -> str:
        return f"{self._connection.prefix}:{{players.{slot}}}"

    def _arguments(self, exchange: Exchange, part: _Part) -> list[str | bytes | int]:
        limits = exchange.limits
        return [
            self._worker,
            int(ALIVE_S * 1000),
            limits.connections_max,
            str(limits.interval_ms),
            _encoder.encode(part),
            WORKER_TTL_S,
            SESSION_TTL_S,
            LEFT_TTL_S,
        ]


def _by_slot(exchange: Exchange) -> tuple[dict[int, _Part], dict[int, _Places]]:
    """Split an exchange. ``everywhere`` concerns all slots."""
    parts: dict[int, _Part] = {}
    places: dict[int, _Places] = {}

    def part_of(player: str) -> tuple[_Part, _Places]:
        slot = crc32(player.encode()) % SLOTS
        if slot not in parts:
            parts[slot], places[slot] = _Part(exchange.everywhere), _Places()
        return parts[slot], places[slot]

    if exchange.everywhere:
        for slot in range(SLOTS):
            parts[slot], places[slot] = _Part(everywhere=True), _Places()
    for player, connections in exchange.connections.items():
        part_of(player)[0].connections.append((player, connections))
    for holding in exchange.released:
        part_of(holding.player)[0].released.append(holding)
    for place, holding in enumerate(exchange.held):
        part, at = part_of(holding.player)
        part.held.append(holding)
        at.held.append(place)
    for player, actions in exchange.actions.items():
        part_of(player)[0].actions.append((player, actions))
    for place, arrival in enumerate(exchange.arrivals):
        part, at = part_of(arrival.player)
        part.arrivals.append((arrival.player, arrival.connections, arrival.session or ""))
        at.arrivals.append(place)
    return parts, places
