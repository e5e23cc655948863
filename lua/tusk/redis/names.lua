-- names.lua: what is known of commands beforehand. All others are sent as they are.
local names = {}

local function set(text)
  local all = {}
  for name in text:gmatch("%S+") do all[name] = true end
  return all
end

local function list(text)
  local all = {}
  for name in text:gmatch("%S+") do all[#all + 1] = name end
  return all
end

--- They keep their connection waiting, and get one of their own.
names.blocking = set "BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP"

--- They do if they are told to BLOCK.
names.may_block = set "XREAD XREADGROUP"

local WITH = "it is about one connection: @redis.with(function(r) … end) gives one of its own"

--- They mean nothing on a connection that tasks share, but do on one's own.
names.own = {
  WATCH = WITH, UNWATCH = WITH, WAIT = WITH, WAITAOF = WITH,
}

local MULTI = "write @redis.multi(function(tx) … end)"
local OPEN = "it is a matter of the URL: redis://user:password@host:port/db; @redis.open(url) is another connection"
local SUBSCRIBE = "write @redis.subscribe(channel), @redis.psubscribe(pattern): streams of messages"

--- They would change the connection for everybody: why not, and what instead.
names.refused = {
  MULTI = MULTI, EXEC = MULTI, DISCARD = MULTI,
  SELECT = OPEN, AUTH = OPEN, HELLO = OPEN, RESET = OPEN,
  QUIT = "write @redis.close()",
  SUBSCRIBE = SUBSCRIBE, PSUBSCRIBE = SUBSCRIBE, SSUBSCRIBE = SUBSCRIBE,
  UNSUBSCRIBE = "close the stream", PUNSUBSCRIBE = "close the stream", SUNSUBSCRIBE = "close the stream",
  MONITOR = "it has no end; use redis-cli", SYNC = "it is for replicas", PSYNC = "it is for replicas",
}

--- For suggestions.
names.known = list [[
append bgrewriteaof bgsave bitcount bitfield bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin
client cluster command config copy dbsize debug decr decrby del dump echo eval eval_ro evalsha evalsha_ro exists expire
expireat expiretime fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos geosearch geosearchstore get
getbit getdel getex getrange getset hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan
hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop
lpos lpush lpushx lrange lrem lset ltrim memory mget migrate module move mset msetnx object persist pexpire pexpireat
pexpiretime pfadd pfcount pfmerge ping psetex pttl publish pubsub randomkey rename renamenx replicaof restore role rpop
rpoplpush rpush rpushx sadd save scan scard script sdiff sdiffstore set setbit setex setnx setrange shutdown sinter
sintercard sinterstore sismember slowlog smembers smismember smove sort sort_ro spop spublish srandmember srem sscan strlen
substr sunion sunionstore swapdb time touch ttl type unlink unwatch wait watch xack xadd xautoclaim xclaim xdel xgroup xinfo
xlen xpending xrange xread xreadgroup xrevrange xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard
zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem
zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebyscore zrevrank zscan zscore zunion zunionstore
]]

local function pairs_of(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

--- Answers that are better as something else than the list that they are.
names.shapes = { HGETALL = pairs_of }

return names
