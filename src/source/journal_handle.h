/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-journal.h>

#include "config/config.h"

/* Opening the journal that [journal] names, and telling libsystemd what to select of it. */

/* No field that a handle gives is larger, if it is a compressed one; libsystemd's own default depends on its version.
 */
#define AZM_JOURNAL_FIELD_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* Does the configuration let libsystemd select entries? */
bool azm_journal_selects(const struct azm_config *c);

/* Does it leave out entries in any way, so that missing ones need not have been wanted? */
bool azm_journal_filters(const struct azm_config *c);

/* Is it the machine's own, which journald writes and numbers with one counter? Files from elsewhere may be of several
 * machines. */
bool azm_journal_is_machines(const struct azm_config *c);

/* What libsystemd cannot open for want of a descriptor it leaves out without a word, and once reading is past its
 * entries they are never given. So after each look at the files: are there descriptors left? 0; -EMFILE or
 * -ENFILE: some may be missing, and reading must not go on. */
int azm_journal_check_descriptors(struct azm_error *err);

/* Does the handle still have all configured files that are there? With a selection libsystemd lets go of a file in
 * which something is being linked just when it is looked for, and takes only those in folders back. */
bool azm_journal_has_all_files(sd_journal *j, const struct azm_config *c);

/* A new handle that gives every entry. It does not notice new files before sd_journal_get_fd was called. 0 or -errno.
 */
int azm_journal_open_handle(const struct azm_config *c, sd_journal **ret, struct azm_error *err);

/* Replaces what the handle selects by what the configuration says; `boot`: and only of this boot, NULL: of all.
 * 0 or -errno. */
int azm_journal_select(sd_journal *j, const struct azm_config *c, const sd_id128_t *boot, struct azm_error *err);

static inline void azm_journal_closep(sd_journal **j)
{
    sd_journal_close(*j);
}

#define _cleanup_journal_ _cleanup_(azm_journal_closep)
