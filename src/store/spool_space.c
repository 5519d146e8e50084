/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/spool_internal.h"

#define DELETE_AT_ONCE 1024                       /* so that one delete stays short */
#define SHRINK_BYTES (UINT64_C(16) * 1024 * 1024) /* an empty file of this size is made small */
#define VACUUM_BYTES (UINT64_C(16) * 1024 * 1024) /* with so much of free pages, and half of the file, some go back */
#define VACUUM "PRAGMA incremental_vacuum(128)"   /* pages with each delete */

void azm_spool_checkpoint(struct azm_spool *s, bool truncate)
{
    int mode = truncate || s->stale_wal ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

    if (sqlite3_wal_checkpoint_v2(s->db.sqlite, NULL, mode, NULL, NULL) != SQLITE_OK)
        return; /* the WAL grows, which the limit sees, and the next one may go well */
    s->db.wal_frames = 0;
    s->stale_wal = false;
}

void azm_spool_checkpoint_if_large(struct azm_spool *s)
{
    if (s->stale_wal || s->db.wal_frames * AZM_SPOOL_PAGE_BYTES >= s->wal_bytes / 2)
        azm_spool_checkpoint(s, false);
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

uint64_t azm_spool_used_bytes(struct azm_spool *s)
{
    uint64_t all = pages(s, SQL_PAGES), unused = pages(s, SQL_FREE_PAGES);

    return (all - MIN(unused, all)) * AZM_SPOOL_PAGE_BYTES + wal_size(s);
}

int azm_spool_failed(struct azm_spool *s, int r)
{
    s->stale_wal = true;
    s->damaged |= r == -EBADMSG;
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

static int write_once(struct azm_spool *s, const struct azm_spool_meta *meta, uint64_t at_least, struct azm_error *err)
{
    uint64_t deleted = s->deleted;
    int r = azm_spool_db_run(&s->db, SQL_BEGIN, "write to", err);

    if (r < 0)
        return azm_spool_failed(s, r);
    r = azm_spool_db_put_meta(&s->db, meta, err);
    if (r >= 0 && at_least > 0 && meta->acknowledged >= s->deleted + at_least)
        r = delete_some(s, meta->acknowledged, &deleted, err);
    r = azm_spool_db_end(&s->db, r, meta, err);
    if (r < 0)
        return azm_spool_failed(s, r);
    s->deleted = deleted;
    return 0;
}

int azm_spool_write_acknowledged(struct azm_spool *s, const struct azm_spool_meta *meta, uint64_t at_least,
                                 struct azm_error *err)
{
    int r = write_once(s, meta, at_least, err);

    if (r == -ENOSPC && azm_spool_ballast_drop(&s->files)) {
        azm_spool_checkpoint(s, false);
        r = write_once(s, meta, at_least, err);
    }
    if (r < 0 && r != -EBADMSG && at_least > 0) /* what matters is the position */
        r = write_once(s, meta, 0, err);
    return r;
}

/* Deletes all that is acknowledged. */
static void reclaim(struct azm_spool *s)
{
    while (s->db.meta.acknowledged > s->deleted) {
        uint64_t before = s->deleted;

        if (azm_spool_write_acknowledged(s, &s->db.meta, 1, NULL) < 0 || s->deleted == before)
            break;
    }
    azm_spool_checkpoint(s, true);
}

void azm_spool_shrink_if_empty(struct azm_spool *s)
{
    int r;

    if (azm_spool_acknowledged_id(s) < s->db.meta.last_id ||
        pages(s, SQL_PAGES) * AZM_SPOOL_PAGE_BYTES < MIN(SHRINK_BYTES, s->max_bytes / 2))
        return;
    reclaim(s);
    if (s->deleted < s->db.meta.acknowledged)
        return;
    r = azm_spool_db_exec(&s->db, "VACUUM", "shrink", NULL);
    if (r < 0)
        azm_spool_failed(s, r);
    azm_spool_checkpoint(s, true);
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
    return azm_spool_used_bytes(s) - wal_size(s) + bytes + wal <= s->max_bytes;
}

int azm_spool_has_room(struct azm_spool *s, const struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    const uint64_t bytes = bytes_of(rows, n);
    uint64_t too_large;
    char sql[64];
    int r;

    if (2 * bytes + s->wal_bytes > s->max_bytes)
        return azm_error_set(err, EMSGSIZE,
                             "what is to be appended to the spool %s at once takes %" PRIu64
                             " bytes, and the limit of %" PRIu64 " bytes can never hold that",
                             s->files.path, 2 * bytes + s->wal_bytes, s->max_bytes);
    if (fits(s, bytes, &too_large) && too_large == 0)
        return 0;
    reclaim(s);
    if (fits(s, bytes, &too_large)) {
        if (too_large > 0) { /* rare: more at once than before, in a file that was as large as may be */
            snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%" PRIu64 ")", too_large / AZM_SPOOL_PAGE_BYTES + 1);
            r = azm_spool_db_exec(&s->db, sql, "shrink", err);
            if (r < 0)
                return azm_spool_failed(s, r);
            azm_spool_checkpoint(s, true);
        }
        return 0;
    }
    s->full = AZM_SPOOL_FULL_LIMIT;
    return azm_error_set(
        err, ENOSPC,
        "the spool %s is full: %" PRIu64 " bytes of max %" PRIu64 "; %" PRIu64 " rows wait for their acknowledgement",
        s->files.path, azm_spool_used_bytes(s), s->max_bytes, s->db.meta.last_id - azm_spool_acknowledged_id(s));
}

static bool enough_free(struct azm_spool *s, struct statvfs *ret)
{
    if (fstatvfs(s->files.dir_fd, ret) < 0) {
        memset(ret, 0, sizeof *ret);
        return true;
    }
    return (uint64_t)ret->f_bavail * 100 >= (uint64_t)ret->f_blocks * s->min_free_percent;
}

int azm_spool_disk_has_room(struct azm_spool *s, struct azm_error *err)
{
    struct statvfs fs;

    if (!enough_free(s, &fs)) {
        if (s->db.meta.acknowledged > s->deleted)
            reclaim(s);
        if (!enough_free(s, &fs)) {
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
