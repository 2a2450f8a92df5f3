-- For wrk: asks for the tokens of random merchants, of as many as BENCH_COUNT says.
local key, count = os.getenv('BENCH_KEY'), tonumber(os.getenv('BENCH_COUNT'))
local headers = { ['Authorization'] = 'Bearer ' .. key, ['Content-Type'] = 'application/json' }
local body = '{"client":"bench","merchant_vat":"DK%08d"}'

math.randomseed(os.time())

function request()
  return wrk.format('POST', nil, headers, body:format(math.random(0, count - 1)))
end
