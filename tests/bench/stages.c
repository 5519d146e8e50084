/* SPDX-License-Identifier: MIT */
/* stages DIRECTORY [MULTILINE]: what each stretch of a record's way costs, in one thread and without a destination.
 *
 * Reads the journal files in DIRECTORY several times, with [journal] multiline=MULTILINE; each time the records go one
 * stretch further. Prints the CPU time
 * (of the process, user and system) of each reading as a line of JSON; the difference of two is what the stretch costs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "batch/batch.h"
#include "config/config.h"
#include "core/cleanup.h"
#include "encode/gzip.h"
#include "encode/otlp.h"
#include "source/join.h"
#include "source/journal.h"
#include "tests/bench/stage.h"

enum stage {
    BARE,   /* libsystemd alone: every field of every entry is looked at, nothing is done with it */
    READ,   /* the journal source: the same, and entries become records */
    ENCODE, /* and these OTLP bytes in batches */
    GZIP,   /* and these compressed requests */
    N_STAGES,
};

static const char *const names[] = {[BARE] = "bare", [READ] = "read", [ENCODE] = "encode", [GZIP] = "gzip"};

struct bench {
    const char *directory;
    struct azm_config config;
    struct azm_otlp_encoder encoder;
    struct azm_gzip *gzip;
    struct azm_batch *batch;
    struct azm_buf record, request, wire;
    uint64_t entries, fields; /* of the bare loop */
    uint64_t records[N_STAGES], requests, bytes, bytes_wire;
};

static void read_bare(struct bench *b)
{
    sd_journal *j;
    const void *data;
    size_t len;
    int r;

    b->entries = b->fields = 0;
    must(sd_journal_open_directory(&j, b->directory, 0), b->directory, NULL);
    while ((r = sd_journal_next(j)) > 0) {
        SD_JOURNAL_FOREACH_DATA(j, data, len)
        b->fields++;
        b->entries++;
    }
    must(r, "sd_journal_next", NULL);
    sd_journal_close(j);
}

/* What the exporter does with a batch before it is sent. */
static void end_batch(struct bench *b, enum stage stage)
{
    if (stage == GZIP && b->batch) {
        must(azm_batch_serialize(b->batch, 0, azm_batch_records(b->batch), &b->request), "serialize", NULL);
        must(azm_gzip_compress(b->gzip, b->request.data, b->request.len, &b->wire), "gzip", NULL);
        b->requests++;
        b->bytes += b->request.len;
        b->bytes_wire += b->wire.len;
    }
    b->batch = azm_batch_free(b->batch);
}

static void encode(struct bench *b, const struct azm_record *rec, enum stage stage)
{
    const struct azm_batch_limits limits = {.records = b->config.max_export_batch_size,
                                            .bytes = b->config.max_request_bytes};
    int r;

    must(azm_otlp_encode_record(&b->encoder, rec, &b->record), "encode", NULL);
    do {
        if (!b->batch)
            must(azm_batch_new(&limits, &b->batch), "batch", NULL);
        r = azm_batch_add(b->batch, rec->resource, azm_buf_text(&b->record));
        must(r, "batch", NULL);
        if (r == 0 || azm_batch_full(b->batch))
            end_batch(b, stage);
    } while (r == 0); /* an empty batch takes every record */
}

static void read_records(struct bench *b, enum stage stage)
{
    const struct azm_journal_options o = {.config = &b->config, .state_dir_fd = -1};
    struct azm_source *s;
    struct azm_record rec;
    struct azm_error err;
    int r;

    b->records[stage] = 0;
    b->requests = b->bytes = b->bytes_wire = 0;
    must(azm_journal_open(&o, &s, &err), "open", &err);
    must(azm_join_new(s, &b->config, &azm_system_clock, &s), "join", NULL);
    while ((r = s->ops->next(s, &rec, &err)) > 0 || (r == 0 && azm_source_release(s) > 0)) {
        if (r == 0)
            continue;
        if (stage >= ENCODE)
            encode(b, &rec, stage);
        if (++b->records[stage] % AZM_SOURCE_RECORDS_PER_TURN == 0)
            must(s->ops->process(s, &err), "process", &err);
    }
    must(r, "next", &err);
    end_batch(b, stage);
    s->ops->free(s);
}

static void configure(struct bench *b, const char *multiline)
{
    struct azm_error err;

    must(azm_config_init(&b->config), "configuration", NULL);
    must(azm_config_set(&b->config, "journal", "directory", b->directory, "DIRECTORY", false, &err), "directory", &err);
    must(azm_config_set(&b->config, "journal", "start", "oldest", "start", false, &err), "start", &err);
    must(azm_config_set(&b->config, "journal", "multiline", multiline, "MULTILINE", false, &err), "multiline", &err);
    b->encoder.limits = azm_otlp_limits_of(b->config.max_body_bytes, b->config.max_request_bytes);
    must(azm_gzip_new(&b->gzip), "gzip", NULL);
}

int main(int argc, char **argv)
{
    struct bench b = {0};

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "Usage: stages DIRECTORY [MULTILINE]\n");
        return 64;
    }
    b.directory = argv[1];
    configure(&b, argc > 2 ? argv[2] : "no");
    stages_begin();
    for (enum stage stage = BARE; stage < N_STAGES; stage++) {
        stage_begin();
        if (stage == BARE)
            read_bare(&b);
        else
            read_records(&b, stage);
        stage_end(names[stage]);
    }
    printf("},\"entries\":%" PRIu64 ",\"fields\":%" PRIu64 ",\"records\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64
           "],\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"bytes_wire\":%" PRIu64 "}\n",
           b.entries, b.fields, b.records[READ], b.records[ENCODE], b.records[GZIP], b.requests, b.bytes, b.bytes_wire);

    azm_gzip_free(b.gzip);
    azm_otlp_encoder_free(&b.encoder);
    azm_buf_free(&b.record);
    azm_buf_free(&b.request);
    azm_buf_free(&b.wire);
    azm_config_free(&b.config);
    return EXIT_SUCCESS;
}
