/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>

#include "auth/base64url.h"
#include "auth/token_answer.h"
#include "core/clock.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define SEC AZM_USEC_PER_SEC
#define NOW (UINT64_C(1767225600) * SEC) /* 2026-01-01 */
#define UNKNOWN (AZM_TOKEN_LIFETIME_UNKNOWN_USEC / SEC)
#define MAX_SEC (AZM_TOKEN_LIFETIME_MAX_USEC / SEC)

static struct azm_secret *make_body(const void *text, size_t len)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(len, &s), 0);
    ck_assert_int_eq(azm_secret_append(s, text, len), 0);
    return s;
}

static int parse_bytes(const void *text, size_t len, struct azm_token *ret)
{
    struct azm_secret *body = make_body(text, len);
    const char *why = NULL;
    int r = azm_token_answer_parse(body, NOW, ret, &why);

    ck_assert((r == 0) == (ret->header != NULL));
    ck_assert(r == 0 || (why && *why));
    azm_secret_unref(body);
    return r;
}

static int parse(const char *text, struct azm_token *ret)
{
    return parse_bytes(text, strlen(text), ret);
}

/* What IMDS, App Service and Entra answer (facts/azure.md 2). */
START_TEST(answers_of_microsoft)
{
    struct azm_token t;

    ck_assert_int_eq(parse("{\"access_token\":\"abc.DEF-123_x\",\"refresh_token\":\"\",\"expires_in\":\"3599\","
                           "\"expires_on\":\"1767229199\",\"not_before\":\"1767225300\","
                           "\"resource\":\"https://monitor.azure.com\",\"token_type\":\"Bearer\"}",
                           &t),
                     0);
    ck_assert_str_eq(azm_secret_text(t.header), "Authorization: Bearer abc.DEF-123_x");
    ck_assert_uint_eq(t.expires_in_usec, 3599 * SEC);
    ck_assert_uint_eq(t.refresh_in_usec, 0);
    ck_assert_uint_eq(t.expires_realtime_usec, NOW + 3599 * SEC);
    ck_assert_str_eq(t.object_id, "");
    azm_token_free(&t);
    ck_assert_ptr_null(t.header);

    ck_assert_int_eq(parse("{\"access_token\":\"a\",\"expires_on\":\"1767232800\",\"token_type\":\"Bearer\"}", &t), 0);
    ck_assert_uint_eq(t.expires_in_usec, 7200 * SEC);
    azm_token_free(&t);

    ck_assert_int_eq(parse("{\"token_type\":\"Bearer\",\"expires_in\":86399,\"ext_expires_in\":86399,"
                           "\"refresh_in\":43199,\"access_token\":\"a\"}",
                           &t),
                     0);
    ck_assert_uint_eq(t.expires_in_usec, 86399 * SEC);
    ck_assert_uint_eq(t.refresh_in_usec, 43199 * SEC);
    azm_token_free(&t);
}
END_TEST

