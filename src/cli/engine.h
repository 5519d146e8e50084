/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"
#include "pipeline/service.h"

/* What azmonlog run and azmonlog backfill have in common: how the parts of an exporter go by a configuration. */

/* `spool_path`: as in struct azm_outbox_options. */
struct azm_outbox_options cli_outbox_options(const struct azm_config *c, struct azm_exporter *exporter,
                                             const char *spool_path);

/* The server has refused the credentials: perhaps there are others in headers_file= by now. The configuration is read
 * anew, but only for its headers. */
void cli_renew_credentials(struct azm_service *v, struct azm_config *c, const char *config_path,
                           const struct cli_overrides *o, struct azm_quarantine *quarantine);

/* At the end: logs what was delivered, and `rest` behind it, and where that is which was refused. */
void cli_say_delivered(const struct azm_service *v, const char *rest, const struct azm_quarantine *quarantine);
