-- Commits a step of one partition: rows, sizes, sets, due, outbox and position change together, or nothing does.
-- KEYS: position, outbox, due, sizes, then the buckets of rows and of backfilled rows, then the sets of members, then
--       the keys (hashes and sets) that go.
-- ARGV: 1 the step that the position must have (16 hex digits), 2 the new position, 3 the newest step known to be published,
--       4 the new outbox (or empty), 5 how many of the keys are buckets, 6 all rows one after the other (Redis's MessagePack
--       reads no binary), 7 the work in MessagePack: { per bucket {user, length of the row, …} in the order of the rows,
--       {segment, change of its size, …}, per set {{joined…}, {left…}}, {score, user, …} to set in due,
--       {user, …} to take out of due, {name, …} to take out of sizes }.
-- Returns {'ok', smallest due score | false} or, with nothing written, {'step', position | false},
-- {'outbox', its step}, {'type', key, type found} or {'size', segment, value found}.

local buckets = tonumber(ARGV[5])
local work = cmsgpack.unpack(ARGV[7])
local rows, sizes, sets, due, undue, gone = work[1], work[2], work[3], work[4], work[5], work[6]
local last = 4 + buckets + #sets

-- A script isn't rolled back, so everything that could fail midway is looked at before the first write.
local fixed = {'string', 'string', 'zset', 'hash'}
for i, key in ipairs(KEYS) do
  local wanted = fixed[i] or (i <= 4 + buckets and 'hash' or 'set')
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted and not (i > last and found == 'hash') then
    return {'type', key, found}
  end
end

local position = redis.call('GET', KEYS[1])
if not position or position:sub(1, 16) ~= ARGV[1] then
  return {'step', position}
end

-- Steps are 16 hex digits; two halves fit a Lua number each.
local outbox_step = redis.call('GETRANGE', KEYS[2], 0, 15)
if outbox_step ~= '' then
  local high, high_known = tonumber(outbox_step:sub(1, 8), 16), tonumber(ARGV[3]:sub(1, 8), 16)
  local low, low_known = tonumber(outbox_step:sub(9), 16), tonumber(ARGV[3]:sub(9), 16)
  if not (high and low) or high > high_known or (high == high_known and low > low_known) then
    return {'outbox', outbox_step}
  end
end

for i = 1, #sizes, 2 do
  local value = redis.call('HGET', KEYS[4], sizes[i])
  if value and not value:match('^%-?%d+$') then
    return {'size', sizes[i], value}
  end
end

-- Lua's unpack takes some 8,000 values at most; an even number keeps pairs together.
local CHUNK = 4000
local function in_chunks(command, key, values)
  for i = 1, #values, CHUNK do
    redis.call(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
end

local at = 1
for i, fields in ipairs(rows) do
  for k = 2, #fields, 2 do
    local after = at + fields[k]
    fields[k] = ARGV[6]:sub(at, after - 1)
    at = after
  end
  in_chunks('HSET', KEYS[4 + i], fields)
end
for i = 1, #sizes, 2 do
  redis.call('HINCRBY', KEYS[4], sizes[i], sizes[i + 1])
end
for i, members in ipairs(sets) do
  in_chunks('SREM', KEYS[4 + buckets + i], members[2])
  in_chunks('SADD', KEYS[4 + buckets + i], members[1])
end
in_chunks('HDEL', KEYS[4], gone)
for i = last + 1, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
in_chunks('ZREM', KEYS[3], undue)
in_chunks('ZADD', KEYS[3], due)
if ARGV[4] == '' then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], ARGV[4])
end
redis.call('SET', KEYS[1], ARGV[2])

local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return {'ok', first[2] or false}
