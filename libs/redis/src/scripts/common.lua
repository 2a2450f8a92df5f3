-- Put in front of every script. Times are in ms on Redis' clock; scripts answer with durations.
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

-- Lua would write a large number as 1.7e+15.
local function int(number)
  return string.format('%.0f', number)
end

-- The key lives at least this much longer.
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, int(ms))
  end
end

-- How much is left until the instant in one field, of a span whose full length stands in the other.
-- More than the whole span can only be left if the clock was set back: then the span starts anew.
local function left(key, untilField, fullField)
  local found = redis.call('HMGET', key, untilField, fullField)
  local rest, full = (tonumber(found[1]) or 0) - now, tonumber(found[2]) or 0
  if rest <= 0 then
    return 0
  end
  if rest > full then
    redis.call('HSET', key, untilField, int(now + full))
    return full
  end
  return rest
end

-- Life left of the token, 0 if there is none. If the clock was set back to before its grant, nobody knows its age.
local function life(key)
  local found = redis.call('HMGET', key, 'tx', 'tl')
  local rest, full = (tonumber(found[1]) or 0) - now, tonumber(found[2]) or 0
  if rest <= 0 or rest > full then
    return 0
  end
  return rest
end

local function number(key, field)
  return tonumber(redis.call('HGET', key, field)) or 0
end

-- A token as it is answered: sealed, its generation, whole life, life left, and the time by which that was reckoned.
-- Where another version keeps it is not known here: then nothing is what was sealed.
local function token(key, rest)
  local found = redis.call('HMGET', key, 't', 'tg', 'tl')
  return found[1] or '', tonumber(found[2]), tonumber(found[3]), rest, now
end
