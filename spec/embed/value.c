/* value.c: plain data, both ways; built with the library inside, so that memory can be refused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

/* ---- malloc that fails when it is told to (linked with --wrap) ---- */

static long allowed = -1; /* allocations until one fails; -1: none does */
static int refused;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int is_refused(void)
{
    if (allowed < 0 || allowed-- > 0)
        return 0;
    allowed = -1;
    refused++;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __real_calloc(n, size);
}

/* ---- values as text ---- */

static void show(const tusk_val *v)
{
    static const char *const none[] = {"nil", "true", "false"};
    if (v->type == TUSK_NIL || v->type == TUSK_BOOL)
        printf("%s", none[v->type == TUSK_NIL ? 0 : v->u.b ? 1 : 2]);
    else if (v->type == TUSK_INT)
        printf("int %" PRId64, v->u.i);
    else if (v->type == TUSK_NUM)
        printf("num %.17g", v->u.d);
    else if (v->type == TUSK_STR && !v->u.s.len)
        printf("\"\"");
    else if (v->type == TUSK_STR)
        for (size_t i = 0; i < v->u.s.len; i++)
            printf(v->u.s.p[i] ? "%c" : "\\0", v->u.s.p[i]);
    else if (v->type == TUSK_LIST) {
        printf("[");
        for (uint32_t i = 0; i < v->n; i++) {
            printf(i ? ", " : "");
            show(&v->u.v[i]);
        }
        printf("]");
    } else {
        printf("{");
        for (uint32_t i = 0; i < v->n; i++) {
            printf(i ? ", " : "");
            show(&v->u.v[2 * i]);
            printf(" = ");
            show(&v->u.v[2 * i + 1]);
        }
        printf("}");
    }
}

static tusk_rc show_all(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud;
    (void)result;
    for (uint32_t i = 0; i < n; i++) {
        printf(i ? " " : "");
        show(&args[i]);
    }
    printf("\n");
    return TUSK_OK;
}

/* @give(i): the i-th of the values */
struct gifts {
    const tusk_val *values;
    uint32_t n;
};

static tusk_rc give(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    const struct gifts *g = ud;
    if (n != 1 || args[0].type != TUSK_INT || args[0].u.i < 1 || args[0].u.i > g->n)
        return TUSK_E_ARG;
    *result = g->values[args[0].u.i - 1];
    return TUSK_OK;
}

static void echo(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud;
    if (tusk_op_done(op, args, n) == TUSK_E_NOMEM)
        tusk_op_fail(op, "memory", "no memory for the results");
    tusk_op_free(op);
}

/* ---- a host ---- */

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud;
    (void)level;
    (void)plugin;
    printf("log: %.*s\n", (int)length, line);
}

static tusk_host *open_host(void)
{
    tusk_host *h;
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    config.flags = getenv("TUSK_STRESS") ? TUSK_STRESS : 0;
    if (tusk_open(&config, &h) || tusk_def(h, "show", show_all, NULL) ||
        tusk_def_async(h, "echo", echo, NULL, NULL))
        exit(1);
    return h;
}

static void run(tusk_host *h, const char *code)
{
    if (tusk_load_source(h, "=script", code, strlen(code)))
        printf("%s\n", tusk_errmsg(h));
    while (tusk_step(h, UINT64_MAX) == TUSK_STEP_MORE)
        ;
}

/* ---- the cases ---- */

