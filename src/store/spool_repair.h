/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "store/spool_db.h"
#include "store/spool_files.h"

/* Makes an empty spool file in its place: 0, -errno. */
int azm_spool_create(const struct azm_spool_files *f, const struct azm_clock *clock, struct azm_error *err);

/* Sets the damaged file aside, which no connection may have open, and puts a new one into its place with everything
 * that can be found in the old one: 0, or -errno, and then the old one is still there, for the next attempt. Lost rows
 * up to `counted_to` are not counted again. */
int azm_spool_repair(const struct azm_spool_files *f, const struct azm_clock *clock, uint64_t counted_to,
                     struct azm_spool_damage *ret, struct azm_error *err);
