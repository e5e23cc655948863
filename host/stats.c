/* stats.c: figures of a host, and of one plugin. */
#include <string.h>

#include "host.h"

static uint32_t count_ready(const struct tusk *h)
{
    uint32_t n = 0;
    for (const struct task *t = h->ready_head; t; t = t->next)
        n++;
    return n;
}

static void count_descriptor(uv_handle_t *handle, void *ud)
{
    uv_os_fd_t fd;
    uint32_t *n = ud;
    *n += !uv_is_closing(handle) && !uv_fileno(handle, &fd);
}

static void fill(struct tusk *h, tusk_stats *s)
{
    s->tasks = h->live - h->residents;
    s->ready = count_ready(h);
    s->ops = h->waits;
    uv_walk(&h->loop, count_descriptor, &s->fds);
    s->lua_bytes = memory_lua_bytes(h);
    s->bytes = memory_bytes(h);
    s->peak_bytes = h->memory.peak;
    s->steps = h->steps;
    s->slowest_slice_us = h->slice.slowest / 1000;
}

tusk_rc tusk_get_stats(tusk_host *h, const char *plugin, tusk_stats *out)
{
    tusk_rc rc = host_check(h);
    tusk_stats s = {0};
    if (rc)
        return rc;
    if (!out || out->struct_size < sizeof out->struct_size || out->struct_size > CONFIG_SIZE_MOST)
        return host_refuse(h, TUSK_E_ABI, "tusk_stats has no size: tusk_stats_init");
    if (!plugin)
        fill(h, &s);
    else if (!unit_stats(h, plugin, &s))
        return host_refuse(h, TUSK_E_NOTFOUND, "nothing called \"%s\" is loaded", plugin);
    uint32_t size = out->struct_size;
    memset(out, 0, size);
    memcpy(out, &s, size < sizeof s ? size : sizeof s);
    out->struct_size = size;
    return TUSK_OK;
}

void tusk_stats_init_sized(tusk_stats *s, uint32_t size)
{
    memset(s, 0, size);
    s->struct_size = size;
}
