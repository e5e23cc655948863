-- text.lua: bytes as text and back: hex, base64.
local check = require "tusk.check"
local errors = require "tusk.errors"
local far = require "tusk.hash.far"
local raw = require "tusk.binding.hash"

local text = {}

local function failed(what, at, length)
  local where = at > length and "it ends too early" or "byte " .. at .. " does not belong there"
  errors.raise("hash.decode", ("not %s: %s"):format(what, where), { at = at })
end

local function url_option(opts, allowed)
  opts = check.options(opts, allowed)
  for _, name in ipairs(allowed) do check.opt_boolean(name, opts[name]) end
  return opts.url or false, opts
end

--- Two digits for each byte, in lower case.
---@param data string
---@return string
function text.hex(data)
  return far.in_slices(check.string("data", data), raw.hex)
end

--- The bytes that hex stands for, in either case. Anything else raises hash.decode.
---@param hex string
---@return string
function text.hex_decode(hex)
  return far.in_slices(check.string("text", hex), function(slice, offset)
    local data, at = raw.unhex(slice)
    return data or failed("hex", offset + at, #hex)
  end)
end

--- base64 of RFC 4648, in one line.
---@param data string
---@param opts { url: boolean, pad: boolean }|nil url: "-" and "_", and no padding unless pad = true
---@return string
function text.base64(data, opts)
  check.string("data", data)
  local url, given = url_option(opts, { "url", "pad" })
  local pad = given.pad
  if pad == nil then pad = not url end
  return far.in_slices(data, function(slice) return raw.base64(slice, url, pad) end)
end

--- The bytes that base64 stands for. Anything else, line ends too, raises hash.decode.
---@param encoded string
---@param opts { url: boolean }|nil url: the other alphabet; padding may be left out
---@return string
function text.base64_decode(encoded, opts)
  check.string("text", encoded)
  local url = url_option(opts, { "url" })
  return far.in_slices(encoded, function(slice, offset, last)
    local data, at = raw.unbase64(slice, url)
    if data and not last then at = slice:find("=", -2, true) end -- padding comes last of all
    if not at then return data end
    failed(url and "base64 for URLs" or "base64", offset + at, #encoded)
  end)
end

return text
