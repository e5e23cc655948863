-- hasher.lua: a digest in the making.
local check = require "tusk.check"
local dots = require "tusk.dots"
local far = require "tusk.hash.far"
local raw = require "tusk.binding.hash"
local secret = require "tusk.secret"
local wait = require "tusk.wait"

local hasher = {}

---@class tusk.Hasher
local Hasher = check.strict({ __name = "hasher" }, "a hasher", {})
Hasher.__index = Hasher

local ALGORITHMS = { "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b" }
hasher.algorithms = ALGORITHMS

local known = {}
for _, name in ipairs(ALGORITHMS) do known[name] = true end

--- The name itself; raises unless there is such an algorithm.
function hasher.algorithm(name)
  if known[name] then return name end
  local hint, near = "", nil
  if type(name) == "string" then hint, near = check.hint(name, ALGORITHMS) end
  check.fail(("algorithm: %s expected, got %s%s"):format(table.concat(ALGORITHMS, ", "), tostring(name), hint),
    { argument = "algorithm", suggestion = near })
end

--- The bytes of a key, which may be a secret.
function hasher.key(key)
  if secret.is(key) then return key:reveal() end
  return check.string("key", key)
end

--- Should a digest be bytes, or hex?
function hasher.wants_raw(opts)
  if opts == nil then return false end
  return check.opt_boolean("raw", check.options(opts, { "raw" }).raw)
end

function hasher.shown(digest, bytes)
  return bytes and digest or raw.hex(digest)
end

local function add(box, data)
  if #data > far.SIZE and far.may_wait() then
    wait.settle(raw.update_far(box, data))
  else
    raw.update(box, data)
  end
end

--- The digest of all of data, or with a key the HMAC: bytes.
---@return string
function hasher.digest(algorithm, data, key)
  if not key and #data <= far.SIZE then return raw.digest(algorithm, data) end
  local box = raw.new(algorithm, key)
  add(box, data)
  return raw.finish(box)
end

---@return tusk.Hasher
function hasher.new(algorithm, key)
  return setmetatable({ box = raw.new(algorithm, key) }, Hasher)
end

--- Adds to what the digest is of. One that was cancelled ends it.
---@param data string
---@return tusk.Hasher itself
function Hasher:update(data)
  dots.colon(Hasher, self, "hasher", "update")
  add(self.box, check.string("data", data))
  return self
end

--- The digest, in hex or with raw = true in bytes. There is no more to be had of it.
---@param opts { raw: boolean }|nil
---@return string
function Hasher:digest(opts)
  dots.colon(Hasher, self, "hasher", "digest")
  local bytes = hasher.wants_raw(opts)
  return hasher.shown(raw.finish(self.box), bytes)
end

return hasher
