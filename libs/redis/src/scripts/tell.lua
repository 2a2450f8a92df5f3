-- A replica tells of itself, and hears of all that are alive.
-- KEYS: reports, minutes, events. ARGV: name, report, what is said if it was not there, for how long the report is
-- believed, most events, which run of that name it is, how many counts; per count minutes ago, served, calls, errors, latency in all, longest; per
-- event ms ago and the event
local reports, minutes, events = KEYS[1], KEYS[2], KEYS[3]
local name, run, counts = ARGV[1], ARGV[6], tonumber(ARGV[7])
local function append(agoMs, event)
  redis.call('XADD', events, 'MAXLEN', '~', ARGV[5], '*', 'a', agoMs, 'e', event)
end
-- With the run stands the time to live: versions that know none take both for the run.
local function write(replica, at, stamp, report)
  redis.call('HSET', reports, replica, int(at) .. ' ' .. stamp .. ' ' .. report)
end
local function note(kind, replica, detail)
  local id = replica .. '/' .. kind .. '-' .. int(micros)
  append('0', cjson.encode({ id = id, kind = kind, replica = replica, detail = detail }))
end

local found = redis.call('HGETALL', reports)
local seen, newest, silence = {}, 0, 0
for i = 1, #found, 2 do
  -- Later than now if the clock was set back.
  local writtenAt, stamp, report = found[i + 1]:match('^(%d+) ([^ ]*) (.*)$')
  -- Else a version that is not known here wrote it, for replicas of its own.
  if writtenAt then
    local itsRun, ttl = stamp:match('^([^/]*)/?(%d*)')
    local at = math.min(tonumber(writtenAt), now)
    if ttl == '' then
      ttl = '5000'
    end
    seen[#seen + 1] = { name = found[i], at = at, moved = at < tonumber(writtenAt), run = itsRun, ttl = ttl, stamp = stamp, report = report }
    if at > newest then
      newest, silence = at, ttl / 2
    end
  end
end
-- Nobody could report for a while, or the clock was set forward: that says nothing of who is still there.
local gap = now - newest
if gap < silence then
  gap = 0
end
local isKnown, answer = false, { now }
for _, each in ipairs(seen) do
  local at = each.at + gap
  if each.name == name and each.run == run then
    isKnown = true
  elseif each.name == name or now - at > tonumber(each.ttl) then
    redis.call('HDEL', reports, each.name)
    note('replica_went', each.name, 'it did not say goodbye')
  else
    if gap > 0 or each.moved then
      write(each.name, at, each.stamp, each.report)
    end
    answer[#answer + 1] = now - at
    answer[#answer + 1] = each.report
  end
end
if not isKnown then
  note('replica_came', name, ARGV[3])
end
write(name, now, run .. '/' .. ARGV[4], ARGV[2])
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
    if (tonumber(field) or minute) <= minute - 120 then
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
