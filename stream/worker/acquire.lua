-- Takes a partition: raises the step of its position above every step used so far, so an older owner's commit fails.
-- KEYS: position, outbox, due.
-- ARGV: 1 step of K (16 hex digits, or empty: K has none), 2 the mark to set where the position is behind that step,
--       3 body of a first position (or empty: don't make one), 4 the mark of a first position.
-- Returns {'ok', position before | false, position now, outbox | false, smallest due score | false}
--      or {'absent'} or {'type', key, type found} or {'malformed'}; only 'ok' has written anything.

local wanted = {'string', 'string', 'zset'}
for i, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted[i] then
    return {'type', key, found}
  end
end

-- Steps have 64 bits and a Lua number 53, so they are compared by halves.
local function below(a, b)
  local high_a, high_b = tonumber(a:sub(1, 8), 16), tonumber(b:sub(1, 8), 16)
  if high_a ~= high_b then
    return high_a < high_b
  end
  return tonumber(a:sub(9), 16) < tonumber(b:sub(9), 16)
end

local before = redis.call('GET', KEYS[1])
local step, mark, body
if before then
  step, mark, body = before:match('^(%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x)\n([^\n]*)\n(.+)$')
  if not step then
    return {'malformed'}
  end
  if ARGV[1] ~= '' and below(step, ARGV[1]) then
    mark = ARGV[2]
  end
elseif ARGV[3] == '' then
  return {'absent'}
else
  step, mark, body = string.rep('0', 16), ARGV[4], ARGV[3]
end

local highest = step
if ARGV[1] ~= '' and below(step, ARGV[1]) then
  highest = ARGV[1]
end
local now = string.format('%08x%08x\n%s\n%s', tonumber(highest:sub(1, 8), 16) + 1, 0, mark, body)

redis.call('SET', KEYS[1], now)
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return {'ok', before, now, redis.call('GET', KEYS[2]), first[2] or false}
