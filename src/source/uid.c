/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/uid.h"

struct azm_uid_seen {
    XXH128_hash_t hash;
    uint64_t count;
};

void azm_uid_state_free(struct azm_uid_state *u)
{
    free(u->seen);
    *u = (struct azm_uid_state){0};
}

int azm_uid_state_copy(struct azm_uid_state *to, const struct azm_uid_state *from)
{
    struct azm_uid_seen *seen = from->cap_seen > 0 ? calloc(from->cap_seen, sizeof *seen) : NULL;

    azm_uid_state_free(to);
    if (!seen && from->cap_seen > 0)
        return -ENOMEM;
    *to = *from;
    to->seen = seen;
    for (size_t i = 0; i < from->cap_seen; i++)
        seen[i] = from->seen[i];
    return 0;
}

/* The slot of this hash, or the free one where it belongs. There is always a free one. */
static struct azm_uid_seen *find(struct azm_uid_seen *seen, size_t cap, XXH128_hash_t hash)
{
    size_t i = hash.low64 & (cap - 1);

    while (seen[i].count > 0 && (seen[i].hash.low64 != hash.low64 || seen[i].hash.high64 != hash.high64))
        i = (i + 1) & (cap - 1);
    return &seen[i];
}

static int grow(struct azm_uid_state *u)
{
    size_t cap = u->cap_seen > 0 ? u->cap_seen * 2 : 16;
    struct azm_uid_seen *seen = calloc(cap, sizeof *seen);

    if (!seen)
        return -ENOMEM;
    for (size_t i = 0; i < u->cap_seen; i++)
        if (u->seen[i].count > 0)
            *find(seen, cap, u->seen[i].hash) = u->seen[i];
    free(u->seen);
    u->seen = seen;
    u->cap_seen = cap;
    return 0;
}

/* Adds to the count of this hash and returns the count before. */
static int64_t count_one(struct azm_uid_state *u, XXH128_hash_t hash, uint64_t n)
{
    struct azm_uid_seen *s;
    uint64_t before;

    if (u->n_seen * 2 >= u->cap_seen) {
        int r = grow(u);

        if (r < 0)
            return r;
    }
    s = find(u->seen, u->cap_seen, hash);
    if (s->count == 0) {
        s->hash = hash;
        u->n_seen++;
    }
    before = s->count;
    s->count += n;
    return (int64_t)before;
}

static void begin_group(struct azm_uid_state *u, sd_id128_t boot, uint64_t monotonic_usec, uint64_t realtime_usec)
{
    if (u->cap_seen > 1024) { /* a rare large group must not make every later one slow to clear */
        free(u->seen);
        u->seen = NULL;
        u->cap_seen = 0;
    } else if (u->cap_seen > 0)
        memset(u->seen, 0, u->cap_seen * sizeof *u->seen);
    u->n_seen = 0;
    u->boot = boot;
    u->monotonic_usec = monotonic_usec;
    u->realtime_usec = realtime_usec;
}

int azm_uid_next(struct azm_uid_state *u, sd_id128_t boot, uint64_t monotonic_usec, uint64_t realtime_usec,
                 XXH128_hash_t fields, uint8_t ret_uid[16])
{
    struct {
        sd_id128_t boot;
        uint64_t monotonic_usec, realtime_usec;
        uint64_t fields[2];
        uint64_t ordinal;
    } input = {.boot = boot};
    XXH128_canonical_t canonical;
    int64_t ordinal;

    if (monotonic_usec != u->monotonic_usec || realtime_usec != u->realtime_usec || !sd_id128_equal(boot, u->boot))
        begin_group(u, boot, monotonic_usec, realtime_usec);
    ordinal = count_one(u, fields, 1);
    if (ordinal < 0)
        return (int)ordinal;
    /* Little-endian, so that the uid does not depend on the machine that computes it. */
    input.monotonic_usec = htole64(monotonic_usec);
    input.realtime_usec = htole64(realtime_usec);
    input.fields[0] = htole64(fields.low64);
    input.fields[1] = htole64(fields.high64);
    input.ordinal = htole64((uint64_t)ordinal);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(&input, sizeof input));
    memcpy(ret_uid, canonical.digest, 16);
    return 0;
}

int azm_uid_state_print(const struct azm_uid_state *u, struct azm_buf *out)
{
    char boot[33];
    int r;

    r = azm_buf_printf(out, "uid_group=%s %" PRIu64 " %" PRIu64 "\n", sd_id128_to_string(u->boot, boot),
                       u->monotonic_usec, u->realtime_usec);
    for (size_t i = 0; i < u->cap_seen && r == 0; i++)
        if (u->seen[i].count > 0)
            r = azm_buf_printf(out, "uid_seen=%016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n", u->seen[i].hash.high64,
                               u->seen[i].hash.low64, u->seen[i].count);
    return r;
}

/* Far above any real count, and a checkpoint full of such lines does not overflow their sum. */
#define COUNT_MAX (UINT64_C(1) << 40)

/* A decimal number, then `end`: moves on, or false. */
static bool take_number(const char **s, char end, uint64_t *ret)
{
    char *rest;

    if (**s < '0' || **s > '9')
        return false;
    errno = 0;
    *ret = strtoull(*s, &rest, 10);
    if (errno || *rest != end)
        return false;
    *s = rest + (end != '\0');
    return true;
}

/* 128 bits as 32 hexadecimal digits, then a space: moves on, or false. */
static bool take_id(const char **s, sd_id128_t *ret)
{
    char digits[33];

    if (strspn(*s, "0123456789abcdef") != 32 || (*s)[32] != ' ')
        return false;
    memcpy(digits, *s, 32);
    digits[32] = '\0';
    *s += 33;
    return sd_id128_from_string(digits, ret) >= 0;
}

static uint64_t half_of(sd_id128_t id, size_t half)
{
    uint64_t v;

    memcpy(&v, id.bytes + 8 * half, sizeof v);
    return be64toh(v);
}

int azm_uid_state_parse(struct azm_uid_state *u, const char *key, const char *value)
{
    uint64_t first, second;
    sd_id128_t id;

    if (strcmp(key, "uid_group") == 0) {
        if (!take_id(&value, &id) || !take_number(&value, ' ', &first) || !take_number(&value, '\0', &second))
            return -EBADMSG;
        begin_group(u, id, first, second);
        return 1;
    }
    if (strcmp(key, "uid_seen") == 0) {
        if (!take_id(&value, &id) || !take_number(&value, '\0', &first) || first == 0 || first > COUNT_MAX)
            return -EBADMSG;
        return count_one(u, (XXH128_hash_t){.high64 = half_of(id, 0), .low64 = half_of(id, 1)}, first) < 0 ? -ENOMEM
                                                                                                           : 1;
    }
    return 0;
}
