/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* SQLite's write-ahead log, by its documented form (sqlite.org/fileformat2.html, "The Write-Ahead Log"): SQLite reads
 * it up to the first frame whose checksum is wrong, and takes that for the end. That is right after a crash. But where
 * a byte was damaged later, what was committed behind it would be gone without a word. Each frame carries the checksum
 * of all before it, so that the frames behind a damaged one can be verified all the same. */

/* Are there commits behind damage in this WAL? 0 (also when it does not exist), -EBADMSG with words, another -errno. */
int azm_spool_wal_check(int dir_fd, const char *name, struct azm_error *err);

/* Writes a new WAL of all frames that are whole, so that SQLite reads all of them; before them `first_page`
 * (AZM_SPOOL_PAGE_BYTES) as page 1 unless it is NULL. The old WAL need not exist; the database file has this many
 * pages. 0, -errno. */
int azm_spool_wal_mend(int dir_fd, const char *name, const char *new_name, const uint8_t *first_page, uint32_t pages,
                       struct azm_error *err);
