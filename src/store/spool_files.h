/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/spool.h"

/* The files of a spool, beside its database file: PATH-wal (SQLite's), PATH-lock, PATH-ballast; for a moment PATH-new
 * (a file in the making), PATH-repaired (one that is complete and takes PATH's place). Names in here are relative to
 * the directory. */
struct azm_spool_files {
    int dir_fd, lock_fd;
    size_t ballast_bytes;
    bool has_ballast;
    char *path;       /* of the database file, with a directory in front */
    const char *name; /* its name in that directory */
};

/* Opens the directory and takes the lock: 0, -EBUSY, another -errno. azm_spool_files_free in any case. */
int azm_spool_files_open(struct azm_spool_files *f, const char *path, size_t ballast_bytes, struct azm_error *err);
void azm_spool_files_free(struct azm_spool_files *f);

/* "NAME-SUFFIX", or "NAME" for ""; valid in `ret`. */
#define AZM_SPOOL_NAME_MAX 256
const char *azm_spool_file_name(const struct azm_spool_files *f, const char *suffix,
                                char ret[static AZM_SPOOL_NAME_MAX]);
/* The same with the directory, allocated. NULL when memory is out. */
char *azm_spool_file_path(const struct azm_spool_files *f, const char *suffix);

/* The size of a regular file; 0 if there is none; -ELOOP for a symbolic link, -EINVAL for anything else. */
int64_t azm_spool_file_size(const struct azm_spool_files *f, const char *suffix);

/* Creates an empty file of mode 0600, instead of any that is there: 0, -errno. */
int azm_spool_file_make(const struct azm_spool_files *f, const char *suffix, struct azm_error *err);
void azm_spool_file_remove(const struct azm_spool_files *f, const char *suffix);

/* Moves the complete "-new" to its place, or ends what was begun: atomic, whenever the process dies. */
int azm_spool_files_swap(const struct azm_spool_files *f, struct azm_error *err);

/* Removes what a dead process may have left, after ending its swap. */
int azm_spool_files_tidy(const struct azm_spool_files *f, struct azm_error *err);

/* Takes disk space as a reserve, if it can be had; gives it back (true: there was some). */
void azm_spool_ballast_take(struct azm_spool_files *f);
bool azm_spool_ballast_drop(struct azm_spool_files *f);
