-- transaction.lua: transactions: begun, bound to a task, committed or rolled back; savepoints inside.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local raw = require "tusk.binding.sqlite"
local scope = require "tusk.scope"

local settle = core.settle
local transaction = {}

---@class tusk.db.Tx
---@field database table
---@field raw userdata
---@field owner userdata the task that began it
---@field began number
---@field savepoints table[] those open, outermost first; each { owner = task }
local Tx = {}
Tx.__index = Tx

-- tx → what its body runs in, and all that the body starts. Who has the tx must not keep that: the scope of a body that is
-- never run to its end is to be collected.
local scopes = setmetatable({}, { __mode = "kv" })

-- Is the running task that one, or started by it or by one of its children?
local function within(task)
  local at = core.current()
  while at do
    if at == task then return true end
    at = select(4, kernel.info(at))
  end
  return false
end

--- The raw handle of a call made now. While a savepoint is open only tasks inside it go on.
function Tx:handle()
  local innermost = self.savepoints[#self.savepoints]
  while innermost and not within(innermost.owner) do
    self.line:park()
    innermost = self.savepoints[#self.savepoints]
  end
  return self.raw
end

--- The raw handle of a call on the database made now, while it has transactions.
function transaction.handle(database)
  local mine = core.local_get(database)
  if mine then return mine:handle() end
  if not transaction.is_inside(database) then return database.raw end
  database.outside = database.outside or raw.outside(database.raw)
  return database.outside
end

--- Is the running task in a transaction that is open on the database, its own or one that waits for it? What its owner has
--- started before, or outside of the body, is not: main.lua owns the tasks of plugins, and its transactions do not wait for them.
function transaction.is_inside(database)
  local me = core.current()
  for tx in pairs(database.open) do
    if tx.owner == me or scopes[tx] and kernel.scope_inside(scopes[tx]) then return true end
  end
  return false
end

local function new(database, handle)
  return setmetatable({
    database = database, raw = handle, owner = core.current(), savepoints = {}, hooks = {}, line = core.Queue.new(),
    began = kernel.now(),
  }, Tx)
end

local function pack(...)
  return { n = select("#", ...), ... }
end

-- Children started in the body are waited for before the transaction ends.
local function in_scope(s, tx, fn, abandoned)
  scopes[tx] = scopes[tx] or s -- of the outermost one
  scope.on_abandon(s, abandoned)
  return fn(tx.namespace)
end

-- abandoned() if it runs in a coroutine that is never run to its end.
local function run_body(tx, fn, abandoned)
  local before, me = core.local_get(tx.database), core.current()
  core.local_set(tx.database, tx)
  local out = pack(pcall(core.scope, nil, in_scope, tx, fn, function()
    core.local_set(tx.database, before, me)
    abandoned()
  end))
  core.local_set(tx.database, before)
  return out
end

local function command(verb, ...)
  return settle(raw[verb](...))
end

-- Runs hooks in order; the first failure is raised when all have run.
local function run_hooks(hooks)
  local failed
  for _, hook in ipairs(hooks) do
    local ok, err = pcall(hook)
    if not ok and failed == nil then failed = err end
  end
  if failed ~= nil then error(failed, 0) end
end

local function undo(tx)
  tx.database.tables = {}
  local ok, busy = pcall(core.shield, command, "rollback", tx.raw)
  return ok and busy or 0
end

local function count(database, tx, delta)
  database.open[tx] = delta > 0 or nil
  database.transactions = database.transactions + delta
end

local LONG = 1 -- seconds that others may be kept waiting for nothing

-- Told once for each place: a transaction that waited for something else than the database.
local function tell_if_idle(tx, busy)
  local held = kernel.now() - tx.began
  if held - busy < LONG then return end
  local site, told = errors.here(), tx.database.told
  local place = site and ("%s:%d"):format(site.file, site.line) or "an unknown place"
  if told[place] then return end
  told[place] = true
  operators.get("log").warn(("the transaction at %s was held for %.1f s, %.1f s of them in no statement: who writes "
    .. "waits for it, so wait before it or after it"):format(place, held, held - busy), { held = held, idle = held - busy })
end

-- What a transaction or savepoint ends with that was undone before: its coroutine is run on after all.
local function too_late(out)
  if out[1] then errors.raise("closed", "the transaction was rolled back: its coroutine had been left") end
  error(out[2], 0)
end

local function finish(tx, out)
  if tx.abandoned then too_late(out) end
  local busy
  if out[1] and tx.savepoints[1] then
    out = { false, errors.new("db.aborted",
      "a transaction inside of this one is still open, in a coroutine that was not run to its end") }
  end
  if out[1] then
    local ok, e = pcall(command, "commit", tx.raw)
    if ok then busy = e else out = { false, e } end
  end
  if not out[1] then busy = undo(tx) end
  count(tx.database, tx, -1)
  if kernel.now() - tx.began >= LONG then tell_if_idle(tx, busy) end
  if not out[1] then error(out[2], 0) end
  run_hooks(tx.hooks)
  return unpack(out, 2, out.n)
end

-- loose: without foreign keys; ours: nobody's code runs in it that could wait for something else
local function outermost(database, begin, fn, loose, ours)
  local tx = new(database, settle(raw.begin(database:handle(), begin, loose)))
  if ours then tx.began = math.huge end
  tx.namespace = database.namespace_of(tx)
  count(database, tx, 1)
  return finish(tx, run_body(tx, fn, function()
    tx.abandoned = true
    undo(tx)
    count(database, tx, -1)
  end))
end

-- ---- savepoints ----

local function close_savepoint(tx, name, ok, hooks)
  if not ok then
    tx.database.tables = {}
    for i = #tx.hooks, hooks + 1, -1 do tx.hooks[i] = nil end
    pcall(core.shield, command, "control", tx.raw, "ROLLBACK TO " .. name)
    pcall(core.shield, command, "control", tx.raw, "RELEASE " .. name)
    return
  end
  command("control", tx.raw, "RELEASE " .. name)
end

local function forget_savepoint(tx, mine)
  for i = #tx.savepoints, 1, -1 do
    if tx.savepoints[i] == mine then table.remove(tx.savepoints, i) end
  end
  tx.line:wake_all()
end

local function inner(tx, fn)
  local handle = tx:handle()
  local mine = { owner = core.current() }
  local name = "tusk_" .. (#tx.savepoints + 1)
  table.insert(tx.savepoints, mine)
  local hooks = #tx.hooks
  local begun, err = pcall(command, "control", handle, "SAVEPOINT " .. name)
  local out = begun and run_body(tx, fn, function()
    mine.abandoned = true
    pcall(close_savepoint, tx, name, false, hooks)
    forget_savepoint(tx, mine)
  end) or { false, err }
  if mine.abandoned then too_late(out) end
  if begun then
    local closed, why = pcall(close_savepoint, tx, name, out[1], hooks)
    if out[1] and not closed then
      close_savepoint(tx, name, false, hooks)
      out = { false, why }
    end
  end
  forget_savepoint(tx, mine)
  if not out[1] then error(out[2], 0) end
  return unpack(out, 2, out.n)
end

-- ---- the operator ----

local BEGIN = { immediate = "BEGIN IMMEDIATE", deferred = "BEGIN DEFERRED", exclusive = "BEGIN EXCLUSIVE" }

local function options(opts)
  check.options(opts, { "mode", "retries" })
  local begin = BEGIN[opts.mode or "immediate"]
  if not begin then check.fail('mode: write "immediate", "deferred" or "exclusive"', { argument = "mode" }) end
  local retries = opts.retries or 0
  check.integer("retries", retries)
  return begin, retries
end

local function retry(database, begin, retries, fn, ours)
  for _ = 1, retries do
    local out = pack(pcall(outermost, database, begin, fn))
    if out[1] then return unpack(out, 2, out.n) end
    if not errors.is(out[2], "db.busy") then error(out[2], 0) end
  end
  return outermost(database, begin, fn, false, ours)
end

--- Runs fn(tx) in a transaction of a database, or inside one that is open.
---@param via table a database or a Tx
---@param opts table|function { mode = "immediate" | "deferred" | "exclusive", retries = 0 }
---@param ours boolean|nil it is of this library's own making: how long it is held is not told
function transaction.run(via, opts, fn, ours)
  if fn == nil and type(opts) ~= "table" then opts, fn = {}, opts end
  if dots.is_namespace(opts) or dots.is_namespace(fn) then dots.wrong("transaction", fn) end
  check.callable("fn", fn)
  local begin, retries = options(opts or {})
  local open = getmetatable(via) == Tx and via or core.local_get(via)
  if open then return inner(open, fn) end
  return retry(via, begin, retries, fn, ours)
end

--- Runs fn(tx) in a transaction in which foreign keys are not enforced: whoever calls this checks them.
---@param database table
function transaction.loosely(database, fn)
  return outermost(database, BEGIN.immediate, fn, true, true)
end

--- fn runs once the outermost transaction is committed, never if it, or the savepoint it was said in, is undone.
function Tx:after_commit(fn)
  if dots.is_namespace(fn) then dots.wrong("after_commit") end
  check.callable("fn", fn)
  table.insert(self.hooks, fn)
end

return transaction