static void from_lua(void)
{
    tusk_host *h = open_host();
    run(h, "@show(nil, true, false, 0, -1, 2^53, -2^53, 1.5, -0.0, 2^53 + 2, 1/0)\n"
           "@show(9223372036854775807LL, -9223372036854775807LL - 1, 5ULL, 'a\\0b', '')\n"
           "local tusk = require 'tusk' @show({}, tusk.array{}, { 1, 2 }, { a = 1 }, { 1, nil, 3 "
           "}, { [2] = 'x' }, { 1, b = 2 })\n"
           "@show({ [1.5] = true }, { [true] = 1 }, { [0] = 0 })\n"
           "@show({ { { 'deep' } } }, { a = { b = {} } }, tusk.null, { tusk.null, 1 })\n"
           "@show(tusk.array{ 1, 2 }, tusk.array.counted({ 1, nil, 3 }, 4))\n"
           "@show(@echo(1, 'a\\0b', { 1, { x = 'y' } }, tusk.null, {}, tusk.array{}, 2^62, "
           "4611686018427387905LL))");
    tusk_close(h);
}

static void to_lua(void)
{
    tusk_host *h = open_host();
    const tusk_val list[] = {tusk_int(1), tusk_nil(), tusk_str("c")};
    const tusk_val pairs[] = {tusk_str("a"), tusk_int(1),       tusk_int(2),   tusk_bool(1),
                              tusk_str("n"), tusk_nil(),        tusk_num(2.5), tusk_num(0),
                              tusk_str("a"), tusk_int(3),       tusk_bool(0),  tusk_str("no"),
                              tusk_str("l"), tusk_list(list, 3)};
    const tusk_val values[] = {tusk_nil(),
                               tusk_bool(7),
                               tusk_int(9007199254740992),
                               tusk_int(9007199254740993),
                               tusk_int(INT64_MIN),
                               tusk_num(1e300),
                               tusk_bytes("a\0b", 3),
                               tusk_bytes(NULL, 0),
                               tusk_list(list, 3),
                               tusk_list(NULL, 0),
                               tusk_map(pairs, 7),
                               tusk_map(NULL, 0)};
    struct gifts g = {values, sizeof values / sizeof *values};
    tusk_def(h, "give", give, &g);
    run(h,
        "for i = 1, 12 do local v = @give(i) @show(i, type(v), tostring(v):gsub(': 0x%x+', '') or "
        "'') end\n"
        "local tusk = require 'tusk' local l = @give(9) @show(l[1], rawequal(l[2], tusk.null), "
        "l[3], tusk.array.is(l))\n"
        "@show(tusk.array.is(@give(10)), next(@give(12)) == nil, tusk.array.is(@give(12)))\n"
        "local m = @give(11) @show(m.a, m[2], m.n == nil, m[2.5], m[false], m.l[3])\n"
        "@show(@give(3) == 2^53, @give(4) == 9007199254740993LL, #@give(7))");
    tusk_close(h);
}

