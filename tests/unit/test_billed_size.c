/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "encode/billed_size.h"
#include "encode/otlp.h"
#include "encode/scope.h"
#include "tests/unit/test.h"

/* What a row of OTelLogs has as text; each expectation is spelled as the columns would be. */

#define TIME "2026-11-26T00:00:00.0000000Z"
#define SCOPE AZM_SCOPE_NAME AZM_SCOPE_VERSION
#define UID "abcdefghijklmnopqrstuvwxyz" /* of this length: AZM_OTLP_UID_LEN */

static size_t bytes_of(const struct azm_record *r, const struct azm_attribute *resource, size_t n)
{
    struct azm_otlp_encoder e = {.limits = {65536, 65536, 65536}};
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, res = {0};
    _cleanup_(azm_billing_free) struct azm_billing b = {0};
    size_t bytes = 0, again = 0;

    ck_assert_int_eq(azm_otlp_encode_record(&e, r, &record), 0);
    ck_assert_int_eq(azm_otlp_encode_resource(&e, resource, n, &res), 0);
    for (size_t *p = &bytes;; p = &again) { /* twice with the same: nothing is left from the first time */
        ck_assert_int_eq(azm_billed_bytes(&b, (struct azm_text){(const char *)res.data, res.len},
                                          (struct azm_text){(const char *)record.data, record.len}, p),
                         0);
        if (p == &again)
            break;
    }
    ck_assert_uint_eq(bytes, again);
    azm_otlp_encoder_free(&e);
    return bytes;
}

static struct azm_record plain(void)
{
    struct azm_record r = {.time_unix_nano = 1, .severity = -1};

    for (uint8_t i = 0; i < 16; i++)
        r.uid[i] = i;
    return r;
}

START_TEST(a_record_with_nothing_in_it)
{
    const struct azm_record r = plain();

    ck_assert_uint_eq(bytes_of(&r, NULL, 0), strlen(TIME SCOPE "{}"
                                                               "{\"log.record.uid\":\"" UID "\",}"));
}
END_TEST

START_TEST(a_record_with_everything)
{
    static const struct azm_attribute resource[] = {
        {.key = AZM_TEXT("service.name"), .text = AZM_TEXT("web")},
        {.key = AZM_TEXT("service.namespace"), .text = AZM_TEXT("shop")},
        {.key = AZM_TEXT("service.instance.id"), .text = AZM_TEXT("h1")},
        {.key = AZM_TEXT("host.name"), .text = AZM_TEXT("h1")},
    };
    static const struct azm_attribute attributes[] = {
        {.key = AZM_TEXT("process.pid"), .type = AZM_VALUE_INT, .integer = 812},
        {.key = AZM_TEXT("k"), .text = AZM_TEXT("a \"quoted\"\n")},
    };
    struct azm_record r = plain();

    r.severity = 3; /* 17, err, and a SeverityLevel of one digit */
    r.has_body = true;
    r.body = AZM_TEXT("GET / 200 \xC3\xA9"); /* counted in bytes */
    r.attributes = attributes;
    r.n_attributes = ELEMENTSOF(attributes);
    r.has_trace_id = r.has_span_id = true;
    ck_assert_uint_eq(bytes_of(&r, resource, ELEMENTSOF(resource)),
                      strlen(TIME SCOPE "GET / 200 \xC3\xA9"
                                        "17"
                                        "err"
                                        "3"
                                        "web"
                                        "shop"
                                        "webshop"
                                        "h1"
                                        "{\"service.name\":\"web\",\"service.namespace\":\"shop\","
                                        "\"service.instance.id\":\"h1\",\"host.name\":\"h1\",}"
                                        "{\"log.record.uid\":\"" UID "\",\"process.pid\":\"812\","
                                        "\"k\":\"a \\\"quoted\\\"\\n\",}"
                                        "0123456789abcdef0123456789abcdef"
                                        "0123456789abcdef"));
}
END_TEST

START_TEST(what_is_no_otlp)
{
    _cleanup_(azm_billing_free) struct azm_billing b = {0};
    size_t bytes;

    ck_assert_int_eq(azm_billed_bytes(&b, AZM_TEXT(""), AZM_TEXT("\x2a\x7f"), &bytes), -EBADMSG);
    ck_assert_int_eq(azm_billed_bytes(&b, AZM_TEXT("\x0a\x7f"), AZM_TEXT(""), &bytes), -EBADMSG);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_record_with_nothing_in_it", a_record_with_nothing_in_it);
    add_test(s, "a_record_with_everything", a_record_with_everything);
    add_test(s, "what_is_no_otlp", what_is_no_otlp);
}

TEST_MAIN("billed_size", add_tests)
