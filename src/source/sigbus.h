/* SPDX-License-Identifier: MIT */
#pragma once

/* libsystemd maps journal files and installs no handler: a file that is truncated while it is mapped (by an
 * administrator's
 * ": >", or a vacuum on a file system without hole punching) kills the reader with SIGBUS. The handler puts a page of
 * zeros there, which libsystemd takes for a damaged object. Process-wide: for azmonlog's own processes, never inside
 * rsyslogd.
 *
 * Signals of other origin keep their usual effect. */
void azm_sigbus_install(void);

/* How many pages were replaced so far. */
unsigned azm_sigbus_count(void);
