-- @hash: digests, HMACs, and bytes as text.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local hasher = require "tusk.hash.hasher"
local raw = require "tusk.binding.hash"
local text = require "tusk.hash.text"

local settle, within = core.settle, core.within

local hash = {}

local function data_check(data, example)
  if type(data) == "string" then return end
  dots.check("hash", hash, data, example)
  check.string("data", data)
end

-- hash.sha256(data, { raw = true }) and its like: hex, or bytes.
for _, name in ipairs(hasher.algorithms) do
  local example = name .. "(data)"
  hash[name] = function(data, opts)
    data_check(data, example)
    local bytes = hasher.wants_raw(opts)
    return hasher.shown(hasher.digest(name, data), bytes)
  end
end

--- The HMAC (RFC 2104) of data: what only who knows the key can make.
---@param algorithm string "sha256"
---@param key string|userdata a secret too
---@param data string
---@param opts { raw: boolean }|nil
---@return string
function hash.hmac(algorithm, key, data, opts)
  dots.check("hash", hash, algorithm, "hmac(algorithm, key, data)")
  hasher.algorithm(algorithm)
  key = hasher.key(key)
  check.string("data", data)
  local bytes = hasher.wants_raw(opts)
  return hasher.shown(hasher.digest(algorithm, data, key), bytes)
end

--- A digest of what comes in pieces: :update(data) for each, then :digest().
---@param algorithm string
---@param opts { key: string }|nil key: an HMAC
---@return tusk.Hasher
function hash.new(algorithm, opts)
  dots.check("hash", hash, algorithm, "new(algorithm)")
  hasher.algorithm(algorithm)
  local key = check.options(opts, { "key" }).key
  return hasher.new(algorithm, key ~= nil and hasher.key(key) or nil)
end

local function file(...) return settle(raw.file(...)) end

--- The digest of a file, computed on a thread.
---@param path string
---@param algorithm string|nil "sha256"
---@param opts { raw: boolean, timeout: string|number }|nil
---@return string
function hash.file(path, algorithm, opts)
  dots.check("hash", hash, path, "file(path)")
  check.string("path", path)
  algorithm = hasher.algorithm(algorithm == nil and "sha256" or algorithm)
  opts = check.options(opts, { "raw", "timeout" })
  check.opt_boolean("raw", opts.raw)
  return hasher.shown(within(opts, file, algorithm, path), opts.raw)
end

--- Are they the same? The time it takes does not tell where they differ: for tokens and signatures.
---@param a string
---@param b string
---@return boolean
function hash.equal(a, b)
  return raw.equal(check.string("a", a), check.string("b", b))
end

for name, fn in pairs(text) do hash[name] = fn end

return hash
