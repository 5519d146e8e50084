/* SPDX-License-Identifier: MIT */
#include "batch/batch.h"
#include "export/request_body.h"
#include "proto/otlp_logs.pb-c.h"
#include "tests/fuzz/fuzz.h"

/* What lies in a row of the spool: a request. Its records come out as they are, in any way of splitting it, each once;
 * and the request that is made of them is one for protobuf-c, and has the size that was promised. */

static size_t count_records(const Otlp__ExportLogsServiceRequest *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_resource_logs; i++)
        for (size_t k = 0; k < m->resource_logs[i]->n_scope_logs; k++)
            n += m->resource_logs[i]->scope_logs[k]->n_log_records;
    return n;
}

/* A batch of the serialized records first .. first + n - 1. */
static struct azm_batch *cut(const struct azm_batch *b, size_t first, size_t n)
{
    static const struct azm_batch_limits none = {SIZE_MAX, SIZE_MAX};
    static struct azm_buf request;
    struct azm_batch *part = NULL;

    require(azm_batch_serialize(b, first, n, &request) == 0);
    require(azm_batch_new(&none, &part) == 0);
    require(azm_batch_add_request(part, request.data, request.len) == 0);
    require(azm_batch_records(part) == n && azm_batch_bytes(part) == request.len);
    return part;
}

/* Serializing sorts records by resource; within one they stay in order. */
static void require_has(const struct azm_batch *part, const struct azm_batch *b, size_t i, size_t first)
{
    struct azm_text resource, record, other_resource, other_record;
    size_t before = 0, met = 0;

    azm_batch_get(b, i, &resource, &record);
    for (size_t k = first; k < i; k++) {
        azm_batch_get(b, k, &other_resource, &other_record);
        before += azm_text_equal(resource, other_resource);
    }
    for (size_t k = 0; k < azm_batch_records(part); k++) {
        azm_batch_get(part, k, &other_resource, &other_record);
        if (azm_text_equal(resource, other_resource) && met++ == before) {
            require(azm_text_equal(record, other_record));
            return;
        }
    }
    require(!"the record is there");
}

static void split(const struct azm_batch *b, size_t first, size_t n)
{
    struct azm_batch *part = cut(b, first, n);
    size_t half;

    for (size_t i = first; i < first + n; i++)
        require_has(part, b, i, first);
    azm_batch_free(part);
    if (n < 2)
        return;
    half = azm_batch_half(b, first, n);
    require(half >= 1 && half < n);
    split(b, first, half);
    split(b, first + half, n - half);
}

/* The body of a request to each kind of destination. */
static void check_bodies(const struct azm_batch *b)
{
    static const enum azm_profile profiles[] = {AZM_PROFILE_OTLP, AZM_PROFILE_AZURE, AZM_PROFILE_APPINSIGHTS};
    static struct azm_body_maker makers[ELEMENTSOF(profiles)];
    static struct azm_buf body;

    for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
        size_t n = azm_batch_records(b), lines = 0;

        if (!makers[i].ikey)
            require(azm_body_maker_init(&makers[i], profiles[i], "0123abcd-4567-89ef-0123-456789abcdef") == 0);
        if (azm_body_make(&makers[i], b, 0, n, FUZZ_NOW_USEC, &body) < 0 || profiles[i] != AZM_PROFILE_APPINSIGHTS)
            continue;
        for (size_t k = 0; k < body.len; k++)
            lines += body.data[k] == '\n';
        require(lines == n);
    }
}

FUZZ_TARGET(spool_row)
{
    static const struct azm_batch_limits none = {SIZE_MAX, SIZE_MAX};
    static struct azm_buf request;
    Otlp__ExportLogsServiceRequest *m;
    struct azm_text row = fuzz_rest(&in);
    struct azm_batch *b = NULL;
    size_t n;

    require(azm_batch_new(&none, &b) == 0);
    if (azm_batch_add_request(b, row.s, row.len) == 0) {
        n = azm_batch_records(b);
        require(azm_batch_serialize(b, 0, n, &request) == 0);
        require(request.len == azm_batch_bytes(b));
        m = otlp__export_logs_service_request__unpack(NULL, row.len, (const uint8_t *)row.s);
        if (m) {
            require(count_records(m) == n);
            otlp__export_logs_service_request__free_unpacked(m, NULL);
            m = otlp__export_logs_service_request__unpack(NULL, request.len, request.data);
            require(m && count_records(m) == n);
            otlp__export_logs_service_request__free_unpacked(m, NULL);
        }
        if (n > 0 && n <= 32)
            split(b, 0, n);
        if (n > 0)
            check_bodies(b);
    }
    azm_batch_free(b);
}
