/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"

/* Opens (and creates, mode 0750) the state directory and takes its lock, so that two azmonlogs never
 * move the same checkpoint. The lock (an open file description lock on the file "lock", which holds the
 * owner's pid) lasts until *ret_lock_fd is closed. Returns 0 and the two fds; -EBUSY if another process
 * has it (err names its pid); -errno. */
int azm_state_dir_open(const char *path, int *ret_dir_fd, int *ret_lock_fd, struct azm_error *err);
