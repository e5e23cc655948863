-- html.lua: a report as one HTML file that needs nothing else: no script, no other file, charts as SVG in it.
local chart = require "tusk.plugins.reporter.chart"
local look = require "tusk.plugins.reporter.look"

local html = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Text for HTML, between tags and in attributes.
function html.escape(s)
  return (s:gsub("[&<>\"']", ESCAPES))
end
local escape = html.escape

local STYLE = [[
:root{--ink:INK;--grey:GREY;--hair:HAIR;--back:#fff;--accent:ACCENT}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--grey:#9aa5b1;--hair:#38424d;--back:#161b21;--accent:#79a9d8}}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.55 system-ui,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:60rem;margin:0 auto;padding:3rem 1.5rem}
header{border-top:4px solid var(--accent);border-image:linear-gradient(90deg,var(--accent) 3.2rem,transparent 0) 1;padding-top:1rem}
h1{font-size:2rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.2rem;margin:2.4rem 0 .6rem}
p{margin:.6rem 0;white-space:pre-line}
.sub,footer,.note{color:var(--grey)}
.figures{display:flex;flex-wrap:wrap;gap:1rem;margin:1.4rem 0}
.figures div{flex:1 1 11rem;border-left:3px solid var(--accent);padding:0 .8rem}
.figures b{display:block;font-size:1.6rem;line-height:1.3;font-variant-numeric:tabular-nums}
.figures span,.note{display:block;font-size:.8rem;color:var(--grey)}
figure{margin:1.6rem 0}
figcaption,caption{font-weight:600;text-align:left;margin-bottom:.5rem;caption-side:top}
.scroll{overflow-x:auto;margin:1.4rem 0}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--hair);white-space:pre-line}
th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}
.r{text-align:right;white-space:nowrap}.c{text-align:center}
thead th{color:var(--grey);border-bottom:1.5px solid var(--grey);vertical-align:bottom}
tfoot td{font-weight:700;border-top:1.5px solid var(--grey);border-bottom:0}
svg{width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}.i{fill:var(--ink)}.g{fill:var(--grey)}.gl{stroke:var(--grey)}.h{stroke:var(--hair)}
footer{margin-top:3rem;font-size:.8rem;border-top:1px solid var(--hair);padding-top:.6rem}
@media print{main{padding:0}thead{display:table-header-group}tfoot{display:table-row-group}tr,figure{break-inside:avoid}.figures div{flex-basis:7rem}}
]]

local function style_sheet()
  return (STYLE:gsub("%u%u%u%u+", { INK = look.ink.hex, GREY = look.grey.hex, HAIR = look.hair.hex, ACCENT = look.accent.hex })
    :gsub("INK", look.ink.hex))
end

-- About as wide as a browser will draw it: no font is asked.
local function measure(s, size)
  local narrow = select(2, s:gsub("[ijlt.,:;'|!()%[%] ]", ""))
  local all = select(2, s:gsub("[^\128-\191]", ""))
  return size * (0.33 * narrow + 0.6 * (all - narrow))
end

local function n(v)
  return (("%.2f"):format(v):gsub("%.?0+$", ""))
end

local ANCHORS = { right = "end", center = "middle" }

local function fill(color)
  if color == look.ink then return 'class="i"' end
  if color == look.grey then return 'class="g"' end
  return ('fill="%s"'):format(color.hex)
end

local function stroke(color)
  if color == look.hair then return 'class="h"' end
  if color == look.grey then return 'class="gl"' end
  return ('stroke="%s"'):format(color.hex)
end

