/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/spool_db.h"
#include "store/spool_files.h"
#include "store/spool_repair.h"
#include "store/spool_wal.h"

#define WAL_BYTES_MAX (UINT64_C(4) * 1024 * 1024) /* when it is taken into the file */
#define WAL_BYTES_MIN (UINT64_C(16) * AZM_SPOOL_PAGE_BYTES)
#define DELETE_AFTER 64                           /* acknowledged rows */
#define DELETE_AT_ONCE 1024                       /* so that one delete stays short */
#define SHRINK_BYTES (UINT64_C(16) * 1024 * 1024) /* an empty file of this size is made small */
#define VACUUM_BYTES (UINT64_C(64) * 1024 * 1024) /* with so much of free pages, and half of the file, some go back */
#define VACUUM "PRAGMA incremental_vacuum(128)"   /* pages with each delete */

struct azm_spool {
    struct azm_spool_files files;
    struct azm_spool_db db;
    const struct azm_clock *clock;
    uint64_t max_bytes, wal_bytes; /* limit; size at which the WAL is taken into the file */
    unsigned min_free_percent;
    uint64_t deleted; /* there is no row up to this id */
    bool stale_wal;   /* a commit failed, and may have left in the WAL what must not be taken for a part of it */
    bool noted_damage;
    enum azm_spool_full full;
};

/* Rows that were lost right behind the acknowledged ones count as acknowledged: nobody will ever read them. */
static uint64_t acknowledged(const struct azm_spool *s)
{
    if (s->db.meta.acknowledged >= s->db.skip_from && s->db.meta.acknowledged < s->db.skip_to)
        return s->db.skip_to;
    return s->db.meta.acknowledged;
}

static void checkpoint(struct azm_spool *s, bool truncate)
{
    int mode = truncate || s->stale_wal ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

    if (sqlite3_wal_checkpoint_v2(s->db.sqlite, NULL, mode, NULL, NULL) != SQLITE_OK)
        return; /* the WAL grows, which the limit sees, and the next one may go well */
    s->db.wal_frames = 0;
    s->stale_wal = false;
}

static void checkpoint_if_large(struct azm_spool *s)
{
    if (s->stale_wal || s->db.wal_frames * AZM_SPOOL_PAGE_BYTES >= s->wal_bytes)
        checkpoint(s, false);
}

static uint64_t pages(struct azm_spool *s, enum azm_spool_sql which)
{
    uint64_t n = 0;

    azm_spool_db_number(&s->db, which, 0, &n, NULL);
    return n;
}

static uint64_t wal_size(const struct azm_spool *s)
{
    return (uint64_t)MAX(azm_spool_file_size(&s->files, "-wal"), INT64_C(0));
}

/* Pages in use, and the WAL. Free pages in the file are room. */
static uint64_t used_bytes(struct azm_spool *s)
{
    uint64_t all = pages(s, SQL_PAGES), unused = pages(s, SQL_FREE_PAGES);

    return (all - MIN(unused, all)) * AZM_SPOOL_PAGE_BYTES + wal_size(s);
}

/* Makes the next one who opens the file check all of it. */
static void note_damage(struct azm_spool *s)
{
    struct azm_spool_meta meta = s->db.meta;

    if (s->noted_damage)
        return;
    s->noted_damage = s->db.damaged = true;
    strcpy(meta.opened, "damaged");
    if (azm_spool_db_run(&s->db, SQL_BEGIN, "", NULL) >= 0)
        azm_spool_db_end(&s->db, azm_spool_db_put_meta(&s->db, &meta, NULL), &meta, NULL);
}

static int failed(struct azm_spool *s, int r)
{
    s->stale_wal = true;
    if (r == -EBADMSG)
        note_damage(s);
    return r;
}

/* Rows from s->deleted to the acknowledged one, inside a transaction: 0 (*ret_to: the last deleted), -errno. */
static int delete_some(struct azm_spool *s, uint64_t up_to, uint64_t *ret_to, struct azm_error *err)
{
    uint64_t unused;
    int r;

    *ret_to = MIN(up_to, s->deleted + DELETE_AT_ONCE);
    r = azm_spool_db_delete(&s->db, s->deleted + 1, *ret_to, err);
    if (r < 0)
        return r;
    unused = pages(s, SQL_FREE_PAGES);
    if (unused * AZM_SPOOL_PAGE_BYTES < VACUUM_BYTES || unused * 2 < pages(s, SQL_PAGES))
        return 0;
    return azm_spool_db_exec(&s->db, VACUUM, "shrink", err);
}

