/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "store/spool_repair.h"
#include "store/spool_wal.h"

#define TRANSACTION_BYTES (4U * 1024 * 1024)
#define CHECKPOINT_FRAMES 1000
#define SUFFIX_MAX 32

static void random_id(const struct azm_clock *clock, uint8_t ret[static 16])
{
    for (int i = 0; i < 2; i++) {
        uint64_t bits = clock->random(clock->userdata);

        memcpy(ret + i * sizeof bits, &bits, sizeof bits);
    }
}

/* An empty spool in PATH-new. */
static int make_new(const struct azm_spool_files *f, const char *path, const struct azm_clock *clock,
                    struct azm_spool_db *db, struct azm_error *err)
{
    struct azm_spool_meta meta = {.opened = "closed"};
    int r;

    azm_spool_file_remove(f, "-new-wal");
    r = azm_spool_file_make(f, "-new", err);
    if (r >= 0)
        r = azm_spool_db_open(db, path, AZM_SPOOL_DB_CREATE, err);
    if (r < 0)
        return r;
    random_id(clock, meta.spool_id);
    r = azm_spool_db_run(db, SQL_BEGIN, "write to", err);
    if (r >= 0)
        r = azm_spool_db_end(db, azm_spool_db_put_meta(db, &meta, err), &meta, err);
    return r;
}

