-- @http: requests over HTTP.
local attempts = require "tusk.http.attempts"
local client = require "tusk.http.client"
local exchange = require "tusk.http.exchange"
local options = require "tusk.http.options"
local verbs = require "tusk.http.verbs"

local function dispatch(method, url, opts)
  return (attempts.run(options.plan(method, url, opts), exchange.run))
end

--- @http.get(url, opts), post, put, patch, delete, head, options; send{ method =, url =, … }; request(url);
--- download(url, path, opts); upload(url, path, opts).
local http = verbs.add({}, "@http", dispatch)

http.client = client.new

return http
