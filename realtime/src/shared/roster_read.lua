-- KEYS: a node's lease, its connected doctors. Answers nil without a lease: then nothing is known of the node.
if redis.call('exists', KEYS[1]) == 0 then
  return false
end
return redis.call('smembers', KEYS[2])
