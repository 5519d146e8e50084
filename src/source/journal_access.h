/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"

/* sd_journal_open succeeds, with no entries and no error, where journal files may not be read. So look: `directory` is
 * a folder of journal files or "" for the machine's own. Returns 1 if all files may be read, 0 if there are none yet,
 * -EACCES if the system journal or every file is closed to us (err says what to do), -errno. Files of single users that
 * are closed to us are passed over: an ordinary user reads his own. */
int azm_journal_check_access(const char *directory, struct azm_error *err);
