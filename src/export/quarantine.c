/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "encode/otlp_json.h"
#include "export/quarantine.h"
#include "export/quarantine_file.h"
#include "export/quarantine_note.h"
#include "store/atomic_file.h"

#define UID_ATTRIBUTE "log.record.uid"

#define LIST_COMMAND "azmonlog quarantine list"

struct azm_quarantine {
    int dir_fd, lock_fd;
    char *list_command;
    uint64_t max_bytes;
    const struct azm_clock *clock;
    struct { /* what was counted last; an edited file is another inode */
        dev_t device;
        ino_t inode;
        uint64_t bytes, records;
    } counted;
};

/* Takes the lock and opens the file, if there is one: as azm_quarantine_file_open. */
static int open_locked(struct azm_quarantine *q, int *ret_fd, uint64_t *ret_bytes, struct azm_error *err)
{
    int r = azm_quarantine_lock(q->lock_fd, AZM_QUARANTINE_LOCK_FILE, err);

    return r < 0 ? r : azm_quarantine_file_open(q->dir_fd, ret_fd, ret_bytes, err);
}

int azm_quarantine_open(const struct azm_quarantine_options *o, struct azm_quarantine **ret, struct azm_error *err)
{
    struct azm_quarantine *q = calloc(1, sizeof *q);
    _cleanup_close_ int fd = -1;
    uint64_t bytes;
    int r;

    if (!q)
        return azm_error_set(err, ENOMEM, "out of memory");
    q->dir_fd = o->dir_fd;
    q->lock_fd = -1;
    q->max_bytes = o->max_bytes;
    q->clock = o->clock;
    r = asprintf(&q->list_command, LIST_COMMAND "%s%s", o->directory ? " --state-directory " : "",
                 o->directory ? o->directory : "");
    if (r < 0) {
        q->list_command = NULL;
        r = azm_error_set(err, ENOMEM, "out of memory");
    } else
        r = azm_quarantine_lock_open(q->dir_fd, &q->lock_fd, err);
    if (r == 0)
        r = open_locked(q, &fd, &bytes, err);
    if (r < 0) {
        azm_quarantine_free(q);
        return r;
    }
    azm_quarantine_unlock(q->lock_fd, AZM_QUARANTINE_LOCK_FILE);
    *ret = q;
    return 0;
}

struct azm_quarantine *azm_quarantine_free(struct azm_quarantine *q)
{
    if (!q)
        return NULL;
    azm_closep(&q->lock_fd);
    free(q->list_command);
    free(q);
    return NULL;
}

const char *azm_quarantine_list_command(const struct azm_quarantine *q)
{
    return q ? q->list_command : LIST_COMMAND;
}

/* --- appending --- */

static int append_line(struct azm_buf *out, const struct azm_quarantine_record *record,
                       const struct azm_quarantine_note *note, uint64_t now_realtime_usec)
{
    json_t *line, *member;
    int r;

    r = azm_otlp_json_object(record->resource, record->record, &line);
    if (r < 0)
        return r;
    member = azm_quarantine_note_json(note, azm_otlp_json_attribute(azm_otlp_json_record(line), UID_ATTRIBUTE),
                                      now_realtime_usec);
    r = member && json_object_set_new(line, "azmonlog", member) == 0 ? azm_otlp_json_append(line, out) : -ENOMEM;
    json_decref(line);
    return r;
}

static int create(struct azm_quarantine *q, int *ret_fd)
{
    _cleanup_close_ int fd =
        openat(q->dir_fd, AZM_QUARANTINE_FILE, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    int r;

    if (fd < 0)
        return -errno;
    r = azm_give_to_owner(q->dir_fd, fd);
    if (r == 0 && fsync(q->dir_fd) < 0)
        r = -errno;
    if (r < 0)
        return r;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* Under the lock. */
static int append(struct azm_quarantine *q, const struct azm_buf *lines, struct azm_error *err)
{
    _cleanup_close_ int fd = -1;
    uint64_t bytes = 0;
    int r;

    r = open_locked(q, &fd, &bytes, err);
    if (r < 0)
        return r;
    if (lines->len > q->max_bytes || bytes > q->max_bytes - lines->len)
        return azm_error_set(err, EDQUOT,
                             "the quarantine is full: %zu more bytes do not fit into the %" PRIu64
                             " of [state] quarantine_max_bytes=, of which %" PRIu64 " are used",
                             lines->len, q->max_bytes, bytes);
    if (r == 0) {
        r = create(q, &fd);
        if (r < 0)
            return azm_error_set(err, r, "cannot create " AZM_QUARANTINE_FILE " in the state directory: %m");
    }
    r = azm_write_all(fd, lines->data, lines->len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0)
        return 0;
    azm_error_set(err, r, "cannot write " AZM_QUARANTINE_FILE " in the state directory: %m");
    if (ftruncate(fd, (off_t)bytes) < 0) /* as good as a crash: what is left of it may come twice */
        azm_error_set(err, errno, "cannot take back what was written into " AZM_QUARANTINE_FILE ": %m");
    return r;
}

int azm_quarantine_append(struct azm_quarantine *q, const struct azm_quarantine_record *records, size_t n,
                          const struct azm_quarantine_note *note, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    uint64_t now = azm_realtime_usec(q->clock);
    int r;

    for (size_t i = 0; i < n; i++) {
        r = append_line(&lines, &records[i], note, now);
        if (r < 0)
            return azm_error_set(err, r, "cannot write a record into the quarantine: %m");
    }
    if (n == 0)
        return 0;
    r = append(q, &lines, err);
    azm_quarantine_unlock(q->lock_fd, AZM_QUARANTINE_LOCK_FILE);
    return r;
}

/* --- status --- */

static int count_lines(int fd, uint64_t bytes, uint64_t *ret)
{
    char piece[16384];
    uint64_t at = 0;

    *ret = 0;
    while (at < bytes) {
        ssize_t n = pread(fd, piece, (size_t)MIN(bytes - at, (uint64_t)sizeof piece), (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) /* somebody has made it shorter */
            break;
        for (const char *p = piece; (p = memchr(p, '\n', (size_t)(piece + n - p))); p++)
            ++*ret;
        at += (uint64_t)n;
    }
    return 0;
}

int azm_quarantine_get_status(struct azm_quarantine *q, struct azm_quarantine_status *ret, struct azm_error *err)
{
    _cleanup_close_ int fd = openat(q->dir_fd, AZM_QUARANTINE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    int r = 0;

    *ret = (struct azm_quarantine_status){.max_bytes = q->max_bytes};
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return azm_error_set(err, errno, "cannot look at " AZM_QUARANTINE_FILE " in the state directory: %m");
    if (st.st_dev != q->counted.device || st.st_ino != q->counted.inode || (uint64_t)st.st_size != q->counted.bytes) {
        r = count_lines(fd, (uint64_t)st.st_size, &q->counted.records);
        q->counted.device = st.st_dev;
        q->counted.inode = r == 0 ? st.st_ino : 0;
        q->counted.bytes = (uint64_t)st.st_size;
    }
    if (r < 0)
        return azm_error_set(err, r, "cannot read " AZM_QUARANTINE_FILE " in the state directory: %m");
    ret->records = q->counted.records;
    ret->bytes = q->counted.bytes;
    return 0;
}
