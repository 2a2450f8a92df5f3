-- KEYS: key. ARGV: owner, generation, leaseMs, subject
local key, owner, generation, leaseMs = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if number(key, 'tg') >= generation then
  return 'superseded'
end
local holder = redis.call('HGET', key, 'lo')
if holder and holder ~= owner and left(key, 'lx', 'll') > 0 then
  return 'lost'
end
local lease = math.max(number(key, 'lg'), generation)
redis.call('HSET', key, 's', ARGV[4], 'lo', owner, 'lg', int(lease), 'lx', int(now + leaseMs), 'll', leaseMs)
keep(key, leaseMs + 60000)
return 'renewed'
