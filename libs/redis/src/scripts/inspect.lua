-- KEYS: key. Everything but the token itself.
local key = KEYS[1]
local found = redis.call('HMGET', key, 's', 'ti', 'tg', 'tl', 'tb', 'lo', 'lg', 'fc', 'fm', 'fn')
if not found[1] then
  return {}
end
local function text(value)
  return value or ''
end
return {
  found[1],
  life(key), text(found[2]), tonumber(found[3]) or 0, tonumber(found[4]) or 0, text(found[5]),
  left(key, 'lx', 'll'), text(found[6]), tonumber(found[7]) or 0,
  left(key, 'fu', 'fl'), text(found[8]), text(found[9]), tonumber(found[10]) or 0,
}
