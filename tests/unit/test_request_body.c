/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>

#include "core/clock.h"
#include "encode/original_time.h"
#include "encode/otlp.h"
#include "export/request_body.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/test.h"

/* The body of a request, made out of a batch as each kind of destination wants it. */

#define IKEY "0123abcd-4567-89ef-0123-456789abcdef"
#define NOW UINT64_C(1794614400000000) /* Sat, 14 Nov 2026 00:00:00 GMT */
#define HOUR (3600 * AZM_USEC_PER_SEC)
#define OLD (47 * HOUR)

/* A batch of records with these ages, that is times before NOW; a record's body is its number, and the resource
 * changes with every second one. */
static struct azm_batch *batch_of(const uint64_t *ages_usec, size_t n)
{
    static const char *const services[] = {"web", "mail"};
    struct azm_otlp_encoder encoder = {.limits = {100, 100, 100}};
    struct azm_batch *b;

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){1000, SIZE_MAX}, &b), 0);
    for (size_t i = 0; i < n; i++) {
        _cleanup_(azm_buf_free) struct azm_buf resource = {0}, record = {0};
        const struct azm_attribute service = {.key = AZM_TEXT("service.name"),
                                              .text = azm_text_of(services[i / 2 % ELEMENTSOF(services)])};
        const struct azm_attribute attribute = {.key = AZM_TEXT("k"), .text = AZM_TEXT("v")};
        char number[24];
        const struct azm_record r = {.time_unix_nano = (NOW - ages_usec[i]) * AZM_NSEC_PER_USEC,
                                     .severity = 6,
                                     .has_body = true,
                                     .body = {number, (size_t)snprintf(number, sizeof number, "%zu", i)},
                                     .attributes = &attribute,
                                     .n_attributes = 1};

        ck_assert_int_eq(azm_otlp_encode_resource(&encoder, &service, 1, &resource), 0);
        ck_assert_int_eq(azm_otlp_encode_record(&encoder, &r, &record), 0);
        ck_assert_int_eq(azm_batch_add(b, azm_buf_text(&resource), azm_buf_text(&record)), 1);
    }
    azm_otlp_encoder_free(&encoder);
    return b;
}

static void make(enum azm_profile profile, const struct azm_batch *b, size_t first, size_t n, uint64_t now,
                 struct azm_buf *out)
{
    struct azm_body_maker m;

    ck_assert_int_eq(azm_body_maker_init(&m, profile, IKEY), 0);
    ck_assert_int_eq(azm_buf_append(out, "before", 6), 0); /* is replaced */
    ck_assert_int_eq(azm_body_make(&m, b, first, n, now, out), 0);
    azm_body_maker_free(&m);
}

static void assert_bytes_equal(const struct azm_buf *a, const struct azm_buf *b)
{
    ck_assert_uint_eq(a->len, b->len);
    ck_assert_int_eq(memcmp(a->data ? a->data : (const uint8_t *)"", b->data ? b->data : (const uint8_t *)"", a->len),
                     0);
}

START_TEST(content_types)
{
    ck_assert_str_eq(azm_body_content_type(AZM_PROFILE_OTLP), "application/x-protobuf");
    ck_assert_str_eq(azm_body_content_type(AZM_PROFILE_AZURE), "application/x-protobuf");
    ck_assert_str_eq(azm_body_content_type(AZM_PROFILE_APPINSIGHTS), "application/x-json-stream");
}
END_TEST

/* OTLP as it is, however old; and so Azure, while nothing is old. */
START_TEST(as_the_batch_is)
{
    static const uint64_t young[] = {0, HOUR, OLD, 5}, old[] = {OLD + 1, 0, 1000 * HOUR, 48 * HOUR};
    struct azm_batch *a = batch_of(young, ELEMENTSOF(young)), *b = batch_of(old, ELEMENTSOF(old));

    for (size_t first = 0; first < 4; first++)
        for (size_t n = 0; first + n <= 4; n++) {
            _cleanup_(azm_buf_free) struct azm_buf expected = {0}, otlp = {0}, azure = {0};

            ck_assert_int_eq(azm_batch_serialize(b, first, n, &expected), 0);
            make(AZM_PROFILE_OTLP, b, first, n, NOW, &otlp);
            assert_bytes_equal(&otlp, &expected);
            ck_assert_int_eq(azm_batch_serialize(a, first, n, &expected), 0);
            make(AZM_PROFILE_AZURE, a, first, n, NOW, &azure);
            assert_bytes_equal(&azure, &expected);
        }
    azm_batch_free(a);
    azm_batch_free(b);
}
END_TEST

