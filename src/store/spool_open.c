/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/spool_internal.h"
#include "store/spool_repair.h"
#include "store/spool_wal.h"

#define WAL_BYTES_MAX (UINT64_C(8) * 1024 * 1024)
#define WAL_BYTES_MIN (UINT64_C(16) * AZM_SPOOL_PAGE_BYTES)
#define REPAIR_AGAIN_USEC (60 * AZM_USEC_PER_SEC) /* after one that went well */
#define REPAIR_RETRY_USEC (5 * AZM_USEC_PER_SEC)  /* after one that did not */

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
    struct azm_error torn;
    bool is_torn, same_boot;
    uint64_t last = 0;
    int r;

    if (size == 0 && wal_size > 0)
        return azm_error_set(err, EBADMSG, "the spool %s is empty beside its write-ahead log", s->files.path);
    r = azm_spool_wal_check(s->files.dir_fd, azm_spool_file_name(&s->files, "-wal", wal), &torn);
    if (r < 0)
        return azm_error_set(err, r, "%s", torn.words);
    is_torn = r > 0;
    r = azm_spool_db_open(&s->db, s->files.path, false, err);
    if (r < 0)
        return r;
    same_boot = *s->boot && strcmp(s->db.meta.opened, s->boot) == 0;
    if (is_torn && same_boot) { /* the machine has not lost power since */
        azm_spool_db_keep_wal(&s->db);
        return azm_error_set(err, EBADMSG, "%s", torn.words);
    }
    if (strcmp(s->db.meta.opened, "closed") != 0 && !same_boot) {
        r = azm_spool_db_check(&s->db, err);
        if (r < 0)
            return r;
    }
    r = azm_spool_db_number(&s->db, SQL_LAST, 0, &last, err);
    if (r >= 0 && last > s->db.meta.last_id)
        r = azm_error_set(err, EBADMSG, "the spool %s has rows that were never appended", s->files.path);
    return MIN(r, 0);
}

static int use(struct azm_spool *s, struct azm_error *err)
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
    azm_spool_checkpoint(s, true); /* so that no rest of a dead process's transaction lies behind our own */
    meta = s->db.meta;
    memcpy(meta.opened, s->boot, sizeof meta.opened);
    r = azm_spool_write_acknowledged(s, &meta, 0, err);
    if (r != -ENOSPC)
        return r;
    s->db.meta =
        meta; /* the next write writes it; until then it can be read, and an append says that the disk is full */
    return 0;
}

/* Puts a new file into the place of the damaged one, with all that can be found in that. */
static int repair(struct azm_spool *s, struct azm_error *err)
{
    const struct azm_spool_meta meta = s->db.meta;
    const uint64_t counted_to = s->db.lost_to;
    int r;

    s->damaged = true;
    azm_spool_db_close(&s->db);
    s->repair_after_usec = azm_monotonic_usec(s->clock) + REPAIR_RETRY_USEC;
    r = azm_spool_repair(&s->files, s->clock, counted_to, &s->last_damage, err);
    if (r == -ENOSPC && azm_spool_ballast_drop(&s->files))
        r = azm_spool_repair(&s->files, s->clock, counted_to, &s->last_damage, err);
    if (r >= 0) {
        s->damaged = false;
        s->repairs++;
        s->repair_after_usec = azm_monotonic_usec(s->clock) + REPAIR_AGAIN_USEC;
        s->lost += s->last_damage.lost_rows;
        r = azm_spool_db_open(&s->db, s->files.path, false, err);
    }
    if (r >= 0)
        r = use(s, err);
    if (r < 0) {
        s->damaged = true;
        azm_spool_db_close(&s->db);
        s->db.path = s->files.path;
        s->db.meta = meta; /* for the status */
    }
    s->db.lost_to = counted_to;
    s->repair_error = MIN(r, 0);
    return s->repair_error;
}

/* Not again and again: a repair reads everything, and each leaves a file that was set aside. */
int azm_spool_recover(struct azm_spool *s, struct azm_error *err)
{
    s->damaged = true;
    if (azm_monotonic_usec(s->clock) >= s->repair_after_usec)
        return repair(s, err);
    if (s->repair_error < 0)
        return azm_error_set(err, s->repair_error, "the damaged spool %s could not be repaired a moment ago: %m",
                             s->files.path);
    return azm_error_set(err, EBADMSG, "the spool %s is damaged again, shortly after it was repaired", s->files.path);
}

static int open_files(struct azm_spool *s, struct azm_error *err)
{
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
        if (r < 0) {
            azm_spool_file_remove(&s->files, "-lock"); /* there is nothing that it would lock */
            return r;
        }
    }
    boot_id(s->boot);
    r = look(s, err);
    if (r >= 0)
        r = use(s, err);
    if (r == -EBADMSG)
        r = repair(s, err);
    s->lost = 0; /* *ret_damage tells it */
    if (r >= 0)
        azm_spool_ballast_take(&s->files);
    return r;
}

int azm_spool_open(const struct azm_spool_options *o, struct azm_spool **ret, struct azm_spool_damage *ret_damage,
                   struct azm_error *err)
{
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
        r = open_files(s, err);
    if (r < 0) {
        azm_spool_db_close(&s->db);
        azm_spool_files_free(&s->files);
        free(s);
        return r;
    }
    if (ret_damage)
        *ret_damage = s->last_damage;
    *ret = s;
    return 0;
}

struct azm_spool *azm_spool_free(struct azm_spool *s)
{
    struct azm_spool_meta meta;

    if (!s)
        return NULL;
    meta = s->db.meta;
    if (s->db.sqlite && !s->damaged) {
        strcpy(meta.opened, "closed");
        azm_spool_write_acknowledged(s, &meta, 0, NULL); /* without it the next one has a look at the whole file */
    }
    azm_spool_db_close(&s->db);
    azm_spool_files_free(&s->files);
    free(s);
    return NULL;
}

struct azm_spool *azm_spool_close_and_remove(struct azm_spool *s)
{
    if (!s || s->damaged || azm_spool_acknowledged_id(s) < s->db.meta.last_id)
        return azm_spool_free(s);
    azm_spool_ballast_drop(&s->files); /* closing takes the WAL into the file, which needs room */
    azm_spool_db_close(&s->db);
    /* Else closing failed, and the file is less than the spool. Flushed: a WAL without its file looks like damage. */
    if (azm_spool_file_size(&s->files, "-wal") == 0 && fsync(s->files.dir_fd) == 0) {
        azm_spool_file_remove(&s->files, "");
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