/* Writes meta, and deletes acknowledged rows if there are at least so many (0: none), in one transaction. */
static int write_acknowledged(struct azm_spool *s, const struct azm_spool_meta *meta, uint64_t at_least,
                              struct azm_error *err)
{
    struct azm_spool_meta m = *meta;
    uint64_t deleted = s->deleted;
    int r = azm_spool_db_run(&s->db, SQL_BEGIN, "write to", err);

    if (r < 0)
        return failed(s, r);
    if (s->noted_damage)
        strcpy(m.opened, "damaged");
    r = azm_spool_db_put_meta(&s->db, &m, err);
    if (r >= 0 && at_least > 0 && m.acknowledged >= s->deleted + at_least && !s->db.damaged)
        r = delete_some(s, m.acknowledged, &deleted, err);
    r = azm_spool_db_end(&s->db, r, &m, err);
    if (r < 0)
        return failed(s, r);
    s->deleted = deleted;
    return 0;
}

/* The same; when the disk is full, again with the space of the ballast. */
static int write_with_ballast(struct azm_spool *s, const struct azm_spool_meta *meta, uint64_t at_least,
                              struct azm_error *err)
{
    int r = write_acknowledged(s, meta, at_least, err);

    if (r == -ENOSPC && azm_spool_ballast_drop(&s->files)) {
        checkpoint(s, false);
        r = write_acknowledged(s, meta, at_least, err);
    }
    if (r < 0 && at_least > 0) /* what matters is the position */
        r = write_acknowledged(s, meta, 0, err);
    return r;
}

/* Deletes all that is acknowledged. */
static void reclaim(struct azm_spool *s)
{
    while (s->db.meta.acknowledged > s->deleted && !s->db.damaged) {
        uint64_t before = s->deleted;

        if (write_with_ballast(s, &s->db.meta, 1, NULL) < 0 || s->deleted == before)
            break;
    }
    checkpoint(s, true);
}

/* Gives the disk its space back when nothing is left in a large file: then it costs next to nothing. */
static void shrink_if_empty(struct azm_spool *s)
{
    if (acknowledged(s) < s->db.meta.last_id || s->db.damaged ||
        pages(s, SQL_PAGES) * AZM_SPOOL_PAGE_BYTES < MIN(SHRINK_BYTES, s->max_bytes / 2))
        return;
    reclaim(s);
    if (s->deleted < s->db.meta.acknowledged)
        return;
    if (azm_spool_db_exec(&s->db, "VACUUM", "shrink", NULL) < 0)
        s->stale_wal = true;
    checkpoint(s, true);
}

static void boot_id(char ret[static 40])
{
    _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, 39);

    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

/* Looks for damage: 0, -EBADMSG, -errno. Reading the whole file to check it takes seconds with a large one; it is not
 * done after an orderly end, nor after the death of a process on a machine that has run on: neither can harm a file.
 * (Every row has a checksum besides.) */
static int look(struct azm_spool *s, struct azm_error *err)
{
    char wal[AZM_SPOOL_NAME_MAX];
    int64_t size = azm_spool_file_size(&s->files, ""), wal_size = azm_spool_file_size(&s->files, "-wal");
    uint64_t last = 0;
    int r;

    if (size == 0 && wal_size > 0)
        return azm_error_set(err, EBADMSG, "the spool %s is empty beside its write-ahead log", s->files.path);
    r = azm_spool_wal_check(s->files.dir_fd, azm_spool_file_name(&s->files, "-wal", wal), err);
    if (r < 0)
        return r;
    r = azm_spool_db_open(&s->db, s->files.path, AZM_SPOOL_DB_USE, err);
    if (r < 0)
        return r;
    r = azm_spool_db_check(&s->db, err);
    if (r < 0)
        return r;
    r = azm_spool_db_number(&s->db, SQL_LAST, 0, &last, err);
    if (r >= 0 && last > s->db.meta.last_id)
        r = azm_error_set(err, EBADMSG, "the spool %s has rows that were never appended", s->files.path);
    return MIN(r, 0);
}

