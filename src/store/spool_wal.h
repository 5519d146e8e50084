/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* SQLite's write-ahead log, by its documented form (sqlite.org/fileformat2.html, "The Write-Ahead Log"): SQLite reads
 * it up to the first frame whose checksum is wrong, and takes that for the end. That is right after a crash. But where
 * a byte was damaged later, what was committed behind it would be gone without a word. Each frame carries the checksum
 * of all before it, so that the frames behind a damaged one can be verified all the same. */

/* Are there commits behind damage in this WAL? 0 (also when it does not exist), -EBADMSG with words, another -errno. 1
 * with words: in the last one, and nothing is behind that. A machine that lost power in the middle of a commit leaves
 * such a WAL, as sectors reach the disk in any order; the commit never returned, so it is no loss then. */
int azm_spool_wal_check(int dir_fd, const char *name, struct azm_error *err);

/* The newest form of each page in the WAL: of all frames that are whole and not behind the last commit. */
struct azm_spool_wal_pages {
    int fd;           /* of the WAL; -1: there is none */
    uint32_t highest; /* page number */
    int64_t *offsets; /* in the WAL, of the page with this number; 0: it is not there */
};

/* 0, also when there is no WAL, -errno. */
int azm_spool_wal_pages(int dir_fd, const char *name, struct azm_spool_wal_pages *ret, struct azm_error *err);
void azm_spool_wal_pages_free(struct azm_spool_wal_pages *p);
