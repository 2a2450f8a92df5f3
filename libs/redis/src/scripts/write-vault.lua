-- All changes or none. KEYS: the vault. ARGV: per change name, expected version (0: none yet), sealed record or ''
local vault = KEYS[1]
for i = 1, #ARGV, 3 do
  local version = tonumber((redis.call('HGET', vault, ARGV[i]) or '0'):match('^%d+'))
  if version ~= tonumber(ARGV[i + 1]) then
    return ARGV[i]
  end
end
for i = 1, #ARGV, 3 do
  if ARGV[i + 2] == '' then
    redis.call('HDEL', vault, ARGV[i])
  else
    redis.call('HSET', vault, ARGV[i], int(ARGV[i + 1] + 1) .. ' ' .. ARGV[i + 2])
  end
end
return ''
