/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-journal.h>

#include "core/error.h"

/* Going back to a saved cursor. sd_journal_seek_cursor alone hides entries for ever where the journal was rolled back
 * (power loss: journald uses sequence numbers again) or recreated, because it compares sequence numbers first. */

enum azm_resume {
    AZM_RESUME_EXACT,     /* the cursor's entry is there; the next one is the one after it */
    AZM_RESUME_GAP,       /* it is gone (vacuumed); the journal stands ON the first entry after it */
    AZM_RESUME_ROLLBACK,  /* rolled back or recreated; the next one follows the last entry that was surely delivered */
    AZM_RESUME_BAD_CURSOR /* this is no cursor */
};

/* Returns one of the above or -errno. `ret_lost`: the number of entries known to be gone, 0 if that cannot be known. */
int azm_journal_resume(sd_journal *j, const char *cursor, uint64_t *ret_lost);
