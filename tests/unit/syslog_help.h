/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/utf8.h"
#include "encode/otlp.h"
#include "plugin/syslog5424.h"
#include "tests/unit/otlp_help.h"

/* Where every test gets its messages from: one reader. Input lies in memory of exactly its size, so that a sanitizer
 * sees who reads behind it. */
static struct azm_syslog_reader *reader;
static struct azm_syslog_message message;
static char *copies[3];

#define NOW UINT64_C(1700000000000000000)

static inline void begin(void)
{
    ck_assert_int_eq(azm_syslog_reader_new(&reader), 0);
}

static inline void end(void)
{
    reader = azm_syslog_reader_free(reader);
    for (size_t i = 0; i < 3; i++) {
        free(copies[i]);
        copies[i] = NULL;
    }
}

static inline struct azm_text lend(size_t i, struct azm_text t)
{
    free(copies[i]);
    copies[i] = malloc(t.len); /* may be NULL for none */
    if (t.len > 0)
        memcpy(copies[i], t.s, t.len);
    return (struct azm_text){copies[i], t.len};
}

/* The three templates' strings become `message`. */
static inline void read_texts(struct azm_text line, struct azm_text meta, struct azm_text attributes)
{
    const struct azm_syslog_input in = {lend(0, line), lend(1, meta), lend(2, attributes), NOW};

    ck_assert_int_eq(azm_syslog_read(reader, &in, &message), 0);
}

static inline void read_line(const char *line)
{
    read_texts(azm_text_of(line), (struct azm_text){0}, (struct azm_text){0});
}

static inline void read_json(const char *json)
{
    read_texts(AZM_TEXT("<14>1 - - - - - - x\n"), (struct azm_text){0}, azm_text_of(json));
}

/* The attribute, or NULL; keys are unique. */
static inline const struct azm_attribute *attribute(const char *key)
{
    const struct azm_attribute *found = NULL;

    for (size_t i = 0; i < message.record.n_attributes; i++)
        if (azm_text_equal(message.record.attributes[i].key, azm_text_of(key))) {
            ck_assert_msg(!found, "%s is there twice", key);
            found = &message.record.attributes[i];
        }
    return found;
}

/* Its text; "(none)" if it is not there. */
static inline struct azm_text text_of(const char *key)
{
    const struct azm_attribute *a = attribute(key);

    if (!a)
        return AZM_TEXT("(none)");
    ck_assert_msg(a->type == AZM_VALUE_TEXT, "%s is no text", key);
    return a->text;
}

/* Its integer; -1 if it is not there. */
static inline int64_t int_of(const char *key)
{
    const struct azm_attribute *a = attribute(key);

    if (!a)
        return -1;
    ck_assert_msg(a->type == AZM_VALUE_INT, "%s is no integer", key);
    return a->integer;
}

/* Its texts, with "|" between; "(none)" if it is not there. For short ones. */
static inline struct azm_text texts_of(const char *key)
{
    static char joined[512];
    const struct azm_attribute *a = attribute(key);
    size_t n = 0;

    if (!a)
        return AZM_TEXT("(none)");
    ck_assert_msg(a->type == AZM_VALUE_TEXTS, "%s is no array", key);
    for (size_t i = 0; i < a->texts.n; i++)
        n += (size_t)snprintf(joined + n, sizeof joined - n, "%s%.*s", i > 0 ? "|" : "", (int)a->texts.items[i].len,
                              a->texts.items[i].s);
    return (struct azm_text){joined, n};
}

/* Whatever the message is: it has its times, its keys are unique valid UTF-8, and its bytes are an OTLP record with the
 * same body (as valid UTF-8). */
static inline void check_record(void)
{
    static struct azm_otlp_encoder encoder = {.limits = {1 << 20, 1 << 20, 1 << 20}};
    static struct azm_buf out, body;
    const struct azm_record *r = &message.record;
    Otlp__LogRecord *m;

    ck_assert_uint_ne(r->time_unix_nano, 0);
    ck_assert_uint_ne(r->observed_time_unix_nano, 0);
    ck_assert_int_ge(r->severity, -1);
    ck_assert_int_le(r->severity, 7);
    for (size_t i = 0; i < r->n_attributes; i++) {
        struct azm_text key = r->attributes[i].key;
        bool again = false; /* Check's macros write, each time */

        ck_assert_uint_gt(key.len, 0);
        ck_assert_uint_eq(azm_utf8_valid_prefix(key.s, key.len), key.len);
        for (size_t k = 0; k < i; k++)
            again = again || azm_text_equal(r->attributes[k].key, key);
        ck_assert(!again);
    }
    ck_assert_int_eq(azm_otlp_encode_record(&encoder, r, &out), 0);
    m = otlp_decode_record(&out);
    ck_assert_uint_eq(m->n_attributes, r->n_attributes + 1); /* log.record.uid */
    ck_assert_int_eq(m->body != NULL, r->has_body);
    if (r->has_body) {
        azm_buf_clear(&body);
        ck_assert_int_eq(azm_utf8_append_clean(&body, r->body.s, r->body.len), 0);
        assert_text_equal(otlp_string(m->body), ((struct azm_text){(const char *)body.data, body.len}));
    }
    otlp__log_record__free_unpacked(m, NULL);
}
