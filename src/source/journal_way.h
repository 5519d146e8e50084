/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "source/place.h"

/* Going to an entry that seems to be gone. libsystemd looks for a place by bisection, and takes what it cannot read for
 * something beyond it. So an entry that comes before damage is found, but one behind it may not be: the search leads
 * out of the file. Only walking from before the damage leads to it. */

/* Is this entry in a file after all? 1, and *ret_begin is the entry of the file from which the way leads to it; 0;
 * -errno.
 */
int azm_journal_find_way(const struct azm_config *c, const struct azm_place *to, struct azm_place *ret_begin,
                         struct azm_error *err);

/* Goes that way with a handle that has gone nowhere yet: 1 if it stands on the entry; 0; -errno. */
int azm_journal_go_way(sd_journal *j, const struct azm_place *begin, const struct azm_place *to);
