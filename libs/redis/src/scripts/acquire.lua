-- KEYS: key. ARGV: owner, leaseMs, haveGeneration, minRemainingMs, subject
local key, owner, leaseMs = KEYS[1], ARGV[1], tonumber(ARGV[2])
local generation, rest = number(key, 'tg'), life(key)
if rest > 0 and generation > tonumber(ARGV[3]) and rest >= tonumber(ARGV[4]) then
  return { 'hit', token(key, rest) }
end
local cooling = left(key, 'fu', 'fl')
if cooling > 0 then
  local failure = redis.call('HMGET', key, 'fc', 'fm')
  return { 'failed', failure[1], failure[2], cooling }
end
local running = left(key, 'lx', 'll')
local isOwn = running > 0 and redis.call('HGET', key, 'lo') == owner
if running > 0 and not isOwn then
  return { 'busy', running }
end
local lease = number(key, 'lg')
if not isOwn then
  lease = math.max(micros, generation + 1, lease + 1)
end
redis.call('HSET', key, 's', ARGV[5], 'lo', owner, 'lg', int(lease), 'lx', int(now + leaseMs), 'll', leaseMs)
keep(key, leaseMs + 60000)
return { 'lead', lease, now }
