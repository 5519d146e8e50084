/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"

/* A durable queue of encoded records on disk: SQLite in WAL mode with synchronous=FULL, so what was appended is on disk
 * when the call returns, and a process or machine that dies at any moment leaves a whole queue. Rows come out in the
 * order in which they went in; one number says up to which row all is acknowledged; what is acknowledged is deleted in
 * bulk.
 *
 * The file and its companions (-wal, -lock, -ballast) have mode 0600. A ballast file keeps disk space for deletes,
 * which need room to free room: it is given up when the disk is full, and made again when there is space.
 *
 * One thread at a time may use a spool. */

struct azm_spool_options {
    const char *path; /* of the database file, copied; its directory must exist */
    uint64_t max_bytes;
    unsigned min_free_percent; /* of the file system, which others may have filled: below it the spool counts as full */
    size_t ballast_bytes;
    const struct azm_clock *clock; /* must outlive the spool */
};

/* One row: a sealed batch or part of one. */
struct azm_spool_row {
    uint64_t id;         /* given by azm_spool_append; ascending, never used again in this file */
    uint64_t time_usec;  /* realtime at which it was appended */
    uint64_t records;    /* how many are in it */
    struct azm_buf data; /* the caller's own form */
};

/* Frees the data; for _cleanup_. */
static inline void azm_spool_row_clear(struct azm_spool_row *row)
{
    azm_buf_free(&row->data);
}

enum azm_spool_full {
    AZM_SPOOL_HAS_ROOM,
    AZM_SPOOL_FULL_LIMIT, /* max_bytes are used */
    AZM_SPOOL_FULL_DISK,  /* less than min_free_percent of the file system is free, or a write said so */
};

/* What was found damaged, and repaired: the file was set aside, and what can be found in it put into a new one. */
struct azm_spool_damage {
    bool found;
    char set_aside[256];           /* the damaged file's new name: PATH.corrupt-<seconds>; cut off if it is too long */
    uint64_t recovered, lost_rows; /* rows; lost: as far as their numbers tell */
};

struct azm_spool_status {
    uint64_t acknowledged_id, last_id; /* rows */
    uint64_t rows, records;            /* not acknowledged */
    uint64_t bytes;                    /* of the file system that they take, about */
    uint64_t max_bytes;
    uint64_t oldest_usec;     /* realtime at which the first of them was appended; 0: there is none */
    enum azm_spool_full full; /* at the last append */
    uint64_t repairs;         /* since it was opened, that among them */
    struct azm_spool_damage last_damage;
};

struct azm_spool;

/* Opens the spool, or creates an empty one. A damaged file is repaired, and `ret_damage` (may be NULL) says so. 0,
 * -EBUSY if another process has it open, -ELOOP for a symbolic link, -ENOTSUP for the database of another program, or
 * -errno with words that name the path. After a machine went down while it was open, opening reads the whole file. */
int azm_spool_open(const struct azm_spool_options *o, struct azm_spool **ret, struct azm_spool_damage *ret_damage,
                   struct azm_error *err);
struct azm_spool *azm_spool_free(struct azm_spool *s);

/* Is there a spool file at this path? */
bool azm_spool_exists(const char *path);

/* Appends all `n` rows (of which `id` and `time_usec` are filled in; after an error they mean nothing) in one
 * transaction, or none: 0 when they are on disk; -ENOSPC when the limit, the free space or the disk does not allow it,
 * and then it may work later; -EMSGSIZE when so much at once can never be within max_bytes (it takes twice its size for
 * a moment, and 1/8 or 8 MiB more); another -errno. */
int azm_spool_append(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err);

/* Would a row of so many bytes find room now? 0, or what azm_spool_append would say. Appends nothing. */
int azm_spool_check_room(struct azm_spool *s, size_t bytes, struct azm_error *err);

/* The first row after the one with this id (0: the first of all): 1 and *ret, whose buffer is reused; 0 if there is
 * none. A row that does not have the checksum that it was written with, is passed over. What is lost is added to
 * *lost_rows, once: also what a repair did not find, which any call may have to make when it meets damage (see
 * azm_spool_status). -errno. */
int azm_spool_read(struct azm_spool *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                   struct azm_error *err);

/* Everything up to this row is acknowledged; it may be deleted now or later, but never comes again. 0 when that is on
 * disk; -errno, and then it may come again. */
int azm_spool_acknowledge(struct azm_spool *s, uint64_t id, struct azm_error *err);

/* Closes the spool and, if it is empty, removes its files, so that the disk has its space back: NULL. */
struct azm_spool *azm_spool_close_and_remove(struct azm_spool *s);

void azm_spool_get_status(struct azm_spool *s, struct azm_spool_status *ret);

/* 128 random bits, made with the file: tells the rows of this spool from those of every other one. */
void azm_spool_id(const struct azm_spool *s, uint8_t ret[static 16]);
