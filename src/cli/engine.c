/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/engine.h"
#include "core/log.h"
#include "source/join.h"

int cli_open_journal(const struct azm_journal_options *o, struct azm_source **ret, struct azm_source **journal,
                     struct azm_error *err)
{
    struct azm_source *own;
    int r = azm_journal_open(o, &own, err);

    if (r < 0)
        return r;
    if (journal)
        *journal = own;
    r = azm_join_new(own, o->config, &azm_system_clock, ret);
    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

struct azm_outbox_options cli_outbox_options(const struct azm_config *c, struct azm_exporter *exporter,
                                             const char *spool_path)
{
    return (struct azm_outbox_options){
        .exporter = exporter,
        .clock = &azm_system_clock,
        .spool_path = spool_path,
        .spool = c->spool && !*c->relay_from, /* the stream keeps what a relay cannot deliver */
        .spool_after_usec = c->spool_after_usec,
        .spool_max_bytes = c->spool_max_bytes,
        .spool_min_free_percent = (unsigned)c->spool_min_free_percent,
        .batch = {.records = c->max_export_batch_size, .bytes = c->max_request_bytes},
    };
}

void cli_renew_credentials(struct azm_service *v, struct azm_config *c, const char *config_path,
                           const struct cli_overrides *o, struct azm_quarantine *quarantine)
{
    _cleanup_(azm_config_freep) struct azm_config *new = calloc(1, sizeof *new);
    struct azm_error err;

    if (!new || cli_read_config(new, config_path, o, &err) != 0) {
        azm_log(AZM_LOG_ERROR, "the credentials cannot be read anew: %s", new ? err.words : "out of memory");
        return;
    }
    if (azm_key_values_equal(&new->headers, &c->headers))
        return;
    azm_key_values_swap(&new->headers, &c->headers);
    if (azm_service_connect(v, c, quarantine, &err) < 0) {
        azm_key_values_swap(&new->headers, &c->headers);
        azm_log(AZM_LOG_ERROR, "%s; the credentials stay as they were", err.words);
        return;
    }
    azm_log(AZM_LOG_NOTICE,
            "the server refused the credentials; others were read from headers_file= and go from now on");
}

void cli_say_delivered(const struct azm_service *v, const char *rest, const struct azm_quarantine *quarantine)
{
    struct azm_exporter_status s;

    azm_exporter_get_status(v->exporter, &s);
    azm_log(AZM_LOG_INFO, "%" PRIu64 " record%s delivered in %" PRIu64 " request%s%s", s.records,
            s.records == 1 ? "" : "s", s.requests, s.requests == 1 ? "" : "s", rest);
    if (s.quarantined + s.rejected > 0)
        azm_log(AZM_LOG_WARNING, "%" PRIu64 " record%s refused; %s shows what is kept of them",
                s.quarantined + s.rejected, s.quarantined + s.rejected == 1 ? " was" : "s were",
                azm_quarantine_list_command(quarantine));
}
