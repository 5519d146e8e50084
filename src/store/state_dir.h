/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"

/* Opens (and creates, mode 0750) the state directory and takes its lock, so that two azmonlogs never
 * move the same checkpoint. The lock (an open file description lock on the file "lock", which holds the
 * owner's pid) lasts until *ret_lock_fd is closed. Returns 0 and the two fds; -EBUSY if another process
 * has it (err names its pid); -errno. */
int azm_state_dir_open(const char *path, int *ret_dir_fd, int *ret_lock_fd, struct azm_error *err);

/* The same for a state directory of its own below that one, `path`/`group`/`name`, which is made where it is missing
 * and belongs to whom `path` belongs to. It has its own lock; that of `path` is left alone. */
int azm_state_dir_open_below(const char *path, const char *group, const char *name, int *ret_dir_fd, int *ret_lock_fd,
                             struct azm_error *err);

/* Whoever may write into the directory decides what is sent, and to whom its files are given: it belongs to this user
 * or to root, and not everybody may write into it. Root also uses that of another user, unless it is where everybody
 * could have made it, as in /tmp. 0 or -EPERM, -errno. */
int azm_state_dir_check(int dir_fd, const char *path, struct azm_error *err);
