-- email.lua: @email: messages, by the server in the configuration. See docs/operators/email.md.
local client = require "tusk.email.client"
local core = require "tusk.core"

local options, given = {}, core.config("email")
for key, value in pairs(given) do options[key] = value end

local email = client.namespace(options)

email.client = client.new

return email