static int use(struct azm_spool *s, const char *boot, struct azm_error *err)
{
    struct azm_spool_meta meta;
    char sql[64];
    uint64_t first;
    int r;

    snprintf(sql, sizeof sql, "PRAGMA journal_size_limit = %" PRIu64, s->wal_bytes);
    r = azm_spool_db_exec(&s->db, sql, "open", err);
    if (r < 0)
        return r;
    r = azm_spool_db_number(&s->db, SQL_FIRST, 0, &first, err);
    if (r < 0)
        return r;
    s->deleted = r > 0 ? MIN(first - 1, s->db.meta.acknowledged) : s->db.meta.acknowledged;
    checkpoint(s, true); /* so that no rest of a dead process's transaction lies behind our own */
    meta = s->db.meta;
    snprintf(meta.opened, sizeof meta.opened, "%s", boot);
    r = write_with_ballast(s, &meta, 0, err);
    return r == -ENOSPC ? 0 : r; /* it can be read; that nothing can be written, others say */
}

static int open_files(struct azm_spool *s, struct azm_spool_damage *damage, struct azm_error *err)
{
    char boot[40];
    int64_t size;
    int r = azm_spool_files_tidy(&s->files, err);

    if (r < 0)
        return r;
    size = azm_spool_file_size(&s->files, "");
    if (size < 0)
        return azm_error_set(err, (int)size, "cannot open the spool %s: it is %s", s->files.path,
                             size == -ELOOP ? "a symbolic link" : "not a regular file");
    if (size == 0 && azm_spool_file_size(&s->files, "-wal") <= 0) {
        r = azm_spool_create(&s->files, s->clock, err);
        if (r < 0)
            return r;
    }
    s->files.has_ballast = azm_spool_file_size(&s->files, "-ballast") > 0;
    boot_id(boot);
    r = look(s, err);
    if (r >= 0)
        r = use(s, boot, err);
    if (r != -EBADMSG)
        return r;
    azm_spool_db_close(&s->db);
    r = azm_spool_repair(&s->files, s->clock, damage, err);
    if (r == -ENOSPC && azm_spool_ballast_drop(&s->files))
        r = azm_spool_repair(&s->files, s->clock, damage, err);
    s->noted_damage = false;
    if (r >= 0)
        r = azm_spool_db_open(&s->db, s->files.path, AZM_SPOOL_DB_USE, err);
    return r < 0 ? r : use(s, boot, err);
}

int azm_spool_open(const struct azm_spool_options *o, struct azm_spool **ret, struct azm_spool_damage *ret_damage,
                   struct azm_error *err)
{
    struct azm_spool_damage damage = {0};
    struct azm_spool *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "cannot open the spool %s: out of memory", o->path);
    s->clock = o->clock;
    s->max_bytes = o->max_bytes;
    s->wal_bytes = MAX(WAL_BYTES_MIN, MIN(WAL_BYTES_MAX, o->max_bytes / 8));
    s->min_free_percent = o->min_free_percent;
    r = azm_spool_files_open(&s->files, o->path, o->ballast_bytes, err);
    if (r >= 0)
        r = open_files(s, &damage, err);
    if (r < 0) {
        azm_spool_db_close(&s->db);
        azm_spool_files_free(&s->files);
        free(s);
        return r;
    }
    azm_spool_ballast_take(&s->files);
    if (ret_damage)
        *ret_damage = damage;
    *ret = s;
    return 0;
}

struct azm_spool *azm_spool_free(struct azm_spool *s)
{
    struct azm_spool_meta meta;

    if (!s)
        return NULL;
    meta = s->db.meta;
    if (!s->db.damaged) {
        strcpy(meta.opened, "closed");
        write_with_ballast(s, &meta, 0, NULL); /* without it the next one has a look at the whole file */
    }
    azm_spool_db_close(&s->db);
    azm_spool_files_free(&s->files);
    free(s);
    return NULL;
}

