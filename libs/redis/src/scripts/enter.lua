-- Lets the owner of a lease call the upstream, if nothing speaks against it.
-- KEYS: failure of the client, failure of the credentials, calls of the client, breaker.
-- ARGV: owner, for how long, most calls, failures that open the breaker
local client, credentials, calls, breaker = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner, forMs = ARGV[1], tonumber(ARGV[2])
for _, held in ipairs({ client, credentials }) do
  local cooling = left(held, 'fu', 'fl')
  if cooling > 0 then
    local failure = redis.call('HMGET', held, 'fc', 'fm', 'fs')
    return { 'failed', failure[1], failure[2], failure[3], cooling }
  end
end
redis.call('ZREMRANGEBYSCORE', calls, '-inf', int(now))
if not redis.call('ZSCORE', calls, owner) and redis.call('ZCARD', calls) >= tonumber(ARGV[3]) then
  return { 'full', tonumber(redis.call('ZRANGE', calls, 0, 0, 'WITHSCORES')[2]) - now }
end
if number(breaker, 'bn') >= tonumber(ARGV[4]) then
  local open = left(breaker, 'bu', 'bl')
  if open > 0 then
    return { 'open', open }
  end
  local probing = left(breaker, 'px', 'pl')
  if probing > 0 and redis.call('HGET', breaker, 'po') ~= owner then
    return { 'open', probing }
  end
  redis.call('HSET', breaker, 'po', owner, 'px', int(now + forMs), 'pl', forMs)
end
redis.call('ZADD', calls, int(now + forMs), owner)
keep(calls, forMs + 1000)
return { 'entered' }
