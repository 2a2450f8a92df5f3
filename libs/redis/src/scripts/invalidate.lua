-- KEYS: key. ARGV: generation, intervalMs, channel, key's id
local key, generation, intervalMs = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local stored = number(key, 'tg')
if stored > generation or (stored == generation and redis.call('HEXISTS', key, 't') == 0) then
  return 'not_current'
end
if math.abs(now - number(key, 'da')) < intervalMs then
  return 'too_soon'
end
-- Remembered as long as the token would have lived: nobody may put it back.
-- A store that has lost the token keeps in mind that it is bad as well.
redis.call('HSET', key, 'tg', int(generation), 'dg', int(generation), 'da', int(now))
redis.call('HDEL', key, 't', 'tx', 'tl', 'ti', 'tb')
keep(key, stored == generation and 60000 or 86400000)
redis.call('PUBLISH', ARGV[3], 'invalidated ' .. int(generation) .. ' ' .. ARGV[4])
return 'invalidated'
