/* failure.c: an error of Lua as a code and plain data, for the embedder. */
#include <string.h>

#include "host.h"

struct code {
    const char *word;
    tusk_rc rc;
};

static tusk_rc look_up(const struct code *list, size_t n, const char *word, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i].word) == length && !memcmp(list[i].word, word, length))
            return list[i].rc;
    return TUSK_OK;
}

#define LOOK_UP(list, word, length) look_up((list), sizeof(list) / sizeof *(list), (word), (length))

/* "http.timeout" is what its last part says; "http.status.404" what the first does. */
tusk_rc failure_code(const char *kind, int sent)
{
    static const struct code last[] = {
        {"argument", TUSK_E_ARG},
        {"memory", TUSK_E_NOMEM},
        {"no_memory", TUSK_E_NOMEM},
        {"syntax", TUSK_E_SYNTAX},
        {"cancelled", TUSK_E_CANCELLED},
        {"timeout", TUSK_E_TIMEOUT},
        {"cpu", TUSK_E_CPU},
        {"closed", TUSK_E_CLOSED},
        {"not_found", TUSK_E_NOTFOUND},
        {"permission", TUSK_E_DENIED},
        {"denied", TUSK_E_DENIED},
        {"escape", TUSK_E_DENIED},
        {"exists", TUSK_E_STATE},
        {"task_cancelled", TUSK_E_CANCELLED},
    };
    static const struct code first[] = {
        {"file", TUSK_E_IO},  {"http", TUSK_E_IO},    {"redis", TUSK_E_IO},
        {"email", TUSK_E_IO}, {"process", TUSK_E_IO},
    };
    const char *dot = strrchr(kind, '.'), *end = dot ? dot + 1 : kind;
    if (sent)
        return TUSK_E_UNKNOWN_OUTCOME;
    tusk_rc rc = LOOK_UP(last, end, strlen(end));
    if (!rc)
        rc = LOOK_UP(first, kind, strcspn(kind, "."));
    return rc ? rc : TUSK_E_LUA;
}

void failure_tell(struct tusk *h, const tusk_failure *f)
{
    if (h->config.error)
        h->config.error(h->config.ud, f);
}

static const char *text_at(lua_State *L, int i)
{
    const char *text = lua_tostring(L, i);
    return text ? text : "";
}

/* failed(task | nil, kind, message, traceback, sent) -> whether the embedder has been told; it is
 * the plugin of that task, or of the running one, that has failed */
static int op_failed(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handle *d = task_test_handle(L, 1);
    struct task *t = d && d->task ? d->task : h->current;
    const char *kind = luaL_checkstring(L, 2);
    struct unit *unit = t ? unit_around(h, &t->own) : NULL;
    tusk_failure f = {.rc = failure_code(kind, lua_toboolean(L, 5)),
                      .kind = kind,
                      .plugin = unit ? unit_name(unit) : NULL,
                      .message = text_at(L, 3),
                      .traceback = text_at(L, 4),
                      .task_id = d ? d->id : 0};
    failure_tell(h, &f);
    lua_pushboolean(L, h->config.error != NULL);
    return 1;
}

void failure_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"failed", op_failed}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
