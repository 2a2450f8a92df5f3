-- The last minutes, the oldest first, as they are stored, behind the time since the newest began.
-- KEYS: minutes. ARGV: how many
local minute, fields = math.floor(now / 60000), {}
for i = ARGV[1] - 1, 0, -1 do
  fields[#fields + 1] = int(minute - i)
end
local answer = { now - minute * 60000 }
for _, sums in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  answer[#answer + 1] = sums or ''
end
return answer
