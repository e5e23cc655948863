-- api_client: the API that tusk.lua declares, as `@api`. See README.md.
local plugin = require("tusk.plugins.api_client").plugin("api_client", {}, "api")

plugin.version = "1.0"
plugin.description = "the endpoints of an HTTP API as functions: retried, limited, several at once"
return plugin
