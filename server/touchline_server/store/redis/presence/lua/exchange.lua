-- A worker reports what it has in this shard, and learns what changed in it. After shard.lua.
--
-- args: generation, number   what the worker believes that the shard has of it; a report that begins counts as generation's
--       begins               this is the first part of a report of everything; what it does not name is removed by `sweeps`
--       epoch                the shard that the worker knew when it last reported everything, 0 if none
--       viewers, players     [room, viewers, ...] and [room, player, connections, ...]: absolute numbers
--       add_watched, drop_watched, add_listed, drop_listed    rooms
--       sweeps               remove what is of an older generation
--       dead                 [worker, mark, ...]: workers to remove, unless their mark is another one by now
--       reads, viewers_since, players_since    whether to answer with what changed, and since when
--       members_max, outbox_max, room_state_ms    settings; outbox_max is 0 if nothing is recorded

local sweeps_left = 250         -- entries that one call removes at most: a few milliseconds
local VIEWERS_READ_MAX = 1000   -- rooms that one answer names
local PLAYERS_READ_MAX = 50     -- rooms whose members one answer names
local CHECK_US = 300000000      -- each room is checked once in this time
local checks_left = 250         -- entries that one call checks
local members_max = args.members_max

local function own(worker, what)
  return shard .. 'of:' .. worker .. ':' .. what
end

local mark = redis.call('HGET', WORKERS, args.worker)
local epoch = change_in('epoch')
local rebuilds = args.epoch ~= 0 and args.epoch ~= epoch  -- Redis was emptied: what comes now is not new to readers

if args.begins then
  local generation = count(mark and string.match(mark, '^%d+'))
  if generation >= args.generation then
    -- A call that was given up long ago arrives late, or somebody wrote the mark: then the worker goes on from there.
    return cmsgpack.pack({status = 'stale', generation = generation})
  end
  if epoch == 0 then
    epoch = next_seq()
    redis.call('HSET', META, 'epoch', epoch)
  end
  redis.call('DEL', own(args.worker, 'watched'), own(args.worker, 'listed'))
elseif mark ~= args.generation .. ' ' .. args.number or epoch == 0 then
  return cmsgpack.pack({status = 'lost'})
elseif args.viewers_since < change_in('viewers_trimmed') or args.players_since < change_in('players_trimmed') then
  return cmsgpack.pack({status = 'lost'})
end

local function note(kind, room, player)
  if args.outbox_max == 0 or redis.call('ZSCORE', DUE, room) == '0' then
    return  -- the state that the room owes will include it
  end
  if rebuilds and (kind == 'room_occupied' or kind == 'player_joined') then
    owe_state(room)
    return
  end
  record(kind, room, player)
  if kind == 'room_occupied' then
    redis.call('ZADD', DUE, now_ms + args.room_state_ms, room)
  elseif kind == 'room_empty' then
    redis.call('ZREM', DUE, room)
  end
end

local function set_viewers(worker, room, viewers, generation)
  local key = shard .. 'viewers:' .. room
  local before = redis.call('HGET', key, worker)
  if viewers > 0 then
    redis.call('ZADD', own(worker, 'rooms'), generation, room)
    redis.call('ZADD', CHECKS, 'NX', now_us + CHECK_US, room)
    if args.outbox_max > 0 then
      redis.call('ZADD', DUE, 'NX', now_ms + args.room_state_ms, room)
    end
  else
    redis.call('ZREM', own(worker, 'rooms'), room)
  end
  if (before or '0') == tostring(viewers) then
    return
  end
  local was_occupied = redis.call('EXISTS', key) == 1
  if viewers > 0 then
    redis.call('HSET', key, worker, viewers)
  else
    redis.call('HDEL', key, worker)
  end
  redis.call('ZADD', VIEWERS_CHANGED, next_seq(), room)
  if rebuilds and viewers > 0 and args.outbox_max > 0 then
    owe_state(room)  -- by each worker that reports again: the state after the first lacks the others' viewers
  elseif not was_occupied then
    note('room_occupied', room)
  elseif viewers == 0 and redis.call('EXISTS', key) == 0 then
    note('room_empty', room)
  end
end

-- Remember a join or leave for those who list the room, up to as many as a full list is shorter than.
local function log_move(room, player, size, before)
  local key, number = shard .. 'moves:' .. room, next_seq()
  redis.call('ZADD', PLAYERS_CHANGED, number, room)
  if size > members_max or before > members_max or redis.call('ZCARD', key) >= 2 * members_max then
    redis.call('DEL', key)
    redis.call('ZADD', key, number, '')  -- whatever was before this number has to be read as a full list
  else
    redis.call('ZADD', key, number, player)
  end
end

-- Set the workers that have a player: "\na\nb\n". Without any, the player leaves.
local function set_holders(room, player, holders)
  local key = shard .. 'players:' .. room
  if holders ~= '\n' then
    redis.call('HSET', key, player, holders)
    return
  end
  redis.call('HDEL', key, player)
  local size = redis.call('HLEN', key)
  log_move(room, player, size, size + 1)
  note('player_left', room, player)
