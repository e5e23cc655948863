/*
 * tusk.c: a game's loop, and what scripts add to each of its frames.
 *
 *   tusk-frame N "URL DATABASE FOLDER" QUANTILE[:nogc]
 *
 * Prints the quantile of the milliseconds that a step has taken, less the time in which another
 * program had the core, and N. nogc: without tusk_gc_idle in what is left of a frame. With ALL in
 * the environment all quantiles go to stderr.
 *
 * Time is the game's, a sixtieth of a second in each frame: what scripts do in one is that of a
 * real frame, though frames begin every 4 ms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

#define FRAME_US 4000.0 /* real time between the beginnings of two frames */
#define GAME_NS  (1000000000 / 60)
#define STEP_US  1500
#define SPARE_US 1500 /* of a frame, for the collector */
#define TABLES   150000
#define FILES    1000
#define WARM_UP  600 /* frames that do not count: everything is opened, all is compiled */

struct bench {
    tusk_host *host;
    long frames;
    double quantile, *added;
    uint64_t game_ns; /* a sixtieth of a second more in each frame, however long it is */
    int collects, is_ready;
    char url[256], database[256], folder[256];
    unsigned did[4], wrong;
    tusk_val place[10];
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* How long this thread was ready to run while others had its core. */
static double waited_us(void)
{
    static FILE *file;
    double running = 0, waiting = 0;
    if (!file && !(file = fopen("/proc/thread-self/schedstat", "r")))
        return 0;
    setvbuf(file, NULL, _IONBF, 0);
    rewind(file);
    return fscanf(file, "%lf %lf", &running, &waiting) == 2 ? waiting / 1e3 : 0;
}

static uint64_t game_now(void *ud)
{
    return ((struct bench *)ud)->game_ns;
}

/* ---- what the script asks for ---- */

static tusk_rc place(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct bench *b = ud;
    (void)args, (void)n;
    const tusk_val pairs[10] = {tusk_str("url"),       tusk_str(b->url),   tusk_str("database"),
                                tusk_str(b->database), tusk_str("folder"), tusk_str(b->folder),
                                tusk_str("files"),     tusk_int(FILES),    tusk_str("tables"),
                                tusk_int(TABLES)};
    memcpy(b->place, pairs, sizeof pairs);
    *result = tusk_map(b->place, 5);
    return TUSK_OK;
}

static const char *const kinds[4] = {"http", "file", "read", "write"};

static tusk_rc did(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct bench *b = ud;
    (void)result;
    b->wrong += n != 2 || args[1].type != TUSK_BOOL || !args[1].u.b;
    for (int i = 0; i < 4; i++)
        b->did[i] += n && args[0].u.s.len == strlen(kinds[i]) &&
                     !memcmp(args[0].u.s.p, kinds[i], args[0].u.s.len);
    return TUSK_OK;
}

static tusk_rc ready(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct bench *b = ud;
    (void)args, (void)n, (void)result;
    b->is_ready = 1;
    return TUSK_OK;
}

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    struct bench *b = ud;
    (void)plugin;
    b->wrong += level >= TUSK_LOG_WARN;
    fprintf(stderr, "%.*s\n", (int)length, line);
}

/* ---- frames ---- */

static void sleep_until(double us)
{
    double left = us - now_us();
    struct timespec t = {0, (long)(left * 1e3)};
    if (left > 0)
        nanosleep(&t, NULL);
}

static double frame(struct bench *b)
{
    double began = now_us(), waited = waited_us(), from = now_us();
    b->game_ns += GAME_NS;
    tusk_step(b->host, STEP_US);
    double took = now_us() - from, lost = waited_us() - waited;
    if (b->collects)
        tusk_gc_idle(b->host, SPARE_US);
    sleep_until(began + FRAME_US);
    return took > lost ? took - lost : 0;
}

static void run(struct bench *b)
{
    while (!b->is_ready && !b->wrong)
        tusk_step(b->host, STEP_US);
    for (int i = 0; i < WARM_UP; i++)
        frame(b);
    memset(b->did, 0, sizeof b->did);
    for (long i = 0; i < b->frames; i++)
        b->added[i] = frame(b) / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct bench *b, double q)
{
    return b->added[(long)(q * (double)(b->frames - 1) + 0.5)];
}

static void report(struct bench *b)
{
    qsort(b->added, (size_t)b->frames, sizeof *b->added, by_size);
    if (getenv("ALL"))
        fprintf(
            stderr,
            "p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms; per frame: http %.2f  file %.2f  read "
            "%.2f  write %.2f\n",
            quantile(b, 0.5), quantile(b, 0.99), quantile(b, 0.999), quantile(b, 1),
            (double)b->did[0] / (double)b->frames, (double)b->did[1] / (double)b->frames,
            (double)b->did[2] / (double)b->frames, (double)b->did[3] / (double)b->frames);
    printf("%.3f %ld\n", quantile(b, b->quantile), b->frames);
}

/* ---- opening ---- */

static int load(struct bench *b)
{
    static char text[16384];
    FILE *file = fopen("bench/workloads/frame/frame.lua", "rb");
    if (!file)
        return -1;
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    return tusk_def(b->host, "bench.place", place, b) || tusk_def(b->host, "bench.did", did, b) ||
           tusk_def(b->host, "bench.ready", ready, b) ||
           tusk_load_source(b->host, "=frame.lua", text, n);
}

static int read_arguments(struct bench *b, int argc, char **argv)
{
    if (argc != 4 || sscanf(argv[2], "%255s %255s %255s", b->url, b->database, b->folder) != 3)
        return -1;
    b->frames = atol(argv[1]);
    b->quantile = atof(argv[3]);
    b->collects = !strstr(argv[3], ":nogc");
    b->added = calloc((size_t)b->frames, sizeof *b->added);
    return b->frames > 0 && b->added ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct bench b;
    tusk_config config;
    if (read_arguments(&b, argc, argv))
        return 2;
    tusk_config_init(&config);
    config.ud = &b;
    config.log = log_line;
    config.now_ns = game_now;
    if (tusk_open(&config, &b.host) || load(&b))
        return 1;
    run(&b);
    report(&b);
    for (int i = 0; i < 4; i++)
        b.wrong += !b.did[i];
    tusk_close(b.host);
    free(b.added);
    return b.wrong ? 1 : 0;
}