/* Closes PATH-new, which takes its WAL into it, and flushes it to disk. */
static int finish_new(const struct azm_spool_files *f, struct azm_spool_db *db, struct azm_error *err)
{
    char name[AZM_SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;

    if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return azm_spool_db_error(db, "write to", err);
    azm_spool_db_close(db);
    azm_spool_file_remove(f, "-new-wal");
    fd = openat(f->dir_fd, azm_spool_file_name(f, "-new", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) < 0)
        return azm_error_set(err, errno, "cannot flush %s-new to disk: %m", f->path);
    return 0;
}

int azm_spool_create(const struct azm_spool_files *f, const struct azm_clock *clock, struct azm_error *err)
{
    _cleanup_free_ char *path = azm_spool_file_path(f, "-new");
    struct azm_spool_db db = {.path = f->path};
    int r;

    if (!path)
        return azm_error_set(err, ENOMEM, "cannot create the spool %s: out of memory", f->path);
    r = make_new(f, path, clock, &db, err);
    if (r >= 0)
        r = finish_new(f, &db, err);
    azm_spool_db_close(&db);
    if (r >= 0)
        r = azm_spool_files_swap(f, err);
    if (r < 0) {
        azm_spool_file_remove(f, "-new-wal");
        azm_spool_file_remove(f, "-new");
    }
    return r;
}

static int add_name(const struct azm_spool_files *f, const char *suffix, const char *new_suffix)
{
    char a[AZM_SPOOL_NAME_MAX], b[AZM_SPOOL_NAME_MAX];

    azm_spool_file_name(f, suffix, a);
    if (linkat(f->dir_fd, a, f->dir_fd, azm_spool_file_name(f, new_suffix, b), 0) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

/* Gives the damaged files a second name, which is all that is left when the new file has taken the first. */
static int set_aside(const struct azm_spool_files *f, const struct azm_clock *clock, char suffix[static SUFFIX_MAX],
                     char wal_suffix[static SUFFIX_MAX], struct azm_error *err)
{
    uint64_t seconds = azm_realtime_usec(clock) / AZM_USEC_PER_SEC;
    int r;

    do { /* two repairs in one second */
        snprintf(suffix, SUFFIX_MAX, ".corrupt-%" PRIu64, seconds % UINT64_C(1000000000000));
        snprintf(wal_suffix, SUFFIX_MAX, ".corrupt-%" PRIu64 "-wal", seconds++ % UINT64_C(1000000000000));
        r = add_name(f, "", suffix);
        if (r >= 0) {
            r = add_name(f, "-wal", wal_suffix);
            if (r == -EEXIST) /* left of one that had no file beside it */
                azm_spool_file_remove(f, suffix);
        }
    } while (r == -EEXIST);
    if (r < 0)
        return azm_error_set(err, r, "cannot set the damaged spool %s aside: %m", f->path);
    return 0;
}

/* Opens the damaged file by another name, with a mended copy of its WAL, so that nothing that SQLite does can change
 * it. Where its first page, the way to all others, is damaged, `first_page` stands in for it: that page is the same in
 * all files. */
static int open_salvage(const struct azm_spool_files *f, const char *path, const uint8_t *first_page,
                        struct azm_spool_db *db, struct azm_error *err)
{
    char wal[AZM_SPOOL_NAME_MAX], new_wal[AZM_SPOOL_NAME_MAX];
    int64_t size = azm_spool_file_size(f, "");
    int r;

    azm_spool_file_remove(f, "-salvage");
    azm_spool_file_remove(f, "-salvage-wal");
    if (size < AZM_SPOOL_PAGE_BYTES) { /* SQLite throws the WAL of an empty file away */
        r = azm_spool_file_make(f, "-salvage", err);
        if (r >= 0 && truncate(path, AZM_SPOOL_PAGE_BYTES) < 0)
            r = azm_error_set(err, errno, "cannot write %s: %m", path);
    } else {
        r = add_name(f, "", "-salvage");
        if (r < 0)
            azm_error_set(err, r, "cannot create %s: %m", path);
    }
    if (r < 0)
        return r;
    r = azm_spool_wal_mend(f->dir_fd, azm_spool_file_name(f, "-wal", wal),
                           azm_spool_file_name(f, "-salvage-wal", new_wal), first_page,
                           (uint32_t)(MAX(size, 0) / AZM_SPOOL_PAGE_BYTES), err);
    if (r < 0)
        return r;
    return azm_spool_db_open(db, path, AZM_SPOOL_DB_SALVAGE, err);
}

/* What the old file says about itself, or what its rows tell. 0, -errno. */
static int salvage_meta(struct azm_spool_db *from)
{
    struct azm_spool_row row = {0};
    uint64_t total, lost = 0, first;
    int r;

    r = azm_spool_db_get_meta(from, NULL);
    if (r >= 0 || r == -ENOMEM || r == -ENOTSUP || r == -EBUSY)
        return r;
    from->last_is_unknown = true;
    if (azm_spool_db_number(from, SQL_FIRST, 0, &first, NULL) > 0 && first > 0 && first < INT64_MAX) {
        r = azm_spool_db_walk(from, first - 1, &row, &total, &lost, NULL);
        if (r > 0) {
            from->meta.acknowledged = row.id - 1;
            from->meta.acknowledged_total = total - row.records;
        }
        azm_buf_free(&row.data);
    }
    return r == -ENOMEM ? r : 0;
}

struct copy {
    struct azm_spool_db *from, *to;
    uint64_t last_id, last_total;
    uint64_t recovered, lost, bytes;
};

/* In transactions of a few MB, so that memory and WAL stay small. */
static int copy_row(struct copy *c, const struct azm_spool_row *row, uint64_t total, struct azm_error *err)
{
    int r = 0;

    if (sqlite3_get_autocommit(c->to->sqlite))
        r = azm_spool_db_run(c->to, SQL_BEGIN, "write to", err);
    if (r >= 0 && row->id > c->last_id + 1)
        r = azm_spool_db_insert_lost(c->to, c->last_id + 1, row->id - 1, err);
    if (r >= 0)
        r = azm_spool_db_insert(c->to, row, total, err);
    if (r < 0)
        return r;
    c->last_id = row->id;
    c->last_total = total;
    c->recovered++;
    c->bytes += row->data.len;
    if (c->bytes < TRANSACTION_BYTES)
        return 0;
    c->bytes = 0;
    r = azm_spool_db_run(c->to, SQL_COMMIT, "write to", err);
    if (r >= 0 && c->to->wal_frames >= CHECKPOINT_FRAMES)
        sqlite3_wal_checkpoint_v2(c->to->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return r;
}

/* The new file goes on where the old one ended: no number is used twice. */
static int copy_end(struct copy *c, struct azm_error *err)
{
    const bool known = !c->from->last_is_unknown;
    const struct azm_spool_meta *old = &c->from->meta;
    struct azm_spool_meta meta = c->to->meta;
    int r = 0;

    if (known)
        memcpy(meta.spool_id, old->spool_id, sizeof meta.spool_id);
    meta.acknowledged = old->acknowledged;
    meta.acknowledged_total = old->acknowledged_total;
    meta.last_id = known ? old->last_id : c->last_id;
    meta.last_total = known ? old->last_total : c->last_total;
    if (sqlite3_get_autocommit(c->to->sqlite))
        r = azm_spool_db_run(c->to, SQL_BEGIN, "write to", err);
    if (c->recovered == 0) {
        meta.acknowledged = meta.last_id;
        meta.acknowledged_total = meta.last_total;
    } else if (r >= 0 && meta.last_id > c->last_id) {
        r = azm_spool_db_insert_lost(c->to, c->last_id + 1, meta.last_id, err);
    }
    if (r >= 0)
        r = azm_spool_db_put_meta(c->to, &meta, err);
    return azm_spool_db_end(c->to, r, &meta, err);
}

static int copy_all(struct copy *c, struct azm_error *err)
{
    struct azm_spool_row row = {0};
    uint64_t total;
    int r = salvage_meta(c->from);

    if (r < 0)
        return azm_error_set(err, r, "cannot read the damaged spool %s: %m", c->from->path);
    c->last_id = c->from->meta.acknowledged;
    c->last_total = c->from->meta.acknowledged_total;
    for (;;) {
        r = azm_spool_db_walk(c->from, c->last_id, &row, &total, &c->lost, err);
        if (r <= 0)
            break;
        r = copy_row(c, &row, total, err);
        if (r < 0)
            break;
    }
    azm_buf_free(&row.data);
    return r < 0 ? r : copy_end(c, err);
}

/* The first page of an empty spool, fit for a file of any length. */
static int make_first_page(const struct azm_spool_files *f, const char *path, const struct azm_clock *clock,
                           uint8_t ret[static AZM_SPOOL_PAGE_BYTES], struct azm_error *err)
{
    char name[AZM_SPOOL_NAME_MAX];
    struct azm_spool_db db = {.path = path};
    _cleanup_close_ int fd = -1;
    int r = make_new(f, path, clock, &db, err);

    if (r >= 0)
        r = finish_new(f, &db, err);
    azm_spool_db_close(&db);
    if (r < 0)
        return r;
    fd = openat(f->dir_fd, azm_spool_file_name(f, "-new", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || pread(fd, ret, AZM_SPOOL_PAGE_BYTES, 0) != AZM_SPOOL_PAGE_BYTES)
        return azm_error_set(err, EIO, "cannot read %s: %m", path);
    memset(ret + 28, 0, 4); /* the number of pages: not known */
    memset(ret + 32, 0, 8); /* none of them is free */
    return 0;
}

/* Fills PATH-new from the damaged file. */
static int salvage(const struct azm_spool_files *f, const char *new_path, const char *old_path,
                   const struct azm_clock *clock, const uint8_t *first_page, struct azm_spool_damage *damage,
                   struct azm_error *err)
{
    struct azm_spool_db from = {.path = old_path}, to = {.path = new_path};
    struct copy c = {.from = &from, .to = &to};
    int r = make_new(f, new_path, clock, &to, err);

    if (r >= 0)
        r = azm_spool_db_exec(&to, "PRAGMA synchronous = NORMAL", "write to", err); /* flushed at checkpoints only */
    if (r >= 0)
        r = open_salvage(f, old_path, first_page, &from, err);
    if (r >= 0)
        r = copy_all(&c, err);
    azm_spool_db_close(&from);
    if (r >= 0)
        r = finish_new(f, &to, err);
    azm_spool_db_close(&to);
    damage->recovered = c.recovered;
    damage->lost_rows = c.lost;
    return r;
}

int azm_spool_repair(const struct azm_spool_files *f, const struct azm_clock *clock, struct azm_spool_damage *damage,
                     struct azm_error *err)
{
    _cleanup_free_ char *new_path = azm_spool_file_path(f, "-new");
    _cleanup_free_ char *old_path = azm_spool_file_path(f, "-salvage");
    uint8_t first_page[AZM_SPOOL_PAGE_BYTES];
    char aside[SUFFIX_MAX], aside_wal[SUFFIX_MAX];
    int r;

    if (!new_path || !old_path)
        return azm_error_set(err, ENOMEM, "cannot repair the spool %s: out of memory", f->path);
    r = set_aside(f, clock, aside, aside_wal, err);
    if (r < 0)
        return r;
    r = make_first_page(f, new_path, clock, first_page, err);
    if (r >= 0)
        r = salvage(f, new_path, old_path, clock, NULL, damage, err);
    if (r >= 0 && damage->recovered == 0)
        r = salvage(f, new_path, old_path, clock, first_page, damage, err);
    if (r >= 0)
        r = azm_spool_files_swap(f, err);
    if (r < 0 && azm_spool_file_size(f, "-repaired") <= 0) { /* all is as it was */
        azm_spool_file_remove(f, aside);
        azm_spool_file_remove(f, aside_wal);
    }
    azm_spool_files_tidy(f, NULL);
    if (r < 0)
        return r;
    damage->found = true;
    snprintf(damage->set_aside, sizeof damage->set_aside, "%s%s", f->path, aside);
    return 0;
}
