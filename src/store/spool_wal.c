/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "store/spool_db.h"
#include "store/spool_wal.h"

#define HEADER 32
#define FRAME_HEADER 24
#define FRAME (FRAME_HEADER + AZM_SPOOL_PAGE_BYTES)
#define MAGIC UINT32_C(0x377f0682) /* + 1: the words of checksums are big-endian */

struct sum {
    uint32_t a, b;
};

/* One after the other of the frames of a WAL. */
struct walk {
    int fd;
    bool big_endian;
    uint8_t salts[8];
    struct sum before; /* what the next frame's checksum goes on from */
    off_t at;
    uint8_t frame[FRAME];
    bool written; /* the frame is of this generation of the WAL, not of one before */
    bool whole;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t get32_little(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum add(struct sum s, bool big_endian, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        s.a += (big_endian ? get32(data + i) : get32_little(data + i)) + s.b;
        s.b += (big_endian ? get32(data + i + 4) : get32_little(data + i + 4)) + s.a;
    }
    return s;
}

static struct sum frame_sum(struct sum before, bool big_endian, const uint8_t *frame)
{
    return add(add(before, big_endian, frame, 8), big_endian, frame + FRAME_HEADER, AZM_SPOOL_PAGE_BYTES);
}

static int read_at(int fd, off_t at, uint8_t *ret, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, ret + got, len - got, at + (off_t)got);

        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            got += (size_t)n;
    }
    return 1;
}

/* 1, 0: there is no frame in it, -errno. */
static int begin(struct walk *w, int dir_fd, const char *name, bool *ret_header_whole)
{
    uint8_t h[HEADER];
    struct sum s;
    int r;

    w->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (w->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = read_at(w->fd, 0, h, sizeof h);
    if (r > 0)
        r = read_at(w->fd, HEADER, w->frame, FRAME_HEADER);
    if (r <= 0)
        return r;
    w->at = HEADER;
    w->big_endian = get32(h) == MAGIC + 1;
    w->before = (struct sum){get32(h + 24), get32(h + 28)};
    s = add((struct sum){0}, w->big_endian, h, 24);
    *ret_header_whole =
        get32(h) - MAGIC <= 1 && s.a == w->before.a && s.b == w->before.b && get32(h + 8) == AZM_SPOOL_PAGE_BYTES;
    memcpy(w->salts, *ret_header_whole ? h + 16 : w->frame + 8, sizeof w->salts);
    return 1;
}

/* 1, 0: that was the last, -errno. */
static int next(struct walk *w)
{
    struct sum s, stored;
    int r = read_at(w->fd, w->at, w->frame, FRAME);

    if (r <= 0)
        return r;
    w->at += FRAME;
    s = frame_sum(w->before, w->big_endian, w->frame);
    stored = (struct sum){get32(w->frame + 16), get32(w->frame + 20)};
    w->written = memcmp(w->frame + 8, w->salts, sizeof w->salts) == 0;
    w->whole = w->written && s.a == stored.a && s.b == stored.b && get32(w->frame) > 0;
    w->before = stored;
    return 1;
}

static bool commits(const struct walk *w)
{
    return w->whole && get32(w->frame + 4) > 0;
}

int azm_spool_wal_check(int dir_fd, const char *name, struct azm_error *err)
{
    struct walk w = {.fd = -1};
    bool header_whole = true, unwritten = false;
    unsigned bad, commits_behind = 0;
    int r = begin(&w, dir_fd, name, &header_whole);

    bad = !header_whole;
    while (r > 0 && (r = next(&w)) > 0) {
        if (!w.whole)
            bad++;
        unwritten |= !w.written && commits_behind == 0;
        if (bad > 0)
            commits_behind += commits(&w);
    }
    azm_closep(&w.fd);
    if (r < 0)
        return azm_error_set(err, r, "cannot read %s: %m", name);
    /* A frame of it was never written at all: nothing but a power loss does that. */
    if (commits_behind == 0 || (commits_behind == 1 && unwritten))
        return 0;
    azm_error_set(err, EBADMSG, "%s is damaged before its end", name);
    return commits_behind == 1 ? 1 : -EBADMSG;
}

/* Where the last commit ends (0: there is none), and the highest page number in front of it. */
static int survey(struct walk w, off_t *ret_end, uint32_t *ret_highest)
{
    uint32_t highest = 0;
    int r;

    *ret_end = 0;
    *ret_highest = 0;
    while ((r = next(&w)) > 0) {
        if (w.whole)
            highest = MAX(highest, get32(w.frame));
        if (commits(&w)) {
            *ret_end = w.at;
            *ret_highest = highest;
        }
    }
    return r;
}

int azm_spool_wal_pages(int dir_fd, const char *name, struct azm_spool_wal_pages *ret, struct azm_error *err)
{
    struct walk w = {.fd = -1};
    bool header_whole;
    off_t end = 0;
    int r = begin(&w, dir_fd, name, &header_whole);

    *ret = (struct azm_spool_wal_pages){.fd = -1};
    if (r > 0)
        r = survey(w, &end, &ret->highest);
    if (r >= 0 && end > 0) {
        ret->offsets = calloc((size_t)ret->highest + 1, sizeof *ret->offsets);
        if (!ret->offsets)
            r = -ENOMEM;
    }
    while (r >= 0 && w.at < end && (r = next(&w)) > 0) {
        if (w.whole)
            ret->offsets[get32(w.frame)] = w.at - AZM_SPOOL_PAGE_BYTES;
    }
    if (r < 0) {
        azm_closep(&w.fd);
        azm_spool_wal_pages_free(ret);
        return azm_error_set(err, r, "cannot read %s: %m", name);
    }
    ret->fd = w.fd;
    return 0;
}

void azm_spool_wal_pages_free(struct azm_spool_wal_pages *p)
{
    azm_closep(&p->fd);
    free(p->offsets);
    *p = (struct azm_spool_wal_pages){.fd = -1};
}
