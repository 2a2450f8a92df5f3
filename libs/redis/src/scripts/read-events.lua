-- What was told after a cursor, the oldest first; without one, the newest of all. Per event: how long ago, and the event.
-- KEYS: events. ARGV: cursor or '', how many
local found, answer = {}, { ARGV[1] }
if ARGV[1] == '' then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
  for i = #newest, 1, -1 do
    found[#found + 1] = newest[i]
  end
else
  local ms, seq = ARGV[1]:match('^(%d+)-(%d+)$')
  found = redis.call('XRANGE', KEYS[1], ms .. '-' .. int(seq + 1), '+', 'COUNT', ARGV[2])
end
for _, each in ipairs(found) do
  local agoMs, event = tonumber(each[2][2]), each[2][4]
  answer[1] = each[1]
  -- Else a version that is not known here wrote it.
  if agoMs and event then
    answer[#answer + 1] = math.max(0, now - each[1]:match('^%d+')) + agoMs
    answer[#answer + 1] = event
  end
end
return answer
