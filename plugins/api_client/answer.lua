-- answer: what a response is turned into: the value it holds, or an error that says which endpoint, and what it said.
local tusk = require "tusk"

local answer = {}

local SHOWN = 200 -- bytes of what a server says of its failure

-- On one line, with nothing that a terminal would obey; not cut within a character.
local function shown(words)
  words = words:gsub("%c+", " ")
  return #words <= SHOWN and words or words:sub(1, SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "…"
end

-- The body by its type: JSON decoded, else text; nil for none.
local function value_of(response)
  local text = response:text()
  if text == "" then return nil end
  local kind = (response.headers["content-type"] or ""):lower():match("^[^;%s]*")
  if kind == "application/json" or kind:find("%+json$") then return response:json() end
  return text
end

-- What went wrong, in the server's words.
local function said(body)
  if type(body) == "table" then
    for _, name in ipairs { "message", "detail", "title", "error", "error_description" } do
      if type(body[name]) == "string" then return body[name] end
    end
    return nil
  end
  return type(body) == "string" and body:match("^%s*(%C+)") or nil
end

local function status_error(response)
  local _, err = pcall(response.raise_for_status, response)
  if response.status >= 400 then return err end
  return tusk.errors.new("http.status." .. response.status, ("%s answered %d"):format(response.url, response.status),
    { status = response.status, url = response.url, response = response, sent = true })
end

--- Puts into an error whose call it was.
---@param err any
---@param api string
---@param endpoint string
function answer.dress(err, api, endpoint)
  if type(err) == "table" and err.kind ~= "cancelled" then
    err.api, err.endpoint = api, endpoint
  end
  return err
end

-- What says that it is JSON and is none: whose answer it is.
local function decoded(response, api, endpoint)
  local ok, value = pcall(value_of, response)
  if ok then return value end
  if type(value) == "table" and value.kind ~= "cancelled" then
    value.message = ("%s.%s: %s answered %s"):format(api, endpoint, response.url, value.message)
  end
  error(answer.dress(value, api, endpoint), 0)
end

--- The value in a response; raises http.status.NNN with `body`, `api` and `endpoint`.
---@param absent boolean|nil is 404 nil?
function answer.value(response, api, endpoint, absent)
  if response.ok then return decoded(response, api, endpoint) end
  if absent and response.status == 404 then return nil end
  local err = answer.dress(status_error(response), api, endpoint)
  local ok, body = pcall(value_of, response)
  err.body = ok and body or response:text()
  local words = said(err.body)
  err.message = ("%s.%s: %s%s"):format(api, endpoint, err.message, words and ": " .. shown(words) or "")
  error(err, 0)
end

return answer
