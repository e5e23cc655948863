-- download.lua: a body that goes to a file, which is replaced once all of it is there.
local body = require "tusk.http.body"
local check = require "tusk.check"
local core = require "tusk.core"
local operators = require "tusk.operators"

local download = {}

-- Compressed on its way, nobody would know how much is to come.
local function with_identity(given)
  local all = { ["Accept-Encoding"] = "identity" }
  for name, value in pairs(check.opt_table("headers", given) or {}) do
    if type(name) == "string" and name:lower() == "accept-encoding" then all["Accept-Encoding"] = nil end
    all[name] = value
  end
  return all
end

-- What the request is sent with, of what the caller gave.
local function request_options(opts)
  local all = {}
  for name, value in pairs(opts) do all[name] = value end
  all.on_progress, all.mode = nil, nil
  all.stream, all.headers = true, with_identity(opts.headers)
  return all
end

local function expected(answer)
  return not answer.headers["content-encoding"] and tonumber(answer.headers["content-length"]) or nil
end

local function copy(answer, writer, limit, on_progress)
  local total = expected(answer)
  answer.max_body = limit
  for piece in body.chunks(answer) do
    if writer.bytes + #piece > limit then body.too_large(answer, "the body") end
    writer:write(piece)
    if on_progress then on_progress(writer.bytes, total) end
  end
  writer:commit()
end

local function save(answer, writer, path, limit, on_progress)
  local from = core.now()
  copy(answer, writer, limit, on_progress)
  answer.file = path
  local seconds = core.now() - from
  answer.elapsed, answer.timings.total = answer.elapsed + seconds, answer.timings.total + seconds
end

-- The file is opened first: where it cannot be written, nothing is asked of the server.
local function in_scope(scope, dispatch, url, path, opts, limit)
  local writer = operators.get("file").writer(path, { mode = opts.mode })
  scope:defer(function() writer:close() end)
  local answer = dispatch("get", url, request_options(opts))
  if answer.status >= 400 then
    answer:text() -- what the server has to say about it
    answer:raise_for_status()
  end
  if answer.ok then
    save(answer, writer, path, limit, opts.on_progress)
  else
    answer:close()
  end
  return answer, writer.bytes
end

--- GETs url into the file path. An answer below 400 that is none of 200–299 leaves the file as it is.
---@param dispatch fun(method: string, url: string, opts: table): tusk.http.Response
---@param url string
---@param path string
---@param opts table already known to hold no unknown option
---@return tusk.http.Response
---@return integer bytes written
function download.run(dispatch, url, path, opts)
  check.opt_callable("on_progress", opts.on_progress)
  local limit = check.size("max_body", opts.max_body, math.huge)
  return core.scope(nil, in_scope, dispatch, url, path, opts, limit)
end

return download
