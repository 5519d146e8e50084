/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "source/place.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "k=" and one to 16 hexadecimal digits: moves on, or false. */
static bool take_number(const char **s, char key, uint64_t *ret)
{
    size_t n;

    if ((*s)[0] != key || (*s)[1] != '=')
        return false;
    *s += 2;
    *ret = 0;
    for (n = 0; hex_digit((*s)[n]) >= 0; n++)
        *ret = *ret << 4 | (uint64_t)hex_digit((*s)[n]);
    *s += n;
    return n >= 1 && n <= 16;
}

/* "k=" and 32 hexadecimal digits: moves on, or false. */
static bool take_id(const char **s, char key, sd_id128_t *ret)
{
    if ((*s)[0] != key || (*s)[1] != '=')
        return false;
    *s += 2;
    for (size_t i = 0; i < 16; i++, *s += 2) {
        int high = hex_digit((*s)[0]), low = high < 0 ? -1 : hex_digit((*s)[1]);

        if (low < 0)
            return false;
        ret->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

bool azm_place_parse(const char *cursor, struct azm_place *p)
{
    const char *s = cursor;

    return take_id(&s, 's', &p->seqnum_id) && take(&s, ';') && take_number(&s, 'i', &p->seqnum) && take(&s, ';') &&
           take_id(&s, 'b', &p->boot) && take(&s, ';') && take_number(&s, 'm', &p->monotonic_usec) && take(&s, ';') &&
           take_number(&s, 't', &p->realtime_usec) && take(&s, ';') && take_number(&s, 'x', &p->hash) && *s == '\0';
}

void azm_place_print(const struct azm_place *p, char ret[static AZM_PLACE_TEXT_MAX])
{
    char seqnum_id[33], boot[33];

    /* Not SD_ID128_FORMAT_STR: sixteen conversions for each id are most of what a position of many places costs. */
    snprintf(ret, AZM_PLACE_TEXT_MAX, "s=%s;i=%" PRIx64 ";b=%s;m=%" PRIx64 ";t=%" PRIx64 ";x=%" PRIx64,
             sd_id128_to_string(p->seqnum_id, seqnum_id), p->seqnum, sd_id128_to_string(p->boot, boot),
             p->monotonic_usec, p->realtime_usec, p->hash);
}

int azm_place_current(sd_journal *j, struct azm_place *ret)
{
    _cleanup_free_ char *cursor = NULL;
    int r = sd_journal_get_cursor(j, &cursor);

    if (r < 0)
        return r;
    return azm_place_parse(cursor, ret) ? 0 : -EBADMSG;
}

bool azm_place_is_before(const struct azm_place *a, const struct azm_place *b)
{
    return a->seqnum <= b->seqnum && (sd_id128_equal(a->boot, b->boot) ? a->monotonic_usec <= b->monotonic_usec
                                                                       : a->realtime_usec <= b->realtime_usec);
}

bool azm_place_is_alike(const struct azm_place *a, const struct azm_place *b)
{
    return sd_id128_equal(a->boot, b->boot) && a->monotonic_usec == b->monotonic_usec &&
           a->realtime_usec == b->realtime_usec && a->hash == b->hash;
}

bool azm_place_is_between(const struct azm_place *p, const struct azm_place *a, const struct azm_place *b)
{
    return p->seqnum > a->seqnum && p->seqnum < b->seqnum && p->monotonic_usec >= a->monotonic_usec &&
           sd_id128_equal(p->boot, b->boot);
}

bool azm_place_equal(const struct azm_place *a, const struct azm_place *b)
{
    return a->seqnum == b->seqnum && sd_id128_equal(a->seqnum_id, b->seqnum_id) && azm_place_is_alike(a, b);
}

int azm_place_append(struct azm_place **places, size_t *n, size_t *cap, const struct azm_place *p)
{
    if (*n == *cap) {
        size_t more = MAX(2 * *cap, (size_t)64);
        struct azm_place *grown = reallocarray(*places, more, sizeof *grown);

        if (!grown)
            return -ENOMEM;
        *places = grown;
        *cap = more;
    }
    (*places)[(*n)++] = *p;
    return 0;
}
