/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/clock.h"
#include "encode/any_value.h"
#include "encode/appinsights.h"
#include "encode/appinsights_item.h"
#include "encode/original_time.h"
#include "encode/scope.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum {
    LOG_TIME = 1,
    LOG_SEVERITY_NUMBER = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
    LOG_ATTRIBUTES = 6,
    LOG_DROPPED_ATTRIBUTES = 7,
    LOG_TRACE_ID = 9,
    LOG_SPAN_ID = 10,
    LOG_OBSERVED_TIME = 11,
    LOG_EVENT_NAME = 12,
    LOG_END,
};
enum { RESOURCE_ATTRIBUTES = 1, RESOURCE_DROPPED_ATTRIBUTES = 2, RESOURCE_END };

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

#define TAG_UNITS ((size_t)256)      /* ai.cloud.role, ai.cloud.roleInstance, ai.internal.nodeName */
#define VERSION_UNITS ((size_t)1024) /* ai.application.ver */

/* The SDK's name and version, in at most 64 characters (SDK-AUTHORING.md: NAME:SEMVER). */
#define SDK_VERSION AZM_SCOPE_NAME ":" AZM_SCOPE_VERSION
_Static_assert(sizeof SDK_VERSION <= 64 + 1, "ai.internal.sdkVersion");

void azm_appinsights_free(struct azm_appinsights *a)
{
    azm_properties_free(&a->record);
    azm_properties_free(&a->resource_properties);
    azm_buf_free(&a->resource);
    azm_buf_free(&a->tags);
}

static struct azm_text content(const struct azm_wire_field *f)
{
    return (struct azm_text){(const char *)f->data, f->len};
}

static int append(struct azm_buf *out, struct azm_text t)
{
    return azm_buf_append(out, t.s, t.len);
}

/* --- the resource --- */

/* Appends a member that is not the first one, unless its value is empty. What is too long is cut, and marked. */
static int append_tag(struct azm_appinsights *a, struct azm_text name, struct azm_text value, size_t max_units)
{
    struct azm_json_text v = azm_json_fit(value, max_units, SIZE_MAX);

    a->resource_properties.truncated |= v.cut;
    if (v.text.len == 0)
        return 0;
    if (append(&a->tags, AZM_TEXT(",\"")) < 0 || append(&a->tags, name) < 0 ||
        append(&a->tags, AZM_TEXT("\":\"")) < 0 || azm_json_append(&a->tags, v.text) < 0)
        return -ENOMEM;
    return append(&a->tags, AZM_TEXT("\""));
}

/* "namespace.name", as the official exporters have it; "" without a name. */
static int take_role(struct azm_properties *l, struct azm_text *ret)
{
    struct azm_text name = AZM_TEXT(""), space = AZM_TEXT("");
    char *s;

    *ret = AZM_TEXT("");
    if (!azm_properties_take(l, AZM_TEXT("service.name"), &name) || name.len == 0)
        return 0; /* a namespace alone stays a property */
    if (!azm_properties_take(l, AZM_TEXT("service.namespace"), &space) || space.len == 0) {
        *ret = name;
        return 0;
    }
    s = azm_arena_alloc(&l->arena, space.len + 1 + name.len);
    if (!s)
        return -ENOMEM;
    memcpy(s, space.s, space.len);
    s[space.len] = '.';
    memcpy(s + space.len + 1, name.s, name.len);
    *ret = (struct azm_text){s, space.len + 1 + name.len};
    return 0;
}

static int make_tags(struct azm_appinsights *a)
{
    struct azm_text role, instance = AZM_TEXT(""), version = AZM_TEXT(""), host = AZM_TEXT("");
    struct azm_properties *l = &a->resource_properties;

    azm_properties_get(l, AZM_TEXT("host.name"), &host);
    if (!azm_properties_take(l, AZM_TEXT("service.instance.id"), &instance) || instance.len == 0)
        instance = host;
    azm_properties_take(l, AZM_TEXT("service.version"), &version);
    azm_buf_clear(&a->tags);
    if (take_role(l, &role) < 0 || append(&a->tags, AZM_TEXT("\"ai.internal.sdkVersion\":\"" SDK_VERSION "\"")) < 0 ||
        append_tag(a, AZM_TEXT("ai.cloud.role"), role, TAG_UNITS) < 0 ||
        append_tag(a, AZM_TEXT("ai.cloud.roleInstance"), instance, TAG_UNITS) < 0 ||
        append_tag(a, AZM_TEXT("ai.internal.nodeName"), host, TAG_UNITS) < 0)
        return -ENOMEM;
    return append_tag(a, AZM_TEXT("ai.application.ver"), version, VERSION_UNITS);
}

