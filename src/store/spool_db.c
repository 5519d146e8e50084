/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "store/spool_db.h"
#include "store/spool_vfs.h"

#define FORMAT_VERSION 1
#define APPLICATION_ID "0x617a6d71" /* "azmq": file(1) shows it */

#define META_COLUMNS "version, spool_id, acknowledged, acknowledged_total, last_id, last_total, opened, checksum"
#define META_TABLE                                                                                                     \
    "(one INTEGER PRIMARY KEY, version INTEGER, spool_id BLOB, acknowledged INTEGER, acknowledged_total INTEGER, "     \
    "last_id INTEGER, last_total INTEGER, opened TEXT, checksum INTEGER);"

static const char *const sql_text[SQL_N] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_INSERT] = "INSERT INTO row(id, time, records, total, checksum, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_NEXT] = "SELECT id, time, records, total, checksum, data FROM row WHERE id > ?1 ORDER BY id LIMIT 1",
    [SQL_TOTAL] = "SELECT total FROM row WHERE id = ?1",
    [SQL_OLDEST] = "SELECT time FROM row WHERE id > ifnull(?1, 0) AND data IS NOT NULL ORDER BY id LIMIT 1",
    [SQL_FIRST] = "SELECT id FROM row ORDER BY id LIMIT 1",
    [SQL_LAST] = "SELECT id FROM row ORDER BY id DESC LIMIT 1",
    [SQL_DELETE] = "DELETE FROM row WHERE id BETWEEN ?1 AND ?2",
    [SQL_META_GET] = "SELECT " META_COLUMNS " FROM meta WHERE one = 1",
    [SQL_META_PUT] = "INSERT OR REPLACE INTO meta(one, " META_COLUMNS ") VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_META_PUT_COPY] =
        "INSERT OR REPLACE INTO meta_copy(one, " META_COLUMNS ") VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_PAGES] = "PRAGMA page_count",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
};

/* EXCLUSIVE also keeps the WAL's index in memory instead of a -shm file. Deleted bytes are not overwritten (some
 * distributions' default): the file is private, and that would be the greatest part of a delete. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA cache_size = -2048;"
                               "PRAGMA wal_autocheckpoint = 0;";

static const char tables[] =
    "PRAGMA page_size = 4096;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id = " APPLICATION_ID ";"
    "CREATE TABLE meta" META_TABLE "CREATE TABLE meta_copy" META_TABLE
    "CREATE TABLE row(id INTEGER PRIMARY KEY, time INTEGER, records INTEGER, total INTEGER, checksum INTEGER, "
    "data BLOB);"
    "COMMIT;";

static int errno_of(sqlite3 *db)
{
    int system = db ? sqlite3_system_errno(db) : 0;

    switch (db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return EBADMSG;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_TOOBIG:
        return EMSGSIZE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EACCES;
    case SQLITE_IOERR:
        if (sqlite3_extended_errcode(db) == SQLITE_IOERR_SHORT_READ)
            return EBADMSG;
        if (system == EDQUOT || system == EFBIG) /* a quota, a limit of the process */
            return ENOSPC;
        return system ? system : EIO;
    default:
        return system ? system : EIO;
    }
}

int azm_spool_db_error(struct azm_spool_db *db, const char *what, struct azm_error *err)
{
    if (!db->sqlite)
        return azm_error_set(err, ENOMEM, "cannot %s the spool %s: SQLite has no memory", what, db->path);
    return azm_error_set(err, errno_of(db->sqlite), "cannot %s the spool %s: %s (SQLite error %d)", what, db->path,
                         sqlite3_errmsg(db->sqlite), sqlite3_extended_errcode(db->sqlite));
}

/* Prepared at the first use; NULL: see sqlite3_errmsg. */
static sqlite3_stmt *statement(struct azm_spool_db *db, enum azm_spool_sql sql)
{
    if (!db->statements[sql] && db->sqlite)
        sqlite3_prepare_v3(db->sqlite, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[sql], NULL);
    return db->statements[sql];
}

static int run(struct azm_spool_db *db, sqlite3_stmt *st, const char *what, struct azm_error *err)
{
    int r = 0;

    if (!st || sqlite3_step(st) != SQLITE_DONE)
        r = azm_spool_db_error(db, what, err);
    if (st)
        sqlite3_reset(st);
    return r;
}