/* --- Azure: what is old --- */

/* Takes `body` apart: numbers with ! behind those that have the attribute, and the services they lie in:
 * "web:0,1! mail:2". What the attribute says must be the record's time. */
static const char *describe(const struct azm_buf *body)
{
    _cleanup_(otlp_free_request) Otlp__ExportLogsServiceRequest *r = otlp_decode_request(body);
    static char text[1024];

    *text = '\0';
    for (size_t i = 0; i < r->n_resource_logs; i++) {
        const Otlp__ResourceLogs *rl = r->resource_logs[i];
        const Otlp__ScopeLogs *sl = rl->scope_logs[0];

        ck_assert_uint_eq(rl->n_scope_logs, 1);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:", i > 0 ? " " : "",
                 otlp_string(otlp_find(rl->resource->attributes, rl->resource->n_attributes, "service.name")).s);
        for (size_t k = 0; k < sl->n_log_records; k++) {
            const Otlp__LogRecord *l = sl->log_records[k];
            const Otlp__AnyValue *original = otlp_find(l->attributes, l->n_attributes, AZM_ORIGINAL_TIME_KEY);
            char time[AZM_TIME_TEXT_MAX];

            azm_time_print(l->time_unix_nano / AZM_NSEC_PER_USEC, time);
            if (original)
                assert_text(otlp_string(original), time);
            assert_text(otlp_string(otlp_find(l->attributes, l->n_attributes, "k")), "v");
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", k > 0 ? "," : "",
                     otlp_string(l->body).s, original ? "!" : "");
        }
    }
    return text;
}

START_TEST(what_is_old_keeps_its_time)
{
    static const struct {
        uint64_t ages[6];
        size_t n, first, n_made;
        int64_t later_usec; /* than NOW, when the body is made */
        const char *made;
    } table[] = {
        {{OLD}, 1, 0, 1, 0, "web:0"}, /* just at the bound */
        {{OLD + 1}, 1, 0, 1, 0, "web:0!"},
        {{OLD}, 1, 0, 1, 1, "web:0!"}, /* `now` counts, not when the record was put into the batch */
        {{OLD + 1}, 1, 0, 1, -1, "web:0"},
        {{0}, 1, 0, 1, OLD, "web:0"},
        {{0}, 1, 0, 1, OLD + 1, "web:0!"},
        {{0, 10 * HOUR, 20 * HOUR}, 3, 0, 3, 40 * HOUR, "web:0,1! mail:2!"},
        {{NOW - 1}, 1, 0, 1, 0, "web:0!"}, /* 1970 */
        {{NOW}, 1, 0, 1, 0, "web:0"},      /* no time at all */
        /* only they, in their order and with their resources */
        {{0, OLD + 1, 0, 100 * HOUR, OLD, 49 * HOUR}, 6, 0, 6, 0, "web:0,1!,4,5! mail:2,3!"},
        {{0, OLD + 1, 0, 100 * HOUR, OLD, 49 * HOUR}, 6, 1, 4, 0, "web:1!,4 mail:2,3!"},
        {{OLD + 1, 0, 0, 100 * HOUR, OLD, 49 * HOUR}, 6, 1, 2, 0, "web:1 mail:2"},
        {{OLD + 1, 0}, 2, 0, 0, 0, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_batch *b = batch_of(table[i].ages, table[i].n);
        _cleanup_(azm_buf_free) struct azm_buf body = {0};

        make(AZM_PROFILE_AZURE, b, table[i].first, table[i].n_made, NOW + (uint64_t)table[i].later_usec, &body);
        ck_assert_str_eq(describe(&body), table[i].made);
        azm_batch_free(b);
    }
}
END_TEST

/* Whoever sends it again, from the spool or after a failure, makes the same of it; the batch stays as it was. */
START_TEST(once)
{
    static const uint64_t ages[] = {OLD + 1, 0, 50 * HOUR};
    _cleanup_(azm_buf_free) struct azm_buf before = {0}, after = {0}, body = {0}, again = {0};
    struct azm_batch *b = batch_of(ages, ELEMENTSOF(ages)), *read_back;
    struct azm_body_maker m;

    ck_assert_int_eq(azm_batch_serialize(b, 0, 3, &before), 0);
    ck_assert_int_eq(azm_body_maker_init(&m, AZM_PROFILE_AZURE, ""), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(azm_body_make(&m, b, 0, 3, NOW, &body), 0);
        ck_assert_str_eq(describe(&body), "web:0!,1 mail:2!");
    }
    ck_assert_int_eq(azm_batch_serialize(b, 0, 3, &after), 0);
    assert_bytes_equal(&before, &after);

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){1000, SIZE_MAX}, &read_back), 0);
    ck_assert_int_eq(azm_batch_add_request(read_back, body.data, body.len), 0);
    ck_assert_int_eq(azm_body_make(&m, read_back, 0, 3, NOW, &again), 0);
    assert_bytes_equal(&again, &body);
    azm_body_maker_free(&m);
    azm_batch_free(read_back);
    azm_batch_free(b);
}
END_TEST

