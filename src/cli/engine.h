/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"
#include "pipeline/service.h"
#include "source/journal.h"

/* What azmonlog run, backfill and cat have in common: how the parts of an exporter go by a configuration. */

/* The journal, with its entries joined as the configuration says; `journal`, which may be NULL, is the journal itself:
 * see azm_journal_get_progress. 0 or -errno. */
int cli_open_journal(const struct azm_journal_options *o, struct azm_source **ret, struct azm_source **journal,
                     struct azm_error *err);

/* `spool_path`: as in struct azm_outbox_options. */
struct azm_outbox_options cli_outbox_options(const struct azm_config *c, struct azm_exporter *exporter,
                                             const char *spool_path);

/* The server has refused the credentials: perhaps there are others in headers_file= by now. The configuration is read
 * anew, but only for its headers. */
void cli_renew_credentials(struct azm_service *v, struct azm_config *c, const char *config_path,
                           const struct cli_overrides *o, struct azm_quarantine *quarantine);

/* At the end: logs what was delivered, and `rest` behind it, and where that is which was refused. */
void cli_say_delivered(const struct azm_service *v, const char *rest, const struct azm_quarantine *quarantine);
