/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* sd_journal_open succeeds, with no entries and no error, where journal files may not be read. So look: [journal] says
 * where. Returns 1 if all files may be read, 0 if there are none yet, -EACCES if the system journal or every file is
 * closed to us (err says what to do), -errno. Files of single users that are closed to us are passed over: an ordinary
 * user reads his own. */
int azm_journal_check_access(const struct azm_config *c, struct azm_error *err);
