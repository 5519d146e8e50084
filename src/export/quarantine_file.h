/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* The file of the quarantine and its locks: what appending and editing share. Everything may be done by several
 * processes at once. */

#define AZM_QUARANTINE_FILE "quarantine.jsonl"

/* The locks are open file description locks on parts of the file quarantine.lock. */
enum azm_quarantine_lock {
    AZM_QUARANTINE_LOCK_FILE,   /* whoever changes quarantine.jsonl, for as long as that takes */
    AZM_QUARANTINE_LOCK_EDITOR, /* whoever will take lines out: lines before the end stay where they are meanwhile */
};

/* Opens (and makes) the file of the locks, which are all let go when it is closed: 0 or -errno. */
int azm_quarantine_lock_open(int dir_fd, int *ret_lock_fd, struct azm_error *err);

/* 0; -EBUSY if another has it: the editor's at once, the file's after 10 s, for nobody needs so long. -errno. */
int azm_quarantine_lock(int lock_fd, enum azm_quarantine_lock which, struct azm_error *err);
void azm_quarantine_unlock(int lock_fd, enum azm_quarantine_lock which);

/* Takes the end of a line off that a crash has left without the rest of it, and says so in the log. Needs the lock.
 * 1 and the file's size; 0 if there is no file; -errno. `ret_fd` is for reading and appending. */
int azm_quarantine_file_open(int dir_fd, int *ret_fd, uint64_t *ret_bytes, struct azm_error *err);