/* Whatever can be made comes back as it was. */
static void random_values(void)
{
    tusk_host *h = open_host();
    run(h, "local tusk, random = require 'tusk', math.random\n"
           "math.randomseed(7)\n"
           "local make\n"
           "local function list(depth)\n"
           "  local out = tusk.array{}\n"
           "  for i = 1, random(0, 4) do out[i] = make(depth + 1) end\n"
           "  return out\n"
           "end\n"
           "local function map(depth)\n"
           "  local out = {}\n"
           "  for _ = 1, random(0, 4) do\n"
           "    local key = random() < 0.7 and ('k'):rep(random(0, 5)) or random() < 0.5 and "
           "random(2, 9) + 0.5 or random() < 0.5\n"
           "    out[key] = make(depth + 1)\n"
           "  end\n"
           "  return out\n"
           "end\n"
           "local function bytes()\n"
           "  local out = {} for i = 1, random(0, 9) do out[i] = string.char(random(0, 255)) end "
           "return table.concat(out)\n"
           "end\n"
           "local simple = {\n"
           "  bytes, function() return random(-9, 9) end, function() return random() * "
           "2^random(-1000, 1000) end,\n"
           "  function() return random() < 0.5 end, function() return tusk.null end,\n"
           "  function() return 2^53 - random(0, 1) end, function() return 9007199254740993LL + "
           "random(0, 1e6) * (random() < 0.5 and 1LL or -2^40) end,\n"
           "}\n"
           "function make(depth)\n"
           "  if depth < 6 and random() < 0.4 then return random() < 0.5 and list(depth) or "
           "map(depth) end\n"
           "  return simple[random(#simple)]()\n"
           "end\n"
           "local function same(a, b)\n"
           "  if type(a) == 'cdata' then a = a >= -2LL^53 and a <= 2LL^53 and tonumber(a) or "
           "tostring(a) b = type(b) == 'cdata' and tostring(b) or b end\n"
           "  if type(a) ~= 'table' then return rawequal(a, b) end\n"
           "  if type(b) ~= 'table' or tusk.array.is(a) ~= tusk.array.is(b) and next(a) == nil "
           "then return false end\n"
           "  for k, v in pairs(a) do if not same(v, b[k]) and not (v == tusk.null and not "
           "tusk.array.is(a) and b[k] == nil) then return false end end\n"
           "  for k in pairs(b) do if a[k] == nil then return false end end\n"
           "  return true\n"
           "end\n"
           "local tables, wrong = 0, 0\n"
           "for _ = 1, 3000 do\n"
           "  local a, b = make(1), make(1)\n"
           "  local x, y, n = @echo(a, b, 'end')\n"
           "  if type(a) == 'table' then tables = tables + 1 end\n"
           "  if n ~= 'end' or not (same(a, x) or a == tusk.null and x == nil) or not (same(b, y) "
           "or b == tusk.null and y == nil) then\n"
           "    wrong = wrong + 1 @show(a, x) @show(b, y)\n"
           "  end\n"
           "end\n"
           "@show(tables > 900, wrong)");
    tusk_close(h);
}

static void refused_from_lua(void)
{
    tusk_host *h = open_host();
    run(h, "local function try(...)\n"
           "  local ok, e = pcall(@show, ...)\n"
           "  @show(ok or e.kind, ok or e.message, ok or e.site.line)\n"
           "end\n"
           "local tusk = require 'tusk' local cycle = {} cycle.me = { cycle }\n"
           "local deep = {} for i = 1, 64 do deep = { deep } end\n"
           "local fits = {} for i = 1, 63 do fits = { fits } end\n"
           "try(1, print)\n"
           "try({ body = { on_hit = { print } } })\n"
           "try({ a = coroutine.create(print) })\n"
           "try(io.stdout)\n"
           "try(require('ffi').new('int[2]'))\n"
           "try({ [{}] = 1 })\n"
           "try({ x = { [5LL] = 1 } })\n"
           "try(cycle)\n"
           "try(deep)\n"
           "try({ [false] = { print } })\n"
           "try(18446744073709551615ULL)\n"
           "try(setmetatable({ x = 1 }, getmetatable(tusk.array{})))\n"
           "try(tusk.array{ [5000] = 1 })\n"
           "try(@env.secret and { key = select(2, pcall(@env.secret, 'HOME')) } or print)\n"
           "try(unpack({}, 1, 201))\n"
           "local ok, e = pcall(@echo, { print }) @show(e.kind, e.message)\n"
           "@show(#@echo(fits))\n");
    tusk_close(h);
}

static tusk_host *held;
static tusk_op *op;

static void keep(void *ud, tusk_op *call, const tusk_val *args, uint32_t n)
{
    (void)ud;
    (void)args;
    (void)n;
    op = call;
}

static void refuse_one(const char *what, const tusk_val *v, uint32_t n)
{
    tusk_rc call = tusk_call(held, NULL, "print", v, n, 0, NULL, NULL, NULL);
    printf("%s: %s, %s, %s\n", what, tusk_strerror(tusk_op_done(op, v, n)), tusk_strerror(call),
           tusk_strerror(tusk_emit(held, "event", v, n)));
}

