-- look.lua: colours, sizes and papers: what a report looks like, on paper and in a browser.
local look = {}

local function rgb(hex)
  local r, g, b = hex:match("^#(%x%x)(%x%x)(%x%x)$")
  return { tonumber(r, 16) / 255, tonumber(g, 16) / 255, tonumber(b, 16) / 255, hex = hex }
end

look.ink, look.grey, look.hair = rgb "#1d2733", rgb "#66717d", rgb "#d8dde2"
look.soft, look.accent = rgb "#f4f6f8", rgb "#2f5f8f"

-- Told apart by those who see few colours, and in grey.
look.series = { rgb "#2f5f8f", rgb "#e0953a", rgb "#5b9e8a", rgb "#a14f6f", rgb "#8a94a0", rgb "#7d6bb0", rgb "#b9a23c",
  rgb "#4aa3c7" }

-- Points.
look.papers = { a4 = { 595.276, 841.89 }, a3 = { 841.89, 1190.55 }, a5 = { 419.528, 595.276 }, letter = { 612, 792 },
  legal = { 612, 1008 } }
look.margin = 52

look.title, look.subtitle, look.heading, look.body, look.small, look.figure = 21, 10.5, 12.5, 9.5, 7.5, 17

return look
