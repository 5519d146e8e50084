/* SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "encode/otlp.h"
#include "export/quarantine.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* A quarantine in the test directory, and records for it. */

#define FILE_NAME "quarantine.jsonl"

static inline int open_dir(void)
{
    int fd = open(temp_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline uint64_t fixed_time(void *userdata)
{
    (void)userdata;
    return UINT64_C(1700000000000001);
}

static const struct azm_clock fixed_clock = {.realtime_usec = fixed_time, .monotonic_usec = fixed_time};

static inline struct azm_quarantine *open_quarantine(int dir, uint64_t max_bytes)
{
    const struct azm_quarantine_options o = {.dir_fd = dir, .max_bytes = max_bytes, .clock = &fixed_clock};
    struct azm_quarantine *q = NULL;
    struct azm_error err = {""};

    ck_assert_msg(azm_quarantine_open(&o, &q, &err) == 0, "%s", err.words);
    return q;
}

/* A record with this body, whose uid begins with this byte; its resource has service.name "web". */
struct sample {
    struct azm_otlp_encoder encoder;
    struct azm_buf resource, record;
};

static inline struct azm_quarantine_record sample_record(struct sample *s, uint8_t uid, const char *body)
{
    const struct azm_attribute service = {.key = AZM_TEXT("service.name"), .text = AZM_TEXT("web")};
    const struct azm_record r = {
        .time_unix_nano = 1, .severity = 6, .has_body = true, .body = azm_text_of(body), .uid = {uid}};

    s->encoder.limits = (struct azm_otlp_limits){1 << 20, 1 << 20, 1 << 20};
    ck_assert_int_eq(azm_otlp_encode_record(&s->encoder, &r, &s->record), 0);
    ck_assert_int_eq(azm_otlp_encode_resource(&s->encoder, &service, 1, &s->resource), 0);
    return (struct azm_quarantine_record){
        .resource = {(const char *)s->resource.data, s->resource.len},
        .record = {(const char *)s->record.data, s->record.len},
    };
}

static inline void sample_free(struct sample *s)
{
    azm_otlp_encoder_free(&s->encoder);
    azm_buf_free(&s->resource);
    azm_buf_free(&s->record);
}

static const struct azm_quarantine_note refused = {
    .reason = AZM_QUARANTINE_REFUSED,
    .status = 400,
    .code = "InvalidRecord",
    .message = {"this record is odd", 18},
    .request_id = "id-1",
};

/* Appends one sample: what azm_quarantine_append says. */
static inline int append_sample(struct azm_quarantine *q, uint8_t uid, const char *body,
                                const struct azm_quarantine_note *note, struct azm_error *err)
{
    struct sample s = {0};
    const struct azm_quarantine_record r = sample_record(&s, uid, body);
    int result = azm_quarantine_append(q, &r, 1, note, err);

    sample_free(&s);
    return result;
}

static inline void must_append(struct azm_quarantine *q, uint8_t uid, const char *body)
{
    struct azm_error err = {""};

    ck_assert_msg(append_sample(q, uid, body, &refused, &err) == 0, "%s", err.words);
}

static inline uint64_t records_in(struct azm_quarantine *q)
{
    struct azm_quarantine_status s;

    ck_assert_int_eq(azm_quarantine_get_status(q, &s, NULL), 0);
    return s.records;
}

/* `expected` is JSON with ' for ". */
static inline void check_json(const json_t *actual, const char *expected)
{
    char *quoted = strdup(expected), *text = json_dumps(actual, JSON_ENCODE_ANY);
    json_t *e;

    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    e = json_loads(quoted, JSON_DECODE_ANY, NULL);
    ck_assert_msg(e != NULL, "the test's own JSON: %s", quoted);
    ck_assert_msg(json_equal(actual, e), "this is %s", text);
    json_decref(e);
    free(quoted);
    free(text);
}