static void refused_from_c(void)
{
    tusk_val cycle[2], deep[65], bad = tusk_nil(), keys[2], wide[30][2];
    tusk_val last = tusk_str("it still waits");
    held = open_host();
    tusk_def_async(held, "keep", keep, NULL, NULL);
    run(held, "@show(@keep())");
    cycle[0] = tusk_list(cycle, 2);
    cycle[1] = tusk_nil();
    refuse_one("a cycle", cycle, 1);
    deep[64] = tusk_list(NULL, 0);
    for (int i = 63; i >= 0; i--)
        deep[i] = tusk_list(&deep[i + 1], 1);
    refuse_one("65 deep", deep, 1);
    bad.type = (tusk_type)9;
    refuse_one("no type", &bad, 1);
    bad = tusk_bytes(NULL, 3);
    refuse_one("no bytes", &bad, 1);
    bad = tusk_list(NULL, 1);
    refuse_one("no elements", &bad, 1);
    refuse_one("no values", NULL, 1);
    refuse_one("too many", cycle, 201);
    keys[1] = tusk_nil();
    bad = tusk_map(keys, 1);
    keys[0] = tusk_nil();
    refuse_one("nil as a key", &bad, 1);
    keys[0] = tusk_num(0.0 / 0.0);
    refuse_one("NaN as a key", &bad, 1);
    keys[0] = tusk_list(NULL, 0);
    refuse_one("a list as a key", &bad, 1);
    keys[0] = tusk_int(9007199254740993);
    refuse_one("too large a key", &bad, 1);
    wide[29][0] = wide[29][1] = tusk_nil(); // 2^30 values, by sharing
    for (int i = 28; i >= 0; i--)
        wide[i][0] = wide[i][1] = tusk_list(wide[i + 1], 2);
    refuse_one("a billion values", wide[0], 1);
    tusk_op_done(op, &last, 1);
    tusk_op_free(op);
    run(held, "");
    tusk_close(held);
}

/* ---- no memory ---- */

static const char *const work =
    "local ok, e = pcall(@echo, { 1, { 'two', three = { 4 } } }, 'text', { a = { b = {} } })\n"
    "@show(ok or e.kind or 'no kind')";

/* Every allocation of a call is refused once: it fails, and nothing else. */
static void no_memory(void)
{
    int ok = 0, failed = 0, others = 0;
    for (int i = 0; i < 40; i++) {
        tusk_host *h = open_host();
        tusk_val out = tusk_str("x"), in[] = {tusk_int(1), tusk_list(&out, 1)};
        tusk_future *f = NULL;
        if (tusk_call(h, NULL, "@echo.x", NULL, 0, 0, NULL, NULL, NULL) != TUSK_E_NOTFOUND)
            others++; // its Lua half is loaded
        allowed = i;
        tusk_rc rc = tusk_call(h, NULL, "echo", in, 2, 0, NULL, NULL, &f);
        if (!rc)
            while (tusk_future_poll(f) == TUSK_E_STATE)
                tusk_step(h, 1000);
        rc = rc ? rc : tusk_future_poll(f);
        allowed = -1;
        ok += rc == TUSK_OK;
        failed += rc == TUSK_E_NOMEM;
        others += rc != TUSK_OK && rc != TUSK_E_NOMEM;
        tusk_future_free(f);
        tusk_close(h);
    }
    printf("%s, %s, %d others\n", ok ? "done" : "never done",
           failed > 3 ? "failed" : "never failed", others);
}

static void no_memory_in_calls(void)
{
    for (int i = 0; i < 12; i++) {
        tusk_host *h = open_host();
        run(h, "");
        allowed = i;
        run(h, work);
        allowed = -1;
        tusk_close(h);
    }
    printf("%s refused\n", refused > 3 ? "some were" : "none was");
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"from_lua", from_lua},
                 {"to_lua", to_lua},
                 {"random_values", random_values},
                 {"refused_from_lua", refused_from_lua},
                 {"refused_from_c", refused_from_c},
                 {"no_memory", no_memory},
                 {"no_memory_in_calls", no_memory_in_calls}};
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(cases[i].name, argv[1]))
            cases[i].run();
    return 0;
}
