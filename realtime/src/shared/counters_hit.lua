-- KEYS: a counter. ARGV: the window in ms; how many are let through; how many to add: 1 or 0.
-- Answers 0, or how long to wait in ms.
local add = tonumber(ARGV[3])
local used = tonumber(redis.call('get', KEYS[1]) or '0')
if add > 0 then
  used = redis.call('incrby', KEYS[1], add)
end
local left = redis.call('pttl', KEYS[1])
if left == -1 then
  redis.call('pexpire', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
local count = tonumber(ARGV[2])
if (add > 0 and used > count) or (add == 0 and used >= count) then
  return math.max(left, 1)
end
return 0
