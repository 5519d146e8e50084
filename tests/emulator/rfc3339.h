/* SPDX-License-Identifier: MIT */
/* Times as text (RFC 3339), always in UTC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { EMU_RFC3339_BYTES = 32 };

/* "2026-11-22T20:22:35.733Z" */
void emu_rfc3339_format(const struct timespec *time, char text[static EMU_RFC3339_BYTES]);

/* Reads "2026-11-22T20:22:35Z", with up to nine digits behind the point, from 1970 to 2262. Another zone than Z is
 * none. */
bool emu_rfc3339_parse(const char *text, size_t length, int64_t *ret_nsec);
