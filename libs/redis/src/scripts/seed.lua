-- KEYS: key. ARGV: generation, remainingMs, lifeMs, sealed token, its id, subject, channel, key's id
local key, generation, rest = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
if number(key, 'dg') >= generation then
  return 'invalidated'
end
local stored, storedRest = number(key, 'tg'), life(key)
if stored == generation and storedRest > rest + 1000 then
  -- The clock was set back. Whoever seeds has counted on one that cannot be.
  redis.call('HSET', key, 'tx', int(now + rest))
end
if stored > generation or (stored == generation and storedRest > 0) then
  return 'kept'
end
redis.call('HSET', key, 's', ARGV[6], 't', ARGV[4], 'tg', int(generation), 'tx', int(now + rest), 'tl', ARGV[3],
  'ti', ARGV[5])
redis.call('HDEL', key, 'tb')
keep(key, rest + 60000)
redis.call('PUBLISH', ARGV[7], 'token ' .. int(generation) .. ' ' .. ARGV[8])
return 'seeded'
