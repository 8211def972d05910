-- Hands out a shard's oldest records to the worker that writes them to the log, and removes those that are there. After shard.lua.
--
-- args: written        remove the records up to this number
--       max            how many records to hand out; with 0 the shard is left to other workers
--       lease_ms       for how long no other worker gets records
--       room_state_ms, members_max    settings

local STATES_MAX = 10           -- states of rooms that one call records, with a list of members each
local WAITING_FOR_STATES = 1000 -- while more records wait, states wait too: the newest will do

local lease = shard .. 'drained_by'

-- They are in the log, whoever drains this shard by now.
while args.written > 0 do
  local written = 0
  for _, packed in ipairs(redis.call('LRANGE', OUTBOX, 0, 99)) do
    if cmsgpack.unpack(packed)[1] > args.written then
      break
    end
    written = written + 1
  end
  redis.call('LTRIM', OUTBOX, written, -1)
  if written < 100 then
    break
  end
end

local left_ms = redis.call('PTTL', lease)  -- a lease without an end, or a longer one, is not a worker's
local holder = left_ms > 0 and left_ms <= args.lease_ms and redis.call('GET', lease)
if holder and holder ~= args.worker then
  return cmsgpack.pack({records = {}, dropped = 0})
end
if args.max == 0 then
  redis.call('DEL', lease)
  return cmsgpack.pack({records = {}, dropped = 0})
end

local function record_state(room)
  local key, viewers = shard .. 'players:' .. room, total(room)
  local listed = redis.call('HLEN', key) <= args.members_max
  record('room_state', room, {viewers, listed and redis.call('HKEYS', key) or false})
  if viewers > 0 then
    redis.call('ZADD', DUE, now_ms + args.room_state_ms, room)
  else
    redis.call('ZREM', DUE, room)
  end
end

if redis.call('LLEN', OUTBOX) < WAITING_FOR_STATES then
  local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', now_ms, 'LIMIT', 0, STATES_MAX)
  for _, room in ipairs(due) do
    record_state(room)
  end
  if #due > 0 then
    save_seq()
  end
end

local records = {}
for i, packed in ipairs(redis.call('LRANGE', OUTBOX, 0, args.max - 1)) do
  records[i] = cmsgpack.unpack(packed)
end
if #records == 0 then
  redis.call('DEL', lease)
else
  redis.call('SET', lease, args.worker, 'PX', args.lease_ms)
end
local dropped = count(redis.call('HGET', META, 'dropped'))
if dropped > 0 then
  redis.call('HDEL', META, 'dropped')
end
return cmsgpack.pack({records = records, dropped = dropped})
