/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* Parses a duration: a sum of numbers with units, as systemd.time(7) writes them: "1s", "500ms",
 * "2min 30s", "1h30m", "1.5s". Units: us, ms, s/sec, m/min, h, d, w. A number without a unit counts in
 * `bare_unit_usec`. Returns 0, or -EINVAL for what it does not understand and -ERANGE for too much. */
int azm_parse_timespan(const char *s, uint64_t bare_unit_usec, uint64_t *ret_usec);

/* Parses a point in time into microseconds since 1970: "now", "today", "yesterday", "@SECONDS",
 * "-1h30m" or "1h30m ago", "HH:MM[:SS[.fraction]]" (of today), and
 * "YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][Z|(+|-)HH:MM]" (local time without a zone). Returns 0, -EINVAL, or -ERANGE
 * for a span that is too long. `now_usec` is the realtime clock. */
int azm_parse_time(const char *s, uint64_t now_usec, uint64_t *ret_usec);
