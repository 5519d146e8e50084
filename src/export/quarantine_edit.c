/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encode/otlp_json.h"
#include "export/quarantine_edit.h"
#include "export/quarantine_file.h"
#include "export/quarantine_note.h"
#include "store/atomic_file.h"

/* --- reading --- */

/* Appends what the file has from `at` on. */
static int read_from(int fd, uint64_t at, struct azm_buf *out)
{
    for (;;) {
        ssize_t n;

        if (azm_buf_reserve(out, 65536) < 0)
            return -ENOMEM;
        n = pread(fd, out->data + out->len, out->cap - out->len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        out->len += (size_t)n;
        at += (uint64_t)n;
    }
}

/* An end of a line may be on its way, or what a crash has left. */
static void keep_whole_lines(struct azm_buf *b, size_t from)
{
    const uint8_t *newline = b->len > from ? memrchr(b->data + from, '\n', b->len - from) : NULL;

    b->len = newline ? (size_t)(newline - b->data) + 1 : from;
}

static const char *text_in(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* The uid is in the record, too, which has not lost it if somebody has lost the note. */
static int complete_note(json_t *note, const json_t *record)
{
    const char *uid = azm_otlp_json_attribute(record, "log.record.uid");

    if (json_is_string(json_object_get(note, "uid")) || !uid)
        return 0;
    return json_object_set_new(note, "uid", json_string(uid)) < 0 ? -ENOMEM : 0;
}

static int describe(json_t *line, struct azm_quarantine_line *l)
{
    json_t *note = json_object_get(line, "azmonlog"), *resource = azm_otlp_json_resource(line);
    const char *service = azm_otlp_json_attribute(resource, "service.name");

    l->note = json_is_object(note) ? json_incref(note) : json_object();
    if (!l->note || complete_note(l->note, azm_otlp_json_record(line)) < 0)
        return -ENOMEM;
    l->resource = json_incref(resource);
    l->time = text_in(l->note, "time");
    l->uid = text_in(l->note, "uid");
    l->reason = text_in(l->note, "reason");
    l->code = text_in(l->note, "code");
    l->message = text_in(l->note, "message");
    l->status = (long)json_integer_value(json_object_get(l->note, "status"));
    l->service = service ? service : "";
    return 0;
}

static int add_line(struct azm_quarantine_lines *l, struct azm_text text)
{
    struct azm_quarantine_line *items, *item;
    json_t *line;
    int r;

    if ((l->n & (l->n - 1)) == 0) { /* at every power of two there is no room for one more */
        items = reallocarray(l->items, l->n ? 2 * l->n : 1, sizeof *items);
        if (!items)
            return -ENOMEM;
        l->items = items;
    }
    item = &l->items[l->n++];
    *item = (struct azm_quarantine_line){.text = text};
    line = json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES, NULL);
    item->damaged = !json_is_object(azm_otlp_json_record(line));
    r = item->damaged ? 0 : describe(line, item);
    json_decref(line);
    return r;
}

static int split(struct azm_quarantine_lines *l)
{
    const char *p = (const char *)l->file.data, *end = p + l->file.len;
    int r = 0;

    while (r == 0 && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        r = add_line(l, (struct azm_text){p, (size_t)(newline - p)});
        p = newline + 1;
    }
    return r;
}

int azm_quarantine_read(int dir_fd, struct azm_quarantine_lines *ret, struct azm_error *err)
{
    _cleanup_close_ int fd = openat(dir_fd, AZM_QUARANTINE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    struct stat st;
    int r;

    *ret = (struct azm_quarantine_lines){0};
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return azm_error_set(err, errno, "cannot open " AZM_QUARANTINE_FILE " in the state directory: %m");
    l.device = st.st_dev;
    l.inode = st.st_ino;
    r = read_from(fd, 0, &l.file);
    if (r == 0) {
        keep_whole_lines(&l.file, 0);
        r = split(&l);
    }
    if (r < 0)
        return azm_error_set(err, r, "cannot read " AZM_QUARANTINE_FILE " in the state directory: %m");
    *ret = l;
    l = (struct azm_quarantine_lines){0};
    return 0;
}

void azm_quarantine_lines_free(struct azm_quarantine_lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        json_decref(l->items[i].note);
        json_decref(l->items[i].resource);
        azm_buf_free(&l->items[i].replacement);
    }
    free(l->items);
    azm_buf_free(&l->file);
    *l = (struct azm_quarantine_lines){0};
}

/* --- editing --- */

int azm_quarantine_edit(int dir_fd, int *ret_lock_fd, struct azm_quarantine_lines *ret, struct azm_error *err)
{
    _cleanup_close_ int lock = -1;
    int r;

    r = azm_quarantine_lock_open(dir_fd, &lock, err);
    if (r == 0)
        r = azm_quarantine_lock(lock, AZM_QUARANTINE_LOCK_EDITOR, err);
    if (r == 0)
        r = azm_quarantine_lock(lock, AZM_QUARANTINE_LOCK_FILE, err); /* an append may yet be taken back */
    if (r == 0)
        r = azm_quarantine_read(dir_fd, ret, err);
    if (r < 0)
        return r;
    azm_quarantine_unlock(lock, AZM_QUARANTINE_LOCK_FILE);
    *ret_lock_fd = lock;
    lock = -1;
    return 0;
}

int azm_quarantine_line_annotate(struct azm_quarantine_line *line, const struct azm_quarantine_note *note,
                                 const struct azm_clock *clock)
{
    json_t *o = json_loadb(line->text.s, line->text.len, 0, NULL);
    json_t *member = azm_quarantine_note_json(note, line->uid, azm_realtime_usec(clock));
    int r = -ENOMEM;

    azm_buf_clear(&line->replacement);
    if (o && member && json_object_set(o, "azmonlog", member) == 0)
        r = azm_otlp_json_append(o, &line->replacement);
    json_decref(member);
    json_decref(o);
    return r;
}

/* The new content of the file, but for what was appended since. */
static int compose(const struct azm_quarantine_lines *l, struct azm_buf *out)
{
    int r = azm_buf_reserve(out, l->file.len);

    for (size_t i = 0; r == 0 && i < l->n; i++) {
        const struct azm_quarantine_line *line = &l->items[i];

        if (line->remove)
            continue;
        if (line->replacement.len > 0)
            r = azm_buf_append(out, line->replacement.data, line->replacement.len);
        else
            r = azm_buf_append(out, line->text.s, line->text.len + 1);
    }
    return r;
}

/* Under both locks. */
static int replace(int dir_fd, const struct azm_quarantine_lines *l, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf content = {0};
    _cleanup_close_ int fd = openat(dir_fd, AZM_QUARANTINE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    size_t kept;
    int r;

    if (fd < 0 && errno != ENOENT)
        return azm_error_set(err, errno, "cannot open " AZM_QUARANTINE_FILE " in the state directory: %m");
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != l->device || st.st_ino != l->inode ||
        (uint64_t)st.st_size < l->file.len)
        return azm_error_set(
            err, ESTALE, AZM_QUARANTINE_FILE " in the state directory was replaced meanwhile, so it stays as it is");
    r = compose(l, &content);
    kept = content.len;
    if (r == 0)
        r = read_from(fd, l->file.len, &content);
    if (r < 0)
        return azm_error_set(err, r, "cannot read " AZM_QUARANTINE_FILE " in the state directory: %m");
    keep_whole_lines(&content, kept);
    if (content.len > 0)
        return azm_atomic_file_replace(dir_fd, AZM_QUARANTINE_FILE, content.data, content.len, err);
    if (unlinkat(dir_fd, AZM_QUARANTINE_FILE, 0) < 0 || fsync(dir_fd) < 0)
        return azm_error_set(err, errno, "cannot remove " AZM_QUARANTINE_FILE " in the state directory: %m");
    return 0;
}

static bool changes_anything(const struct azm_quarantine_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].remove || l->items[i].replacement.len > 0)
            return true;
    return false;
}

int azm_quarantine_commit(int dir_fd, int lock_fd, const struct azm_quarantine_lines *l, struct azm_error *err)
{
    int r;

    if (!changes_anything(l))
        return 0;
    r = azm_quarantine_lock(lock_fd, AZM_QUARANTINE_LOCK_FILE, err);
    if (r < 0)
        return r;
    r = replace(dir_fd, l, err);
    azm_quarantine_unlock(lock_fd, AZM_QUARANTINE_LOCK_FILE);
    return r;
}
