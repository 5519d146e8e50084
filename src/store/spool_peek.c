/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "store/spool_peek.h"

/* SQLite takes no lock, makes no file, and does not look at the WAL. */
static int make_uri(const char *path, struct azm_buf *uri)
{
    int r = azm_buf_printf(uri, "file:");

    for (; *path && r >= 0; path++)
        r = azm_buf_printf(uri, isalnum((unsigned char)*path) || *path == '/' ? "%c" : "%%%02X", (unsigned char)*path);
    return r < 0 ? r : azm_buf_printf(uri, "?immutable=1");
}

static bool count_records(const char *uri, uint64_t *ret)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    bool known = false;

    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT last_total - acknowledged_total FROM meta WHERE one = 1", -1, &st, NULL) ==
            SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 0) >= 0) {
        *ret = (uint64_t)sqlite3_column_int64(st, 0);
        known = true;
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return known;
}

int azm_spool_peek(const char *path, struct azm_spool_peek *ret)
{
    _cleanup_(azm_buf_free) struct azm_buf uri = {0}, wal = {0};
    struct stat st, st_wal = {0};

    *ret = (struct azm_spool_peek){0};
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (make_uri(path, &uri) < 0 || azm_buf_printf(&wal, "%s-wal", path) < 0)
        return -ENOMEM;
    if (stat((const char *)wal.data, &st_wal) < 0)
        st_wal.st_size = 0;
    ret->bytes = (uint64_t)st.st_size + (uint64_t)st_wal.st_size;
    ret->known = st_wal.st_size == 0 && count_records((const char *)uri.data, &ret->records);
    return 1;
}
