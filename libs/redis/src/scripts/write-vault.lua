-- All changes or none. KEYS: the vault. ARGV: per change name, expected version (0: none yet), new version, sealed
-- record or ''
local vault = KEYS[1]
for i = 1, #ARGV, 4 do
  local version = tonumber((redis.call('HGET', vault, ARGV[i]) or '0'):match('^%d+'))
  if version ~= tonumber(ARGV[i + 1]) then
    return ARGV[i]
  end
end
for i = 1, #ARGV, 4 do
  if ARGV[i + 3] == '' then
    redis.call('HDEL', vault, ARGV[i])
  else
    redis.call('HSET', vault, ARGV[i], ARGV[i + 2] .. ' ' .. ARGV[i + 3])
  end
end
return ''
