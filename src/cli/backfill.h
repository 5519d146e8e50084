/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"

/* A stretch of the past, exported beside the running azmonlog: what azmonlog backfill is, after its options are read.
 *
 * Each stretch has a state directory of its own below [state] directory=: backfill/FROM-UNTIL-HASH, with the same
 * checkpoint, lock and quarantine as that of azmonlog run, and, when all is exported, a file "finished". The hash is
 * one of all that makes it another stretch: its exact times, the journal and what is selected of it, the destination.
 */
struct backfill {
    const char *config_path; /* NULL: the default one */
    const struct cli_overrides *overrides;
    struct azm_config *config;       /* stays the caller's */
    uint64_t since_usec, until_usec; /* realtime; the first is in it, the second is not any more */
    const char *command;             /* which goes on with it, with times that stay what they are */
    bool dry_run;
};

/* Runs until all of it is acknowledged, or it is told to end, and returns an exit code. */
int backfill_run(const struct backfill *b);
