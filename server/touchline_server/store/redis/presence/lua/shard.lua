-- What the scripts of a shard have in common. It stands before each of them. See shard.py for the keys.
--
-- KEYS[1] is the shard, such as touchline:{presence.3}. All keys begin with it, so they are in one slot of a Cluster.
-- ARGV[1] is a map in MessagePack, `args`. The caller's name is `args.worker`.

local shard = KEYS[1] .. ':'
local args = cmsgpack.unpack(ARGV[1])

local META, WORKERS = shard .. 'meta', shard .. 'workers'
local VIEWERS_CHANGED, PLAYERS_CHANGED = shard .. 'viewers_changed', shard .. 'players_changed'
local OUTBOX, DUE, CHECKS = shard .. 'outbox', shard .. 'due', shard .. 'checks'

local HISTORY_US = 60000000  -- how long changes are kept: a worker that asks later starts over
local TRIM_MAX = 100         -- how many of them one call removes

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

-- The number in a field, 0 if there is none that Touchline may have written: anybody can write to Redis.
local function count(field)
  local number = tonumber(field)
  return number and number > 0 and number < 2 ^ 53 and math.floor(number) or 0
end

-- Numbers changes: greater than all before, and never less than the time, also if Redis was emptied in between.
local seq = count(redis.call('HGET', META, 'seq'))
if seq == 0 then
  seq = now_us
end
local function next_seq()
  seq = math.max(seq + 1, now_us)
  return seq
end

local function save_seq()
  redis.call('HSET', META, 'seq', seq)
end

-- The number of a change in a field of META, 0 if there has not been such a change.
local function change_in(field)
  local number = count(redis.call('HGET', META, field))
  return number <= seq and number or 0
end

local function total(room)
  local sum = 0
  for _, field in ipairs(redis.call('HVALS', shard .. 'viewers:' .. room)) do
    sum = sum + count(field)
  end
  return sum
end

-- A room that has entries is checked some day; if no worker has named it, by the next call.
local function see_to_check(room)
  redis.call('ZADD', CHECKS, 'NX', now_us, room)
end

-- The room owes its readers a record of its whole state.
local function owe_state(room)
  redis.call('ZADD', DUE, 0, room)
end

local function record(kind, room, detail)
  redis.call('RPUSH', OUTBOX, cmsgpack.pack({next_seq(), kind, room, detail}))
end

local function drop_oldest(over)
  if over <= 0 then
    return
  end
  for _, packed in ipairs(redis.call('LPOP', OUTBOX, over)) do
    owe_state(cmsgpack.unpack(packed)[3])
  end
  -- Not HINCRBY, which fails if the field is damaged.
  redis.call('HSET', META, 'dropped', count(redis.call('HGET', META, 'dropped')) + over)
end
