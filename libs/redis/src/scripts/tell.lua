-- A replica tells of itself, and hears of all that are alive.
-- KEYS: reports, minutes, events. ARGV: name, report, what is said if it was not there, time to live, most events, which
-- run of that name it is, how many counts; per count minutes ago, served, calls, errors, latency in all, longest; per
-- event ms ago and the event
local reports, minutes, events = KEYS[1], KEYS[2], KEYS[3]
local name, ttl, run, counts = ARGV[1], tonumber(ARGV[4]), ARGV[6], tonumber(ARGV[7])
local function append(agoMs, event)
  redis.call('XADD', events, 'MAXLEN', '~', ARGV[5], '*', 'a', agoMs, 'e', event)
end
local function note(kind, replica, detail)
  local id = replica .. '/' .. kind .. '-' .. int(micros)
  append('0', cjson.encode({ id = id, kind = kind, replica = replica, detail = detail }))
end

local found = redis.call('HGETALL', reports)
local seen, newest = {}, 0
for i = 1, #found, 2 do
  -- Later than now if the clock was set back.
  local writtenAt, itsRun, report = found[i + 1]:match('^(%d+) (%S*) (.*)$')
  local at = math.min(tonumber(writtenAt), now)
  seen[#seen + 1] = { name = found[i], at = at, moved = at < tonumber(writtenAt), run = itsRun, report = report }
  newest = math.max(newest, at)
end
-- Nobody could report for a while, or the clock was set forward: that says nothing of who is still there.
local gap = now - newest
if gap < ttl / 2 then
  gap = 0
end
local isKnown, answer = false, { now }
for _, each in ipairs(seen) do
  local at = each.at + gap
  if each.name == name and each.run == run then
    isKnown = true
  elseif each.name == name or now - at > ttl then
    redis.call('HDEL', reports, each.name)
    note('replica_went', each.name, 'it did not say goodbye')
  else
    if gap > 0 or each.moved then
      redis.call('HSET', reports, each.name, int(at) .. ' ' .. each.run .. ' ' .. each.report)
    end
    answer[#answer + 1] = now - at
    answer[#answer + 1] = each.report
  end
end
if not isKnown then
  note('replica_came', name, ARGV[3])
end
redis.call('HSET', reports, name, int(now) .. ' ' .. run .. ' ' .. ARGV[2])
redis.call('PEXPIRE', reports, 60000)

local minute, isNew = math.floor(now / 60000), false
for i = 8, 7 + 6 * counts, 6 do
  local field, sums = int(minute - ARGV[i]), {}
  for sum in (redis.call('HGET', minutes, field) or ''):gmatch('%d+') do
    sums[#sums + 1] = tonumber(sum)
  end
  for n = 1, 4 do
    sums[n] = int((sums[n] or 0) + ARGV[i + n])
  end
  sums[5] = int(math.max(sums[5] or 0, tonumber(ARGV[i + 5])))
  isNew = redis.call('HSET', minutes, field, table.concat(sums, ' ')) == 1 or isNew
end
if isNew then
  for _, field in ipairs(redis.call('HKEYS', minutes)) do
    if tonumber(field) <= minute - 120 then
      redis.call('HDEL', minutes, field)
    end
  end
  redis.call('PEXPIRE', minutes, 7200000)
end

for i = 8 + 6 * counts, #ARGV, 2 do
  append(ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', events, 86400000)
return answer
