-- A dot for a colon, a colon for a dot: told, with what to write.

local function message(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("argument", e.kind)
  return e.message
end

describe("a method called with a dot", function()
  for what, case in pairs {
    task = { function() return @async(function() end) end, "await", "cancel" },
    channel = { function() return @channel(1) end, "send", "recv", "try_send", "try_recv", "close" },
    tick = { function() return @every("1s") end, "wait" },
    watch = { function() return @watch(1) end, "set", "get", "changed" },
    semaphore = { function() return @semaphore(1) end, "with", "acquire", "try_acquire" },
    lease = { function() return @semaphore(1):acquire() end, "release" },
    pool = { function() return @pool { open = function() return 1 end } end, "with", "close", "stats" },
  } do
    for i = 2, #case do
      it(("of a %s is told: %s"):format(what, case[i]), function()
        local object = case[1]()
        for _, first in ipairs { 5, "x", print, {} } do
          assert.equal(("called with a dot; write %s:%s() with a colon"):format(what, case[i]), message(object[case[i]], first))
        end
        message(object[case[i]])
      end)
    end
  end
end)

describe("a function called with a colon", function()
  for name, call in pairs {
    file = function() return @file:read("x") end, json = function() return @json:encode {} end,
    cache = function() return @cache:get("x") end, http = function() return @http:get("x") end,
  } do
    it("of @" .. name .. " is told", function()
      assert.truthy(message(call):find("with a dot", 1, true))
    end)
  end
end)
