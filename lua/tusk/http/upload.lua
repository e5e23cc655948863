-- upload.lua: a file that is sent, of any size, for as long as it goes on.
local check = require "tusk.check"
local operators = require "tusk.operators"
local sending = require "tusk.http.sending"

local upload = {}

local function request_options(opts, source)
  local all = {}
  for name, value in pairs(opts) do all[name] = value end
  all.method, all.on_progress, all.body = nil, nil, source
  return all
end

local function source_of(path)
  local file = operators.get("file")
  local meta = file.metadata(path)
  if not meta then return file.chunks(path) end -- which says that there is none
  if meta.type ~= "file" then check.fail(("path: %q is no file, but a %s"):format(path, meta.type), { argument = "path" }) end
  return sending.file(path, meta.size)
end

--- Sends the file path to url, by PUT unless told otherwise.
---@param dispatch fun(method: string, url: string, opts: table): tusk.http.Response
---@param url string
---@param path string
---@param opts table already known to hold no unknown option
---@return tusk.http.Response
function upload.run(dispatch, url, path, opts)
  check.opt_callable("on_progress", opts.on_progress)
  local method = check.opt_string("method", opts.method) or "PUT"
  local source = source_of(path)
  source.on_progress = opts.on_progress
  return (dispatch(method, url, request_options(opts, source)))
end

return upload
