-- metrics/exposition.lua: a snapshot in Prometheus' text format, version 0.0.4.
local exposition = {}

local function number(v)
  if v ~= v then return "NaN" end
  if v == math.huge then return "+Inf" end
  if v == -math.huge then return "-Inf" end
  local short = ("%.15g"):format(v)
  return tonumber(short) == v and short or ("%.17g"):format(v)
end

local ESCAPES = { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }

local function escape(text, set)
  return (text:gsub(set, ESCAPES))
end

local function braces(labels, le)
  local names, parts = {}, {}
  for name in pairs(labels) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = ('%s="%s"'):format(name, escape(labels[name], '[\\\n"]')) end
  if le then parts[#parts + 1] = ('le="%s"'):format(number(le)) end
  return parts[1] and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function add_sample(out, name, sample)
  if not sample.buckets then
    out[#out + 1] = name .. braces(sample.labels) .. " " .. number(sample.value)
    return
  end
  for _, bucket in ipairs(sample.buckets) do
    out[#out + 1] = ("%s_bucket%s %s"):format(name, braces(sample.labels, bucket.le), number(bucket.count))
  end
  out[#out + 1] = ("%s_sum%s %s"):format(name, braces(sample.labels), number(sample.sum))
  out[#out + 1] = ("%s_count%s %s"):format(name, braces(sample.labels), number(sample.count))
end

---@param snapshot table[] see @metrics.snapshot
---@return string text of lines, each ended
function exposition.text(snapshot)
  local out = {}
  for _, metric in ipairs(snapshot) do
    if metric.help then out[#out + 1] = ("# HELP %s %s"):format(metric.name, escape(metric.help, "[\\\n]")) end
    out[#out + 1] = ("# TYPE %s %s"):format(metric.name, metric.type)
    for _, sample in ipairs(metric.samples) do add_sample(out, metric.name, sample) end
  end
  out[#out + 1] = ""
  return table.concat(out, "\n")
end

return exposition