struct azm_spool *azm_spool_close_and_remove(struct azm_spool *s)
{
    if (!s || acknowledged(s) < s->db.meta.last_id)
        return azm_spool_free(s);
    azm_spool_db_close(&s->db);
    if (azm_spool_file_size(&s->files, "-wal") == 0) { /* else closing failed, and the file is less than the spool */
        azm_spool_file_remove(&s->files, "");
        azm_spool_file_remove(&s->files, "-ballast");
        azm_spool_file_remove(&s->files, "-lock");
    }
    azm_spool_files_free(&s->files);
    free(s);
    return NULL;
}

bool azm_spool_exists(const char *path)
{
    _cleanup_free_ char *repaired = NULL, *wal = NULL;
    struct stat st;

    if (asprintf(&repaired, "%s-repaired", path) < 0)
        repaired = NULL;
    if (asprintf(&wal, "%s-wal", path) < 0)
        wal = NULL;
    return lstat(path, &st) == 0 || (repaired && lstat(repaired, &st) == 0) || (wal && lstat(wal, &st) == 0);
}

/* What these rows take in the file, at most: small ones share a page, as many as go in whole; of a large one the rest
 * lies in pages of its own, which hold a little less. */
static uint64_t bytes_of(const struct azm_spool_row *rows, size_t n)
{
    const uint64_t page = AZM_SPOOL_PAGE_BYTES, in_page = page - 64;
    uint64_t bytes = 2 * page;

    for (size_t i = 0; i < n; i++) {
        uint64_t len = rows[i].data.len + 64;

        bytes += len <= in_page ? page / (in_page / len) : len + len / 512 + page;
    }
    return bytes;
}

/* The size of the WAL when so much was appended: rows stand in it, too, until they are in the file. */
static uint64_t wal_after(struct azm_spool *s, uint64_t bytes)
{
    return MAX(s->wal_bytes + bytes, wal_size(s));
}

/* Do the rows fit in beside what is in use (as much as there will be then), and does the file with its free pages? */
static bool fits(struct azm_spool *s, uint64_t bytes, uint64_t *ret_too_large)
{
    uint64_t wal = wal_after(s, bytes), file = pages(s, SQL_PAGES) * AZM_SPOOL_PAGE_BYTES + wal;

    *ret_too_large = file > s->max_bytes ? file - s->max_bytes : 0;
    return used_bytes(s) - wal_size(s) + bytes + wal <= s->max_bytes;
}

static int has_room(struct azm_spool *s, uint64_t bytes, struct azm_error *err)
{
    uint64_t too_large;
    char sql[64];

    if (2 * bytes + s->wal_bytes > s->max_bytes)
        return azm_error_set(err, EMSGSIZE,
                             "what is to be appended to the spool %s at once takes %" PRIu64
                             " bytes, and the limit of %" PRIu64 " bytes can never hold that",
                             s->files.path, 2 * bytes + s->wal_bytes, s->max_bytes);
    if (fits(s, bytes, &too_large) && too_large == 0)
        return 0;
    reclaim(s);
    if (fits(s, bytes, &too_large)) {
        if (too_large > 0 &&
            !s->db.damaged) { /* rare: more at once than before, in a file that was as large as may be */
            snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%" PRIu64 ")", too_large / AZM_SPOOL_PAGE_BYTES + 1);
            if (azm_spool_db_exec(&s->db, sql, "shrink", NULL) < 0)
                s->stale_wal = true;
            checkpoint(s, true);
        }
        return 0;
    }
    s->full = AZM_SPOOL_FULL_LIMIT;
    return azm_error_set(err, ENOSPC,
                         "the spool %s is full: %" PRIu64 " bytes of max %" PRIu64 "; %" PRIu64
                         " rows wait for their acknowledgement",
                         s->files.path, used_bytes(s), s->max_bytes, s->db.meta.last_id - acknowledged(s));
}

static bool disk_has_room(struct azm_spool *s, struct statvfs *ret)
{
    if (fstatvfs(s->files.dir_fd, ret) < 0) {
        memset(ret, 0, sizeof *ret);
        return true;
    }
    return (uint64_t)ret->f_bavail * 100 >= (uint64_t)ret->f_blocks * s->min_free_percent;
}

