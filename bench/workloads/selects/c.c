/* One prepared statement, each row in a read transaction of its own. */
#include "../../lib/bench.h"
#include <sqlite3.h>
#include <stdlib.h>
/* link: -lsqlite3 */

static long first_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    long value = -1;
    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        value = (long)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static long row_sum(sqlite3_stmt *get, long key)
{
    sqlite3_bind_int64(get, 1, key);
    if (sqlite3_step(get) != SQLITE_ROW)
        exit(1);
    long sum = (long)sqlite3_column_int64(get, 0);
    for (int i = 1; i <= 2; i++)
        if (sqlite3_column_text(get, i))
            sum += sqlite3_column_bytes(get, i);
    sqlite3_reset(get);
    return sum;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *get = NULL;
    long sum = 0;
    if (argc < 3 || sqlite3_open(argv[2], &db) != SQLITE_OK)
        return 1;
    long n = atol(argv[1]), rows = first_number(db, "select count(*) from users");
    double began = bench_now();
    const char *sql = "select id, name, email from users where id = ?";
    if (sqlite3_prepare_v2(db, sql, -1, &get, NULL) != SQLITE_OK)
        return 1;
    for (long i = 1; i <= n; i++)
        sum += row_sum(get, i * 7919 % rows + 1);
    bench_print(began, sum);
    sqlite3_finalize(get);
    sqlite3_close(db);
    return 0;
}
