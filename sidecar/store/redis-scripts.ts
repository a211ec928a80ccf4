// What Redis does in one step, so that nobody comes in between.

/** 1 for whoever holds the lease then. In several steps, another's could be prolonged in between. */
export const leaseScript = `local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/** Given back by whoever holds it. */
export const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`
