/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "encode/any_value.h"
#include "encode/billed_size.h"
#include "encode/json_text.h"
#include "encode/scope.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SEVERITY_NUMBER = 2, SEVERITY_TEXT = 3, BODY = 5, ATTRIBUTES = 6, TRACE_ID = 9, SPAN_ID = 10 };

#define TIME_BYTES (sizeof("2026-01-31T12:00:00.0000000Z") - 1)

void azm_billing_free(struct azm_billing *b)
{
    azm_buf_free(&b->scratch);
    azm_arena_free(&b->arena);
}

static struct azm_text content(const struct azm_wire_field *f)
{
    return (struct azm_text){(const char *)f->data, f->len};
}

static size_t json_bytes(struct azm_text t)
{
    return azm_json_fit(t, SIZE_MAX, SIZE_MAX).json_bytes;
}

/* One member of a column of JSON: "key":"value", */
static int add_member(struct azm_billing *b, struct azm_text kv, size_t *sum, struct azm_text *ret_key,
                      struct azm_text *ret_text)
{
    struct azm_text value;
    int r = azm_key_value_read(kv, ret_key, &value);

    if (r >= 0)
        r = azm_any_value_text(value, &b->scratch, &b->arena, ret_text);
    if (r >= 0)
        *sum += json_bytes(*ret_key) + json_bytes(*ret_text) + sizeof("\"\":\"\",") - 1;
    return r;
}

/* These have a column of their own besides; the name of the service stands in RoleName, too, behind its namespace. */
static size_t own_columns(struct azm_text key, struct azm_text value)
{
    if (azm_text_equal(key, AZM_TEXT("service.name")) || azm_text_equal(key, AZM_TEXT("service.namespace")))
        return 2 * value.len;
    if (azm_text_equal(key, AZM_TEXT("service.instance.id")) || azm_text_equal(key, AZM_TEXT("service.version")) ||
        azm_text_equal(key, AZM_TEXT("deployment.environment.name")))
        return value.len;
    return 0;
}

static int add_resource(struct azm_billing *b, struct azm_text resource, size_t *sum)
{
    const uint8_t *p = (const uint8_t *)resource.s, *end = p + resource.len;
    struct azm_text key, text;
    struct azm_wire_field f;
    int r;

    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number != RESOURCE_ATTRIBUTES || f.type != AZM_WIRE_LEN)
            continue;
        r = add_member(b, content(&f), sum, &key, &text);
        if (r < 0)
            return r;
        *sum += own_columns(key, text);
    }
    return r;
}

static int add_field(struct azm_billing *b, const struct azm_wire_field *f, size_t *sum)
{
    struct azm_text key, text;
    int r;

    switch (f->number) {
    case SEVERITY_NUMBER: /* and SeverityLevel */
        *sum += (f->value > 9 ? 2 : 1) + 1;
        return 0;
    case SEVERITY_TEXT:
        *sum += f->len;
        return 0;
    case BODY:
        r = azm_any_value_text(content(f), &b->scratch, &b->arena, &text);
        *sum += r < 0 ? 0 : text.len;
        return r;
    case ATTRIBUTES:
        return add_member(b, content(f), sum, &key, &text);
    case TRACE_ID:
    case SPAN_ID:
        *sum += 2 * f->len; /* in hexadecimal */
        return 0;
    default:
        return 0;
    }
}

int azm_billed_bytes(struct azm_billing *b, struct azm_text resource, struct azm_text record, size_t *ret)
{
    const uint8_t *p = (const uint8_t *)record.s, *end = p + record.len;
    size_t sum = TIME_BYTES + sizeof(AZM_SCOPE_NAME AZM_SCOPE_VERSION) - 1 + 2 * sizeof("{}") - 2;
    struct azm_wire_field f;
    int r;

    azm_arena_reset(&b->arena);
    r = add_resource(b, resource, &sum);
    while (r >= 0 && (r = azm_wire_next(&p, end, &f)) > 0)
        r = add_field(b, &f, &sum);
    if (r >= 0)
        *ret = sum;
    return r;
}
