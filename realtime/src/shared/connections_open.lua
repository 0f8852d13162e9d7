-- KEYS: the user's connections, by when they opened. ARGV: the new one as node/connection; when it opened; time to live in
-- ms; how many a user may hold; then the nodes that live, where that is known.
-- Answers those that have to make room, the oldest first.
redis.call('zadd', KEYS[1], ARGV[2], ARGV[1])
redis.call('pexpire', KEYS[1], ARGV[3])
if #ARGV > 4 then
  local live = {}
  for i = 5, #ARGV do
    live[ARGV[i]] = true
  end
  for _, member in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
    if not live[string.match(member, '^[^/]*')] then
      redis.call('zrem', KEYS[1], member)
    end
  end
end
local over = redis.call('zcard', KEYS[1]) - tonumber(ARGV[4])
if over <= 0 then
  return {}
end
local oldest = redis.call('zrange', KEYS[1], 0, over - 1)
redis.call('zrem', KEYS[1], unpack(oldest))
return oldest