static int disk_room(struct azm_spool *s, struct azm_error *err)
{
    struct statvfs fs;

    if (!disk_has_room(s, &fs)) {
        if (s->db.meta.acknowledged > s->deleted)
            reclaim(s);
        if (!disk_has_room(s, &fs)) {
            s->full = AZM_SPOOL_FULL_DISK;
            return azm_error_set(err, ENOSPC,
                                 "the spool %s is full: %" PRIu64 " of %" PRIu64
                                 " bytes of its file system are free, less than the %u %% that are to stay free",
                                 s->files.path, (uint64_t)fs.f_bavail * fs.f_frsize,
                                 (uint64_t)fs.f_blocks * fs.f_frsize, s->min_free_percent);
        }
    }
    if (!s->files.has_ballast && (uint64_t)fs.f_bavail * fs.f_frsize / 4 > s->files.ballast_bytes)
        azm_spool_ballast_take(&s->files);
    return 0;
}

int azm_spool_append(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    struct azm_spool_meta meta = s->db.meta;
    const uint64_t now = azm_realtime_usec(s->clock);
    int r;

    if (n == 0)
        return 0;
    r = has_room(s, bytes_of(rows, n), err);
    if (r >= 0)
        r = disk_room(s, err);
    if (r < 0)
        return r;
    meta = s->db.meta;
    r = azm_spool_db_run(&s->db, SQL_BEGIN, "append to", err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        rows[i].id = ++meta.last_id;
        rows[i].time_usec = now;
        meta.last_total += rows[i].records;
        r = azm_spool_db_insert(&s->db, &rows[i], meta.last_total, err);
    }
    if (r >= 0)
        r = azm_spool_db_put_meta(&s->db, &meta, err);
    r = azm_spool_db_end(&s->db, r, &meta, err);
    if (r < 0) {
        if (r == -ENOSPC)
            s->full = AZM_SPOOL_FULL_DISK;
        return failed(s, r);
    }
    s->full = AZM_SPOOL_HAS_ROOM;
    checkpoint_if_large(s);
    return 0;
}

int azm_spool_read(struct azm_spool *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                   struct azm_error *err)
{
    uint64_t total;
    int r = azm_spool_db_walk(&s->db, MAX(after, s->db.meta.acknowledged), ret, &total, lost_rows, err);

    if (s->db.damaged)
        note_damage(s);
    return r;
}

int azm_spool_acknowledge(struct azm_spool *s, uint64_t id, struct azm_error *err)
{
    struct azm_spool_meta meta = s->db.meta;
    uint64_t total;
    int r;

    id = MIN(id, meta.last_id);
    if (id <= meta.acknowledged)
        return 0;
    meta.acknowledged = id;
    if (id == meta.last_id)
        meta.acknowledged_total = meta.last_total;
    else if (azm_spool_db_number(&s->db, SQL_TOTAL, id, &total, NULL) > 0 && total > meta.acknowledged_total &&
             total <= meta.last_total)
        meta.acknowledged_total = total; /* if it cannot be read: the next one puts it right */
    r = write_with_ballast(s, &meta, DELETE_AFTER, err);
    if (r < 0)
        return r;
    checkpoint_if_large(s);
    shrink_if_empty(s);
    return 0;
}

void azm_spool_get_status(struct azm_spool *s, struct azm_spool_status *ret)
{
    const struct azm_spool_meta *m = &s->db.meta;
    const uint64_t id = MIN(acknowledged(s), s->db.meta.last_id);

    *ret = (struct azm_spool_status){
        .acknowledged_id = id,
        .last_id = m->last_id,
        .rows = m->last_id - id,
        .records = id >= m->last_id ? 0 : m->last_total - m->acknowledged_total,
        .bytes = used_bytes(s),
        .max_bytes = s->max_bytes,
        .full = s->full,
    };
    if (ret->rows > 0)
        azm_spool_db_number(&s->db, SQL_OLDEST, id, &ret->oldest_usec, NULL);
}

void azm_spool_id(const struct azm_spool *s, uint8_t ret[static 16])
{
    memcpy(ret, s->db.meta.spool_id, sizeof s->db.meta.spool_id);
}