int azm_spool_db_run(struct azm_spool_db *db, enum azm_spool_sql sql, const char *what, struct azm_error *err)
{
    return run(db, statement(db, sql), what, err);
}

int azm_spool_db_exec(struct azm_spool_db *db, const char *sql, const char *what, struct azm_error *err)
{
    if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return azm_spool_db_error(db, what, err);
}

int azm_spool_db_number(struct azm_spool_db *db, enum azm_spool_sql sql, uint64_t parameter, uint64_t *ret,
                        struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, sql);
    int r = 0, rc;

    if (!st)
        return azm_spool_db_error(db, "read", err);
    if (sqlite3_bind_parameter_count(st) > 0)
        sqlite3_bind_int64(st, 1, (sqlite3_int64)parameter);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *ret = (uint64_t)sqlite3_column_int64(st, 0);
        r = 1;
    } else if (rc != SQLITE_DONE) {
        r = azm_spool_db_error(db, "read", err);
    }
    sqlite3_reset(st);
    return r;
}

int azm_spool_db_end(struct azm_spool_db *db, int r, const struct azm_spool_meta *meta, struct azm_error *err)
{
    if (r >= 0)
        r = azm_spool_db_run(db, SQL_COMMIT, "write to", err);
    if (r >= 0)
        db->meta = *meta;
    else if (!sqlite3_get_autocommit(db->sqlite)) /* after some errors SQLite has done it itself */
        azm_spool_db_run(db, SQL_ROLLBACK, "", NULL);
    return r;
}

uint64_t azm_spool_db_meta_checksum(uint64_t version, const struct azm_spool_meta *m)
{
    uint64_t numbers[] = {version, m->acknowledged, m->acknowledged_total, m->last_id, m->last_total};

    return XXH64(m->spool_id, sizeof m->spool_id, XXH64(numbers, sizeof numbers, 0));
}

static int not_whole(struct azm_spool_db *db, struct azm_error *err)
{
    return azm_error_set(err, EBADMSG, "the spool %s is damaged: what it knows about itself is not whole", db->path);
}

static int take_meta(struct azm_spool_db *db, sqlite3_stmt *st, struct azm_error *err)
{
    uint64_t version = (uint64_t)sqlite3_column_int64(st, 0);
    const char *opened = (const char *)sqlite3_column_text(st, 6);
    struct azm_spool_meta m = {
        .acknowledged = (uint64_t)sqlite3_column_int64(st, 2),
        .acknowledged_total = (uint64_t)sqlite3_column_int64(st, 3),
        .last_id = (uint64_t)sqlite3_column_int64(st, 4),
        .last_total = (uint64_t)sqlite3_column_int64(st, 5),
    };

    if (sqlite3_column_bytes(st, 1) != sizeof m.spool_id)
        return not_whole(db, err);
    memcpy(m.spool_id, sqlite3_column_blob(st, 1), sizeof m.spool_id);
    if (azm_spool_db_meta_checksum(version, &m) != (uint64_t)sqlite3_column_int64(st, 7))
        return not_whole(db, err);
    if (version != FORMAT_VERSION)
        return azm_error_set(err, ENOTSUP, "the spool %s is of version %llu, which this azmonlog does not know",
                             db->path, (unsigned long long)version);
    if (opened)
        strncpy(m.opened, opened, sizeof m.opened - 1);
    db->meta = m;
    return 0;
}

static int get_meta(struct azm_spool_db *db, struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, SQL_META_GET);
    int r, rc = st ? sqlite3_step(st) : SQLITE_ERROR;

    if (rc == SQLITE_ROW)
        r = take_meta(db, st, err);
    else if (rc == SQLITE_DONE)
        r = not_whole(db, err);
    else
        r = azm_spool_db_error(db, "read", err);
    if (st)
        sqlite3_reset(st);
    return r;
}

static int put_meta(struct azm_spool_db *db, enum azm_spool_sql sql, const struct azm_spool_meta *m,
                    struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, sql);

    if (st) {
        sqlite3_bind_int(st, 1, FORMAT_VERSION);
        sqlite3_bind_blob(st, 2, m->spool_id, sizeof m->spool_id, SQLITE_STATIC);
        sqlite3_bind_int64(st, 3, (sqlite3_int64)m->acknowledged);
        sqlite3_bind_int64(st, 4, (sqlite3_int64)m->acknowledged_total);
        sqlite3_bind_int64(st, 5, (sqlite3_int64)m->last_id);
        sqlite3_bind_int64(st, 6, (sqlite3_int64)m->last_total);
        sqlite3_bind_text(st, 7, m->opened, -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 8, (sqlite3_int64)azm_spool_db_meta_checksum(FORMAT_VERSION, m));
    }
    return run(db, st, "write to", err);
}

