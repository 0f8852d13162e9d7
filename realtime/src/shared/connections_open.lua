-- KEYS: the user's connections, by when they opened. ARGV: the new one as node/connection; when it opened; time to live in
-- ms; how many a user may hold; how many of them this node holds; these; then the nodes that live, where that is known.
-- Answers those that have to make room, the oldest first.
redis.call('zadd', KEYS[1], ARGV[2], ARGV[1])
redis.call('pexpire', KEYS[1], ARGV[3])
local own = tonumber(ARGV[5])
local here, held, live = string.match(ARGV[1], '^[^/]*'), {}, {}
for i = 6, 5 + own do
  held[ARGV[i]] = true
end
for i = 6 + own, #ARGV do
  live[ARGV[i]] = true
end
local certain = #ARGV > 5 + own
for _, member in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
  local node = string.match(member, '^[^/]*')
  if (node == here and not held[member]) or (node ~= here and certain and not live[node]) then
    redis.call('zrem', KEYS[1], member)
  end
end
local over = redis.call('zcard', KEYS[1]) - tonumber(ARGV[4])
if over <= 0 then
  return {}
end
local oldest = redis.call('zrange', KEYS[1], 0, over - 1)
for _, member in ipairs(oldest) do
  redis.call('zrem', KEYS[1], member)
end
return oldest
