-- A call has ended. What it says of the upstream, and of the client and its credentials, is kept for all.
-- KEYS: failure of the client, failure of the credentials, calls of the client, breaker.
-- ARGV: owner, verdict (alive, transport, none), forgive (1 or 0), failures that open the breaker, its first and its
-- longest time; and for a failure wider than one key: scope, code, message, firstMs, maxMs, stretch
local client, credentials, calls, breaker = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner, verdict = ARGV[1], ARGV[2]
redis.call('ZREM', calls, owner)
if redis.call('HGET', breaker, 'po') == owner then
  redis.call('HDEL', breaker, 'po', 'px', 'pl')
end
if ARGV[3] == '1' then
  redis.call('DEL', client, credentials)
end
if verdict == 'alive' then
  redis.call('DEL', breaker)
elseif verdict == 'transport' then
  local failures = redis.call('HINCRBY', breaker, 'bn', 1)
  if failures >= tonumber(ARGV[4]) and left(breaker, 'bu', 'bl') == 0 then
    local opened = number(breaker, 'bo')
    local open = math.min(ARGV[5] * 2 ^ opened, tonumber(ARGV[6]))
    redis.call('HSET', breaker, 'bu', int(now + open), 'bl', int(open), 'bo', opened + 1)
  end
  keep(breaker, 2 * ARGV[6])
end
if not ARGV[7] then
  return 0
end
local held = credentials
if ARGV[7] == 'client' then
  held = client
end
local inARow = number(held, 'fn') + 1
local cooling = math.ceil(math.min(ARGV[10] * 2 ^ (inARow - 1), tonumber(ARGV[11])) * ARGV[12])
redis.call('HSET', held, 'fs', ARGV[7], 'fc', ARGV[8], 'fm', ARGV[9], 'fu', int(now + cooling), 'fl', cooling,
  'fn', inARow)
keep(held, cooling + ARGV[11])
return cooling
