-- routes.lua: a server that answers in JSON what the spec tells it to, by method and path.
local raw_server = require "spec.support.raw_server"

local routes = {}

--- What is said to a request: a table (200), or what a function (request) returns: a table, a status, or a status and a table.
--- false: nothing, and the connection breaks off.
local function answer_of(found, request)
  if type(found) == "function" then found = { found(request) } else found = { found } end
  if type(found[1]) == "number" then return found[1], found[2] or {} end
  return found[1] ~= false and 200, found[1]
end

--- Starts one; `server.routes` may be changed at any time.
---@param list table<string, any> "GET /users/1" → see above; a path without what comes after "?"
function routes.start(list)
  local server
  server = raw_server.start(function(connection, request)
    local found = server.routes[request.method .. " " .. request.target:match("^[^?]*")]
    if found == nil then return connection:write(raw_server.response(404, {}, "no such thing")) end
    local status, value = answer_of(found, request)
    if not status then return connection:reset() end
    connection:write(raw_server.response(status, { "Content-Type: application/json" }, @json.encode(value)))
  end)
  server.routes = list
  return server
end

--- fn(server), then it is stopped, whatever happened.
function routes.with(list, fn)
  local server = routes.start(list)
  local ok, e = pcall(fn, server)
  server:stop()
  if not ok then error(e, 0) end
end

return routes
