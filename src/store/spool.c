/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/spool.h"
#include "store/spool_db.h"
#include "store/spool_files.h"
#include "store/spool_repair.h"
#include "store/spool_wal.h"

#define CHECKPOINT_FRAMES 1000U /* of the WAL, before it is taken into the file */
#define DELETE_ROWS 64U         /* acknowledged, before they are deleted */
#define ROW_OVERHEAD 512U       /* bytes in the file, beside the data; generous */
#define GIVE_BACK_PAGES 4096U   /* free in the file, before some are given back to the file system */

struct azm_spool {
    uint64_t max_bytes;
    unsigned min_free_percent;
    const struct azm_clock *clock;
    struct azm_spool_files files;
    struct azm_spool_db db;
    uint64_t deleted; /* rows up to here are */
    enum azm_spool_full full;
};

/* --- space --- */

/* What the spool takes of the file system; pages that are free within the file are room. */
static uint64_t used_bytes(struct azm_spool *s)
{
    uint64_t pages = 0, free_pages = 0;

    azm_spool_db_number(&s->db, SQL_PAGES, 0, &pages, NULL);
    azm_spool_db_number(&s->db, SQL_FREE_PAGES, 0, &free_pages, NULL);
    return (pages - MIN(free_pages, pages) + s->db.wal_frames) * AZM_SPOOL_PAGE_BYTES;
}

/* Takes the WAL into the file, so that it begins again at its front; if that fails it only grows further. */
static void checkpoint(struct azm_spool *s, int mode)
{
    if (sqlite3_wal_checkpoint_v2(s->db.sqlite, NULL, mode, NULL, NULL) == SQLITE_OK)
        s->db.wal_frames = 0;
}

/* Makes room for acknowledged rows' successors. */
static void tidy(struct azm_spool *s)
{
    uint64_t free_pages = 0;

    if (s->db.meta.acknowledged > s->deleted &&
        azm_spool_db_delete(&s->db, s->deleted, s->db.meta.acknowledged, NULL) >= 0)
        s->deleted = s->db.meta.acknowledged;
    if (azm_spool_db_number(&s->db, SQL_FREE_PAGES, 0, &free_pages, NULL) > 0 && free_pages > GIVE_BACK_PAGES)
        azm_spool_db_exec(&s->db, "PRAGMA incremental_vacuum(1024)", "shrink", NULL);
    if (s->db.wal_frames >= CHECKPOINT_FRAMES)
        checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
}

static bool file_system_has_room(const struct azm_spool *s)
{
    struct statvfs v;

    return fstatvfs(s->files.dir_fd, &v) < 0 ||
           (double)v.f_bavail * 100 >= (double)v.f_blocks * (double)s->min_free_percent;
}

static int check_room(struct azm_spool *s, uint64_t need, struct azm_error *err)
{
    uint64_t used = used_bytes(s);

    if (used + need > s->max_bytes) {
        tidy(s);
        checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
        used = used_bytes(s);
    }
    if (used + need > s->max_bytes) {
        s->full = AZM_SPOOL_FULL_LIMIT;
        return azm_error_set(err, ENOSPC,
                             "the spool %s is full: %" PRIu64 " bytes more do not fit into its limit of %" PRIu64
                             " bytes, of which %" PRIu64 " are used",
                             s->files.path, need, s->max_bytes, used);
    }
    if (!file_system_has_room(s)) {
        s->full = AZM_SPOOL_FULL_DISK;
        return azm_error_set(err, ENOSPC, "the spool %s is full: less than %u %% of its file system is free",
                             s->files.path, s->min_free_percent);
    }
    return 0;
}

/* --- opening --- */

/* Opens the file as it is, and looks whether all of it is sound. */
static int open_sound(struct azm_spool *s, struct azm_error *err)
{
    char wal[AZM_SPOOL_NAME_MAX];
    int r = azm_spool_wal_check(s->files.dir_fd, azm_spool_file_name(&s->files, "-wal", wal), err);

    if (r >= 0)
        r = azm_spool_db_open(&s->db, s->files.path, AZM_SPOOL_DB_USE, err);
    if (r >= 0)
        r = azm_spool_db_check(&s->db, err);
    if (r < 0)
        azm_spool_db_close(&s->db);
    return r;
}

static int open_files(struct azm_spool *s, const struct azm_spool_options *o, struct azm_spool_damage *damage,
                      struct azm_error *err)
{
    int64_t size, wal;
    int r = azm_spool_files_open(&s->files, o->path, o->ballast_bytes, err);

    if (r >= 0)
        r = azm_spool_files_tidy(&s->files, err);
    if (r < 0)
        return r;
    size = azm_spool_file_size(&s->files, "");
    wal = azm_spool_file_size(&s->files, "-wal");
    if (size < 0 || wal < 0)
        return azm_error_set(err, (int)MIN(size, wal), "cannot open the spool %s: it is not a file of its own: %m",
                             s->files.path);
    if (size == 0 && wal == 0) {
        r = azm_spool_create(&s->files, s->clock, err);
        if (r < 0)
            return r;
    }
    r = open_sound(s, err);
    if (r == -EBADMSG) {
        r = azm_spool_repair(&s->files, s->clock, damage, err);
        if (r >= 0)
            r = open_sound(s, err);
    }
    return r;
}

