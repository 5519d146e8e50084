/* SPDX-License-Identifier: MIT */
#include "source/requests.h"

#include <errno.h>
#include <inttypes.h>

#include "core/cleanup.h"

ssize_t azm_requests_open(struct azm_requests *q, uint64_t number, struct azm_text request)
{
    ssize_t n = azm_otlp_request_count(request.s, request.len);

    q->given = number;
    q->left = (size_t)MAX(n, (ssize_t)0);
    q->rest = azm_otlp_request_of(request.s, request.len);
    return n;
}

bool azm_requests_next(struct azm_requests *q, struct azm_record *rec)
{
    if (q->left == 0) {
        q->done = q->given;
        return false;
    }
    *rec = (struct azm_record){0};
    azm_otlp_request_next(&q->rest, &rec->resource, &rec->encoded); /* it has so many */
    q->left--;
    return true;
}

bool azm_requests_passed(const struct azm_requests *q, uint64_t number)
{
    return q->done >= number || (q->given >= number && q->left == 0);
}

int azm_requests_position(const struct azm_requests *q, struct azm_buf *out, struct azm_error *err)
{
    uint64_t number = q->left == 0 ? q->given : q->done;

    azm_buf_clear(out);
    if (number > 0 && azm_buf_printf(out, "%" PRIu64, number) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

uint64_t azm_requests_number(const struct azm_buf *position)
{
    uint64_t number = 0;

    for (size_t i = 0; i < position->len; i++)
        number = number * 10 + (uint64_t)(position->data[i] - '0');
    return number;
}
