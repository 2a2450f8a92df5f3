-- KEYS: failure of the client, failure of the credentials, calls of the client, breaker
local heldBack = {}
for i = 1, 2 do
  local cooling = left(KEYS[i], 'fu', 'fl')
  if cooling > 0 and #heldBack == 0 then
    local failure = redis.call('HMGET', KEYS[i], 'fc', 'fm', 'fs')
    heldBack = { failure[1], failure[2], failure[3], cooling }
  end
end
local breaker = KEYS[4]
return { heldBack, redis.call('ZCOUNT', KEYS[3], '(' .. int(now), '+inf'), number(breaker, 'bn'),
  left(breaker, 'bu', 'bl') }
