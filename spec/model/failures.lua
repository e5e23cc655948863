-- Which error leaves, when there are several.
local failures = {}

function failures.new(kind)
  return { kind = kind }
end

function failures.is_cancelled(e)
  return e ~= nil and e.kind == "cancelled"
end

--- The first, with the later one among its `suppressed`.
function failures.suppress(first, later)
  if not first or first == later then return later end
  first.suppressed = first.suppressed or {}
  table.insert(first.suppressed, later)
  return first
end

--- Those that an await was given are not lost any more.
function failures.of_children(list)
  local errors = {}
  for _, f in ipairs(list) do
    if not (f.held and f.task.observed) then errors[#errors + 1] = f.err end
  end
  return errors
end

--- Of a body and of children, in the order they happened; each once.
function failures.gather(body, body_first, children)
  local list = {}
  local function add(e)
    if not e or failures.is_cancelled(e) then return end
    for _, known in ipairs(list) do if known == e then return end end
    table.insert(list, e)
  end
  if body_first then add(body) end
  for _, e in ipairs(failures.of_children(children)) do add(e) end
  if #children > 0 then add(body) end
  if not list[1] then return body end
  for i = 2, #list do failures.suppress(list[1], list[i]) end
  return list[1]
end

--- What a deadline makes of it.
function failures.timed_out(failure)
  local e = failures.new "timeout"
  if failure and not failures.is_cancelled(failure) then e.suppressed = { failure } end
  return e
end

return failures