START_TEST(lifetimes)
{
    static const struct {
        const char *members;
        uint64_t expires_in, refresh_in; /* seconds */
    } rows[] = {
        {"", UNKNOWN, 0},
        {",\"expires_in\":3600", 3600, 0},
        {",\"expires_in\":3600.5", 3600, 0},
        {",\"expires_in\":\"3600.0\"", 3600, 0},
        {",\"expires_in\":3.6e3", 3600, 0},
        {",\"expires_in\":3600,\"expires_on\":1767225601", 3600, 0}, /* the clock may be wrong */
        {",\"expires_in\":0,\"expires_on\":1767225700", 100, 0},
        {",\"expires_in\":-5", UNKNOWN, 0},
        {",\"expires_in\":\"-5\"", UNKNOWN, 0},
        {",\"expires_in\":\"NaN\"", UNKNOWN, 0},
        {",\"expires_in\":\"inf\"", UNKNOWN, 0},
        {",\"expires_in\":\"0x10\"", UNKNOWN, 0},
        {",\"expires_in\":\"1e5\"", UNKNOWN, 0},
        {",\"expires_in\":\"1.2.3\"", UNKNOWN, 0},
        {",\"expires_in\":\"\"", UNKNOWN, 0},
        {",\"expires_in\":\"an hour\"", UNKNOWN, 0},
        {",\"expires_in\":null", UNKNOWN, 0},
        {",\"expires_in\":true", UNKNOWN, 0},
        {",\"expires_in\":[3600]", UNKNOWN, 0},
        {",\"expires_in\":{}", UNKNOWN, 0},
        {",\"expires_in\":1e300", MAX_SEC, 0},
        {",\"expires_in\":99999999999999999999999999", MAX_SEC, 0},
        {",\"expires_in\":\"99999999999999999999999999\"", MAX_SEC, 0},
        {",\"expires_in\":0.25", 0, 0},
        {",\"expires_on\":1767225000", UNKNOWN, 0}, /* the past: whose clock is wrong? */
        {",\"expires_on\":\"1/1/2026 01:00:00 AM +00:00\"", UNKNOWN, 0},
        {",\"expires_on\":9999999999", MAX_SEC, 0},
        {",\"expires_in\":3600,\"refresh_in\":\"1800\"", 3600, 1800},
        {",\"expires_in\":3600,\"refresh_in\":3600", 3600, 0},
        {",\"expires_in\":3600,\"refresh_in\":-1", 3600, 0},
        {",\"expires_in\":3600,\"refresh_in\":1e300", 3600, 0},
        {",\"expires_in\":3600,\"refresh_in\":null", 3600, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_token t;
        char text[256];

        snprintf(text, sizeof text, "{\"access_token\":\"x\"%s}", rows[i].members);
        ck_assert_msg(parse(text, &t) == 0, "%s", text);
        ck_assert_msg(t.expires_in_usec / SEC == rows[i].expires_in, "%s: %ju", text,
                      (uintmax_t)(t.expires_in_usec / SEC));
        ck_assert_msg(t.refresh_in_usec == rows[i].refresh_in * SEC, "%s", text);
        azm_token_free(&t);
    }
}
END_TEST

START_TEST(what_is_no_answer)
{
    static const char *const texts[] = {
        "",
        "   ",
        "null",
        "[]",
        "\"x\"",
        "{}",
        "{\"access_token\":}",
        "{\"access_token\":null}",
        "{\"access_token\":5}",
        "{\"access_token\":[\"x\"]}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":\"two words\"}",
        "{\"access_token\":\"two\\r\\nX-Injected: lines\"}",
        "{\"access_token\":\"tab\\t\"}",
        "{\"access_token\":\"nul\\u0000\"}",
        "{\"access_token\":\"\\u00e4\"}",
        "{\"access_token\":\"\xff\"}",
        "{\"access_token\":\"x\"",
        "{\"access_token\":\"x\"} and more",
        "{\"access_token\":\"x\",\"access_token\":\"y\"}", /* which one is it? */
        "{\"access_token\":\"x\",\"expires_in\":NaN}",
        "{\"Access_Token\":\"x\"}",
        "<html><body>Log in</body></html>",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        struct azm_token t;

        ck_assert_msg(parse(texts[i], &t) == -EINVAL, "%s", texts[i]);
    }
}
END_TEST

START_TEST(huge_tokens)
{
    static char text[65536];

    for (size_t len = 16384; len <= 16385; len++) {
        struct azm_token t;
        int n = snprintf(text, sizeof text, "{\"access_token\":\"");

        memset(text + n, 'x', len);
        strcpy(text + n + len, "\"}");
        ck_assert_int_eq(parse(text, &t), len == 16384 ? 0 : -EINVAL);
        azm_token_free(&t);
    }
}
END_TEST

/* jansson recurses for each bracket. */
static void *parse_nested(void *userdata)
{
    static const char *const openings[] = {"[", "{\"a\":", "[{\"a\":"};
    static char text[65536];

    (void)userdata;
    for (size_t i = 0; i < ELEMENTSOF(openings); i++) {
        size_t len = (size_t)snprintf(text, sizeof text, "{\"access_token\":\"x\",\"b\":");
        struct azm_token t;

        while (len + 16 < sizeof text)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", openings[i]);
        ck_assert_int_eq(parse_bytes(text, len, &t), -EINVAL);
    }
    return NULL;
}

START_TEST(deep_nesting_on_a_small_stack)
{
    struct azm_token t;
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)256 * 1024); /* as token.c has it */
    ck_assert_int_eq(pthread_create(&thread, &attr, parse_nested, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    ck_assert_int_eq(parse("{\"access_token\":\"x\",\"b\":[[[[{\"c\":[{}]}]]]]}", &t), 0);
    azm_token_free(&t);
}
END_TEST

START_TEST(garbage)
{
    static const char seed[] = "{\"access_token\":\"aa.eyJvaWQiOiIxIn0.bb\",\"expires_in\":\"3599\",\"refresh_in\":5}";
    struct prng p = {.state = 20260101};

    for (int i = 0; i < 20000; i++) {
        char text[sizeof seed];
        size_t changes = prng_below(&p, 4) + 1, len = prng_below(&p, sizeof seed);
        struct azm_token t;

        memcpy(text, seed, sizeof seed);
        if (i % 2)
            len = sizeof seed - 1;
        while (changes-- > 0)
            text[prng_below(&p, sizeof seed)] = (char)prng_below(&p, 256);
        if (parse_bytes(text, len, &t) == 0)
            azm_token_free(&t);
    }
}
END_TEST

/* An answer with a token of these claims. */
static void parse_claims(const char *claims, const char *members, struct azm_token *ret)
{
    struct azm_secret *payload;
    char text[4096];

    ck_assert_int_eq(azm_secret_new(2048, &payload), 0);
    ck_assert_int_eq(azm_base64url_append(payload, claims, strlen(claims)), 0);
    snprintf(text, sizeof text, "{\"access_token\":\"eyJ0eXAiOiJKV1QifQ.%s.c2ln\"%s}", azm_secret_text(payload),
             members);
    ck_assert_int_eq(parse(text, ret), 0);
    azm_secret_unref(payload);
}

START_TEST(claims)
{
    struct azm_token t;

    parse_claims("{\"aud\":\"https://monitor.azure.com\",\"oid\":\"11111111-2222-3333-4444-555555555555\","
                 "\"appid\":\"app-1\",\"tid\":\"ten.ant\",\"exp\":1767225700,\"groups\":[\"a\",\"b\"]}",
                 "", &t);
    ck_assert_str_eq(t.audience, "https://monitor.azure.com");
    ck_assert_str_eq(t.object_id, "11111111-2222-3333-4444-555555555555");
    ck_assert_str_eq(t.app_id, "app-1");
    ck_assert_str_eq(t.tenant_id, "ten.ant");
    ck_assert_uint_eq(t.expires_in_usec, 100 * SEC); /* nobody else has said it */
    azm_token_free(&t);
    parse_claims("{\"azp\":\"app-2\",\"exp\":1767225700}", ",\"expires_on\":1767225800", &t);
    ck_assert_str_eq(t.app_id, "app-2");
    ck_assert_uint_eq(t.expires_in_usec, 200 * SEC);
    azm_token_free(&t);
    /* What is no id is not shown. */
    parse_claims("{\"oid\":\"one\\ntwo\",\"appid\":5,\"tid\":\"0123456789012345678901234567890123456789\","
                 "\"aud\":[\"x\"],\"exp\":\"never\"}",
                 "", &t);
    ck_assert_str_eq(t.object_id, "");
    ck_assert_str_eq(t.app_id, "");
    ck_assert_str_eq(t.tenant_id, "");
    ck_assert_str_eq(t.audience, "");
    ck_assert_uint_eq(t.expires_in_usec, UNKNOWN * SEC);
    azm_token_free(&t);
    parse_claims("{\"aud\":\"a b\"}", "", &t);
    ck_assert_str_eq(t.audience, "");
    azm_token_free(&t);
    parse_claims("no JSON", ",\"expires_in\":10", &t);
    ck_assert_uint_eq(t.expires_in_usec, 10 * SEC);
    azm_token_free(&t);
}
END_TEST

START_TEST(errors)
{
    static const struct {
        const char *text, *error, *trace_id;
        uint64_t aadsts;
    } rows[] = {
        {"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided. ...\","
         "\"error_codes\":[7000215],\"timestamp\":\"2026-01-01 00:00:00Z\","
         "\"trace_id\":\"01234567-89ab-cdef-0123-456789abcdef\",\"correlation_id\":\"x\"}",
         "invalid_client", "01234567-89ab-cdef-0123-456789abcdef", 7000215},
        {"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS700016: Application ...\"}", "invalid_client", "",
         700016},
        {"{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}", "invalid_request", "", 0},
        {"{\"error\":\"two words\",\"trace_id\":\"a\\nb\",\"error_codes\":[\"x\"]}", "", "", 0},
        {"{\"error\":{\"code\":\"x\"},\"error_codes\":[1e300]}", "", "", 0},
        {"{\"error_codes\":[-5],\"error_description\":\"AADSTS\"}", "", "", 0},
        {"{\"error_codes\":7}", "", "", 0},
        {"{\"error_description\":\"AADSTSnan\"}", "", "", 0},
        {"{\"statusCode\":500,\"message\":\"x\"}", "", "", 0},
        {"<html>", "", "", 0},
        {"", "", "", 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_secret *body = make_body(rows[i].text, strlen(rows[i].text));
        struct azm_token_error e;

        azm_token_error_parse(body, &e);
        ck_assert_str_eq(e.error, rows[i].error);
        ck_assert_str_eq(e.trace_id, rows[i].trace_id);
        ck_assert_uint_eq(e.aadsts, rows[i].aadsts);
        azm_secret_unref(body);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "answers_of_microsoft", answers_of_microsoft);
    add_test(s, "lifetimes", lifetimes);
    add_test(s, "what_is_no_answer", what_is_no_answer);
    add_test(s, "huge_tokens", huge_tokens);
    add_test(s, "deep_nesting_on_a_small_stack", deep_nesting_on_a_small_stack);
    add_test(s, "garbage", garbage);
    add_test(s, "claims", claims);
    add_test(s, "errors", errors);
}

TEST_MAIN("token_answer", add_tests)
