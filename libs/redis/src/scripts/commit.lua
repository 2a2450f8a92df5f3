-- KEYS: key. ARGV: owner, generation, grantedAtMs, lifeMs, sealed token, its id, subject, channel, key's id
local key, owner, generation = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('HGET', key, 'lo') == owner then
  redis.call('HDEL', key, 'lo', 'lx', 'll')
end
local stored = number(key, 'tg')
if stored >= generation then
  local rest = life(key)
  if rest > 0 and stored == generation then
    return { 'stored', rest }
  elseif rest > 0 then
    return { 'superseded', token(key, rest) }
  end
  return { 'superseded' }
end
local expires = tonumber(ARGV[3]) + tonumber(ARGV[4])
redis.call('HSET', key, 's', ARGV[7], 't', ARGV[5], 'tg', int(generation), 'tx', int(expires), 'tl', ARGV[4],
  'ti', ARGV[6], 'tb', owner)
redis.call('HDEL', key, 'fc', 'fm', 'fu', 'fl', 'fn')
keep(key, expires - now + 60000)
redis.call('PUBLISH', ARGV[8], 'token ' .. int(generation) .. ' ' .. ARGV[9])
return { 'stored', expires - now }
