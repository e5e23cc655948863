-- verbs.lua: the functions that @http and its clients have in common, and the builder.
local check = require "tusk.check"
local dots = require "tusk.dots"
local download = require "tusk.http.download"
local options = require "tusk.http.options"
local upload = require "tusk.http.upload"

local verbs = {}

local METHODS = { "get", "post", "put", "patch", "delete", "head", "options" }

---@class tusk.http.Builder
local Builder = { __name = "tusk.http.Builder" }

function Builder.__index(_, key)
  local method = Builder[key]
  if method then return method end
  check.no_field("a request", key, Builder, {})
end

local function own(self, name)
  if getmetatable(self) ~= Builder then
    check.fail(("request:%s() is called with a colon"):format(name))
  end
  return self
end

local function setter(name)
  Builder[name] = function(self, value)
    own(self, name).options[name] = value
    return self
  end
end
for _, name in ipairs(options.request) do setter(name) end

--- Sets one header.
---@param value string|number|string[]
function Builder:header(name, value)
  local opts = own(self, "header").options
  opts.headers = opts.headers or {}
  opts.headers[check.string("name", name)] = value
  return self
end

local function merged(opts, name, t)
  check.table(name, t)
  local all = {}
  for k, v in pairs(opts[name] or {}) do all[k] = v end
  for k, v in pairs(t) do all[k] = v end
  opts[name] = all
end

--- Adds to the headers set so far.
function Builder:headers(t)
  merged(own(self, "headers").options, "headers", t)
  return self
end

--- Adds to the query set so far.
function Builder:query(t)
  merged(own(self, "query").options, "query", t)
  return self
end

--- Sets the credentials: user and password, or "user:password".
function Builder:basic(user, password)
  own(self, "basic").options.basic = password ~= nil and { user, password } or user
  return self
end

--- Sends it. A builder may be sent more than once.
---@param method string
---@return tusk.http.Response
function Builder:send(method)
  own(self, "send")
  return (self.dispatch(check.string("method", method), self.url, self.options))
end

local function ending(name)
  Builder[name] = function(self)
    own(self, name)
    return (self.dispatch(name, self.url, self.options))
  end
end
for _, name in ipairs(METHODS) do
  if name ~= "options" then ending(name) end -- :send("OPTIONS")
end
Builder.options = nil

--- Adds get, post, …, send, download, upload and request to a namespace.
---@param namespace table
---@param name string what messages call it
---@param dispatch fun(method: string, url: string, opts: table|nil): tusk.http.Response
function verbs.add(namespace, name, dispatch)
  local function dotted(first, verb)
    if first == namespace or dots.is_namespace(first) then
      check.fail(("%s.%s is called with a dot, not a colon"):format(name, verb))
    end
  end
  for _, verb in ipairs(METHODS) do
    namespace[verb] = function(url, opts)
      dotted(url, verb)
      if opts ~= nil then check.options(opts, options.request) end
      return (dispatch(verb, check.string("url", url), opts))
    end
  end
  function namespace.send(opts)
    dotted(opts, "send")
    check.options(check.table("options", opts), options.send)
    return (dispatch(check.string("method", opts.method), check.string("url", opts.url), opts))
  end
  function namespace.download(url, path, opts)
    dotted(url, "download")
    opts = check.options(opts, options.download)
    return download.run(dispatch, check.string("url", url), check.string("path", path), opts)
  end
  function namespace.upload(url, path, opts)
    dotted(url, "upload")
    opts = check.options(opts, options.upload)
    return upload.run(dispatch, check.string("url", url), check.string("path", path), opts)
  end
  function namespace.request(url)
    dotted(url, "request")
    return setmetatable({ url = check.string("url", url), options = {}, dispatch = dispatch }, Builder)
  end
  return namespace
end

return verbs
