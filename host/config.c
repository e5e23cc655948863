/* config.c: what a program and the library tell each other when they meet: versions, sizes, limits.
 */
#include <string.h>

#include "host.h"

enum { CONFIG_MIN = offsetof(tusk_config, ud), LIMITS_MIN = sizeof(uint32_t) };

uint32_t tusk_abi(void)
{
    return TUSK_ABI;
}

const char *tusk_version(void)
{
    return TUSK_VERSION;
}

const char *tusk_strerror(tusk_rc rc)
{
    static const char *const texts[] = {
        "ok",
        "bad argument",
        "not enough memory",
        "not initialized, or made for another version of the library",
        "not the owner's thread",
        "not in this state",
        "syntax error",
        "error in Lua",
        "denied",
        "timed out",
        "cancelled",
        "took too long without waiting",
        "input or output error",
        "failed, and may have been done all the same",
        "closed",
        "not found"};
    return (size_t)rc < sizeof texts / sizeof *texts ? texts[rc] : "unknown error";
}

/* ---- structs whose size says how much of them the program knows ---- */

int config_copy(void *to, size_t own, const void *from, uint32_t theirs)
{
    const unsigned char *bytes = from;
    if (theirs > CONFIG_SIZE_MOST)
        return -1;
    for (size_t i = own; i < theirs; i++)
        if (bytes[i])
            return -1;
    memset(to, 0, own);
    memcpy(to, from, theirs < own ? theirs : own);
    return 0;
}

void tusk_config_init_sized(tusk_config *c, uint32_t size, uint32_t abi)
{
    memset(c, 0, size);
    c->struct_size = size;
    c->abi = abi;
}

void tusk_limits_init_sized(tusk_limits *l, uint32_t size)
{
    memset(l, 0, size);
    l->struct_size = size;
}

static uint64_t limit(uint64_t given, uint64_t none, uint64_t standard)
{
    return given == 0 ? standard : given == none ? UINT64_MAX : given;
}

static int take_limits(tusk_limits *out, const tusk_limits *given)
{
    tusk_limits l = {0};
    if (given &&
        (given->struct_size < LIMITS_MIN || config_copy(&l, sizeof l, given, given->struct_size)))
        return -1;
    l.mem_bytes = limit(l.mem_bytes, UINT64_MAX, UINT64_MAX);
    l.slice_warn_us = limit(l.slice_warn_us, UINT64_MAX, UINT64_MAX);
    l.slice_max_us = limit(l.slice_max_us, UINT64_MAX, UINT64_MAX);
    l.max_tasks = (uint32_t)limit(l.max_tasks, UINT32_MAX, 1000000);
    l.max_ops = (uint32_t)limit(l.max_ops, UINT32_MAX, 1000000);
    l.max_depth = (uint32_t)limit(l.max_depth, UINT32_MAX, UINT32_MAX);
    l.max_body_bytes = limit(l.max_body_bytes, UINT64_MAX, UINT64_MAX);
    l.max_file_bytes = limit(l.max_file_bytes, UINT64_MAX, UINT64_MAX);
    *out = l;
    return 0;
}

tusk_rc config_take(tusk_config *out, tusk_limits *limits, const tusk_config *c)
{
    *out = (tusk_config){0};
    if (c && (c->abi != TUSK_ABI || c->struct_size < CONFIG_MIN ||
              config_copy(out, sizeof *out, c, c->struct_size)))
        return TUSK_E_ABI;
    if (take_limits(limits, out->limits))
        return TUSK_E_ABI;
    out->limits = NULL; // it was the caller's
    if (!out->uv_loop != !out->on_ready)
        return TUSK_E_ARG;
    return out->flags & ~TUSK_STRESS ? TUSK_E_ARG : TUSK_OK;
}