int azm_spool_db_put_meta(struct azm_spool_db *db, const struct azm_spool_meta *m, struct azm_error *err)
{
    int r = put_meta(db, SQL_META_PUT, m, err);

    return r < 0 ? r : put_meta(db, SQL_META_PUT_COPY, m, err);
}

uint64_t azm_spool_db_row_checksum(const struct azm_spool_row *row, uint64_t total, const void *data, size_t len)
{
    uint64_t numbers[] = {row->id, row->time_usec, row->records, total};

    return XXH64(data, len, XXH64(numbers, sizeof numbers, 0));
}

static int insert(struct azm_spool_db *db, const struct azm_spool_row *row, uint64_t total, const void *data,
                  struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, SQL_INSERT);
    int r;

    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)row->id);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)row->time_usec);
        sqlite3_bind_int64(st, 3, (sqlite3_int64)row->records);
        sqlite3_bind_int64(st, 4, (sqlite3_int64)total);
        sqlite3_bind_int64(st, 5, (sqlite3_int64)azm_spool_db_row_checksum(row, total, data, row->data.len));
        if (sqlite3_bind_blob64(st, 6, data, row->data.len, SQLITE_STATIC) != SQLITE_OK)
            return azm_spool_db_error(db, "write to", err);
    }
    r = run(db, st, "write to", err);
    if (st)
        sqlite3_clear_bindings(st); /* the data is the caller's */
    return r;
}

int azm_spool_db_insert(struct azm_spool_db *db, const struct azm_spool_row *row, uint64_t total, struct azm_error *err)
{
    return insert(db, row, total, row->data.len > 0 ? (const void *)row->data.data : "", err);
}

int azm_spool_db_insert_lost(struct azm_spool_db *db, uint64_t first, uint64_t last, struct azm_error *err)
{
    struct azm_spool_row row = {.id = last, .records = first};

    return insert(db, &row, 0, NULL, err);
}

int azm_spool_db_delete(struct azm_spool_db *db, uint64_t first, uint64_t last, struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, SQL_DELETE);

    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)first);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)last);
    }
    return run(db, st, "delete from", err);
}

enum found {
    NOTHING,
    ROW,
    LOST_EARLIER, /* a row without data */
    NOT_WHOLE,
};

/* The first row after this id. NOTHING.. or -errno. */
static int find(struct azm_spool_db *db, uint64_t after, struct azm_spool_row *row, struct azm_error *err)
{
    sqlite3_stmt *st = statement(db, SQL_NEXT);
    const void *data;
    uint64_t total;
    size_t len;
    int rc, r;

    if (!st)
        return azm_spool_db_error(db, "read", err);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)after);
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) {
        r = rc == SQLITE_DONE ? NOTHING : azm_spool_db_error(db, "read", err);
        sqlite3_reset(st);
        return r;
    }
    row->id = (uint64_t)sqlite3_column_int64(st, 0);
    row->time_usec = (uint64_t)sqlite3_column_int64(st, 1);
    row->records = (uint64_t)sqlite3_column_int64(st, 2);
    total = (uint64_t)sqlite3_column_int64(st, 3);
    r = sqlite3_column_type(st, 5) == SQLITE_NULL ? LOST_EARLIER : ROW;
    data = sqlite3_column_blob(st, 5);
    len = (size_t)sqlite3_column_bytes(st, 5);
    azm_buf_clear(&row->data);
    if (len > 0 && !data) /* SQLite read it only now */
        r = azm_spool_db_error(db, "read", err);
    else if (azm_spool_db_row_checksum(row, total, len > 0 ? data : "", len) != (uint64_t)sqlite3_column_int64(st, 4))
        r = NOT_WHOLE;
    else if (azm_buf_append(&row->data, data, len) < 0)
        r = azm_error_set(err, ENOMEM, "cannot read the spool %s: out of memory", db->path);
    sqlite3_reset(st);
    return r;
}

