/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "batch/batch.h"
#include "core/clock.h"
#include "encode/otlp.h"
#include "parse/line.h"
#include "plugin/syslog5424.h"
#include "plugin/syslog_resource.h"
#include "plugin/worker.h"
#include "process/processor.h"

#define BATCH_KEEPS_BYTES ((size_t)1024 * 1024)

struct worker {
    const struct azm_config *config;
    struct azm_syslog_reader *reader;
    struct azm_syslog_resources *resources;
    struct azm_line_parser line;
    struct azm_processor *processor; /* NULL: there are no rules */
    struct azm_otlp_encoder encoder;
    struct azm_buf record;
    struct azm_batch *batch;
    struct azm_spool_row row;
    /* A record's uid is a hash of both: it is in the spool with the record, and so the same in every copy of it. */
    uint8_t secret[16];
    uint64_t counter;
};

int worker_new(const struct azm_config *config, struct azm_rules *rules, struct worker **ret)
{
    struct worker *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->config = config;
    w->encoder.limits = azm_otlp_limits_of(config->max_body_bytes, config->max_request_bytes);
    while (getrandom(w->secret, sizeof w->secret, 0) != (ssize_t)sizeof w->secret)
        ;
    if (azm_syslog_reader_new(&w->reader) < 0 || azm_syslog_resources_new(&config->resource, &w->resources) < 0 ||
        azm_processor_new(rules, &w->processor) < 0) {
        worker_free(w);
        return -ENOMEM;
    }
    *ret = w;
    return 0;
}

struct worker *worker_free(struct worker *w)
{
    if (!w)
        return NULL;
    azm_syslog_reader_free(w->reader);
    azm_syslog_resources_free(w->resources);
    azm_line_parser_free(&w->line);
    azm_processor_free(w->processor);
    azm_otlp_encoder_free(&w->encoder);
    azm_buf_free(&w->record);
    azm_batch_free(w->batch);
    azm_spool_row_clear(&w->row);
    free(w);
    return NULL;
}

int worker_begin(struct worker *w)
{
    static const struct azm_batch_limits limits = {.records = SIZE_MAX, .bytes = SIZE_MAX};

    /* Memory is kept from one transaction to the next, unless there were uncommonly long messages in it. */
    if (w->batch && azm_batch_bytes(w->batch) > BATCH_KEEPS_BYTES)
        w->batch = azm_batch_free(w->batch);
    if (!w->batch)
        return azm_batch_new(&limits, &w->batch);
    azm_batch_clear(w->batch);
    return 0;
}

static void make_uid(struct worker *w, uint8_t uid[static 16])
{
    XXH128_canonical_t canonical;
    uint8_t input[sizeof w->secret + sizeof w->counter];

    memcpy(input, w->secret, sizeof w->secret);
    memcpy(input + sizeof w->secret, &w->counter, sizeof w->counter);
    w->counter++;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(input, sizeof input));
    memcpy(uid, canonical.digest, 16);
}

/* What rules know of a message besides its attributes: as its resource has it. */
static void name_sender(const struct worker *w, struct azm_syslog_message *m, struct azm_attribute fields[static 2])
{
    struct azm_record *r = &m->record;
    const char *configured = azm_key_values_get(&w->config->resource, "service.name");

    r->service = configured ? azm_text_of(configured) : m->app.len > 0 ? m->app : AZM_TEXT("unknown_service");
    fields[0] = (struct azm_attribute){.key = AZM_TEXT("host.name"), .text = m->host};
    fields[1] = (struct azm_attribute){.key = AZM_TEXT("syslog.identifier"), .text = m->app};
    r->fields = fields;
    r->n_fields = 2;
}

int worker_add(struct worker *w, const struct worker_message *m)
{
    const struct azm_syslog_input in = {
        .line = m->line,
        .meta = m->meta,
        .attributes = m->attributes,
        .now_unix_nano = azm_realtime_usec(&azm_system_clock) * AZM_NSEC_PER_USEC,
    };
    struct azm_syslog_message message;
    struct azm_attribute fields[2];
    struct azm_text resource;
    int r = azm_syslog_read(w->reader, &in, &message);

    if (r >= 0)
        r = azm_syslog_resources_get(w->resources, message.host, message.app, &resource);
    if (r < 0)
        return r;
    if (m->has_body) {
        message.record.has_body = true;
        message.record.body = m->body;
    }
    r = azm_line_parse(&w->line, w->config->parse, &message.record);
    if (r < 0)
        return r;
    make_uid(w, message.record.uid);
    if (w->processor)
        name_sender(w, &message, fields);
    r = azm_processor_run(w->processor, &message.record);
    if (r <= 0)
        return r;
    r = azm_otlp_encode_record(&w->encoder, &message.record, &w->record);
    if (r < 0)
        return r;
    r = azm_batch_add_anyway(w->batch, resource, azm_buf_text(&w->record));
    return MIN(r, 0);
}

int worker_add_own(struct worker *w, const struct azm_buf *resource)
{
    struct azm_record record;
    int r = azm_processor_next_own(w->processor, resource, &record);

    if (r <= 0)
        return r;
    r = azm_otlp_encode_record(&w->encoder, &record, &w->record);
    if (r >= 0)
        r = azm_batch_add_anyway(w->batch, record.resource, azm_buf_text(&w->record));
    if (r < 0)
        azm_processor_give_back(w->processor);
    return r < 0 ? r : 1;
}

void worker_rest(struct worker *w, uint64_t realtime_usec)
{
    (void)azm_processor_rest(w->processor, realtime_usec);
}

void worker_give_back_own(struct worker *w)
{
    azm_processor_give_back(w->processor);
}

int worker_row(struct worker *w, struct azm_spool_row **ret)
{
    w->row.records = azm_batch_records(w->batch);
    *ret = &w->row;
    return azm_batch_serialize(w->batch, 0, w->row.records, &w->row.data);
}
