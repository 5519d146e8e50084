/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/cli.h"
#include "cli/sender.h"
#include "core/guid.h"
#include "core/utf8.h"
#include "encode/otlp.h"
#include "source/service_name.h"

#define WORDS_MAX 512

/* --- the record --- */

static int make_batch(const struct azm_config *config, char uid[static AZM_OTLP_UID_LEN + 1], struct azm_batch **ret)
{
    static const struct azm_batch_limits limits = {.records = 1, .bytes = SIZE_MAX};
    _cleanup_(azm_otlp_encoder_free) struct azm_otlp_encoder encoder = {
        .limits = azm_otlp_limits_of(config->max_body_bytes, config->max_request_bytes)};
    _cleanup_(azm_buf_free) struct azm_buf resource = {0}, bytes = {0};
    uint64_t now = azm_realtime_usec(&azm_system_clock) * AZM_NSEC_PER_USEC;
    struct azm_record record = {.time_unix_nano = now, .observed_time_unix_nano = now, .severity = 6, .has_body = true};
    int r;

    record.body = AZM_TEXT("test record of azmonlog check"); /* gcc 10 warns of it in the initializer */
    azm_guid_bytes(record.uid);
    azm_otlp_print_uid(record.uid, uid);
    uid[AZM_OTLP_UID_LEN] = '\0';
    r = azm_own_resource(config, &resource);
    if (r >= 0)
        r = azm_otlp_encode_record(&encoder, &record, &bytes);
    if (r >= 0)
        r = azm_batch_new(&limits, ret);
    if (r >= 0)
        r = azm_batch_add(*ret, azm_buf_text(&resource), azm_buf_text(&bytes));
    return r < 0 ? r : 0;
}

/* The query that finds it. */
static char *make_query(const struct azm_destination *d, const char *uid)
{
    char *query = NULL;
    int r = 0;

    switch (d->profile) {
    case AZM_PROFILE_AZURE:
        r = asprintf(&query,
                     "OTelLogs\n| where TimeGenerated > ago(1h)\n| where tostring(Attributes[\"log.record.uid\"]) == "
                     "\"%s\"",
                     uid);
        break;
    case AZM_PROFILE_APPINSIGHTS:
        r = asprintf(&query,
                     "traces\n| where timestamp > ago(1h)\n| where tostring(customDimensions[\"log.record.uid\"]) == "
                     "\"%s\"",
                     uid);
        break;
    case AZM_PROFILE_OTLP:
        break;
    }
    return r < 0 ? NULL : query;
}

/* --- the steps --- */

/* Of an answer: one line for a terminal, and valid for JSON. The test record has nothing that they could repeat. */
static void copy_words(const char *words, char ret[static WORDS_MAX])
{
    size_t n = azm_utf8_valid_prefix(words, strlen(words));

    if (n >= WORDS_MAX)
        n = azm_utf8_cut(words, WORDS_MAX - 1);
    memcpy(ret, words, n);
    azm_utf8_blank_controls(ret, n);
    ret[n] = '\0';
}

static void fail(struct check *c, enum check_id id, const struct cli_answer *a)
{
    char words[WORDS_MAX] = "", reason[512 + WORDS_MAX];

    if (a->status > 0) /* an engine's words are the reason */
        copy_words(a->words, words);
    snprintf(reason, sizeof reason, "%s%s%s%s%s%s%s", a->reason, *words ? ": " : "", words,
             *a->request_id ? "; x-ms-request-id " : "", a->request_id,
             *a->client_request_id ? "; x-ms-client-request-id " : "", a->client_request_id);
    check_failed(c, id, AZM_USEC_INFINITY, reason, a->remedy);
}

/* A request without records is let in by whoever would let in others. What stands in the way of one with records, such
 * as a missing role, is looked at before. */
