-- KEYS: the node's lease, its connected doctors.
-- ARGV: time to live in ms; whole, some or nobody: what the set holds as far as the node knows; how many doctors are new;
-- these, then those who left. Answers 0, and changes nothing, where Redis has forgotten and all must be written.
local whole = ARGV[2] == 'whole'
if not whole and redis.call('exists', KEYS[1]) == 0 then
  return 0
end
if ARGV[2] == 'some' and redis.call('exists', KEYS[2]) == 0 then
  return 0
end
if whole then
  redis.call('del', KEYS[2])
end
local new = tonumber(ARGV[3])
for i = 4, #ARGV do
  redis.call(i < 4 + new and 'sadd' or 'srem', KEYS[2], ARGV[i])
end
redis.call('set', KEYS[1], '1', 'px', ARGV[1])
redis.call('pexpire', KEYS[2], ARGV[1])
return 1
