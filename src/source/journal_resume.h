/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-journal.h>

#include "source/gap.h"
#include "source/history.h"

/* Going back to a saved cursor. sd_journal_seek_cursor alone hides entries for ever where the journal was rolled back
 * (power loss: journald uses sequence numbers again) or recreated, because it compares sequence numbers first. */

enum azm_resume {
    AZM_RESUME_EXACT,     /* the journal stands on the cursor's entry; reading goes on after it */
    AZM_RESUME_VACUUMED,  /* that is gone; the journal stands ON the first entry after it */
    AZM_RESUME_MOVED,     /* a volatile journal was flushed to disk, where its entries have new numbers; as ROLLBACK */
    AZM_RESUME_ROLLBACK,  /* rolled back or recreated; it stands on the last entry that was surely delivered, or before
                             the first one */
    AZM_RESUME_BAD_CURSOR /* this is no cursor */
};

/* `j` must give every entry; `h` is the history that goes with the cursor. Returns one of the above or -errno; for
 * VACUUMED and ROLLBACK `ret_gap` says what may have been lost; it is counted where the numbers are of one seqnum id.
 */
int azm_journal_resume(sd_journal *j, const char *cursor, const struct azm_history *h, struct azm_gap *ret_gap);
