/* owner.c: who may use a host now, and what is said to those who may not. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "host.h"

void owner_take(struct tusk *h)
{
    atomic_store(&h->owner, pthread_self());
}

static int is_owner(const struct tusk *h)
{
    return pthread_equal(atomic_load(&h->owner), pthread_self());
}

tusk_rc host_refuse(struct tusk *h, tusk_rc rc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->message, sizeof h->message, fmt, args);
    va_end(args);
    return rc;
}

tusk_rc host_check(struct tusk *h)
{
    if (!h)
        return TUSK_E_ARG;
    return is_owner(h) ? TUSK_OK : TUSK_E_THREAD;
}

tusk_rc host_check_outside(struct tusk *h)
{
    tusk_rc rc = host_check(h);
    if (!rc && h->inside)
        return host_refuse(h, TUSK_E_STATE, "not from inside a callback of the host");
    return rc;
}

const char *tusk_errmsg(const tusk_host *h)
{
    if (!h)
        return tusk_strerror(TUSK_E_ARG);
    return is_owner(h) ? h->message : tusk_strerror(TUSK_E_THREAD);
}

tusk_rc tusk_adopt(tusk_host *h)
{
    if (!h)
        return TUSK_E_ARG;
    if (atomic_load(&h->inside))
        return TUSK_E_STATE;
    owner_take(h);
    return TUSK_OK;
}
