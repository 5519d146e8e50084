/* SPDX-License-Identifier: MIT */
/* message_stages FILE DIRECTORY: what each stretch of a syslog message's way through the module costs, without rsyslogd
 * and without a destination.
 *
 * FILE has a message a line, as rsyslog's template renders it; the spool is made in DIRECTORY, which is empty. The
 * messages go the way several times, each time one stretch further. Prints the CPU time of each as stages.c does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "encode/gzip.h"
#include "plugin/syslog5424.h"
#include "plugin/worker.h"
#include "source/spool_source.h"
#include "tests/bench/stage.h"

#define COMMIT 1024 /* messages: a batch of a queue */

enum stage {
    PARSE,   /* the line becomes a record */
    ENCODE,  /* and that OTLP, in the row of a transaction */
    SPOOL,   /* and that row is appended to the spool, with an fsync */
    DELIVER, /* and read, put into requests, compressed, and acknowledged */
    N_STAGES,
};

static const char *const names[] = {[PARSE] = "parse", [ENCODE] = "encode", [SPOOL] = "spool", [DELIVER] = "deliver"};

struct bench {
    const char *directory;
    struct azm_buf lines;
    struct azm_config config;
    struct azm_syslog_reader *reader;
    struct worker *worker;
    struct azm_spool_shared *spool;
    struct azm_source *source;
    struct azm_gzip *gzip;
    struct azm_batch *batch;
    struct azm_buf request, wire, position;
    uint64_t delivered;
};

/* The next line, with its newline: false at the end. */
static bool next_line(const struct bench *b, size_t *offset, struct azm_text *ret)
{
    const char *start = (const char *)b->lines.data + *offset, *end = memchr(start, '\n', b->lines.len - *offset);

    if (!end)
        return false;
    *ret = (struct azm_text){start, (size_t)(end + 1 - start)};
    *offset += ret->len;
    return true;
}

static uint64_t parse(struct bench *b)
{
    struct azm_syslog_input in = {.now_unix_nano = 1};
    struct azm_syslog_message m;
    uint64_t n = 0;
    size_t offset = 0;

    for (; next_line(b, &offset, &in.line); n++)
        must(azm_syslog_read(b->reader, &in, &m), "parse", NULL);
    return n;
}

static void end_request(struct bench *b)
{
    struct azm_error err;

    if (!b->batch)
        return;
    must(azm_batch_serialize(b->batch, 0, azm_batch_records(b->batch), &b->request), "serialize", NULL);
    must(azm_gzip_compress(b->gzip, b->request.data, b->request.len, &b->wire), "gzip", NULL);
    b->batch = azm_batch_free(b->batch);
    must(b->source->ops->position(b->source, &b->position, &err), "position", &err);
    if (b->position.len > 0)
        must(b->source->ops->acknowledge(b->source, &b->position, &err), "acknowledge", &err);
}

/* As the pump does, all that is there; a request is not left for more. */
static void deliver(struct bench *b)
{
    const struct azm_batch_limits limits = {.records = b->config.max_export_batch_size,
                                            .bytes = b->config.max_request_bytes};
    struct azm_record rec;
    struct azm_error err;
    int r;

    while ((r = b->source->ops->next(b->source, &rec, &err)) > 0) {
        do {
            if (!b->batch)
                must(azm_batch_new(&limits, &b->batch), "batch", NULL);
            r = azm_batch_add(b->batch, rec.resource, rec.encoded);
            must(r, "batch", NULL);
            if (r == 0)
                end_request(b);
        } while (r == 0);
        b->delivered++;
    }
    must(r, "next", &err);
}

static void end_transaction(struct bench *b, enum stage stage)
{
    struct azm_spool_row *row;
    struct azm_error err;

    must(worker_row(b->worker, &row), "row", NULL);
    if (stage >= SPOOL)
        must(azm_spool_shared_append(b->spool, row, 1, &err), "append", &err);
    if (stage >= DELIVER)
        deliver(b);
}

static uint64_t work(struct bench *b, enum stage stage)
{
    struct worker_message m = {0};
    uint64_t n = 0;
    size_t offset = 0;

    while (next_line(b, &offset, &m.line)) {
        if (n % COMMIT == 0)
            must(worker_begin(b->worker), "begin", NULL);
        must(worker_add(b->worker, &m), "add", NULL);
        if (++n % COMMIT == 0)
            end_transaction(b, stage);
    }
    if (n % COMMIT > 0)
        end_transaction(b, stage);
    if (stage >= DELIVER)
        end_request(b);
    return n;
}

static void open_spool(struct bench *b)
{
    struct azm_spool_options o = {.max_bytes = UINT64_C(1) << 40, .clock = &azm_system_clock};
    _cleanup_free_ char *path = NULL;
    struct azm_error err;

    must(asprintf(&path, "%s/spool.db", b->directory), "path", NULL);
    o.path = path;
    must(azm_spool_shared_open(&o, &b->spool, NULL, &err), "spool", &err);
    must(azm_spool_source_new(b->spool, path, &azm_system_clock, &b->source), "source", NULL);
}

static void close_spool(struct bench *b)
{
    b->source = b->source ? b->source->ops->free(b->source) : NULL;
    b->spool = azm_spool_shared_free(b->spool);
}

/* Each stage that has a spool begins with all of it acknowledged. */
static uint64_t run(struct bench *b, enum stage stage)
{
    return stage == PARSE ? parse(b) : work(b, stage);
}

static void read_lines(struct bench *b, const char *path)
{
    FILE *f = fopen(path, "re");
    size_t n;

    must(f ? 0 : -errno, path, NULL);
    do {
        must(azm_buf_reserve(&b->lines, 1 << 20), "memory", NULL);
        n = fread(b->lines.data + b->lines.len, 1, b->lines.cap - b->lines.len, f);
        b->lines.len += n;
    } while (n > 0);
    fclose(f);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    uint64_t n[N_STAGES];

    if (argc != 3) {
        fprintf(stderr, "Usage: message_stages FILE DIRECTORY\n");
        return 64;
    }
    b.directory = argv[2];
    read_lines(&b, argv[1]);
    must(azm_config_init(&b.config), "configuration", NULL);
    must(azm_syslog_reader_new(&b.reader), "reader", NULL);
    must(worker_new(&b.config, NULL, &b.worker), "worker", NULL);
    must(azm_gzip_new(&b.gzip), "gzip", NULL);
    stages_begin();
    for (enum stage stage = PARSE; stage < N_STAGES; stage++) {
        if (stage == SPOOL)
            open_spool(&b);
        if (stage == DELIVER) { /* an empty one */
            struct azm_spool_status s;
            struct azm_error err;

            azm_spool_shared_get_status(b.spool, &s);
            must(azm_spool_shared_acknowledge(b.spool, s.last_id, &err), "acknowledge", &err);
        }
        stage_begin();
        n[stage] = run(&b, stage);
        stage_end(names[stage]);
    }
    printf("},\"records\":[%llu,%llu,%llu,%llu]}\n", (unsigned long long)n[PARSE], (unsigned long long)n[ENCODE],
           (unsigned long long)n[SPOOL], (unsigned long long)b.delivered);
    close_spool(&b);
    azm_syslog_reader_free(b.reader);
    worker_free(b.worker);
    azm_gzip_free(b.gzip);
    azm_buf_free(&b.lines);
    azm_buf_free(&b.request);
    azm_buf_free(&b.wire);
    azm_buf_free(&b.position);
    azm_config_free(&b.config);
    return EXIT_SUCCESS;
}
