/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/error.h"

/* What was sent to journald waits in its sockets until journald takes it in. This is how to know that it has. */

#define AZM_JOURNALD_MARKER_SIZE (sizeof "azmonlog flush " + 32)

struct azm_journald_sync {
    char marker[AZM_JOURNALD_MARKER_SIZE]; /* the MESSAGE= of the markers */
    unsigned markers;                      /* how many were sent; 0: all is in the journal already */
};

/* The folder of journald's sockets, for the journal namespace "" (the default one) or another. The caller frees it;
 * NULL when memory is out. */
char *azm_journald_folder(const char *journal_namespace);

/* Who may call journald's Synchronize (root) waits for it: after that, all that was sent to any socket of it before the
 * call is in the journal. Others send a marker message through the native and the syslog socket: what the same socket
 * was given before stands in the journal before its marker. (That says nothing about lines on the standard output of
 * services: every service has a stream of its own.)
 * Waits until `deadline_usec` (monotonic clock): 0, -ETIMEDOUT, -ENOENT when there is no journald, or another
 * -errno. */
int azm_journald_sync(const char *folder, uint64_t deadline_usec, struct azm_journald_sync *ret, struct azm_error *err);
