/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>
#include <stdbool.h>

#include "core/buf.h"
#include "core/record.h"
#include "proto/otlp_logs.pb-c.h"

/* Looking at OTLP messages through protobuf-c, the second opinion on what azmonlog writes. */

/* --- AnyValue.string_value: the only place that knows its C type --- */

/* The text of a value, which must be a string. */
static inline struct azm_text otlp_string(const Otlp__AnyValue *v)
{
    ck_assert_ptr_nonnull(v);
    ck_assert_int_eq(v->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
    return azm_text_of(v->string_value);
}

/* Makes `v` a string; `t` is borrowed and ends with a NUL that is not counted. */
static inline void otlp_set_string(Otlp__AnyValue *v, struct azm_text t)
{
    v->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    v->string_value = (char *)t.s;
}

/* --- finding and comparing --- */

/* The value of an attribute, NULL if it is not there; it must not be there twice. */
static inline const Otlp__AnyValue *otlp_find(Otlp__KeyValue *const *kv, size_t n, const char *key)
{
    const Otlp__AnyValue *found = NULL;

    for (size_t i = 0; i < n; i++)
        if (strcmp(kv[i]->key, key) == 0) {
            ck_assert_msg(!found, "attribute %s is there twice", key);
            ck_assert_ptr_nonnull(kv[i]->value);
            found = kv[i]->value;
        }
    return found;
}

#define assert_text_equal(actual, expected)                                                                            \
    do {                                                                                                               \
        struct azm_text a_ = (actual), e_ = (expected);                                                                \
        ck_assert_msg(azm_text_equal(a_, e_), "%s is \"%.*s\" (%zu bytes), not \"%.*s\" (%zu bytes)", #actual,         \
                      (int)MIN(a_.len, (size_t)200), a_.len ? a_.s : "", a_.len, (int)MIN(e_.len, (size_t)200),        \
                      e_.len ? e_.s : "", e_.len);                                                                     \
    } while (0)

/* The same with a C string. */
#define assert_text(actual, expected) assert_text_equal(actual, azm_text_of(expected))

/* --- decoding, with _cleanup_ --- */

static inline void otlp_free_record(Otlp__LogRecord **r)
{
    otlp__log_record__free_unpacked(*r, NULL);
}

static inline void otlp_free_resource(Otlp__Resource **r)
{
    otlp__resource__free_unpacked(*r, NULL);
}

static inline void otlp_free_request(Otlp__ExportLogsServiceRequest **r)
{
    otlp__export_logs_service_request__free_unpacked(*r, NULL);
}

/* These fail the test if the bytes are no such message. */
static inline Otlp__LogRecord *otlp_decode_record(const struct azm_buf *b)
{
    Otlp__LogRecord *r = otlp__log_record__unpack(NULL, b->len, b->data);

    ck_assert_ptr_nonnull(r);
    return r;
}

static inline Otlp__Resource *otlp_decode_resource(struct azm_text t)
{
    Otlp__Resource *r = otlp__resource__unpack(NULL, t.len, (const uint8_t *)t.s);

    ck_assert_ptr_nonnull(r);
    return r;
}

static inline Otlp__ExportLogsServiceRequest *otlp_decode_request(const struct azm_buf *b)
{
    Otlp__ExportLogsServiceRequest *r = otlp__export_logs_service_request__unpack(NULL, b->len, b->data);

    ck_assert_ptr_nonnull(r);
    return r;
}
