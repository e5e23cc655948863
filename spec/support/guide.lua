-- guide.lua: systems as the guide has them, its mistakes and all, written with our operators. Specs show beside them that
-- ours are not made so; nothing else uses them.
local guide = {}

-- join_all, then what succeeded
local function succeeded(fns)
  local list = {}
  for _, outcome in ipairs(@all_settled(fns)) do
    if outcome.ok and outcome.value then list[#list + 1] = outcome.value end
  end
  return list
end

--- fn of each, all at once; only what succeeded is returned.
function guide.join_all(items, fn)
  local fns = {}
  for i, item in ipairs(items) do fns[i] = function() return fn(item) end end
  return succeeded(fns)
end

--- Looks, then asks, then keeps.
function guide.cached_operation(cache, key, ttl, operation)
  local value = cache.get(key)
  if value then return value end
  value = operation()
  cache.set(key, value, ttl)
  return value
end

--- Whatever it gets is a user.
function guide.fetch_user_data(url)
  return @http.get(url):json()
end

function guide.create_user_with_profile(db, cache, user, profile)
  return db.transaction(function(tx)
    local id = tx.table("users"):insert_get_id(user)
    profile.user_id = id
    tx.profiles.insert(profile)
    cache.set("user:" .. id, user, 3600)
    return id
  end)
end

--- Its statements go by a connection of the pool, and not by the one that the transaction is on.
function guide.process_user_data(db, other, id, changes, event)
  return db.transaction({ mode = "deferred" }, function()
    other.users.update(id, changes)
    other.events.insert(event)
  end)
end

--- What it writes is what it has read before, and something added.
function guide.update_user(db, id)
  local user = db.users.find(id)
  @yield() -- the other reads are waited for
  return db.users.update(id, { visits = user.visits + 1 })
end

function guide.post(url, data)
  for attempt = 1, 3 do
    local response, err = @try(@http.post, url, { json = data })
    if response and response.ok then return response:json() end
    if response then error("HTTP error: " .. response.status, 0) end
    if attempt == 3 then error(err, 0) end
    @sleep("1ms") -- 2 ^ attempt seconds; the server is real
  end
end

function guide.read_file(base_path, name)
  return @file.read(name:sub(1, 1) == "/" and name or base_path .. "/" .. name) -- as PathBuf::join does
end

--- between(): what others do between its two steps.
function guide.write_file_atomic(path, content, between)
  local temp_path = path:gsub("%.%w+$", "") .. ".tmp"
  @file.write(temp_path, content)
  between()
  @file.rename(temp_path, path)
end

function guide.generate_data_stream(fetch_data)
  return @stream.unfold(0, function(offset)
    local items = @try(fetch_data, offset)
    if not items or #items == 0 then return nil end
    return items, offset + #items
  end):flat_map(function(items) return items end)
end

--- A queue that takes everything, its workers, and how it is ended, if somebody does.
function guide.background(worker_count, process_task)
  local queue = @channel(1e6)
  local workers = {}
  for i = 1, worker_count do
    workers[i] = @spawn(function()
      for task in queue do @try(process_task, task) end
    end)
  end
  return { queue = queue, workers = workers }
end

function guide.retry_with_backoff(operation, max_retries)
  local attempt = 0
  while true do
    local value, err = @try(operation)
    if not err then return value end
    attempt = attempt + 1
    if attempt >= max_retries then error(err, 0) end
    @sleep(2 ^ attempt)
  end
end

function guide.with_timeout(operation, timeout)
  local value, err = @try(@timeout, timeout, operation)
  if err then error("Operation timed out", 0) end
  return value
end

function guide.with_circuit_breaker(operation, breaker)
  if breaker:is_open() then error("Circuit breaker is open", 0) end
  local value, err = @try(operation)
  breaker.failure_count = err and breaker.failure_count + 1 or 0
  if not err then return value end
  breaker.last_failure_time = @date.clock()
  error(err, 0)
end

function guide.circuit_breaker(failure_threshold, timeout)
  return { failure_count = 0, is_open = function(self)
    if self.failure_count < failure_threshold then return false end
    if @date.clock() - self.last_failure_time < timeout then return true end
    self.failure_count = 0
    return false
  end }
end

--- pool: acquire() and release(connection).
function guide.with_connection_pool(pool, operation)
  local connection = pool.acquire()
  local value = operation()
  pool.release(connection)
  return value
end

function guide.batch_process(items, batch_size, processor)
  local results = {}
  for i = 1, #items, batch_size do
    for _, result in ipairs(processor { unpack(items, i, math.min(i + batch_size - 1, #items)) }) do
      results[#results + 1] = result
    end
  end
  return results
end

function guide.rate_limiter(max_tokens, refill_rate)
  local limiter = { tokens = max_tokens, last_refill = @date.clock(), looks = 0 }

  local function refill_tokens()
    local now = @date.clock()
    local more = math.floor((now - limiter.last_refill) * refill_rate)
    if more <= 0 then return end
    limiter.tokens = math.min(limiter.tokens + more, max_tokens)
    limiter.last_refill = now
  end

  function limiter.acquire()
    while true do
      limiter.looks = limiter.looks + 1
      refill_tokens()
      if limiter.tokens > 0 then
        limiter.tokens = limiter.tokens - 1
        return
      end
      @sleep("10ms")
    end
  end

  return limiter
end

return guide