local SHAPES = {
  line = function(s)
    return ('<path d="M%s %sL%s %s" %s stroke-width="%s"/>')
      :format(n(s[1]), n(s[2]), n(s[3]), n(s[4]), stroke(s.color), n(s.width))
  end,
  rect = function(s)
    return ('<rect x="%s" y="%s" width="%s" height="%s" %s/>'):format(n(s[1]), n(s[2]), n(s[3]), n(s[4]), fill(s.color))
  end,
  dot = function(s) return ('<circle cx="%s" cy="%s" r="%s" %s/>'):format(n(s[1]), n(s[2]), n(s[3]), fill(s.color)) end,
  path = function(s)
    local d = {}
    for i = 1, #s.points, 2 do d[#d + 1] = n(s.points[i]) .. " " .. n(s.points[i + 1]) end
    return ('<path d="M%s" fill="none" stroke-linejoin="round" stroke="%s" stroke-width="%s"/>')
      :format(table.concat(d, "L"), s.color.hex, n(s.width))
  end,
  text = function(s)
    local anchor = ANCHORS[s.align]
    return ('<text x="%s" y="%s" font-size="%s" %s%s>%s</text>'):format(n(s[1]), n(s[2]), n(s.size), fill(s.color),
      anchor and (' text-anchor="%s"'):format(anchor) or "", escape(s.text))
  end,
}

local WIDTH = 640

local put = {}

function put.chart(out, block, doc)
  local shapes, height = chart.shapes(block, { width = WIDTH, height = (block.height or 190) * 1.2, ink = look.ink,
    grey = look.grey, hair = look.hair, style = doc.style, empty = doc.words.empty, measure = measure })
  out("<figure>", block.title and ("<figcaption>%s</figcaption>"):format(escape(block.title)) or "")
  out(('<svg viewBox="0 0 %d %s" role="img" aria-label="%s">'):format(WIDTH, n(height), escape(block.title or doc.title)))
  for _, s in ipairs(shapes) do out(SHAPES[s.kind](s)) end
  out("</svg></figure>\n")
end

function put.text(out, block) out("<p>", escape(block.text), "</p>\n") end
function put.heading(out, block) out("<h2>", escape(block.heading), "</h2>\n") end
function put.page_break() end

function put.figures(out, block)
  out('<div class="figures">')
  for _, item in ipairs(block.items) do
    out("<div><span>", escape(item.label), "</span><b>", escape(item.text), "</b>")
    out(item.note and ('<span>%s</span>'):format(escape(item.note)) or "", "</div>")
  end
  out("</div>\n")
end

local CLASSES = { right = ' class="r"', center = ' class="c"', left = "" }

local function put_row(out, columns, tag, cell)
  out("<tr>")
  for k, column in ipairs(columns) do
    out("<", tag, CLASSES[column.align], ">", escape(cell(column, k)), "</", tag, ">")
  end
  out("</tr>\n")
end

function put.table(out, block, doc, pause)
  local sheet = block.sheet
  out('<div class="scroll"><table>', block.title and ("<caption>%s</caption>"):format(escape(block.title)) or "", "<thead>")
  put_row(out, sheet.columns, "th", function(column) return column.title end)
  out("</thead><tbody>\n")
  for i = 1, sheet.count do
    put_row(out, sheet.columns, "td", function(column) return column.texts[i] end)
    if i % 256 == 0 then pause() end
  end
  out("</tbody>")
  if sheet.totals and sheet.count > 0 then
    out("<tfoot>")
    put_row(out, sheet.columns, "td", function(column, k) return column.total or k == 1 and doc.words.total or "" end)
    out("</tfoot>")
  end
  out("</table>", sheet.count == 0 and ('<p class="note">%s</p>'):format(escape(doc.words.empty)) or "", "</div>\n")
end

--- The file.
---@param doc table from gather.lua, prepared by render.lua
---@param pause fun() called often; it may raise
---@return string
function html.render(doc, pause)
  local pieces = {}
  local function out(...)
    for i = 1, select("#", ...) do pieces[#pieces + 1] = (select(i, ...)) end
  end
  out('<!doctype html>\n<html lang="', escape(doc.lang), '">\n<head><meta charset="utf-8">')
  out('<meta name="viewport" content="width=device-width"><title>', escape(doc.title), "</title>\n<style>\n")
  out(style_sheet(), "</style></head>\n<body><main>\n<header><h1>", escape(doc.title), "</h1>")
  out(doc.subtitle and ('<div class="sub">%s</div>'):format(escape(doc.subtitle)) or "", "</header>\n")
  for _, block in ipairs(doc.blocks) do put[block.kind](out, block, doc, pause) end
  out("<footer>", escape(doc.foot), "</footer>\n</main></body></html>\n")
  return table.concat(pieces)
end

return html