static int read_resource(struct azm_appinsights *a)
{
    static const int types[RESOURCE_END] = {
        [RESOURCE_ATTRIBUTES] = AZM_WIRE_LEN,
        [RESOURCE_DROPPED_ATTRIBUTES] = AZM_WIRE_VARINT,
    };
    const uint8_t *p = a->resource.data, *end = p + a->resource.len;
    struct azm_properties *l = &a->resource_properties;
    struct azm_wire_field f;
    int r;

    azm_properties_clear(l);
    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number == 0 || f.number >= RESOURCE_END)
            continue;
        if (f.type != types[f.number])
            return -EBADMSG;
        if (f.number == RESOURCE_DROPPED_ATTRIBUTES) {
            l->dropped += (uint32_t)f.value;
            continue;
        }
        r = azm_properties_add_key_value(l, content(&f));
        if (r < 0)
            return r;
    }
    return r < 0 ? r : make_tags(a);
}

/* Records come grouped by resource: nearly always it is the last one. */
static int use_resource(struct azm_appinsights *a, struct azm_text resource)
{
    int r;

    if (a->tags.len > 0 && azm_text_equal(resource, (struct azm_text){(char *)a->resource.data, a->resource.len}))
        return 0;
    azm_buf_clear(&a->tags); /* there is none until all of it is read */
    azm_buf_clear(&a->resource);
    r = append(&a->resource, resource);
    if (r == 0)
        r = read_resource(a);
    if (r < 0)
        azm_buf_clear(&a->tags);
    return r;
}

/* --- the record --- */

static bool is_id(struct azm_text id, size_t len)
{
    for (size_t i = 0; id.len == len && i < len; i++)
        if (id.s[i])
            return true;
    return false;
}

static int read_field(struct azm_properties *l, const struct azm_wire_field *f, struct azm_text *body,
                      struct azm_appinsights_item *item)
{
    switch (f->number) {
    case LOG_TIME:
        item->time_nsec = f->value;
        return 0;
    case LOG_OBSERVED_TIME:
        item->observed_nsec = f->value;
        return 0;
    case LOG_SEVERITY_NUMBER:
        item->severity_number = f->value;
        return 0;
    case LOG_SEVERITY_TEXT:
        item->severity_text = content(f);
        return 0;
    case LOG_EVENT_NAME:
        item->event_name = content(f);
        return 0;
    case LOG_BODY:
        *body = content(f);
        return 0;
    case LOG_ATTRIBUTES:
        return azm_properties_add_key_value(l, content(f));
    case LOG_DROPPED_ATTRIBUTES:
        l->dropped += (uint32_t)f->value;
        return 0;
    case LOG_TRACE_ID:
        item->trace_id = is_id(content(f), TRACE_ID_BYTES) ? content(f) : (struct azm_text){0};
        return 0;
    case LOG_SPAN_ID:
        item->span_id = is_id(content(f), SPAN_ID_BYTES) ? content(f) : (struct azm_text){0};
        return 0;
    default:
        return 0;
    }
}

static int read_record(struct azm_properties *l, struct azm_text record, struct azm_appinsights_item *item)
{
    static const int types[LOG_END] = {
        [LOG_TIME] = AZM_WIRE_FIXED64,
        [LOG_SEVERITY_NUMBER] = AZM_WIRE_VARINT,
        [LOG_SEVERITY_TEXT] = AZM_WIRE_LEN,
        [LOG_BODY] = AZM_WIRE_LEN,
        [LOG_ATTRIBUTES] = AZM_WIRE_LEN,
        [LOG_DROPPED_ATTRIBUTES] = AZM_WIRE_VARINT,
        [8] = AZM_WIRE_FIXED32, /* flags, which have no place in an envelope */
        [LOG_TRACE_ID] = AZM_WIRE_LEN,
        [LOG_SPAN_ID] = AZM_WIRE_LEN,
        [LOG_OBSERVED_TIME] = AZM_WIRE_FIXED64,
        [LOG_EVENT_NAME] = AZM_WIRE_LEN,
    };
    const uint8_t *p = (const uint8_t *)record.s, *end = p + record.len;
    struct azm_text body = AZM_TEXT("");
    struct azm_wire_field f;
    int r;

    azm_properties_clear(l);
    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number == 0 || f.number == 4 || f.number >= LOG_END) /* 4 is no longer in use */
            continue;
        if (f.type != types[f.number])
            return -EBADMSG;
        r = read_field(l, &f, &body, item);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : azm_any_value_text(body, &l->scratch, &l->arena, &item->body);
}

