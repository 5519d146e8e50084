/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-journal.h>

#include "config/config.h"
#include "source/entry.h"
#include "source/source.h"

/* What journal.c (reading) and journal_start.c (where reading begins) share; for nobody else. */

#define AZM_EBADMSG_TRIES 3 /* how often to look anew at files that a vacuum takes away under us */

struct azm_journal {
    struct azm_source source;
    const struct azm_config *config;
    sd_journal *j;
    struct azm_entry_reader *reader;
    int state_dir_fd;
    bool on_unread;         /* the journal stands on an entry that `next` has yet to give */
    char *cursor;           /* of the last entry read; "" before the first; NULL: ask the journal */
    uint64_t realtime_usec; /* of the last entry read, 0 before the first */
    uint64_t unreadable;    /* entries that the journal could not give */
    unsigned truncations;   /* azm_sigbus_count when it was last looked at */
    sd_id128_t boot;        /* the running one */
    uint64_t looked_usec;   /* monotonic: the last look for new files */
    bool last_was_young;    /* the last entry read: see advance */
};

/* Writes "the journal: <what>: %m" and returns r. */
int azm_journal_error(struct azm_error *err, int r, const char *what);

/* Forgets s->cursor, because the journal has moved on. */
void azm_journal_forget_cursor(struct azm_journal *s);

/* The times of the current entry: 0 or -errno. */
int azm_journal_read_times(struct azm_journal *s, struct azm_entry_times *ret);

/* The current entry as a record: 1, 0 if it is one to skip, -EBADMSG if it cannot be read, -errno. */
int azm_journal_read_entry(struct azm_journal *s, struct azm_record *rec);

/* Goes to where reading begins: after the checkpoint, or as configured (or, with `last`, before the last so many
 * entries), and checkpoints that place: 0 or -errno. */
int azm_journal_begin(struct azm_journal *s, size_t last, struct azm_error *err);
