-- types.lua: the types of tasks that come with the plugin: an e-mail, a row that is processed, a report.
local tusk = require "tusk"

local check = tusk.check
local types = {}

-- A task's arguments, with strings in these fields.
local function given(job, fields)
  local args = check.table(job.name .. ": args", job.args)
  for _, field in ipairs(fields) do check.string(("%s: %s"):format(job.name, field), args[field]) end
  return args
end

--- A message for @email.send. What a refused recipient was told is logged, once the others have got it.
function types.send_email(job, _, log)
  local sent = @email.send(given(job, {}))
  for _, who in ipairs(sent.rejected or {}) do
    log.warn("not delivered", { id = job.id, address = who.address, code = who.code, reply = who.message })
  end
  return { id = sent.id, accepted = sent.accepted, rejected = sent.rejected }
end

-- "processor.process" → that function of @processor.
local function named(path)
  local operator, name = path:match("^([%a_][%w_]*)%.([%a_][%w_]*)$")
  if operator then return tusk[operator][name] end
  tusk.errors.raise("config", ("processing: %q is not the name of an operator's function, such as processor.process"):format(path))
end

--- args = { from = table, id = key, into = table, field = column }: what the processor makes of that column, or without `field`
--- of the row, is stored; in place of a row with the same key.
function types.process_data(job, cfg)
  local args = given(job, { "from", "into" })
  if args.id == nil then check.fail("process_data: id: a key expected, got nil", { argument = "id" }) end
  check.opt_string("process_data: field", args.field)
  local row = @db[args.from].find(args.id)
  if not row then tusk.errors.raise("tasks.no_data", ("there is no %s %s"):format(args.from, args.id)) end
  local process = named(cfg.processing)
  local made = args.field == nil and process(row) or { id = args.id, [args.field] = process(row[args.field]) }
  return @db[args.into].upsert(made)
end

--- args = { report_id =, format =, path =, params =, mail = }: @reporter makes it and writes it, whole or not at all; with `mail`, a
--- message for @email.send, it is sent as an attachment, by a task of its own.
function types.generate_report(job, _, _, pool)
  local args = given(job, {})
  if args.report_id == nil then check.fail("generate_report: report_id: a report expected, got nil", { argument = "report_id" }) end
  check.opt_table("generate_report: mail", args.mail)
  local report = tusk.reporter.generate(args.report_id, { format = args.format, path = args.path, params = args.params })
  if not args.mail then return report end
  args.mail.attachments = { { file = report.path } }
  pool:enqueue("send_email", args.mail)
  return report
end

--- What each is limited to, unless the configuration says otherwise.
types.OPTIONS = {
  send_email = { timeout = "1m", retry = { attempts = 5, base = "1s", cap = "1m" } },
  process_data = { timeout = "1m", retry = true },
  generate_report = { timeout = "5m", retry = true },
}

return types
