-- night.lua: @night: each day ends with a report, as a PDF, by mail.
local night, mail, config = {}, nil, nil

local REPORT = {
  title = "Day {day}",
  subtitle = "Who signed up, and where they are from",
  params = { day = 1 },
  query = [[
    select coalesce(region, 'not known') as region, count(*) as people, sum(newsletter) as letters
    from users join profiles on user_id = users.id where day = :day group by 1 order by people desc, 1]],
  body = {
    { figures = { { label = "Sign-ups", sum = "people" }, { label = "Newsletters", sum = "letters" },
      { label = "Regions", count = "region" } } },
    { chart = "bars", x = "region", y = { { "people", title = "Sign-ups" }, { "letters", title = "Newsletters" } } },
    { table = { { "region", title = "Region" }, { "people", title = "Sign-ups", total = "sum" },
      { "letters", title = "Newsletters", total = "sum" } } },
  },
}

-- In the background: the report is written whole, sent, and noted. A mail server that says "later" is asked later.
local function close_day(job)
  local day = job.args.day
  local report = @reporter.generate("day", { params = { day = day }, path = ("%s/day-%d.pdf"):format(config.reports, day) })
  local count = @db.users.count { day = day }
  local sent = mail.send {
    to = config.to, subject = ("Day %d: %d sign-ups"):format(day, count), text = "See the attachment.",
    attachments = { { file = report.path } },
  }
  @db.days.insert { day = day, sign_ups = count, report = report.path, message = sent.id }
  @analytics.track("report", { day = day })
  return report
end

--- Ends a day: the report, once it is on its way.
function night.close(day)
  return @tasks.enqueue("close_day", { day = day }):await()
end

local function setup(ctx, cfg)
  config = { to = cfg.to, reports = ctx.root .. "/reports" }
  @file.mkdir(config.reports, { parents = true })
  mail = @email.client { url = cfg.smtp or @town.smtp(), from = "The shop <shop@shop.example>" }
  @reporter.define("day", REPORT)
  @tasks.define("close_day", { timeout = "1m", retry = { attempts = 5, base = "100ms" } }, close_day)
end

return {
  name = "night",
  requires = { "@town", "@tasks", "@reporter", "@analytics" },
  config = {
    smtp = { type = "string", doc = "the mail server; the town's own if not set" },
    to = { type = "string", required = true, doc = "who gets the report" },
  },
  setup = setup,
  operators = { night = night },
  teardown = function() mail.close() end,
}