int azm_spool_open(const struct azm_spool_options *o, struct azm_spool **ret, struct azm_spool_damage *ret_damage,
                   struct azm_error *err)
{
    struct azm_spool *s = calloc(1, sizeof *s);
    struct azm_spool_damage damage = {0};
    uint64_t first;
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "cannot open the spool %s: out of memory", o->path);
    s->max_bytes = o->max_bytes;
    s->min_free_percent = o->min_free_percent;
    s->clock = o->clock;
    r = open_files(s, o, &damage, err);
    if (ret_damage)
        *ret_damage = damage;
    if (r < 0) {
        azm_spool_files_free(&s->files);
        free(s);
        return r;
    }
    r = azm_spool_db_number(&s->db, SQL_FIRST, 0, &first, NULL);
    s->deleted = r > 0 ? first - 1 : s->db.meta.acknowledged;
    azm_spool_ballast_take(&s->files);
    *ret = s;
    return 0;
}

struct azm_spool *azm_spool_free(struct azm_spool *s)
{
    if (!s)
        return NULL;
    azm_spool_db_close(&s->db);
    azm_spool_files_free(&s->files);
    free(s);
    return NULL;
}

struct azm_spool *azm_spool_close_and_remove(struct azm_spool *s)
{
    static const char *const files[] = {"", "-wal", "-ballast", "-lock"}; /* the lock goes last, while it is held */

    if (!s)
        return NULL;
    if (s->db.meta.acknowledged == s->db.meta.last_id) {
        azm_spool_db_close(&s->db);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
            azm_spool_file_remove(&s->files, files[i]);
    }
    return azm_spool_free(s);
}

bool azm_spool_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* --- rows --- */

static int insert_all(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    struct azm_spool_meta meta = s->db.meta;
    uint64_t now = azm_realtime_usec(s->clock);
    int r = azm_spool_db_run(&s->db, SQL_BEGIN, "write to", err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r >= 0; i++) {
        rows[i].id = ++meta.last_id;
        rows[i].time_usec = now;
        meta.last_total += rows[i].records;
        r = azm_spool_db_insert(&s->db, &rows[i], meta.last_total, err);
    }
    if (r >= 0)
        r = azm_spool_db_put_meta(&s->db, &meta, err);
    return azm_spool_db_end(&s->db, r, &meta, err);
}

int azm_spool_append(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    uint64_t need = 0;
    int r;

    for (size_t i = 0; i < n; i++)
        need += rows[i].data.len + ROW_OVERHEAD;
    r = check_room(s, need, err);
    if (r < 0)
        return r;
    r = insert_all(s, rows, n, err);
    if (r == -ENOSPC)
        s->full = AZM_SPOOL_FULL_DISK;
    if (r < 0)
        return r;
    s->full = AZM_SPOOL_HAS_ROOM;
    if (s->db.wal_frames >= CHECKPOINT_FRAMES)
        checkpoint(s, SQLITE_CHECKPOINT_PASSIVE);
    return 0;
}

int azm_spool_read(struct azm_spool *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                   struct azm_error *err)
{
    uint64_t total;

    return azm_spool_db_walk(&s->db, MAX(after, s->db.meta.acknowledged), ret, &total, lost_rows, err);
}

/* Deletes come with it now and then, which need room to free room. */
static int acknowledge(struct azm_spool *s, const struct azm_spool_meta *meta, bool delete, struct azm_error *err)
{
    int r = azm_spool_db_run(&s->db, SQL_BEGIN, "write to", err);

    if (r < 0)
        return r;
    r = azm_spool_db_put_meta(&s->db, meta, err);
    if (r >= 0 && delete)
        r = azm_spool_db_delete(&s->db, s->deleted, meta->acknowledged, err);
    r = azm_spool_db_end(&s->db, r, meta, err);
    if (r >= 0 && delete)
        s->deleted = meta->acknowledged;
    return r;
}

int azm_spool_acknowledge(struct azm_spool *s, uint64_t id, struct azm_error *err)
{
    struct azm_spool_meta meta = s->db.meta;
    bool delete;
    int r;

    if (id <= meta.acknowledged)
        return 0;
    meta.acknowledged = MIN(id, meta.last_id);
    r = azm_spool_db_number(&s->db, SQL_TOTAL, meta.acknowledged, &meta.acknowledged_total, NULL);
    if (r <= 0 && meta.acknowledged == meta.last_id)
        meta.acknowledged_total = meta.last_total;
    delete = meta.acknowledged >= s->deleted + DELETE_ROWS || meta.acknowledged == meta.last_id;
    r = acknowledge(s, &meta, delete, err);
    if (r == -ENOSPC && azm_spool_ballast_drop(&s->files))
        r = acknowledge(s, &meta, delete, err);
    if (r == -ENOSPC) /* the position alone needs the least room */
        r = acknowledge(s, &meta, false, err);
    if (r < 0)
        return r;
    tidy(s);
    if (s->full == AZM_SPOOL_HAS_ROOM && file_system_has_room(s))
        azm_spool_ballast_take(&s->files);
    return 0;
}

void azm_spool_get_status(struct azm_spool *s, struct azm_spool_status *ret)
{
    const struct azm_spool_meta *m = &s->db.meta;
    uint64_t acknowledged_total = MIN(m->acknowledged_total, m->last_total);

    *ret = (struct azm_spool_status){
        .acknowledged_id = m->acknowledged,
        .last_id = m->last_id,
        .rows = m->last_id - m->acknowledged,
        .records = m->last_total - acknowledged_total,
        .bytes = used_bytes(s),
        .max_bytes = s->max_bytes,
        .full = s->full,
    };
    if (azm_spool_db_number(&s->db, SQL_OLDEST, m->acknowledged, &ret->oldest_usec, NULL) <= 0)
        ret->oldest_usec = 0;
}

void azm_spool_id(const struct azm_spool *s, uint8_t ret[static 16])
{
    memcpy(ret, s->db.meta.spool_id, sizeof s->db.meta.spool_id);
}
