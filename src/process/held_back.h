/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "core/buf.h"
#include "core/record.h"

/* What a rate limit held back of a service in one interval, and the record that tells of it. */

#define AZM_HELD_BACK_SEVERITIES 9 /* none was given; the eight of syslog */

struct azm_held_back {
    uint64_t records; /* 0: none */
    uint64_t severities[AZM_HELD_BACK_SEVERITIES];
    uint64_t from_nsec, to_nsec; /* when the first and the last of them were received */
    uint8_t first_uid[16];
};

void azm_held_back_add(struct azm_held_back *to, const struct azm_held_back *more);

/* As a record without resource: texts are put into the arena; `attributes` has room for AZM_HELD_BACK_ATTRIBUTES. Its
 * uid and its time depend on the arguments alone. `rate`: what was allowed, for the words; 0: not known any more. 0 or
 * -ENOMEM. */
#define AZM_HELD_BACK_ATTRIBUTES (4 + AZM_HELD_BACK_SEVERITIES)
int azm_held_back_record(const struct azm_held_back *h, struct azm_text service, uint64_t rate, struct azm_arena *arena,
                         struct azm_attribute *attributes, struct azm_record *ret);

/* In numbers, for a checkpoint line. print: appends; 0 or -ENOMEM. parse: how many bytes they take, or -EBADMSG. */
int azm_held_back_print(const struct azm_held_back *h, struct azm_buf *out);
int azm_held_back_parse(struct azm_held_back *h, const char *value);
