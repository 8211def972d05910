-- How many viewers are in each of args.rooms, in their order. After shard.lua.

local totals = {}
for i, room in ipairs(args.rooms) do
  totals[i] = total(room)
  if totals[i] > 0 then
    see_to_check(room)
  end
end
return cmsgpack.pack({totals = totals, epoch = change_in('epoch'), now = now_us, workers = redis.call('HGETALL', WORKERS)})
