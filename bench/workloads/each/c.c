/* One statement stepped to its end. */
#include "../../lib/bench.h"
#include <sqlite3.h>
#include <stdlib.h>
/* link: -lsqlite3 */

static long row_sum(sqlite3_stmt *rows)
{
    long id = (long)sqlite3_column_int64(rows, 0);
    sqlite3_column_text(rows, 1);
    sqlite3_column_text(rows, 2);
    return id + sqlite3_column_bytes(rows, 1) + sqlite3_column_bytes(rows, 2);
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    if (argc < 3 || sqlite3_open(argv[2], &db) != SQLITE_OK)
        return 1;
    double began = bench_now();
    long sum = 0;
    if (sqlite3_prepare_v2(db, "select id, name, email from users limit ?", -1, &rows, NULL))
        return 1;
    sqlite3_bind_int64(rows, 1, atol(argv[1]));
    while (sqlite3_step(rows) == SQLITE_ROW)
        sum += row_sum(rows);
    printf("%.3f %ld\n", bench_now() - began, sum);
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return 0;
}
