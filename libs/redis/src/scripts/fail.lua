-- KEYS: key. ARGV: owner, generation, channel, key's id, code, message, firstMs, maxMs, stretch
-- Without a code the failure is kept elsewhere, or there was none: the lease is given back. Without a channel nobody is
-- told: whoever was woken by that would only meet the same gate.
local key = KEYS[1]
if redis.call('HGET', key, 'lo') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', key, 'lo', 'lx', 'll')
local cooling = 1
if ARGV[5] then
  local inARow = number(key, 'fn') + 1
  cooling = math.ceil(math.min(ARGV[7] * 2 ^ (inARow - 1), tonumber(ARGV[8])) * ARGV[9])
  redis.call('HSET', key, 'fc', ARGV[5], 'fm', ARGV[6], 'fu', int(now + cooling), 'fl', cooling, 'fn', inARow)
  keep(key, cooling + ARGV[8])
end
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], 'failed ' .. ARGV[2] .. ' ' .. ARGV[4])
end
return cooling
