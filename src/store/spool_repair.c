/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "store/spool_repair.h"
#include "store/spool_salvage.h"

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
        r = azm_spool_db_open(db, path, true, err);
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

struct aside {
    char suffix[SUFFIX_MAX], wal_suffix[SUFFIX_MAX + 4];
    bool has_file; /* not only a WAL */
};

static int add_name(const struct azm_spool_files *f, const char *suffix, const char *new_suffix)
{
    char a[AZM_SPOOL_NAME_MAX], b[AZM_SPOOL_NAME_MAX];

    azm_spool_file_name(f, suffix, a);
    if (linkat(f->dir_fd, a, f->dir_fd, azm_spool_file_name(f, new_suffix, b), 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    return 1;
}

/* Gives the damaged files a second name, which is all that is left when the new file has taken the first. */
static int set_aside(const struct azm_spool_files *f, const struct azm_clock *clock, struct aside *ret,
                     struct azm_error *err)
{
    uint64_t seconds = azm_realtime_usec(clock) / AZM_USEC_PER_SEC;
    int r;

    do { /* two repairs in one second */
        snprintf(ret->suffix, sizeof ret->suffix, ".corrupt-%" PRIu64, seconds % UINT64_C(1000000000000));
        snprintf(ret->wal_suffix, sizeof ret->wal_suffix, "%s-wal", ret->suffix);
        seconds++;
        r = add_name(f, "", ret->suffix);
        ret->has_file = r > 0;
        if (r >= 0) {
            r = add_name(f, "-wal", ret->wal_suffix);
            if (r == -EEXIST && ret->has_file) /* left of one that had no file beside it */
                azm_spool_file_remove(f, ret->suffix);
        }
    } while (r == -EEXIST);
    if (r < 0)
        return azm_error_set(err, r, "cannot set the damaged spool %s aside: %m", f->path);
    return 0;
}

struct copy {
    struct azm_spool_salvage from;
    struct azm_spool_db to;
    struct azm_spool_meta meta; /* as it will be */
    uint64_t counted_to;        /* lost rows up to here were counted */
    uint64_t id, total;         /* of the last row that was copied */
    uint64_t lost_earlier;      /* rows behind that which are known to be lost */
    uint64_t recovered, lost, bytes;
};

static int begin(struct copy *c, struct azm_error *err)
{
    return sqlite3_get_autocommit(c->to.sqlite) ? azm_spool_db_run(&c->to, SQL_BEGIN, "write to", err) : 0;
}

/* Everything between the last row that was copied and this one is lost. */
static int copy_gap(struct copy *c, uint64_t next, struct azm_error *err)
{
    uint64_t first = MAX(c->id, c->counted_to) + 1;
    int r;

    if (next == c->id + 1)
        return 0;
    r = azm_spool_db_insert_lost(&c->to, c->id + 1, next - 1, err);
    if (r >= 0 && first < next)
        c->lost += next - first - MIN(c->lost_earlier, next - first);
    c->lost_earlier = 0;
    return r;
}

/* In transactions of a few MB, so that memory and WAL stay small. */
static int copy_row(struct copy *c, const struct azm_spool_row *row, uint64_t total, struct azm_error *err)
{
    int r = begin(c, err);

    if (r >= 0)
        r = copy_gap(c, row->id, err);
    if (r >= 0)
        r = azm_spool_db_insert(&c->to, row, total, err);
    if (r < 0)
        return r;
    c->id = row->id;
    c->total = total;
    c->recovered++;
    c->bytes += row->data.len;
    if (c->bytes < TRANSACTION_BYTES)
        return 0;
    c->bytes = 0;
    r = azm_spool_db_run(&c->to, SQL_COMMIT, "write to", err);
    if (r >= 0 && c->to.wal_frames >= CHECKPOINT_FRAMES)
        sqlite3_wal_checkpoint_v2(c->to.sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return r;
}

static void free_row(struct azm_spool_row *row)
{
    azm_buf_free(&row->data);
}

static int copy_rows(struct copy *c, struct azm_error *err)
{
    _cleanup_(free_row) struct azm_spool_row row = {0};
    uint64_t total;
    bool lost;

    for (size_t i = 0; i < c->from.n; i++) {
        uint64_t id = c->from.entries[i].id;
        int r;

        if (id <= c->id || (c->from.has_meta && id > c->meta.last_id))
            continue;
        r = azm_spool_salvage_read(&c->from, i, &row, &total, &lost);
        if (r < 0)
            return azm_error_set(err, r, "cannot read the damaged spool %s: %m", c->to.path);
        if (r == 0)
            continue;
        if (lost) {
            c->lost_earlier += id - MAX(row.records - 1, c->id);
            continue;
        }
        if (c->recovered == 0 && !c->from.has_meta) { /* the position is where the first row begins */
            c->id = c->meta.acknowledged = id - 1;
            c->meta.acknowledged_total = total - row.records;
        }
        r = copy_row(c, &row, total, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The new file goes on where the old one ended: no number is used twice. */
static int copy_end(struct copy *c, struct azm_error *err)
{
    int r = begin(c, err);

    if (!c->from.has_meta) {
        c->meta.last_id = c->id;
        c->meta.last_total = c->total;
    }
    if (r >= 0)
        r = copy_gap(c, c->meta.last_id + 1, err);
    if (c->recovered == 0) {
        c->meta.acknowledged = c->meta.last_id;
        c->meta.acknowledged_total = c->meta.last_total;
    }
    if (r >= 0)
        r = azm_spool_db_put_meta(&c->to, &c->meta, err);
    return azm_spool_db_end(&c->to, r, &c->meta, err);
}

static int copy(struct copy *c, const struct azm_spool_files *f, const char *new_path, const struct azm_clock *clock,
                struct azm_error *err)
{
    int r = azm_spool_salvage_open(&c->from, f, err);

    if (r >= 0)
        r = make_new(f, new_path, clock, &c->to, err);
    if (r >= 0) /* flushed at checkpoints only */
        r = azm_spool_db_exec(&c->to, "PRAGMA synchronous = NORMAL", "write to", err);
    if (r < 0)
        return r;
    c->meta = c->to.meta;
    if (c->from.has_meta) {
        c->meta = c->from.meta;
        c->id = c->meta.acknowledged;
        c->total = c->meta.acknowledged_total;
    }
    strcpy(c->meta.opened, "closed");
    r = copy_rows(c, err);
    if (r >= 0)
        r = copy_end(c, err);
    return r < 0 ? r : finish_new(f, &c->to, err);
}

int azm_spool_repair(const struct azm_spool_files *f, const struct azm_clock *clock, uint64_t counted_to,
                     struct azm_spool_damage *ret, struct azm_error *err)
{
    _cleanup_free_ char *new_path = azm_spool_file_path(f, "-new");
    struct copy c = {.from.fd = -1, .from.wal.fd = -1, .to.path = f->path, .counted_to = counted_to};
    struct aside aside = {0};
    int r;

    if (!new_path)
        return azm_error_set(err, ENOMEM, "cannot repair the spool %s: out of memory", f->path);
    r = set_aside(f, clock, &aside, err);
    if (r < 0)
        return r;
    r = copy(&c, f, new_path, clock, err);
    azm_spool_salvage_close(&c.from);
    azm_spool_db_close(&c.to);
    if (r >= 0)
        r = azm_spool_files_swap(f, err);
    if (r < 0) {
        if (azm_spool_file_size(f, "-repaired") <= 0) { /* all is as it was */
            azm_spool_file_remove(f, aside.suffix);
            azm_spool_file_remove(f, aside.wal_suffix);
        }
        azm_spool_files_tidy(f, NULL);
        return r;
    }
    *ret = (struct azm_spool_damage){.found = true, .recovered = c.recovered, .lost_rows = c.lost};
    snprintf(ret->set_aside, sizeof ret->set_aside, "%s%s", f->path, aside.has_file ? aside.suffix : aside.wal_suffix);
    return 0;
}
