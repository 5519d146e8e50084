/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "encode/appinsights.h"
#include "encode/original_time.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/wire_help.h"

/* Records as items for Application Insights, read back with jansson. */

#define IKEY "0123abcd-4567-89ef-0123-456789abcdef"
#define NOW_USEC UINT64_C(1700000000000000)
#define NOW_NSEC (NOW_USEC * 1000)

enum { LOG_TIME = 1, LOG_SEVERITY = 2, LOG_SEVERITY_TEXT = 3, LOG_BODY = 5, LOG_ATTRIBUTE = 6, LOG_DROPPED = 7 };
enum { LOG_TRACE_ID = 9, LOG_SPAN_ID = 10, LOG_OBSERVED = 11, LOG_EVENT = 12, RESOURCE_ATTRIBUTE = 1 };

static struct azm_appinsights appinsights = {.ikey = IKEY};

/* Appends an attribute of either; `value` is freed. */
static inline void attribute(struct azm_buf *record, const char *key, struct azm_buf value)
{
    wire_key_value(record, LOG_ATTRIBUTE, azm_text_of(key), value);
}

static inline void text_attribute(struct azm_buf *record, const char *key, struct azm_text value)
{
    attribute(record, key, any_text(value));
}

static inline void resource_attribute(struct azm_buf *resource, const char *key, const char *value)
{
    wire_key_value(resource, RESOURCE_ATTRIBUTE, azm_text_of(key), any_text(azm_text_of(value)));
}

static inline void body(struct azm_buf *record, struct azm_text text)
{
    wire_message(record, LOG_BODY, any_text(text));
}

/* `n` times `c`; lives in `texts`. */
static struct azm_arena texts;

static inline struct azm_text repeated(const char *c, size_t n)
{
    size_t len = strlen(c);
    char *s = azm_arena_alloc(&texts, n * len + 1);

    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < n; i++)
        memcpy(s + i * len, c, len);
    return (struct azm_text){s, n * len};
}

/* Exactly one line behind what was there, small enough, and JSON without duplicate keys. Its bytes go
 * to `ret_bytes`, unless that is NULL. */
static inline json_t *envelope_at(const struct azm_buf *resource, const struct azm_buf *record, uint64_t now_usec,
                                  size_t *ret_bytes)
{
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    json_error_t why;
    json_t *j;

    ck_assert_int_eq(azm_buf_append(&out, "before", 6), 0);
    ck_assert_int_eq(azm_appinsights_append(&appinsights, wire_text(resource), wire_text(record), now_usec, &out), 0);
    ck_assert_mem_eq(out.data, "before", 6);
    ck_assert_uint_eq(out.data[out.len - 1], '\n');
    ck_assert_ptr_eq(memchr(out.data, '\n', out.len), out.data + out.len - 1);
    ck_assert_uint_le(out.len - 7, 65536);
    j = json_loadb((char *)out.data + 6, out.len - 6, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(j != NULL, "%s in %.*s", why.text, (int)out.len, (char *)out.data);
    if (ret_bytes)
        *ret_bytes = out.len - 7;
    return j;
}

static inline json_t *envelope(const struct azm_buf *resource, const struct azm_buf *record)
{
    return envelope_at(resource, record, NOW_USEC, NULL);
}

/* What stands at a path in the envelope; borrowed, NULL if there is nothing. */
static inline json_t *data(json_t *envelope)
{
    return json_object_get(json_object_get(envelope, "data"), "baseData");
}

static inline struct azm_text text_at(const json_t *object, const char *key)
{
    const json_t *s = json_object_get(object, key);

    return (struct azm_text){json_string_value(s), json_string_length(s)};
}

static inline struct azm_text message(json_t *envelope)
{
    return text_at(data(envelope), "message");
}

static inline struct azm_text property(json_t *envelope, const char *key)
{
    return text_at(json_object_get(data(envelope), "properties"), key);
}

static inline struct azm_text tag(json_t *envelope, const char *key)
{
    return text_at(json_object_get(envelope, "tags"), key);
}

static inline json_t *exception(json_t *envelope)
{
    return json_array_get(json_object_get(data(envelope), "exceptions"), 0);
}

static inline bool is_truncated(json_t *envelope)
{
    return azm_text_equal(property(envelope, "azmonlog.truncated"), AZM_TEXT("true"));
}

#define assert_none(actual) ck_assert_msg((actual).s == NULL, "%s is %s", #actual, (actual).s)

/* NULL: there is nothing at all, not even an empty text. */
#define assert_text_or_none(actual, expected)                                                                          \
    do {                                                                                                               \
        if (expected)                                                                                                  \
            assert_text(actual, expected);                                                                             \
        else                                                                                                           \
            assert_none(actual);                                                                                       \
    } while (0)