end

local function set_player(worker, room, player, connections, generation)
  local key, entry = shard .. 'players:' .. room, room .. ' ' .. player
  if connections > 0 then
    redis.call('ZADD', own(worker, 'players'), generation, entry)
  else
    redis.call('ZREM', own(worker, 'players'), entry)
  end
  local holders = redis.call('HGET', key, player)
  local first, last = string.find(holders or '', '\n' .. worker .. '\n', 1, true)
  if (connections > 0) == (first ~= nil) then
    return
  end
  if connections > 0 then
    set_holders(room, player, (holders and string.match(holders, '^\n.*\n$') or '\n') .. worker .. '\n')
    if not holders then
      local size = redis.call('HLEN', key)
      log_move(room, player, size, size - 1)
      note('player_joined', room, player)
    end
    return
  end
  set_holders(room, player, string.sub(holders, 1, first) .. string.sub(holders, last + 1))
end

local function entries_below(worker, what, below)
  local found = redis.call('ZRANGEBYSCORE', own(worker, what), '-inf', below, 'LIMIT', 0, sweeps_left)
  sweeps_left = sweeps_left - #found
  return found
end

-- Remove a worker's entries below a generation: players first, since nobody is in an empty room. Returns whether all are.
local function sweep(worker, below)
  for _, entry in ipairs(entries_below(worker, 'players', below)) do
    local space = string.find(entry, ' ', 1, true)
    set_player(worker, string.sub(entry, 1, space - 1), string.sub(entry, space + 1), 0)
  end
  for _, room in ipairs(entries_below(worker, 'rooms', below)) do
    set_viewers(worker, room, 0)
  end
  return sweeps_left > 0
end

local function bury(worker, expected)
  local found = redis.call('HGET', WORKERS, worker)
  if found ~= expected and found ~= 'dead' then
    return true  -- it has come back, or is gone
  end
  redis.call('HSET', WORKERS, worker, 'dead')
  if not sweep(worker, '+inf') then
    return false
  end
  redis.call('DEL', own(worker, 'watched'), own(worker, 'listed'))
  redis.call('HDEL', WORKERS, worker)
  return true
end

-- Whether a worker that the shard knows has reported an entry. If it has not, it is to report everything again: its index
-- of entries was damaged, or somebody wrote its name.
local function has_reported(worker, what, entry)
  local mark = redis.call('HGET', WORKERS, worker)
  if mark and redis.call('ZSCORE', own(worker, what), entry) then
    return true
  end
  if mark and mark ~= 'dead' then
    redis.call('HDEL', WORKERS, worker)
  end
  return false
end

local function check_viewers(room)
  local found = redis.call('HGETALL', shard .. 'viewers:' .. room)
  for i = 1, #found, 2 do
    if not has_reported(found[i], 'rooms', room) or count(found[i + 1]) == 0 then
      set_viewers(found[i], room, 0)
    end
  end
  checks_left = checks_left - 1 - #found / 2
end

-- Check some players of a room, from a cursor of HSCAN on. Returns the next one.
local function check_players(room, cursor)
  local scan = redis.call('HSCAN', shard .. 'players:' .. room, cursor, 'COUNT', 100)
  local found = scan[2]
  for i = 1, #found, 2 do
    local player, kept = found[i], '\n'
    for worker in string.gmatch(found[i + 1], '[^\n]+') do
      if not string.find(kept, '\n' .. worker .. '\n', 1, true) and has_reported(worker, 'players', room .. ' ' .. player) then
        kept = kept .. worker .. '\n'
      end
    end
    if kept ~= found[i + 1] then
      set_holders(room, player, kept)
    end
  end
  checks_left = checks_left - #found / 2
  return scan[1]
end

-- Check the rooms that have not been checked for longest, and remove what no known worker has reported.
local function check()
  local place = redis.call('HGET', META, 'checking') or ''  -- where the call before stopped within a room
  while checks_left > 0 do
    local room = redis.call('ZRANGEBYSCORE', CHECKS, '-inf', now_us, 'LIMIT', 0, 1)[1]
    if not room then
      return
    end
    local cursor, at = string.match(place, '^(%d+) (.*)$')
    if at ~= room or #cursor > 19 then  -- HSCAN refuses numbers of more than 64 bits
      cursor = '0'
    end
    if cursor == '0' then
      check_viewers(room)
    end
    cursor = check_players(room, cursor)
    place = cursor .. ' ' .. room
    redis.call('HSET', META, 'checking', place)
    if cursor == '0' then
      redis.call('ZADD', CHECKS, now_us + CHECK_US, room)
      if redis.call('EXISTS', shard .. 'viewers:' .. room, shard .. 'players:' .. room) == 0 then
        redis.call('ZREM', CHECKS, room)
      end
    end
  end
end