/* Nothing from the first of these behind `after` to the last can be read. */
static void skip(struct azm_spool_db *db, uint64_t after, uint64_t last)
{
    if (after != db->skip_to)
        db->skip_from = after;
    db->skip_to = last;
}

int azm_spool_db_walk(struct azm_spool_db *db, uint64_t after, struct azm_spool_row *row, uint64_t *lost,
                      struct azm_error *err)
{
    for (;;) {
        int found;

        if (after >= db->skip_from && after < db->skip_to)
            after = db->skip_to;
        if (after >= db->meta.last_id)
            return 0;
        found = find(db, after, row, err);
        if (found < 0)
            return found;
        if (found == ROW && row->id == after + 1)
            return 1;
        if (found == NOT_WHOLE && row->id == after + 1) {
            if (row->id > db->lost_to) {
                db->lost_to = row->id;
                ++*lost;
            }
        } else if (found != LOST_EARLIER || row->records > after + 1 || row->id <= after ||
                   row->id > db->meta.last_id) {
            /* numbers have no gaps */
            return azm_error_set(err, EBADMSG, "the spool %s is damaged: a row is missing after number %llu", db->path,
                                 (unsigned long long)after);
        }
        skip(db, after, row->id);
        after = row->id;
    }
}

static int on_commit(void *userdata, sqlite3 *sqlite, const char *name, int frames)
{
    struct azm_spool_db *db = userdata;

    (void)sqlite, (void)name;
    db->wal_frames = (uint64_t)frames;
    return SQLITE_OK;
}

int azm_spool_db_check(struct azm_spool_db *db, struct azm_error *err)
{
    sqlite3_stmt *st = NULL;
    const char *words;
    int r = 0;

    if (sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW) {
        r = azm_spool_db_error(db, "check", err);
        if (r == -EIO) /* a place that the disk cannot read is as good as damaged */
            r = -EBADMSG;
    } else {
        words = (const char *)sqlite3_column_text(st, 0);
        if (!words || strcmp(words, "ok") != 0)
            r = azm_error_set(err, EBADMSG, "the spool %s is damaged: %s", db->path, words ? words : "unknown");
    }
    sqlite3_finalize(st);
    return r;
}

/* The tables cannot be used, and nothing is damaged: is this another program's database? */
static bool is_foreign(struct azm_spool_db *db)
{
    sqlite3_stmt *st = NULL;
    bool foreign = false;

    if (sqlite3_prepare_v2(db->sqlite,
                           "SELECT (SELECT application_id FROM pragma_application_id) <> " APPLICATION_ID
                           " AND count(*) > 0 AND sum(name IN ('meta', 'row')) = 0 FROM sqlite_master",
                           -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        foreign = sqlite3_column_int(st, 0) != 0;
    sqlite3_finalize(st);
    return foreign && azm_spool_db_check(db, NULL) == 0;
}

int azm_spool_db_open(struct azm_spool_db *db, const char *path, bool create, struct azm_error *err)
{
    int r;

    *db = (struct azm_spool_db){.path = path};
    if (sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                        azm_spool_vfs()) != SQLITE_OK)
        return azm_spool_db_error(db, "open", err);
    sqlite3_extended_result_codes(db->sqlite, 1);
    r = azm_spool_db_exec(db, settings, "open", err);
    sqlite3_wal_hook(db->sqlite, on_commit, db); /* it would be replaced by PRAGMA wal_autocheckpoint */
    if (create)
        return r < 0 ? r : azm_spool_db_exec(db, tables, "create", err);
    if (r == 0)
        r = get_meta(db, err);
    /* No such table, no such column, a format of the schema that SQLite does not know. */
    if (r == -EIO && (sqlite3_errcode(db->sqlite) & 0xff) == SQLITE_ERROR) {
        if (is_foreign(db))
            return azm_error_set(err, ENOTSUP, "%s is the database of another program, not a spool", path);
        return -EBADMSG;
    }
    return r < 0 ? r : azm_spool_db_exec(db, "PRAGMA journal_mode = WAL", "open", err); /* it should be already */
}

void azm_spool_db_close(struct azm_spool_db *db)
{
    for (size_t i = 0; i < SQL_N; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sqlite);
    memset(db, 0, sizeof *db);
}

void azm_spool_db_keep_wal(struct azm_spool_db *db)
{
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}
