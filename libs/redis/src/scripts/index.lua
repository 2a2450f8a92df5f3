-- Makes a key findable by its label, and forgets a few that have run out.
-- KEYS: labels, the same by when they run out. ARGV: label, for how long
local labels, untils = KEYS[1], KEYS[2]
redis.call('ZADD', labels, 0, ARGV[1])
redis.call('ZADD', untils, 'GT', int(now + ARGV[2]), ARGV[1])
local gone = redis.call('ZRANGEBYSCORE', untils, '-inf', int(now), 'LIMIT', 0, 10)
if #gone > 0 then
  redis.call('ZREM', labels, unpack(gone))
  redis.call('ZREM', untils, unpack(gone))
end
return #gone
