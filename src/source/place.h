/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-journal.h>

/* Where an entry stands, as its cursor tells. (sd_journal_get_cursor(3) calls the cursor opaque; its form has been the
 * same since systemd 183, and before 254 there is no other way to the sequence number.) */
struct azm_place {
    sd_id128_t seqnum_id; /* s=: the history whose numbers these are */
    sd_id128_t boot;      /* b= */
    uint64_t seqnum;      /* i= */
    uint64_t monotonic_usec, realtime_usec;
    uint64_t hash; /* x=: of the fields; equal for equal entries, in whatever file */
};

#define AZM_PLACE_TEXT_MAX 160

/* Reads a cursor: true, or false if it is none. */
bool azm_place_parse(const char *cursor, struct azm_place *ret);

/* Writes the place in a cursor's form: at most AZM_PLACE_TEXT_MAX bytes with the NUL. */
void azm_place_print(const struct azm_place *p, char ret[static AZM_PLACE_TEXT_MAX]);

/* The place of the journal's current entry: 0; -EBADMSG if its cursor has a form that is not known; -errno. */
int azm_place_current(sd_journal *j, struct azm_place *ret);

/* Is `a` the same as `b`, which has its seqnum id, or one that was written before it? Only a power loss makes numbers
 * low again. */
bool azm_place_is_before(const struct azm_place *a, const struct azm_place *b);

/* Stands for the entry before the first one of a file, of which nothing was read. */
static inline bool azm_place_is_unread(const struct azm_place *p)
{
    return p->hash == 0;
}

/* The same times and fields? So it is with the copies that a flush of the volatile journal makes, under other numbers.
 */
bool azm_place_is_alike(const struct azm_place *a, const struct azm_place *b);

/* Of one boot, is it numbered between `a` and `b`, and not from before `a`? */
bool azm_place_is_between(const struct azm_place *p, const struct azm_place *a, const struct azm_place *b);

/* The same entry? */
bool azm_place_equal(const struct azm_place *a, const struct azm_place *b);

/* Adds it to an array that grows: `n` of them, room for `cap`. 0; or -ENOMEM, and nothing has changed. */
int azm_place_append(struct azm_place **places, size_t *n, size_t *cap, const struct azm_place *p);
