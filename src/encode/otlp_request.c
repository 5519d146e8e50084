/* SPDX-License-Identifier: MIT */
#include "encode/otlp_request.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { REQUEST_RESOURCE_LOGS = 1 };
enum { RESOURCE_LOGS_RESOURCE = 1, RESOURCE_LOGS_SCOPE_LOGS = 2 };
enum { SCOPE_LOGS_LOG_RECORDS = 2 };

struct azm_otlp_request azm_otlp_request_of(const void *data, size_t len)
{
    const uint8_t *p = data;

    return (struct azm_otlp_request){.p = p, .end = p + len, .resource = {"", 0}};
}

static bool is_message(const struct azm_wire_field *f, uint64_t number)
{
    return f->number == number && f->type == AZM_WIRE_LEN;
}

int azm_otlp_request_next(struct azm_otlp_request *q, struct azm_text *ret_resource, struct azm_text *ret_record)
{
    struct azm_wire_field f;
    int r;

    for (;;) {
        while ((r = azm_wire_next(&q->scope, q->scope_end, &f)) > 0)
            if (is_message(&f, SCOPE_LOGS_LOG_RECORDS)) {
                *ret_resource = q->resource;
                *ret_record = (struct azm_text){(const char *)f.data, f.len};
                return 1;
            }
        if (r == 0)
            r = azm_wire_next(&q->logs, q->logs_end, &f);
        if (r > 0) {
            if (is_message(&f, RESOURCE_LOGS_RESOURCE))
                q->resource = (struct azm_text){(const char *)f.data, f.len};
            else if (is_message(&f, RESOURCE_LOGS_SCOPE_LOGS))
                q->scope = f.data, q->scope_end = f.data + f.len;
            continue;
        }
        if (r == 0)
            r = azm_wire_next(&q->p, q->end, &f);
        if (r <= 0)
            return r;
        if (is_message(&f, REQUEST_RESOURCE_LOGS)) {
            q->logs = f.data, q->logs_end = f.data + f.len;
            q->resource = (struct azm_text){"", 0};
        }
    }
}

ssize_t azm_otlp_request_count(const void *data, size_t len)
{
    struct azm_otlp_request q = azm_otlp_request_of(data, len);
    struct azm_text resource, record;
    ssize_t n = 0;
    int r;

    while ((r = azm_otlp_request_next(&q, &resource, &record)) > 0)
        n++;
    return r < 0 ? r : n;
}
