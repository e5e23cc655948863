/* One prepared statement, each row committed by itself, one after the other. */
#include "../../lib/bench.h"
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
/* link: -lsqlite3 */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
    return stmt;
}

static void put_one(sqlite3_stmt *put, long i)
{
    char name[32], email[48];
    int a = snprintf(name, sizeof name, "user %ld", i);
    int b = snprintf(email, sizeof email, "user%ld@example.com", i);
    sqlite3_bind_text(put, 1, name, a, SQLITE_STATIC);
    sqlite3_bind_text(put, 2, email, b, SQLITE_STATIC);
    if (sqlite3_step(put) != SQLITE_DONE)
        exit(1);
    sqlite3_reset(put);
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    if (argc < 3 || sqlite3_open(argv[2], &db) != SQLITE_OK)
        return 1;
    int full = strstr(argv[2], "full") != NULL;
    sqlite3_exec(db, full ? "pragma synchronous = full" : "pragma synchronous = normal", NULL, NULL,
                 NULL);
    double began = bench_now();
    sqlite3_stmt *put = prepare(db, "insert into users (name, email) values (?, ?)");
    for (long i = 1, n = atol(argv[1]); i <= n; i++)
        put_one(put, i);
    double took = bench_now() - began;
    sqlite3_stmt *check = prepare(db, "select count(*) + sum(length(name)) from users");
    sqlite3_step(check);
    printf("%.3f %ld\n", took, (long)sqlite3_column_int64(check, 0));
    sqlite3_finalize(check);
    sqlite3_finalize(put);
    sqlite3_close(db);
    return 0;
}
