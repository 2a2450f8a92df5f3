-- KEYS: calls of the client, breaker. ARGV: owner, for how long
local calls, breaker, owner, forMs = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', calls, 'XX', int(now + forMs), owner)
keep(calls, forMs + 1000)
if redis.call('HGET', breaker, 'po') == owner then
  redis.call('HSET', breaker, 'px', int(now + forMs), 'pl', forMs)
end
return 1