static bool check_permission(struct check *c, enum check_id id, const struct azm_destination *d,
                             struct cli_sender *sender, const struct azm_config *config)
{
    const struct azm_batch_limits limits = {.records = 1, .bytes = config->max_request_bytes};
    struct cli_answer a;
    struct azm_error err;
    struct azm_batch *none;
    int r;

    if (azm_batch_new(&limits, &none) < 0) {
        check_failed(c, id, AZM_USEC_INFINITY, "out of memory", NULL);
        return false;
    }
    check_begin(c);
    r = cli_send(sender, none, 0, 0, &a, &err);
    azm_batch_free(none);
    if (r < 0)
        check_failed(c, id, AZM_USEC_INFINITY, err.words, NULL);
    else if (a.outcome == CLI_STOPPED || a.page)
        fail(c, id, &a);
    else if (a.stream) {
        check_ok(c, id, AZM_USEC_INFINITY, "the stream lets us in");
        return true;
    } else {
        check_ok(c, id, AZM_USEC_INFINITY, "%s lets us in (HTTP %ld is a right answer to a request without %s)%s",
                 d->signal == AZM_METRICS ? d->name : "the destination", a.status,
                 d->signal == AZM_METRICS ? "metrics" : "records",
                 d->ikey ? "; the instrumentation key is tried by --send only" : "");
        return true;
    }
    return false;
}

static void check_record(struct check *c, const struct azm_destination *d, struct cli_sender *sender,
                         const struct azm_config *config, char **ret_query)
{
    struct azm_batch *batch = NULL;
    struct azm_error err;
    struct cli_answer a;
    char uid[AZM_OTLP_UID_LEN + 1];

    check_begin(c);
    if (make_batch(config, uid, &batch) < 0)
        check_failed(c, CHECK_SEND, AZM_USEC_INFINITY, "out of memory", NULL);
    else if (cli_send(sender, batch, 0, 1, &a, &err) < 0)
        check_failed(c, CHECK_SEND, AZM_USEC_INFINITY, err.words, NULL);
    else if (a.outcome != CLI_TAKEN)
        fail(c, CHECK_SEND, &a);
    else if (a.stream)
        check_ok(c, CHECK_SEND, AZM_USEC_INFINITY, "one record is stored, log.record.uid %s; a relay carries it on",
                 uid);
    else {
        check_ok(c, CHECK_SEND, AZM_USEC_INFINITY, "one record is accepted (HTTP %ld), log.record.uid %s", a.status,
                 uid);
        *ret_query = make_query(d, uid);
    }
    azm_batch_free(batch);
}

void check_send(struct check *c, const struct azm_destination *d, const struct azm_config *config, bool send,
                char **ret_query)
{
    struct cli_sender *sender;
    struct azm_error err;
    bool permitted;

    if (cli_sender_new(d, &sender, &err) < 0) {
        check_failed(c, CHECK_PERMISSION, AZM_USEC_INFINITY, err.words, NULL);
        return;
    }
    permitted = check_permission(c, CHECK_PERMISSION, d, sender, config);
    if (send && permitted)
        check_record(c, d, sender, config, ret_query);
    else if (send)
        check_skipped(c, CHECK_SEND, "the destination does not let us in");
    cli_sender_free(sender);
}

void check_metrics(struct check *c, const struct azm_config *config)
{
    _cleanup_(azm_destination_free) struct azm_destination d = {0};
    struct cli_sender *sender;
    struct azm_error err;

    if (!azm_config_sends_metrics(config))
        return;
    check_begin(c);
    if (azm_destination_init(&d, config, AZM_METRICS, &err) < 0)
        check_failed(c, CHECK_CONFIGURATION, AZM_USEC_INFINITY, err.words, NULL);
    else if (cli_sender_new(&d, &sender, &err) < 0)
        check_failed(c, CHECK_METRICS, AZM_USEC_INFINITY, err.words, NULL);
    else {
        check_permission(c, CHECK_METRICS, &d, sender, config);
        cli_sender_free(sender);
    }
}
