/* cli_log.c: the binary's log: a bounded buffer that a thread of its own writes to stderr. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <stdio.h>

#include "cli.h"

#define CAPACITY (1u << 20)
#define PATIENCE 2 /* seconds that closing waits for a slow reader */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    pthread_t thread;
    char buffer[CAPACITY];
    size_t head, used, dropped;
    int running, closing, writing;
} log_ = {.mutex = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER,
          .emptied = PTHREAD_COND_INITIALIZER};

static void put(const char *bytes, size_t n)
{
    size_t tail = (log_.head + log_.used) % CAPACITY, first = CAPACITY - tail;
    if (first > n)
        first = n;
    memcpy(log_.buffer + tail, bytes, first);
    memcpy(log_.buffer, bytes + first, n - first);
    log_.used += n;
}

/* Signals, and a descriptor that somebody has made non-blocking, are no reason to lose a line. */
static ssize_t write_patiently(const char *bytes, size_t n)
{
    struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    for (;;) {
        ssize_t written = write(STDERR_FILENO, bytes, n);
        if (written >= 0 || (errno != EINTR && errno != EAGAIN))
            return written;
        if (errno == EAGAIN)
            poll(&poll_fd, 1, -1);
    }
}

static void write_some(void)
{ // holds the mutex, not while it writes: nobody else moves head
    size_t n = CAPACITY - log_.head < log_.used ? CAPACITY - log_.head : log_.used;
    log_.writing = 1;
    pthread_mutex_unlock(&log_.mutex);
    ssize_t written = write_patiently(log_.buffer + log_.head, n);
    pthread_mutex_lock(&log_.mutex);
    log_.writing = 0;
    if (written < 0)
        written = (ssize_t)n; // nobody is there to read it
    log_.head = (log_.head + (size_t)written) % CAPACITY;
    log_.used -= (size_t)written;
}

static void *write_lines(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&log_.mutex);
    for (;;) {
        while (!log_.used && !log_.closing)
            pthread_cond_wait(&log_.filled, &log_.mutex);
        if (!log_.used)
            break;
        write_some();
        if (!log_.used)
            pthread_cond_broadcast(&log_.emptied);
    }
    pthread_mutex_unlock(&log_.mutex);
    return NULL;
}

static void note_dropped(void)
{
    char text[80];
    int n = snprintf(text, sizeof text, "tusk: %zu log lines dropped: stderr is not being read\n",
                     log_.dropped);
    if (log_.used + (size_t)n > CAPACITY)
        return;
    put(text, (size_t)n);
    log_.dropped = 0;
}

void cli_log_line(const char *line, size_t length)
{
    pthread_mutex_lock(&log_.mutex);
    if (!log_.running)
        log_.running = !pthread_create(&log_.thread, NULL, write_lines, NULL);
    if (log_.dropped)
        note_dropped();
    if (log_.used + length + 1 > CAPACITY) {
        log_.dropped++;
    } else {
        put(line, length);
        put("\n", 1);
    }
    pthread_cond_signal(&log_.filled);
    pthread_mutex_unlock(&log_.mutex);
}

void cli_log_close(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    pthread_mutex_lock(&log_.mutex);
    log_.closing = 1;
    pthread_cond_signal(&log_.filled);
    int rc = 0;
    while (log_.running && log_.used && !rc)
        rc = pthread_cond_timedwait(&log_.emptied, &log_.mutex, &until);
    int join = log_.running && !log_.used;
    log_.running = 0;
    pthread_mutex_unlock(&log_.mutex);
    if (join)
        pthread_join(log_.thread, NULL);
}