/* Takes what belongs to an exception out of the properties (semantic conventions, exceptions in logs). A stack trace
 * alone is none. */
static void take_exception(struct azm_properties *l, struct azm_appinsights_item *item)
{
    bool has_type = azm_properties_take(l, AZM_TEXT("exception.type"), &item->type);
    bool has_message = azm_properties_take(l, AZM_TEXT("exception.message"), &item->exception_message);

    item->is_exception = has_type || has_message;
    if (item->is_exception)
        azm_properties_take(l, AZM_TEXT("exception.stacktrace"), &item->stack);
}

/* The time to be written, and, if that is not the record's own, the record's own as a property. */
static int settle_time(struct azm_properties *l, const struct azm_appinsights_item *item, uint64_t now_usec,
                       uint64_t *ret_nsec)
{
    uint64_t now = now_usec * AZM_NSEC_PER_USEC, t = item->time_nsec ? item->time_nsec : item->observed_nsec;
    char text[AZM_TIME_TEXT_MAX];
    const char *copy;

    *ret_nsec = t ? t : now;
    if (t == 0 || (t >= now ? t - now <= AZM_APPINSIGHTS_NEWEST_NSEC : now - t <= AZM_APPINSIGHTS_OLDEST_NSEC))
        return 0;
    *ret_nsec = now;
    if (azm_properties_get(l, AZM_TEXT(AZM_ORIGINAL_TIME_KEY), NULL))
        return 0; /* from the time when it was sent another way */
    azm_time_print(t / AZM_NSEC_PER_USEC, text);
    copy = azm_arena_copy(&l->arena, text, strlen(text));
    if (!copy)
        return -ENOMEM;
    return azm_properties_add(l, AZM_TEXT(AZM_ORIGINAL_TIME_KEY), (struct azm_text){copy, strlen(text)});
}

/* All properties but the record's attributes, which are there. What is known of the resource is not the record's to
 * say. */
static int add_properties(struct azm_appinsights *a, const struct azm_appinsights_item *item)
{
    struct azm_properties *l = &a->record;

    /* An exception has a message of its own; the record's must not be lost for it. */
    if (item->is_exception && item->exception_message.len > 0 && item->body.len > 0 &&
        !azm_text_equal(item->body, item->exception_message) &&
        azm_properties_add(l, AZM_TEXT("message"), item->body) < 0)
        return -ENOMEM;
    if (item->event_name.len > 0 && azm_properties_add(l, AZM_TEXT("event_name"), item->event_name) < 0)
        return -ENOMEM;
    if (item->severity_text.len > 0 && azm_properties_add(l, AZM_TEXT("severity_text"), item->severity_text) < 0)
        return -ENOMEM;
    return azm_properties_add_resource(l, &a->resource_properties);
}

int azm_appinsights_append(struct azm_appinsights *a, struct azm_text resource, struct azm_text record,
                           uint64_t now_realtime_usec, struct azm_buf *out)
{
    struct azm_appinsights_item item = {.ikey = a->ikey};
    int r = use_resource(a, resource);

    if (r < 0)
        return r;
    r = read_record(&a->record, record, &item);
    if (r < 0)
        return r;
    take_exception(&a->record, &item);
    if (settle_time(&a->record, &item, now_realtime_usec, &item.written_nsec) < 0 || add_properties(a, &item) < 0)
        return -ENOMEM;
    item.tags = (struct azm_text){(const char *)a->tags.data, a->tags.len};
    return azm_appinsights_append_item(&item, &a->record, out);
}
