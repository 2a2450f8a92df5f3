-- KEYS: reports, events. ARGV: name, most events, what is said
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
  local id = ARGV[1] .. '/replica_went-' .. int(micros)
  local event = cjson.encode({ id = id, kind = 'replica_went', replica = ARGV[1], detail = ARGV[3] })
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'a', '0', 'e', event)
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
return now
