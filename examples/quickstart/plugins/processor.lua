-- processor.lua: reads tzdata's tables: countries, and the zones in each.
local processor, dir = {}, nil

-- The fields of every line that is no comment.
local function rows(name)
  local list = {}
  for line in @file.lines(dir .. "/" .. name) do
    if line:sub(1, 1) ~= "#" then
      local fields = {}
      for field in line:gmatch("[^\t]+") do fields[#fields + 1] = field end
      list[#list + 1] = fields
    end
  end
  return list
end

-- "+4230" is 42°30′, "-0765230" is -76°52′30″.
local function degrees(text, digits)
  local sign, whole, minutes, seconds = text:match("^([+-])(" .. ("%d"):rep(digits) .. ")(%d%d)(%d*)$")
  local value = whole + minutes / 60 + (tonumber(seconds) or 0) / 3600
  return sign == "-" and -value or value
end

local function zone(codes, place, name, comment)
  local latitude, longitude = place:match("^([+-]%d+)([+-]%d+)$")
  return { codes = codes, name = name, comment = comment,
    latitude = degrees(latitude, 2), longitude = degrees(longitude, 3) }
end

--- All countries, each with its zones, and how many zones there are. A zone may belong to several.
function processor.read()
  local names, places = @all(@(rows("iso3166.tab")), @(rows("zone1970.tab"))) -- at the same time
  local countries, by_code = {}, {}
  for i, fields in ipairs(names) do
    countries[i] = { code = fields[1], name = fields[2], zones = {} }
    by_code[fields[1]] = countries[i]
  end
  for _, fields in ipairs(places) do
    local place = zone(unpack(fields))
    for code in place.codes:gmatch("%u%u") do table.insert(by_code[code].zones, place) end
  end
  return countries, #places
end

return {
  name = "processor",
  config = { tzdata = { type = "string", required = true, doc = "the folder of zone1970.tab and iso3166.tab" } },
  setup = function(_, cfg) dir = cfg.tzdata end,
  operators = { processor = processor },
}
