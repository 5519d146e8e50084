/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/record.h"
#include "export/quarantine.h"

/* Reading the quarantine, and taking lines out of it, while an exporter may append to it.
 *
 * Lines stay in the file until an edit is committed, which replaces the file by one without them: wherever a process
 * dies that sends them again, they are still there. */

struct azm_quarantine_line {
    struct azm_text text; /* without its newline; borrowed from the lines it is in */
    bool damaged;         /* no record in OTLP/JSON, for instance after editing by hand; nothing below is set then */

    /* Strings are "" when there is nothing, and borrowed. */
    const char *time, *uid, *reason, *code, *message, *service;
    long status;      /* HTTP status; 0: none */
    json_t *note;     /* the whole member "azmonlog"; an empty object if there is none */
    json_t *resource; /* its attributes: what `service` is borrowed from */

    /* What a commit does. */
    bool remove;
    struct azm_buf replacement; /* with its newline; empty: the line stays as it is */
};

struct azm_quarantine_lines {
    struct azm_quarantine_line *items;
    size_t n;
    struct azm_buf file; /* what was read of it: whole lines */
    dev_t device;
    ino_t inode;
};

/* The lines that are there now: 0 (also if there are none, and no file) or -errno. Needs no lock, and no more than read
 * permission. */
int azm_quarantine_read(int dir_fd, struct azm_quarantine_lines *ret, struct azm_error *err);
void azm_quarantine_lines_free(struct azm_quarantine_lines *l);

/* The same, and nobody else edits until *ret_lock_fd is closed: 0; -EBUSY; -errno. */
int azm_quarantine_edit(int dir_fd, int *ret_lock_fd, struct azm_quarantine_lines *ret, struct azm_error *err);

/* Gives a line that is not damaged a new note, with this moment as its time: 0 or -ENOMEM. */
int azm_quarantine_line_annotate(struct azm_quarantine_line *line, const struct azm_quarantine_note *note,
                                 const struct azm_clock *clock);

/* Replaces the file in one step: what was appended since stays behind the rest. Without any line left there is no file.
 * 0 when it is on disk; -ESTALE if the file is another one than was read (nothing is changed then); -errno. */
int azm_quarantine_commit(int dir_fd, int lock_fd, const struct azm_quarantine_lines *l, struct azm_error *err);
