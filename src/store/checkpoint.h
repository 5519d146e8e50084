/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/error.h"

/* A small text file that is always whole: the reader of it sees the old content or the new one,
 * after a crash and after power loss too (written to a temporary file, fsync, rename, fsync of the
 * directory). What stands in it is the source's business (key=value lines); around that come
 *
 *     azmonlog-checkpoint 1
 *     ...
 *     checksum=<XXH64 of all before this line, 16 hexadecimal digits>
 *
 * A person may edit the file while azmonlog is stopped; the last line must then say checksum=none. */

/* Writes `len` bytes of lines under `name` in the directory: 0 or -errno. On failure the old
 * file is untouched, but for the very last step (the fsync of the directory): then the new one is in its place. */
int azm_checkpoint_save(int dir_fd, const char *name, const void *lines, size_t len, struct azm_error *err);

/* Replaces the content of `lines` by what was saved, NUL-terminated (the NUL is not counted).
 * Returns 1; 0 if there is no such file; -EBADMSG if it is damaged (err says how); -errno. */
int azm_checkpoint_load(int dir_fd, const char *name, struct azm_buf *lines, struct azm_error *err);

/* Renames a damaged file to `name`.corrupt-<time>, so that it is there to look at: 0 or -errno.
 * `ret_name` receives the new name. */
int azm_checkpoint_set_aside(int dir_fd, const char *name, uint64_t now_usec, char ret_name[static 64],
                             struct azm_error *err);
