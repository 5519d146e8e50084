/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/spool_db.h"
#include "store/spool_files.h"
#include "store/spool_wal.h"

/* Reads a damaged spool without SQLite, which finds nothing where the way to it is damaged: every page is searched for
 * rows, and a row is what has the right checksum. It only reads. Form of the file: sqlite.org/fileformat2.html. */

struct azm_spool_salvage_entry {
    uint64_t id;
    uint32_t page, at; /* the cell */
};

struct azm_spool_salvage {
    int fd;
    uint32_t pages;
    struct azm_spool_wal_pages wal;
    bool has_meta;
    struct azm_spool_meta meta;              /* the newest one that is whole */
    struct azm_spool_salvage_entry *entries; /* by id; not everything in here is a row */
    size_t n, allocated;
    struct azm_buf payload;
};

/* Searches the file and its WAL: 0, -ENOMEM, -EIO. azm_spool_salvage_close in any case. */
int azm_spool_salvage_open(struct azm_spool_salvage *s, const struct azm_spool_files *f, struct azm_error *err);
void azm_spool_salvage_close(struct azm_spool_salvage *s);

/* The i-th entry: 1, 0: it is not whole, -ENOMEM. Without data (*ret_lost) it stands for rows lost earlier. */
int azm_spool_salvage_read(struct azm_spool_salvage *s, size_t i, struct azm_spool_row *row, uint64_t *ret_total,
                           bool *ret_lost);
