/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "source/journal_files.h"
#include "source/journal_handle.h"

/* A file that journald has just made is not whole yet. */
#define YOUNG_USEC (3 * AZM_USEC_PER_SEC)

static const char *const roots[AZM_JOURNAL_ROOTS] = {"/run/log/journal", "/var/log/journal"};

struct scan {
    struct azm_journal_files *files;
    const struct azm_config *config;
    int (*on_news)(void *userdata, const struct azm_file_news *news);
    void *userdata;
};

/* Is it one of those that libsystemd reads? (Other users' names begin alike: user-1, user-1000.) */
static bool is_wanted(const struct azm_config *c, const char *name)
{
    const char *dot = strrchr(name, '.');
    char owner[32] = "system";
    size_t len;

    if (!dot || (strcmp(dot, ".journal") != 0 && strcmp(dot, ".journal~") != 0))
        return false;
    if (c->scope == AZM_SCOPE_USER)
        snprintf(owner, sizeof owner, "user-%u", (unsigned)getuid());
    len = strlen(owner);
    return c->scope == AZM_SCOPE_ALL || (strncmp(name, owner, len) == 0 && (name[len] == '.' || name[len] == '@'));
}

static uint64_t number_at(const uint8_t *p)
{
    uint64_t n;

    memcpy(&n, p, sizeof n);
    return le64toh(n);
}

/* See systemd's documentation "Journal File Format": signature at 0, state 16, machine_id 40, seqnum_id 72, n_entries
 * 152, tail_entry_seqnum 160, head_entry_seqnum 168, head_entry_realtime 184, tail_entry_realtime 192; little-endian.
 */
static bool read_header(const char *path, struct azm_journal_header *ret)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t h[200];

    *ret = (struct azm_journal_header){0};
    if (fd < 0 || pread(fd, h, sizeof h, 0) != sizeof h || memcmp(h, "LPKSHHRH", 8) != 0)
        return false;
    ret->online = h[16] == 1;
    ret->archived = h[16] == 2;
    memcpy(&ret->machine, h + 40, sizeof ret->machine);
    memcpy(&ret->seqnum_id, h + 72, sizeof ret->seqnum_id);
    ret->n_entries = number_at(h + 152);
    ret->last = number_at(h + 160);
    ret->first = number_at(h + 168);
    ret->first_usec = number_at(h + 184);
    ret->last_usec = number_at(h + 192);
    return true;
}

/* Is it a name that journald gives: system or user-UID, then .journal or @ and more? */
static bool is_journalds(const char *name)
{
    size_t len = strlen("system");

    if (strncmp(name, "user-", 5) == 0)
        len = 5 + strspn(name + 5, "0123456789");
    else if (strncmp(name, "system", len) != 0)
        return false;
    return name[len] == '.' || name[len] == '@';
}

/* The counter of a file with this seqnum id: see azm_journal_files_counter. */
static sd_id128_t counter_of(const char *path, sd_id128_t machine, sd_id128_t id)
{
    const char *name = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat st;

    if (!name || !is_journalds(name + 1))
        return id;
    snprintf(folder, sizeof folder, "%.*s/", (int)(name - path), path);
    if (stat(folder, &st) < 0)
        return id;
    machine.qwords[0] ^= (uint64_t)st.st_dev;
    machine.qwords[1] ^= (uint64_t)st.st_ino;
    return machine;
}

static enum azm_file_state probe(const char *path, bool claims, struct azm_place *ret_head)
{
    const char *paths[] = {path, NULL};
    _cleanup_journal_ sd_journal *j = NULL;
    int r;

    r = sd_journal_open_files(&j, paths, 0); /* `claims` is older: an entry may have come in between */
    if (r >= 0)
        r = sd_journal_next(j);
    if (r > 0)
        r = azm_place_current(j, ret_head) < 0 ? -EBADMSG : 1;
    if (r > 0)
        return AZM_FILE_GOOD;
    if (r == -EACCES || r == -EPERM)
        return AZM_FILE_CLOSED;
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
        return AZM_FILE_EMPTY; /* our trouble, not the file's: another time */
    if (r == 0)
        return claims ? AZM_FILE_DAMAGED : AZM_FILE_EMPTY;
    /* Others, such as too many open files, say nothing of the file. */
    return r == -EBADMSG || r == -ENODATA || r == -EIO || r == -EINVAL || r == -EPROTONOSUPPORT ? AZM_FILE_DAMAGED
                                                                                                : AZM_FILE_EMPTY;
}

