/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/error.h"

#define AZM_SECTION_MAX 264 /* the longest is that of a unit, unit "NAME" */

/* The INI form of systemd's files: `[section]` and `key=value` lines, `#` and `;` begin a comment line,
 * a backslash at the end of a line continues it. (inih, the obvious library, cuts lines at 200 bytes as
 * Debian builds it, without an error that names the line: too short for tokens and connection strings.) */

/* Called for each assignment. `where` is "FILE:LINE"; `is_public`: everybody can read the file. */
typedef int (*azm_config_assign_t)(void *userdata, const char *section, const char *key, const char *value,
                                   const char *where, bool is_public, struct azm_error *err);

/* Reads `path` and then every PATH.d/ *.conf in the order of their names; stops at the first error. With
 * `optional` a missing file is no error. Returns 0 or -errno. */
int azm_config_file_read(const char *path, bool optional, azm_config_assign_t assign, void *userdata,
                         struct azm_error *err);
