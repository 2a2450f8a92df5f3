-- KEYS: key
local rest = life(KEYS[1])
if rest == 0 then
  return {}
end
return { token(KEYS[1], rest) }
