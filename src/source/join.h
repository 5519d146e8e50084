/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/clock.h"
#include "source/source.h"

/* A source that joins entries of the journal which are one message: the pieces of a line that was too long for
 * journald, and the lines of a stack trace, as [journal] multiline= says. The record is that of the first entry, with
 * its uid, and the texts of all.
 *
 * What belongs together is told by the entries themselves, stream by stream (struct azm_entry_line), and by their
 * times, so that it is the same whenever they are read. A message is held back until an entry tells that it is complete
 * or, when there are no more, for the timeout. The position that is given out meanwhile lies before all that is held
 * back: after a crash it comes again, and with it what was given since then, all with the uids that it had.
 *
 * A message has at most [journal] max_body_bytes: what is longer becomes several records, numbered by an attribute. */

#define AZM_PART_KEY "azmonlog.part" /* 1, 2, ... of the records of one message */

/* So many messages are held back at most, and so many bytes of them; beyond that the one is ended that has been quiet
 * for longest. */
#define AZM_JOIN_MESSAGES_MAX 1024
#define AZM_JOIN_BYTES_MAX ((size_t)8 << 20)

/* After so many entries without a position that lies in no message, all are ended that may go on. */
#define AZM_JOIN_ENTRIES_MAX 32768

/* A message with more parts than that ends, whatever follows. */
#define AZM_JOIN_PARTS_MAX 64

/* Makes the source of `journal`, which belongs to it from now on, also if this fails: 0 or -ENOMEM. `config` must
 * outlive it. While nothing is to be joined it gives what the journal gives, and does nothing else. */
int azm_join_new(struct azm_source *journal, const struct azm_config *config, const struct azm_clock *clock,
                 struct azm_source **ret);
