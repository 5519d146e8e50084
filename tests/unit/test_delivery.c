/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>

#include "tests/unit/decide.h"

#define PROTOBUF "application/x-protobuf"
#define BODY(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* ExportLogsServiceResponse { partial_success { rejected_log_records, error_message } } */
#define REJECTED_0 BODY("\x0A\x00")
#define REJECTED_3 BODY("\x0A\x02\x08\x03")
#define REJECTED_3_AND_WORDS BODY("\x0A\x0A\x08\x03\x12\x06" MARK)
#define REJECTED_MINUS_1 BODY("\x0A\x0B\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")
#define ONLY_WORDS BODY("\x0A\x08\x12\x06" MARK)
#define GARBAGE BODY("\xFF\xFF" MARK)

/* One answer, and what is to be done. */
struct row {
    const char *name;
    int curl_code;
    long status;
    const char *content_type;
    const uint8_t *body;
    size_t body_len;
    bool body_cut;
    const char *error_code;
    enum azm_decision decision;
    const char *reason; /* all of it; NULL: none is expected */
    bool remedy;
};

/* clang-format off */
static const struct row table[] = {
    /* taken */
    {"Azure's answer",          0, 204, "", NULL, 0, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"OTLP's answer",           0, 200, PROTOBUF, NULL, 0, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"accepted",                0, 202, "", NULL, 0, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"the end of 2xx",          0, 299, "", NULL, 0, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"plain text",              0, 200, "text/plain", BODY("ok " MARK), false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"JSON",                    0, 200, "application/json", BODY("{\"" MARK "\":{}}"), false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"an error code with 2xx",  0, 200, "", NULL, 0, false, "Odd", AZM_ACKNOWLEDGE, NULL, false},

    /* partial success */
    {"0 rejected",              0, 200, PROTOBUF, REJECTED_0, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"a warning",               0, 200, PROTOBUF, ONLY_WORDS, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"-1 rejected",             0, 200, PROTOBUF, REJECTED_MINUS_1, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"3 rejected",              0, 200, PROTOBUF, REJECTED_3, false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 3 of 10 records rejected", false},
    {"3 rejected, why",         0, 202, PROTOBUF, REJECTED_3_AND_WORDS, false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 202, but 3 of 10 records rejected", false},
    {"type with parameters",    0, 200, PROTOBUF "; charset=utf-8", REJECTED_3, false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 3 of 10 records rejected", false},
    {"type in other letters",   0, 200, "Application/X-Protobuf", REJECTED_3, false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 3 of 10 records rejected", false},
    {"bytes of another type",   0, 200, "text/plain", REJECTED_3, false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"more than there are",     0, 200, PROTOBUF, BODY("\x0A\x02\x08\x63"), false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 10 of 10 records rejected", false},
    {"as JSON",                 0, 200, "application/json", BODY("{\"partialSuccess\":{\"rejectedLogRecords\":\"2\"}}"), false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 2 of 10 records rejected", false},
    {"as JSON, a number",       0, 200, "application/json", BODY("{\"partialSuccess\":{\"rejectedLogRecords\":2}}"), false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 2 of 10 records rejected", false},
    {"as JSON, of metrics",     0, 200, "application/json", BODY("{\"partialSuccess\":{\"rejectedDataPoints\":\"2\"}}"), false, "", AZM_ACKNOWLEDGE_PARTIAL, "HTTP 200, but 2 of 10 records rejected", false},
    {"as JSON, none",           0, 200, "application/json", BODY("{\"partialSuccess\":{}}"), false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"JSON of a wrong type",    0, 200, "application/json", BODY("{\"partialSuccess\":[1]}"), false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"JSON cut short",          0, 200, "application/json", BODY("{\"partialSuccess\":{\"rej"), false, "", AZM_ACKNOWLEDGE, NULL, false},
    {"garbage as protobuf",     0, 200, PROTOBUF, GARBAGE, false, "", AZM_ACKNOWLEDGE, NULL, false},

    /* 2xx from something that is no receiver */
    {"a login page",            0, 200, "text/html", BODY("<html>" MARK), false, "", AZM_HOLD, "HTTP 200 with a web page", true},
    {"a page with charset",     0, 200, "text/html; charset=utf-8", BODY(MARK), false, "", AZM_HOLD, "HTTP 200 with a web page", true},
    {"a page, loudly",          0, 203, "TEXT/HTML", BODY(MARK), false, "", AZM_HOLD, "HTTP 203 with a web page", true},
    {"an endless answer",       CURLE_WRITE_ERROR, 200, "", BODY(MARK), true, "", AZM_HOLD, "HTTP 200 with an endless answer", true},
    {"endless, of protobuf",    CURLE_WRITE_ERROR, 200, PROTOBUF, REJECTED_0, true, "", AZM_HOLD, "HTTP 200 with an endless answer", true},

    /* it may work soon */
    {"request timeout",         0, 408, "", NULL, 0, false, "", AZM_RETRY, "HTTP 408", false},
    {"throttled",               0, 429, PROTOBUF, BODY(MARK), false, "", AZM_RETRY, "HTTP 429", false},
    {"server error",            0, 500, "text/html", BODY(MARK), false, "", AZM_RETRY, "HTTP 500", false},
    {"bad gateway",             0, 502, "text/html", BODY(MARK), false, "", AZM_RETRY, "HTTP 502", false},
    {"unavailable",             0, 503, "", NULL, 0, false, "ServerBusy", AZM_RETRY, "HTTP 503 (ServerBusy)", false},
    {"gateway timeout",         0, 504, "", NULL, 0, false, "", AZM_RETRY, "HTTP 504", false},
    {"unavailable, endless",    CURLE_WRITE_ERROR, 503, "", BODY(MARK), true, "", AZM_RETRY, "HTTP 503", false},
    {"no address",              CURLE_COULDNT_RESOLVE_HOST, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"no address of the proxy", CURLE_COULDNT_RESOLVE_PROXY, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"no connection",           CURLE_COULDNT_CONNECT, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"wrong certificate",       CURLE_PEER_FAILED_VERIFICATION, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"timeout",                 CURLE_OPERATION_TIMEDOUT, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", false},
    {"TLS",                     CURLE_SSL_CONNECT_ERROR, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"closed without a word",   CURLE_GOT_NOTHING, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", true},
    {"broken pipe",             CURLE_SEND_ERROR, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", false},
    {"reset",                   CURLE_RECV_ERROR, 0, "", NULL, 0, false, "", AZM_RETRY, "curl's words", false},
    {"half an answer",          CURLE_PARTIAL_FILE, 200, PROTOBUF, NULL, 0, false, "", AZM_RETRY, "curl's words", false},
    {"reset after 200",         CURLE_RECV_ERROR, 200, "", NULL, 0, false, "", AZM_RETRY, "curl's words", false},
    {"stream error",            CURLE_HTTP2_STREAM, 400, "", NULL, 0, false, "", AZM_RETRY, "curl's words", false},

    /* it needs a person */
    {"our CA file",             CURLE_SSL_CACERT_BADFILE, 0, "", NULL, 0, false, "", AZM_HOLD, "curl's words", true},
    {"our certificate",         CURLE_SSL_CERTPROBLEM, 0, "", NULL, 0, false, "", AZM_HOLD, "curl's words", true},
    {"bad request",             0, 400, PROTOBUF, BODY(MARK), false, "", AZM_HOLD, "HTTP 400", true},
    {"a page's bad request",    0, 400, "text/html", BODY("<title>" MARK "</title>"), false, "", AZM_HOLD, "HTTP 400 with a web page", true},
    {"bad request, endless",    CURLE_WRITE_ERROR, 400, "", BODY(MARK), true, "", AZM_HOLD, "HTTP 400", true},
    {"no stream",               0, 400, "", NULL, 0, false, "InvalidStream", AZM_HOLD, "HTTP 400 (InvalidStream)", true},
    {"no credentials",          0, 401, "", NULL, 0, false, "", AZM_HOLD, "HTTP 401", true},
    {"no permission",           0, 403, "", NULL, 0, false, "", AZM_HOLD, "HTTP 403", true},
    {"wrong path",              0, 404, "text/html", BODY(MARK), false, "", AZM_HOLD, "HTTP 404", true},
    {"too large",               0, 413, "", NULL, 0, false, "", AZM_HOLD, "HTTP 413", true},
    {"not implemented",         0, 501, "", NULL, 0, false, "", AZM_HOLD, "HTTP 501", true},
    {"moved nowhere",           0, 308, "", NULL, 0, false, "", AZM_HOLD, "HTTP 308", true},

    /* an error code is shown only if it is a plain word; else it could carry contents */
    {"code with a space",       0, 403, "", NULL, 0, false, "two " MARK, AZM_HOLD, "HTTP 403", true},
    {"code of two lines",       0, 403, "", NULL, 0, false, "two\n" MARK, AZM_HOLD, "HTTP 403", true},
    {"code with markup",        0, 403, "", NULL, 0, false, "<" MARK ">", AZM_HOLD, "HTTP 403", true},
    {"code in UTF-8",           0, 403, "", NULL, 0, false, MARK "\xC3\xA9", AZM_HOLD, "HTTP 403", true},
    {"code of 64 letters",      0, 403, "", NULL, 0, false, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        AZM_HOLD, "HTTP 403 (0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef)", true},
    {"code of 65 letters",      0, 403, "", NULL, 0, false, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefg",
        AZM_HOLD, "HTTP 403", true},
    {"code of every kind",      0, 429, "", NULL, 0, false, "Az_09.x-y", AZM_RETRY, "HTTP 429 (Az_09.x-y)", false},
};
/* clang-format on */

static const struct azm_answer no_answer = {
    .curl_words = "", .content_type = "", .retry_after = "", .error_code = "", .request_id = "", .redirect_url = ""};

/* Many records, sent for the first time to a plain OTLP receiver that has not taken anything yet. */
static const struct azm_attempt first_attempt = {
    .profile = AZM_PROFILE_OTLP, .origin = "https://receiver.example/v1/logs", .records = 10};

START_TEST(facts_to_decisions)
{
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct row *row = &table[i];
        const struct azm_answer a = {
            .curl_code = row->curl_code,
            .curl_words = row->curl_code ? "curl's words" : "",
            .status = row->status,
            .content_type = row->content_type,
            .retry_after = "",
            .error_code = row->error_code,
            .request_id = "",
            .redirect_url = "",
            .body = row->body,
            .body_len = row->body_len,
            .body_cut = row->body_cut,
        };
        const struct azm_verdict v = decide(&a, &first_attempt);

        ck_assert_msg(v.decision == row->decision, "%s: decision %d", row->name, v.decision);
        ck_assert_msg(strcmp(v.reason, row->reason ? row->reason : "") == 0, "%s: \"%s\"", row->name, v.reason);
        ck_assert_msg((v.remedy != NULL) == row->remedy, "%s: %s", row->name, v.remedy ? v.remedy : "no remedy");
        ck_assert_uint_eq(v.retry_after_usec, 0);
    }
}
END_TEST

/* Only 2xx is taken, only six others heal by themselves; nothing else is ever given up or resent quickly. */
START_TEST(every_status)
{
    for (long status = 0; status <= 999; status++) {
        static const long soon[] = {408, 429, 500, 502, 503, 504};
        enum azm_decision expected = status / 100 == 2 ? AZM_ACKNOWLEDGE : AZM_HOLD;
        struct azm_answer a = no_answer;
        struct azm_verdict v;

        for (size_t i = 0; i < ELEMENTSOF(soon); i++)
            if (status == soon[i])
                expected = AZM_RETRY;
        a.status = status;
        v = decide(&a, &first_attempt);
        ck_assert_msg(v.decision == expected, "HTTP %ld: decision %d", status, v.decision);
        ck_assert_msg((v.remedy != NULL) == (expected == AZM_HOLD), "HTTP %ld", status);
    }
}
END_TEST

/* A transfer that failed is never an acknowledgement, whatever status came before it broke. */
START_TEST(every_curl_code)
{
    for (int code = 1; code < CURL_LAST; code++)
        for (long status = 0; status <= 500; status += 100) {
            struct azm_answer a = no_answer;

            a.curl_code = code;
            a.curl_words = curl_easy_strerror((CURLcode)code);
            a.status = status;
            ck_assert_int_ne(decide(&a, &first_attempt).decision, AZM_ACKNOWLEDGE);
        }
}
END_TEST

START_TEST(long_words_are_cut)
{
    struct azm_answer a = no_answer;
    struct azm_verdict v;
    char words[1000];

    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    a.curl_code = CURLE_COULDNT_CONNECT;
    a.curl_words = words;
    v = decide(&a, &first_attempt);
    ck_assert_uint_gt(strlen(v.reason), 100);
    ck_assert_uint_lt(strlen(v.reason), sizeof v.reason);
}
END_TEST

START_TEST(retry_after)
{
    static const struct {
        const char *value;
        uint64_t usec;
    } values[] = {
        {"", 0},
        {"0", 0},
        {"1", 1 * SEC},
        {"120", 120 * SEC},
        {"  7", 7 * SEC},
        {"7 ", 7 * SEC},
        {"3600", 3600 * SEC},
        {"3601", 3600 * SEC}, /* more is an error, or as good as a hold */
        {"86400", 3600 * SEC},
        {"4294967297", 3600 * SEC}, /* not 1: nothing wraps around */
        {"18446744073709551617", 3600 * SEC},
        {"99999999999999999999999999999999999999", 3600 * SEC},
        {"-5", 0},
        {"1.5", 0},
        {"12abc", 0},
        {"0x10", 0},
        {"soon", 0},
        {"Sat, 14 Nov 2026 00:00:10 GMT", 10 * SEC},
        {"Saturday, 14-Nov-26 00:00:10 GMT", 10 * SEC}, /* RFC 850 */
        {"Sat Nov 14 00:00:10 2026", 10 * SEC},         /* asctime */
        {"Sat, 14 Nov 2026 00:00:00 GMT", 0},           /* now */
        {"Fri, 13 Nov 2026 23:59:59 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Sat, 14 Nov 2026 00:59:59 GMT", 3599 * SEC},
        {"Sun, 14 Nov 2027 00:00:00 GMT", 3600 * SEC},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 3600 * SEC},
        {"Sat, 99 Nov 2026 00:00:10 GMT", 0},
    };
    static const struct {
        int curl_code;
        long status;
    } failures[] = {{0, 429}, {0, 503}, {0, 400}, {0, 308}, {CURLE_RECV_ERROR, 503}};

    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        struct azm_answer a = no_answer;

        a.retry_after = values[i].value;
        for (size_t k = 0; k < ELEMENTSOF(failures); k++) {
            struct azm_verdict v;

            a.curl_code = failures[k].curl_code;
            a.curl_words = a.curl_code ? "reset" : "";
            a.status = failures[k].status;
            v = decide(&a, &first_attempt);
            ck_assert_msg(v.retry_after_usec == values[i].usec, "\"%s\": %llu us", values[i].value,
                          (unsigned long long)v.retry_after_usec);
        }
        a.curl_code = 0;
        a.status = 200; /* decide() checks that there is nothing to wait for */
        decide(&a, &first_attempt);
    }
}
END_TEST

/* A date is in whole seconds, now is not. */
START_TEST(retry_after_date_counts_from_now)
{
    struct azm_answer a = no_answer;
    struct azm_verdict v;

    a.status = 503;
    a.retry_after = "Sat, 14 Nov 2026 00:00:10 GMT";
    azm_delivery_decide(&a, &first_attempt, NOW + 250000, &v);
    ck_assert_uint_eq(v.retry_after_usec, 9750000);
    azm_delivery_decide(&a, &first_attempt, NOW + 10 * SEC + 1, &v);
    ck_assert_uint_eq(v.retry_after_usec, 0);
}
END_TEST

/* --- what depends on the attempt --- */

#define HERE "https://receiver.example/v1/logs"
#define AZURE_HERE "https://d-1.westeurope-1.ingest.monitor.azure.com/dataCollectionRules/r/streams/s"
#define JSON_ERROR(code) "application/json", BODY("{\"error\":{\"code\":\"" code "\",\"message\":\"" MARK "\"}}")

#define O AZM_PROFILE_OTLP
#define A AZM_PROFILE_AZURE

static const struct attempt_row {
    const char *name;
    /* the answer */
    int curl_code;
    long status;
    const char *content_type;
    const uint8_t *body;
    size_t body_len;
    const char *redirect_url;
    /* the attempt */
    struct azm_attempt t;
    /* the verdict */
    enum azm_decision decision;
    unsigned failures;
    bool suspect, keep_credentials;
} attempts[] = {
    /* clang-format off */
    /* refused data: only if others are taken */
    {"400 to everything",       0, 400, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"400 to one, alone",       0, 400, "", NULL, 0, "", {O, HERE, 1, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"400 to some",             0, 400, "", NULL, 0, "", {O, HERE, 10, .proven = 1}, AZM_SPLIT, 0, 0, 0},
    {"400 to two",              0, 400, "", NULL, 0, "", {O, HERE, 2, .proven = 1}, AZM_SPLIT, 0, 0, 0},
    {"400 to one",              0, 400, "", NULL, 0, "", {O, HERE, 1, .proven = 1}, AZM_QUARANTINE, 0, 0, 0},
    {"422 to one",              0, 422, "", NULL, 0, "", {O, HERE, 1, .proven = 1}, AZM_QUARANTINE, 0, 0, 0},
    {"Azure's 400 to one",      0, 400, JSON_ERROR("InvalidRecord"), "", {A, AZURE_HERE, 1, .proven = 1}, AZM_QUARANTINE, 0, 0, 0},
    {"Azure's 400 to some",     0, 400, JSON_ERROR("InvalidRecord"), "", {A, AZURE_HERE, 9, .proven = 1}, AZM_SPLIT, 0, 0, 0},
    /* these are no data's fault, whatever is proven */
    {"InvalidStream",           0, 400, JSON_ERROR("InvalidStream"), "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"a code that OTLP has not", 0, 400, JSON_ERROR("InvalidStream"), "", {O, HERE, 1, .proven = 1}, AZM_QUARANTINE, 0, 0, 0},
    {"no Content-Length",       0, 400, "application/json", BODY("{\"code\":\"MissingContentLengthHeader\"}"), "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"403",                     0, 403, "", NULL, 0, "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"404",                     0, 404, "", NULL, 0, "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"415",                     0, 415, "", NULL, 0, "", {O, HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"quota",                   0, 402, "", NULL, 0, "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"quota, once more",        0, 439, "", NULL, 0, "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    {"a proxy's page",          0, 200, "text/html", BODY("<html>"), "", {O, HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    /* too large */
    {"413 to everything",       0, 413, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"413",                     0, 413, "", NULL, 0, "", {O, HERE, 10, .proven = 1}, AZM_SPLIT, 0, 0, 0},
    {"413 to one, alone",       0, 413, "", NULL, 0, "", {O, HERE, 1, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"413 to one",              0, 413, "", NULL, 0, "", {O, HERE, 1, .proven = 1}, AZM_TRUNCATE, 0, 0, 0},
    {"413 to a truncated one",  0, 413, "", NULL, 0, "", {O, HERE, 1, .proven = 1, .truncated = 1}, AZM_QUARANTINE, 0, 0, 0},
    {"400 to a truncated one",  0, 400, "", NULL, 0, "", {O, HERE, 1, .proven = 1, .truncated = 1}, AZM_QUARANTINE, 0, 0, 0},
    /* the same request fails again and again, while others pass */
    {"first failure",           0, 500, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_RETRY, 1, 0, 0},
    {"an outage",               0, 500, "", NULL, 0, "", {O, HERE, 10, .failures = 1}, AZM_RETRY, 1, 0, 0},
    {"a long outage",           0, 500, "", NULL, 0, "", {O, HERE, 10, .failures = 4}, AZM_RETRY, 4, 0, 0},
    {"second, others pass",     0, 500, "", NULL, 0, "", {O, HERE, 10, .failures = 1, .others_passed = 1}, AZM_RETRY, 2, 0, 0},
    {"fourth",                  0, 500, "", NULL, 0, "", {O, HERE, 10, .failures = 3, .others_passed = 1}, AZM_RETRY, 4, 0, 0},
    {"fifth",                   0, 500, "", NULL, 0, "", {O, HERE, 10, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, 0},
    {"fifth, of one",           0, 502, "", NULL, 0, "", {O, HERE, 1, .failures = 4, .others_passed = 1}, AZM_QUARANTINE, 5, 1, 0},
    {"by reset",                CURLE_RECV_ERROR, 0, "", NULL, 0, "", {O, HERE, 10, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, 0},
    {"by timeout",              CURLE_OPERATION_TIMEDOUT, 0, "", NULL, 0, "", {O, HERE, 10, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, 0},
    {"by hanging up",           CURLE_GOT_NOTHING, 0, "", NULL, 0, "", {O, HERE, 10, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, 0},
    {"by 408",                  0, 408, "", NULL, 0, "", {O, HERE, 10, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, 0},
    {"half, first",             0, 500, "", NULL, 0, "", {O, HERE, 5, .suspect = 1}, AZM_RETRY, 1, 0, 0},
    {"half, in an outage",      0, 500, "", NULL, 0, "", {O, HERE, 5, .suspect = 1, .failures = 1}, AZM_RETRY, 1, 0, 0},
    {"half, again",             0, 500, "", NULL, 0, "", {O, HERE, 5, .suspect = 1, .failures = 1, .others_passed = 1}, AZM_SPLIT, 2, 1, 0},
    {"one, again",              0, 500, "", NULL, 0, "", {O, HERE, 1, .suspect = 1, .failures = 1, .others_passed = 1}, AZM_RETRY, 2, 0, 0},
    {"one, at last", 0, 500, "", NULL, 0, "", {O, HERE, 1, .suspect = 1, .failures = 4, .others_passed = 1}, AZM_QUARANTINE, 5, 1, 0},
    /* nobody's data has a part in these */
    {"503, however often", 0, 503, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1, .suspect = 1}, AZM_RETRY, 9, 0, 0},
    {"429, however often",      0, 429, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1, .suspect = 1}, AZM_RETRY, 9, 0, 0},
    {"no connection",           CURLE_COULDNT_CONNECT, 0, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, 0},
    {"no name",                 CURLE_COULDNT_RESOLVE_HOST, 0, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, 0},
    {"no TLS",                  CURLE_SSL_CONNECT_ERROR, 0, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, 0},
    {"wrong certificate",       CURLE_PEER_FAILED_VERIFICATION, 0, "", NULL, 0, "", {O, HERE, 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, 0},
    /* Azure retries every 5xx */
    {"505 from Azure",          0, 505, "", NULL, 0, "", {A, AZURE_HERE, 10, .proven = 0}, AZM_RETRY, 1, 0, 0},
    {"505 from another",        0, 505, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    /* credentials */
    {"401, nothing to renew",   0, 401, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"401",                     0, 401, "", NULL, 0, "", {O, HERE, 10, .renewable = 1}, AZM_RENEW, 0, 0, 0},
    {"401, proven",             0, 401, "", NULL, 0, "", {A, AZURE_HERE, 1, .proven = 1}, AZM_HOLD, 0, 0, 0},
    /* redirects */
    {"same host",               0, 307, "", NULL, 0, "https://receiver.example/other", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 1},
    {"same host, its port",     0, 308, "", NULL, 0, "https://RECEIVER.example:443/", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 1},
    {"another port",            0, 308, "", NULL, 0, "https://receiver.example:444/", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"another host",            0, 308, "", NULL, 0, "https://evil.example/v1/logs", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"a host in another's name", 0, 308, "", NULL, 0, "https://receiver.example.evil.example/", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"a host before the @",     0, 308, "", NULL, 0, "https://receiver.example@evil.example/", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"Azure to Azure",          0, 308, "", NULL, 0, "https://x.eastus-1.ingest.monitor.azure.com/", {A, AZURE_HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 1},
    {"another to Azure",        0, 308, "", NULL, 0, "https://x.eastus-1.ingest.monitor.azure.com/", {O, HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"Azure to one like it",    0, 308, "", NULL, 0, "https://ingest.monitor.azure.com.evil.example/", {A, AZURE_HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"Azure's name, no dot",    0, 308, "", NULL, 0, "https://evilingest.monitor.azure.com/", {A, AZURE_HERE, 10, .proven = 0}, AZM_FOLLOW, 0, 0, 0},
    {"to http",                 0, 307, "", NULL, 0, "http://receiver.example/v1/logs", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"to a file",               0, 307, "", NULL, 0, "file:///etc/shadow", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"nowhere",                 0, 307, "", NULL, 0, "", {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    {"the fifth",               0, 307, "", NULL, 0, HERE, {O, HERE, 10, .redirects = 4}, AZM_FOLLOW, 0, 0, 1},
    {"in circles",              0, 307, "", NULL, 0, HERE, {O, HERE, 10, .redirects = 5}, AZM_HOLD, 0, 0, 0},
    {"302 changes the method",  0, 302, "", NULL, 0, HERE, {O, HERE, 10, .proven = 0}, AZM_HOLD, 0, 0, 0},
    /* clang-format on */
};

START_TEST(attempts_to_decisions)
{
    for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
        const struct attempt_row *row = &attempts[i];
        struct azm_answer a = no_answer;
        struct azm_verdict v;

        a.curl_code = row->curl_code;
        a.curl_words = row->curl_code ? "curl's words" : "";
        a.status = row->status;
        a.content_type = row->content_type;
        a.body = row->body;
        a.body_len = row->body_len;
        a.redirect_url = row->redirect_url;
        v = decide(&a, &row->t);
        ck_assert_msg(v.decision == row->decision, "%s: decision %d", row->name, v.decision);
        ck_assert_msg(v.failures == row->failures, "%s: %u failures", row->name, v.failures);
        ck_assert_msg(v.suspect == row->suspect, "%s: suspect %d", row->name, v.suspect);
        ck_assert_msg(v.keep_credentials == row->keep_credentials, "%s: credentials %d", row->name, v.keep_credentials);
    }
}
END_TEST

/* Whatever comes back, and whatever was before: nothing is quarantined or split while nothing is proven, and only a
 * success is ever an acknowledgement. */
START_TEST(every_status_unproven)
{
    for (long status = 0; status <= 999; status++)
        for (int k = 0; k < 8; k++) {
            struct azm_answer a = no_answer;
            struct azm_attempt t = first_attempt;
            struct azm_verdict v;

            a.status = status;
            t.profile = k & 1 ? AZM_PROFILE_AZURE : AZM_PROFILE_OTLP;
            t.records = k & 2 ? 1 : 10;
            t.failures = k & 4 ? 100 : 0;
            v = decide(&a, &t);
            ck_assert_msg((v.decision == AZM_ACKNOWLEDGE) == (status / 100 == 2), "HTTP %ld: %d", status, v.decision);
            ck_assert_msg(v.decision == AZM_ACKNOWLEDGE || v.decision == AZM_RETRY || v.decision == AZM_HOLD ||
                              t.failures > 0,
                          "HTTP %ld: %d", status, v.decision);
        }
}
END_TEST

/* Words go into the quarantine, from wherever they stand. */
START_TEST(words)
{
    static const struct {
        long status;
        const char *content_type;
        const uint8_t *body;
        size_t body_len;
        const char *words;
    } rows[] = {
        {400, PROTOBUF, BODY("\x08\x03\x12\x05odd 1"), "odd 1"},
        {200, PROTOBUF, BODY("\x0A\x09\x08\x03\x12\x05odd 2"), "odd 2"},
        {400, "application/json", BODY("{\"code\":\"X\",\"message\":\"odd 3\"}"), "odd 3"},
        {400, "application/json; charset=utf-8", BODY("{\"error\":{\"message\":\"odd 4\"}}"), "odd 4"},
        {200, "application/json", BODY("{\"partialSuccess\":{\"errorMessage\":\"odd 5\"}}"), "odd 5"},
        {400, "text/plain", BODY("odd 6"), "odd 6"},
        {400, "text/html", BODY("<html>"), ""},
        {400, "text/html", BODY("<html><title>odd 7</title><h1>x"), "odd 7"},
        {400, "text/html; charset=utf-8", BODY("<title>odd 8"), "odd 8"},
        {400, "text/html", BODY("<title>"), ""},
        {400, "text/html", NULL, 0, ""},
        {400, PROTOBUF, GARBAGE, ""},
        {400, "application/json", BODY("{\"error\":7}"), ""},
        {400, "application/json", BODY("[[[[[[["), ""},
        {400, "", NULL, 0, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_answer a = no_answer;
        char text[AZM_WORDS_MAX];

        a.status = rows[i].status;
        a.content_type = rows[i].content_type;
        a.body = rows[i].body;
        a.body_len = rows[i].body_len;
        azm_delivery_words(&a, text);
        ck_assert_str_eq(text, rows[i].words);
    }
}
END_TEST

/* A proxy that refuses CONNECT, or a server that refuses our certificate, says nothing about the records: they never
 * become suspect, however often it happens and whatever else is taken. */
START_TEST(refused_on_the_way)
{
    static const struct {
        long connect_code;
        const char *words, *remedy;
        enum azm_decision decision;
    } rows[] = {
        {407, "CONNECT tunnel failed, response 407", "https_proxy=http://USER:PASSWORD@", AZM_HOLD},
        {403, "CONNECT tunnel failed, response 403", "have its rules changed", AZM_HOLD},
        {302, "CONNECT tunnel failed, response 302", "https_proxy", AZM_HOLD},
        {503, "CONNECT tunnel failed, response 503", "does not reach the destination", AZM_RETRY},
        {0, "error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0", "tls_cert_file=", AZM_HOLD},
        {200, "error:0A000418:SSL routines::tlsv1 alert unknown ca, errno 0", "tls_cert_file=", AZM_HOLD},
        {0, "error:0A000412:SSL routines::sslv3 alert bad certificate", "tls_cert_file=", AZM_HOLD},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_attempt t = first_attempt;
        struct azm_answer a = no_answer;

        a.curl_code = CURLE_RECV_ERROR;
        a.curl_words = rows[i].words;
        a.connect_code = rows[i].connect_code;
        t.others_passed = t.proven = t.suspect = true;
        t.records = 1;
        for (unsigned n = 0; n < 3 * AZM_FAILURES_MAX; n++) {
            struct azm_verdict v = decide(&a, &t);

            ck_assert_int_eq(v.decision, rows[i].decision);
            ck_assert_ptr_nonnull(strstr(v.remedy, rows[i].remedy));
            ck_assert(!v.suspect);
            t.failures = v.failures;
        }
    }
    /* once through the proxy, a reset is a reset */
    struct azm_answer a = no_answer;

    a.curl_code = CURLE_RECV_ERROR;
    a.curl_words = "reset";
    a.connect_code = 200;
    ck_assert_int_eq(decide(&a, &first_attempt).meaning, AZM_FAILED);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "attempts_to_decisions", attempts_to_decisions);
    add_test(s, "every_status_unproven", every_status_unproven);
    add_test(s, "words", words);
    add_test(s, "facts_to_decisions", facts_to_decisions);
    add_test(s, "every_status", every_status);
    add_test(s, "refused_on_the_way", refused_on_the_way);
    add_test(s, "every_curl_code", every_curl_code);
    add_test(s, "long_words_are_cut", long_words_are_cut);
    add_test(s, "retry_after", retry_after);
    add_test(s, "retry_after_date_counts_from_now", retry_after_date_counts_from_now);
}

TEST_MAIN("delivery", add_tests)
