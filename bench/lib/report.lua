-- report.lua: the table of results, in Markdown.
local report = {}

local function rounded(x)
  return (x < 10 and "%.2f" or x < 100 and "%.1f" or "%.0f"):format(x)
end

--- The median, the least and the largest of a list of numbers.
function report.median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local n = #sorted
  return (sorted[math.floor((n + 1) / 2)] + sorted[math.ceil((n + 1) / 2)]) / 2, sorted[1], sorted[n]
end

local function cell(times)
  if not times then return "–" end
  local median, least, most = report.median(times)
  return ("%s (%s–%s)"):format(rounded(median), rounded(least), rounded(most))
end

-- The name and median of the best peer; nil when nobody else took part.
local function best(result, peers)
  local name, time
  for _, peer in ipairs(peers) do
    local median = result.times[peer.name] and report.median(result.times[peer.name])
    if peer.name ~= "Tusk" and median and (not time or median < time) then name, time = peer.name, median end
  end
  return name, time
end

local function ratio(tusk, other)
  return other and ("%.2f"):format(tusk / other) or "–"
end

local function row(result, peers)
  local times, w = result.times, result.workload
  local tusk, name, time = report.median(times.Tusk), best(result, peers)
  local cells = { w.name, ("%d × %s, %s"):format(result.n, w.what, w.unit or "ms"), cell(times.Tusk), cell(times.C) }
  cells[#cells + 1] = ratio(tusk, times.C and report.median(times.C))
  cells[#cells + 1] = name and ("%s %s"):format(ratio(tusk, time), name) or "–"
  for i = 2, #peers do cells[#cells + 1] = cell(times[peers[i].name]) end
  return "| " .. table.concat(cells, " | ") .. " |"
end

--- results: { { workload =, n =, times = { name = { ms, … } } }, … }
function report.table(results, peers)
  local head = { "workload", "what", "Tusk", "C", "Tusk / C", "Tusk / best peer" }
  for i = 2, #peers do head[#head + 1] = peers[i].name end
  local lines = { "| " .. table.concat(head, " | ") .. " |", "|---|---" .. ("|---:"):rep(#head - 2) .. "|" }
  for _, result in ipairs(results) do lines[#lines + 1] = row(result, peers) end
  return table.concat(lines, "\n") .. "\n"
end

return report
