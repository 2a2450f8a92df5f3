-- KEYS: key. ARGV: generation, intervalMs, channel, key's id
local key, generation, intervalMs = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('HEXISTS', key, 't') == 0 or number(key, 'tg') ~= generation then
  return 'not_current'
end
if math.abs(now - number(key, 'da')) < intervalMs then
  return 'too_soon'
end
-- Remembered as long as the token would have lived: nobody may put it back.
redis.call('HSET', key, 'dg', int(generation), 'da', int(now))
redis.call('HDEL', key, 't', 'tx', 'tl', 'ti', 'tb')
keep(key, 60000)
redis.call('PUBLISH', ARGV[3], 'invalidated ' .. int(generation) .. ' ' .. ARGV[4])
return 'invalidated'
