-- KEYS: key. ARGV: generation, remainingMs, as of when, lifeMs, sealed token, its id, subject, channel, key's id
local key, generation = KEYS[1], tonumber(ARGV[1])
-- Since then it has aged, if this waited long in a hung Redis.
local rest = tonumber(ARGV[2]) - math.max(0, now - tonumber(ARGV[3]))
if number(key, 'dg') >= generation then
  return 'invalidated'
end
local stored, storedRest = number(key, 'tg'), life(key)
if stored == generation and storedRest > rest + 1000 then
  -- The clock was set back. Whoever seeds has counted on one that cannot be.
  redis.call('HSET', key, 'tx', int(now + rest))
end
if rest <= 0 or stored > generation or (stored == generation and storedRest > 0) then
  return 'kept'
end
redis.call('HSET', key, 's', ARGV[7], 't', ARGV[5], 'tg', int(generation), 'tx', int(now + rest), 'tl', ARGV[4],
  'ti', ARGV[6])
redis.call('HDEL', key, 'tb')
keep(key, rest + 60000)
redis.call('PUBLISH', ARGV[8], 'token ' .. int(generation) .. ' ' .. ARGV[9])
return 'seeded'
