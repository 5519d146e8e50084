/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"
#include "export/quarantine_edit.h"

/* What the parts of `azmonlog quarantine` share. */

struct quarantine_call {
    const struct azm_config *config;
    int dir_fd;         /* the state directory */
    const char *reason; /* only lines with it; NULL: with any */
    char **uids;        /* beginnings of uids; none: all */
    int n_uids;
    bool json;
};

/* Which lines the call means: chosen[i] for lines->items[i], which the caller frees, and how many. An exit code; what
 * is wrong is said. */
int quarantine_choose(const struct quarantine_call *call, const struct azm_quarantine_lines *lines, bool **ret_chosen,
                      size_t *ret_n);

/* Flushes standard output: an exit code. */
int quarantine_flush_output(void);

/* The commands: each returns an exit code. */
int quarantine_list(const struct quarantine_call *call);
int quarantine_show(const struct quarantine_call *call);
int quarantine_resend(const struct quarantine_call *call);
int quarantine_purge(const struct quarantine_call *call);