local function trim(changed, field)
  local old = redis.call('ZRANGEBYSCORE', changed, '-inf', now_us - HISTORY_US, 'WITHSCORES', 'LIMIT', 0, TRIM_MAX)
  for i = 1, #old, 2 do
    if changed == PLAYERS_CHANGED then
      redis.call('DEL', shard .. 'moves:' .. old[i])
    end
    redis.call('ZREM', changed, old[i])
  end
  if #old > 0 then
    redis.call('HSET', META, field, old[#old])
  end
end

-- The rooms in `changed` since a number that are in a set of the worker's; the number up to which that is; if there are more.
local function changes(changed, since, wanted, max)
  local first, last = '(' .. string.format('%.0f', since), string.format('%.0f', seq)  -- no change is newer than that
  local found = redis.call('ZRANGEBYSCORE', changed, first, last, 'WITHSCORES', 'LIMIT', 0, max)
  if #found == 0 then
    return {}, since, false
  end
  local rooms, chosen = {}, {}
  for i = 1, #found, 2 do
    rooms[#rooms + 1] = found[i]
  end
  for i, is_wanted in ipairs(redis.call('SMISMEMBER', own(args.worker, wanted), unpack(rooms))) do
    if is_wanted == 1 then
      chosen[#chosen + 1] = rooms[i]
    end
  end
  return chosen, math.ceil(tonumber(found[#found])), #rooms == max
end

-- What to say of a room's members: {room, size, is_full, joined, left}. No names if there are too many.
local function members(room, since)
  local key, log = shard .. 'players:' .. room, shard .. 'moves:' .. room
  local size = redis.call('HLEN', key)
  if size > 0 then
    see_to_check(room)
  end
  if size > members_max then
    return {room, size, true, {}, {}}
  end
  local start = since and redis.call('ZSCORE', log, '')
  if not since or redis.call('EXISTS', log) == 0 or (start and tonumber(start) > since) then
    return {room, size, true, redis.call('HKEYS', key), {}}
  end
  local joined, left = {}, {}
  for _, player in ipairs(redis.call('ZRANGEBYSCORE', log, '(' .. string.format('%.0f', since), '+inf')) do
    local side = redis.call('HEXISTS', key, player) == 1 and joined or left
    side[#side + 1] = player
  end
  return {room, size, false, joined, left}
end

local function add(what, rooms)
  if #rooms > 0 then
    redis.call('SADD', own(args.worker, what), unpack(rooms))
  end
end

local function remove(what, rooms)
  if #rooms > 0 then
    redis.call('SREM', own(args.worker, what), unpack(rooms))
  end
end

local has_news = args.begins or #args.viewers > 0 or #args.players > 0

for i = 1, #args.viewers, 2 do
  if args.viewers[i + 1] > 0 then
    set_viewers(args.worker, args.viewers[i], args.viewers[i + 1], args.generation)
  end
end
for i = 1, #args.players, 3 do
  set_player(args.worker, args.players[i], args.players[i + 1], args.players[i + 2], args.generation)
end
for i = 1, #args.viewers, 2 do
  if args.viewers[i + 1] == 0 then
    set_viewers(args.worker, args.viewers[i], 0)
  end
end

local swept = not args.sweeps or sweep(args.worker, '(' .. args.generation)
for i = 1, #args.dead, 2 do
  swept = swept and bury(args.dead[i], args.dead[i + 1])
end

add('watched', args.add_watched)
remove('watched', args.drop_watched)
add('listed', args.add_listed)
remove('listed', args.drop_listed)

local number = args.number
if has_news then
  number = number + 1
  redis.call('HSET', WORKERS, args.worker, args.generation .. ' ' .. number)
end
if args.reads then
  check()
end
drop_oldest(args.outbox_max > 0 and redis.call('LLEN', OUTBOX) - args.outbox_max or 0)
save_seq()

local answer = {
  status = 'ok', number = number, epoch = epoch, now = now_us, unswept = not swept, more = false,
  viewers_seq = args.begins and seq or args.viewers_since, players_seq = args.begins and seq or args.players_since,
  viewers = {}, members = {}, workers = redis.call('HGETALL', WORKERS),
}
local function name_total(room)
  local viewers = total(room)
  if viewers > 0 then
    see_to_check(room)
  end
  answer.viewers[#answer.viewers + 1] = {room, viewers}
end

for _, room in ipairs(args.add_watched) do
  name_total(room)
end
for _, room in ipairs(args.add_listed) do
  answer.members[#answer.members + 1] = members(room)
end
if args.reads then
  local watched, viewers_seq, more_viewers = changes(VIEWERS_CHANGED, answer.viewers_seq, 'watched', VIEWERS_READ_MAX)
  local listed, players_seq, more_players = changes(PLAYERS_CHANGED, answer.players_seq, 'listed', PLAYERS_READ_MAX)
  for _, room in ipairs(watched) do
    name_total(room)
  end
  for _, room in ipairs(listed) do
    answer.members[#answer.members + 1] = members(room, answer.players_seq)
  end
  answer.viewers_seq, answer.players_seq = viewers_seq, players_seq
  answer.more = more_viewers or more_players
end
-- Last, so that a worker that was stalled for a minute has read what nobody else has trimmed.
trim(VIEWERS_CHANGED, 'viewers_trimmed')
trim(PLAYERS_CHANGED, 'players_trimmed')
return cmsgpack.pack(answer)
