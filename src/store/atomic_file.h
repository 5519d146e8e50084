/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/error.h"

/* Files in the state directory that are always whole. They belong to the owner of the directory, also when root makes
 * them, so that a service with a user of its own can go on with what an administrator's command has left. */

/* Replaces the content of `name`, or makes it (mode 0640): written to name.tmp, flushed, renamed, and the directory
 * flushed. 0 or -errno; whatever fails, wherever the process dies, the old content is there or the new one. */
int azm_atomic_file_replace(int dir_fd, const char *name, const void *data, size_t len, struct azm_error *err);

/* All of it: 0 or -errno, and then some of it may be written. */
int azm_write_all(int fd, const void *data, size_t len);

/* Gives a file in the directory to its owner: 0 or -errno; -EPERM if it is no plain file, or has another name besides.
 * Nothing to do for anybody but root. */
int azm_give_to_owner(int dir_fd, int fd);