/* --- Application Insights: lines --- */

START_TEST(one_line_for_each_record)
{
    static const uint64_t ages[] = {5, HOUR, 0, 10 * HOUR, 1};
    struct azm_batch *b = batch_of(ages, ELEMENTSOF(ages));

    for (size_t first = 0; first < 5; first++)
        for (size_t n = 0; first + n <= 5; n++) {
            _cleanup_(azm_buf_free) struct azm_buf body = {0};
            const char *line, *end;
            size_t i = first;

            make(AZM_PROFILE_APPINSIGHTS, b, first, n, NOW, &body);
            ck_assert_int_eq(azm_buf_append(&body, "", 1), 0);
            for (line = (const char *)body.data; (end = strchr(line, '\n')); line = end + 1, i++) {
                json_t *j = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
                const json_t *data = json_object_get(json_object_get(j, "data"), "baseData");
                const char *message = json_string_value(json_object_get(data, "message"));
                const char *role = json_string_value(json_object_get(json_object_get(j, "tags"), "ai.cloud.role"));
                char number[24], time[AZM_TIME_TEXT_MAX];

                snprintf(number, sizeof number, "%zu", i);
                ck_assert_pstr_eq(message, number);
                ck_assert_pstr_eq(role, i / 2 % 2 ? "mail" : "web");
                ck_assert_pstr_eq(json_string_value(json_object_get(j, "iKey")), IKEY);
                azm_time_print(NOW - ages[i], time);
                ck_assert_int_eq(
                    strncmp(json_string_value(json_object_get(j, "time")), time, strlen("2026-11-14T00:00:00.000000")),
                    0);
                json_decref(j);
            }
            ck_assert_uint_eq(i, first + n);
            ck_assert_str_eq(line, ""); /* nothing behind the last line's end */
        }
    azm_batch_free(b);
}
END_TEST

/* One maker goes on from request to request, also after a failure, which is never half a body of another request. */
START_TEST(a_record_that_is_none)
{
    static const uint64_t ages[] = {0, 0};
    _cleanup_(azm_buf_free) struct azm_buf body = {0}, expected = {0};
    struct azm_batch *good = batch_of(ages, 2), *bad = batch_of(ages, 2);
    struct azm_body_maker m;

    ck_assert_int_eq(azm_batch_add_anyway(bad, AZM_TEXT(""), AZM_TEXT("\xFF\xFF")), 1);
    make(AZM_PROFILE_APPINSIGHTS, good, 0, 2, NOW, &expected);
    ck_assert_int_eq(azm_body_maker_init(&m, AZM_PROFILE_APPINSIGHTS, IKEY), 0);
    ck_assert_int_eq(azm_body_make(&m, bad, 0, 3, NOW, &body), -EBADMSG);
    ck_assert_int_eq(azm_body_make(&m, good, 0, 2, NOW, &body), 0);
    assert_bytes_equal(&body, &expected);
    ck_assert_int_eq(azm_body_make(&m, bad, 2, 1, NOW, &body), -EBADMSG);
    ck_assert_int_eq(azm_body_make(&m, bad, 0, 2, NOW, &body), 0);
    assert_bytes_equal(&body, &expected);
    azm_body_maker_free(&m);
    azm_batch_free(good);
    azm_batch_free(bad);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "content_types", content_types);
    add_test(s, "as_the_batch_is", as_the_batch_is);
    add_test(s, "what_is_old_keeps_its_time", what_is_old_keeps_its_time);
    add_test(s, "once", once);
    add_test(s, "one_line_for_each_record", one_line_for_each_record);
    add_test(s, "a_record_that_is_none", a_record_that_is_none);
}

TEST_MAIN("request_body", add_tests)