/* Is it still there under this name? A vacuum empties a file after deleting it. */
static bool is_still(const char *path, const struct stat *before)
{
    struct stat now;

    return stat(path, &now) >= 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev;
}

static struct azm_journal_file *find(struct azm_journal_files *files, const struct stat *st)
{
    for (size_t i = 0; i < files->n; i++)
        if (files->items[i].ino == st->st_ino && files->items[i].dev == st->st_dev)
            return &files->items[i];
    return NULL;
}

static bool is_open(const struct azm_journal_file *f)
{
    return f->good && !f->header.archived;
}

/* A known file is there, perhaps under another name and with more in it. */
static int note_present(struct azm_journal_files *files, struct azm_journal_file *f, const char *path)
{
    struct azm_journal_header now;

    f->present = true;
    if (!f->path || strcmp(f->path, path) != 0) {
        free(f->path);
        f->path = strdup(path);
    }
    f->header_is_new = is_open(f) && read_header(path, &now) && sd_id128_equal(now.seqnum_id, f->id);
    if (f->header_is_new)
        f->header = now;
    files->n_open += is_open(f);
    return f->path ? 0 : -ENOMEM;
}

static int look_at_file(struct scan *s, const char *path)
{
    struct azm_file_news news = {.path = path};
    struct azm_journal_file *f;
    struct azm_journal_header header;
    bool has_header, claims;
    sd_id128_t id;
    struct stat st;
    int r;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    f = find(s->files, &st);
    if (f)
        return note_present(s->files, f, path);
    news.modified_usec =
        (uint64_t)st.st_mtim.tv_sec * AZM_USEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec / AZM_NSEC_PER_USEC;
    memcpy(news.identity.bytes, &st.st_dev, 8);
    memcpy(news.identity.bytes + 8, &st.st_ino, 8);
    has_header = read_header(path, &header);
    claims = header.n_entries > 0;
    news.header = has_header ? &header : NULL;
    news.state = probe(path, claims, &news.head);
    if (news.state == AZM_FILE_EMPTY || news.state == AZM_FILE_DAMAGED) {
        bool young = !claims && news.modified_usec + YOUNG_USEC > azm_realtime_usec(&azm_system_clock);

        s->files->young |= young;
        if (young || news.state == AZM_FILE_EMPTY || !is_still(path, &st)) {
            s->files->n_open++;
            return 0;
        }
    }
    r = s->on_news(s->userdata, &news);
    if (r < 0)
        return r;
    f = reallocarray(s->files->items, s->files->n + 1, sizeof *f);
    if (!f)
        return -ENOMEM;
    s->files->items = f;
    f += s->files->n++;
    id = news.state == AZM_FILE_GOOD ? news.head.seqnum_id : news.identity;
    *f = (struct azm_journal_file){
        .dev = st.st_dev,
        .ino = st.st_ino,
        .id = id,
        .counter = news.state == AZM_FILE_GOOD ? counter_of(path, header.machine, id) : id,
        .good = news.state == AZM_FILE_GOOD,
        .header = header,
    };
    return note_present(s->files, f, path);
}

static int look_into(struct scan *s, const char *path, int depth)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int r = 0;

    if (!d)
        return 0; /* gone, or closed to us: the access check has said so */
    while (r >= 0 && (e = readdir(d))) {
        char file[PATH_MAX];

        if (*e->d_name == '.' || (size_t)snprintf(file, sizeof file, "%s/%s", path, e->d_name) >= sizeof file)
            continue;
        if (is_wanted(s->config, e->d_name))
            r = look_at_file(s, file);
        else if (depth > 0 && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
            r = look_into(s, file, depth - 1);
    }
    closedir(d);
    return r;
}

static int look_at_machine(struct scan *s)
{
    const char *namespace = s->config->journal_namespace;
    sd_id128_t machine;
    int r = sd_id128_get_machine(&machine);

    for (size_t i = 0; i < ELEMENTSOF(roots) && r >= 0; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/" SD_ID128_FORMAT_STR "%s%s", roots[i], SD_ID128_FORMAT_VAL(machine),
                 *namespace ? "." : "", namespace);
        r = look_into(s, path, 0);
    }
    return r;
}

