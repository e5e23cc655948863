-- pages.lua: what comes one below the other, put on pages; drawn when it is known how many there are.
local look = require "tusk.plugins.reporter.look"

local Pages = {}
Pages.__index = Pages
local pages = {}

local FOOT = 26 -- what the foot of a page takes
local HEAD = 26 -- what the head takes, from the second page on

--- No page yet.
---@param width number of the paper, in points
---@param height number
function pages.new(width, height)
  local self = setmetatable({ list = {}, paper_width = width, paper_height = height, left = look.margin,
    width = width - 2 * look.margin, bottom = height - look.margin - FOOT, marks = {} }, Pages)
  self:turn()
  return self
end

--- Goes on on a new page.
function Pages:turn()
  self.list[#self.list + 1] = {}
  self.top = look.margin + (#self.list > 1 and HEAD or 0)
  self.y = self.top
end

--- Is there nothing on this page yet?
function Pages:is_fresh()
  return self.y == self.top
end

--- How much is left on this page.
function Pages:room()
  return self.bottom - self.y
end

--- How much there is on a page that is not the first.
function Pages:most()
  return self.bottom - look.margin - HEAD
end

--- Turns the page unless so much fits. -> was it turned?
function Pages:need(height)
  if height <= self:room() or self:is_fresh() then return false end
  self:turn()
  return true
end

--- White space, but not at the top of a page.
function Pages:space(height)
  if not self:is_fresh() then self.y = self.y + height end
end

--- What takes so much height, here: draw(canvas, x, y) is called later.
function Pages:put(height, draw)
  local page = self.list[#self.list]
  page[#page + 1] = { y = self.y, draw = draw }
  self.y = self.y + height
end

--- A heading for the file's outline, here.
function Pages:mark(title)
  self.marks[#self.marks + 1] = { title = title, page = #self.list, y = self.y }
end

local function frame(self, canvas, doc, n)
  local right, foot = self.left + self.width, self.paper_height - look.margin
  if n > 1 then
    canvas:text(self.left, look.margin + 2, doc.running, look.small, look.grey)
    canvas:line(self.left, look.margin + 8, right, look.margin + 8, look.hair, 0.5)
  end
  canvas:text(self.left, foot, doc.foot, look.small, look.grey)
  canvas:text(right, foot, ("%d %s %d"):format(n, doc.words.of, #self.list), look.small, look.grey, "right")
end

--- Draws all pages.
---@param canvas table
---@param doc table { running = text of the head, foot =, words = }
---@param pause fun() called for each
function Pages:draw(canvas, doc, pause)
  for _, mark in ipairs(self.marks) do canvas:outline(mark.title, mark.page, self.left, mark.y) end
  for n, page in ipairs(self.list) do
    for _, item in ipairs(page) do item.draw(canvas, self.left, item.y) end
    frame(self, canvas, doc, n)
    canvas:next_page()
    pause()
  end
end

return pages
