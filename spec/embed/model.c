/* model.c [SEED ROUNDS]: forty tasks call operators from C; threads answer, fail, or let go of the
 * calls at random, while tasks are cancelled at random. What each side has counted must agree. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

enum { THREADS = 4, LINE = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static tusk_op *line[LINE];
static unsigned head, tail;
static int over;

static atomic_int asked, done, failed, let_go, refused, cancels, odd;

static void put(tusk_op *op)
{
    pthread_mutex_lock(&mutex);
    line[tail++ % LINE] = op;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&mutex);
}

static tusk_op *take(void)
{
    tusk_op *op = NULL;
    pthread_mutex_lock(&mutex);
    while (head == tail && !over)
        pthread_cond_wait(&filled, &mutex);
    if (head != tail)
        op = line[head++ % LINE];
    pthread_mutex_unlock(&mutex);
    return op;
}

static void tally(tusk_rc rc, atomic_int *count)
{
    if (rc == TUSK_OK)
        ++*count;
    else if (rc == TUSK_E_CANCELLED)
        refused++;
    else
        odd++;
}

static void answer(tusk_op *op, unsigned how)
{
    tusk_val v = tusk_str("answer"), list = tusk_list(&v, 1);
    if (how % 8 < 4)
        tally(tusk_op_done(op, &list, 1), &done);
    else if (how % 8 < 6)
        tally(tusk_op_fail(op, "model.failed", "it failed"), &failed);
    else {
        let_go++;
        tusk_op_cancelled(op); // a look does no harm
        tusk_op_free(op);
        return;
    }
    if (how & 64 && tusk_op_done(op, &v, 1) == TUSK_OK)
        odd++; // there was an answer
    tusk_op_free(op);
}

static void *answer_some(void *ud)
{
    unsigned seed = *(unsigned *)ud;
    for (tusk_op *op; (op = take());) {
        unsigned how = (unsigned)rand_r(&seed);
        if (how % 16 == 0)
            nanosleep(&(struct timespec){0, (long)(how % 200000)}, NULL);
        answer(op, how / 16);
    }
    return NULL;
}

/* Some are answered where they are asked. */
static void ask(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    unsigned *seed = ud, how = (unsigned)rand_r(seed);
    (void)args, (void)n;
    asked++;
    if (how % 4 == 0)
        answer(op, how / 4);
    else
        put(op);
}

/* The answer comes from a thread all the same. */
static void count_cancel(void *ud, tusk_op *op)
{
    (void)ud, (void)op;
    cancels++;
}

static int counts[5];

static tusk_rc report(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud, (void)result;
    for (uint32_t i = 0; i < n && i < 5; i++)
        counts[i] = (int)args[i].u.i;
    return TUSK_OK;
}

static const char code[] =
    "math.randomseed(...)\n"
    "local random, results, failures, abandoned, cancelled, other = math.random, 0, 0, 0, 0, 0\n"
    "local function once(op)\n"
    "  local ok, v = pcall(op, { x = { random() } }, 'text')\n"
    "  if ok and v[1] == 'answer' then results = results + 1\n"
    "  elseif ok then other = other + 1\n"
    "  elseif v.kind == 'model.failed' then failures = failures + 1\n"
    "  elseif v.kind == 'abandoned' then abandoned = abandoned + 1\n"
    "  elseif v.kind == 'cancelled' then cancelled = cancelled + 1\n"
    "  else other = other + 1 end\n"
    "end\n"
    "local tasks = {}\n"
    "for i = 1, 40 do\n"
    "  tasks[i] = @async(function()\n"
    "    for _ = 1, 25 do\n"
    "      local op = random() < 0.5 and @asks.now or @asks.patient\n"
    "      if random() < 0.5 then once(op) else pcall(@timeout, random() * 2e-4, once, op) end\n"
    "    end\n"
    "  end)\n"
    "end\n"
    "for _ = 1, 10 do @sleep(1e-4) tasks[random(40)]:cancel() end\n"
    "for _, task in ipairs(tasks) do pcall(task.await, task) end\n"
    "@report(results, failures, abandoned, cancelled, other)\n";

static void run(tusk_host *h)
{
    for (int i = 0; i < 200000 && tusk_step(h, 10000) != TUSK_STEP_IDLE; i++)
        if (tusk_wait_ms(h))
            nanosleep(&(struct timespec){0, 50000}, NULL);
}

/* Every call that was asked is told of once: by its result, its failure, or `cancelled`, which also
 * calls are told that were cancelled before they were asked. */
static void agree(unsigned seed)
{
    int cancelled_calls = asked - counts[0] - counts[1] - counts[2];
    if (asked == done + failed + let_go + refused && !odd && !counts[4] && counts[0] == done &&
        counts[1] <= failed && counts[2] <= let_go && cancelled_calls >= refused &&
        cancelled_calls <= counts[3])
        return;
    printf("seed %u: asked %d, done %d, failed %d, let go %d, refused %d, cancels %d, odd %d; told "
           "%d %d %d %d %d\n",
           seed, asked, done, failed, let_go, refused, cancels, odd, counts[0], counts[1],
           counts[2], counts[3], counts[4]);
    exit(1);
}

static void round_of(unsigned seed)
{
    tusk_host *h;
    pthread_t threads[THREADS];
    unsigned seeds[THREADS + 1];
    char text[4096];
    asked = done = failed = let_go = refused = cancels = odd = over = 0;
    head = tail = 0;
    seeds[THREADS] = seed;
    if (tusk_open(NULL, &h) || tusk_def_async(h, "asks.now", ask, NULL, &seeds[THREADS]) ||
        tusk_def_async(h, "asks.patient", ask, count_cancel, &seeds[THREADS]) ||
        tusk_def(h, "report", report, NULL))
        exit(1);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed * 31 + (unsigned)i;
        pthread_create(&threads[i], NULL, answer_some, &seeds[i]);
    }
    int n = snprintf(text, sizeof text, "(function(...) %s end)(%u)", code, seed);
    if (tusk_load_source(h, "model", text, (size_t)n))
        exit(1);
    run(h);
    pthread_mutex_lock(&mutex);
    over = 1;
    pthread_cond_broadcast(&filled);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    tusk_close(h);
    agree(seed);
}

int main(int argc, char **argv)
{
    unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 1,
             rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    for (unsigned i = 0; i < rounds; i++)
        round_of(first + i);
    printf("%u rounds\n", rounds);
    return 0;
}