int azm_journal_files_scan(struct azm_journal_files *files, const struct azm_config *c,
                           int (*on_news)(void *userdata, const struct azm_file_news *news), void *userdata)
{
    struct scan s = {.files = files, .config = c, .on_news = on_news, .userdata = userdata};
    size_t n = 0;
    int r = 0;

    files->young = false;
    files->n_open = 0;
    for (size_t i = 0; i < files->n; i++)
        files->items[i].present = false;
    if (c->journal_files.n > 0)
        for (size_t i = 0; i < c->journal_files.n && r >= 0; i++)
            r = look_at_file(&s, c->journal_files.items[i].key);
    else if (*c->journal_directory)
        r = look_into(&s, c->journal_directory, 1);
    else
        r = look_at_machine(&s);
    for (size_t i = 0; i < files->n; i++)
        if (files->items[i].present || r < 0)
            files->items[n++] = files->items[i];
        else
            free(files->items[i].path);
    files->n = n;
    return MIN(r, 0);
}

bool azm_journal_files_counter(const struct azm_journal_files *files, sd_id128_t seqnum_id, sd_id128_t *ret)
{
    for (size_t i = 0; i < files->n; i++)
        if (sd_id128_equal(files->items[i].id, seqnum_id)) {
            *ret = files->items[i].counter;
            return true;
        }
    return false;
}

bool azm_journal_files_have_ids(const struct azm_journal_files *files)
{
    for (size_t i = 1; i < files->n; i++)
        if (!sd_id128_equal(files->items[i].id, files->items[0].id))
            return true;
    return false;
}

bool azm_journal_files_have_counters(const struct azm_journal_files *files)
{
    for (size_t i = 1; i < files->n; i++)
        if (!sd_id128_equal(files->items[i].counter, files->items[0].counter))
            return true;
    return false;
}

bool azm_journal_files_has_later(const struct azm_journal_files *files, const struct azm_place *p)
{
    for (size_t i = 0; i < files->n; i++)
        if (files->items[i].good && sd_id128_equal(files->items[i].id, p->seqnum_id) &&
            files->items[i].header.last > p->seqnum)
            return true;
    return false;
}

uint64_t azm_journal_files_ahead(const struct azm_journal_files *files, const struct azm_place *p)
{
    const struct azm_journal_header *h;
    size_t i = 0;

    while (i < files->n && !is_open(&files->items[i]))
        i++;
    if (files->n_open != 1 || i == files->n)
        return files->n_open == 0 ? UINT64_MAX : 0;
    h = &files->items[i].header;
    if (!sd_id128_equal(files->items[i].id, p->seqnum_id) || h->last - h->first + 1 != h->n_entries ||
        h->last <= p->seqnum)
        return 0;
    return h->last - MAX(p->seqnum + 1, h->first);
}

void azm_journal_files_free(struct azm_journal_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct azm_journal_files){0};
}

void azm_journal_find_roots(const struct azm_config *c, struct azm_journal_root ret[static AZM_JOURNAL_ROOTS])
{
    for (size_t i = 0; i < AZM_JOURNAL_ROOTS; i++) {
        const char *path = *c->journal_directory ? (i == 0 ? c->journal_directory : NULL) : roots[i];
        struct statx st;

        ret[i] = (struct azm_journal_root){.possible = path && c->journal_files.n == 0};
        if (ret[i].possible && statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &st) >= 0) {
            ret[i].ino = st.stx_ino;
            ret[i].dev[0] = st.stx_dev_major;
            ret[i].dev[1] = st.stx_dev_minor;
            if (st.stx_mask & STATX_BTIME) {
                ret[i].born[0] = st.stx_btime.tv_sec;
                ret[i].born[1] = st.stx_btime.tv_nsec;
            }
        }
    }
}

bool azm_journal_root_equal(const struct azm_journal_root *a, const struct azm_journal_root *b)
{
    return a->ino == b->ino && a->dev[0] == b->dev[0] && a->dev[1] == b->dev[1] && a->born[0] == b->born[0] &&
           a->born[1] == b->born[1];
}
