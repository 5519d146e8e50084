/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>

#include "core/clock.h"
#include "export/delivery.h"
#include "export/remedy.h"
#include "tests/unit/test.h"

/* The decisions that are Azure's own: Application Insights' answers about single records, tokens, remedies, and where
 * a token may follow a redirect. test_delivery.c has what is common to all. */

#define SEC AZM_USEC_PER_SEC
#define NOW (UINT64_C(1794614400) * SEC)
#define MARK "S3CRET" /* stands in bodies; must never be shown */

#define O AZM_PROFILE_OTLP
#define A AZM_PROFILE_AZURE
#define I AZM_PROFILE_APPINSIGHTS

#define QUOTA "the quota is used up"

static const struct azm_answer no_answer = {.curl_words = "words of curl",
                                            .content_type = "application/json; charset=utf-8",
                                            .retry_after = "",
                                            .error_code = "",
                                            .request_id = "",
                                            .redirect_url = ""};

/* `body` is JSON with ' for ". */
static struct azm_answer answer_of(long status, const char *body)
{
    static char text[4096];
    struct azm_answer a = no_answer;

    snprintf(text, sizeof text, "%s", body);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    a.status = status;
    a.body = (const uint8_t *)text;
    a.body_len = strlen(text);
    return a;
}

static struct azm_verdict decide(const struct azm_answer *a, const struct azm_attempt *t)
{
    struct azm_verdict v;

    memset(&v, 0xA5, sizeof v); /* all of it must be set */
    azm_delivery_decide(a, t, NOW, &v);
    ck_assert_ptr_nonnull(memchr(v.reason, '\0', sizeof v.reason));
    ck_assert_ptr_null(strstr(v.reason, MARK));
    ck_assert((v.decision == AZM_ACKNOWLEDGE) == !*v.reason);
    return v;
}

/* --- 206 of Application Insights --- */

#define ERRORS(received, accepted, errors)                                                                             \
    "{'itemsReceived':" #received ",'itemsAccepted':" #accepted ",'errors':[" errors "]}"
#define ERROR(index, status) "{'index':" #index ",'statusCode':" #status ",'message':'" MARK "'}"
#define SILENT "HTTP 206 without a word on which records were accepted"

START_TEST(some_were_accepted)
{
    static const struct {
        const char *body;
        struct azm_attempt t;
        enum azm_decision decision;
        unsigned failures;
        const char *reason;
        const char *remedy; /* how it begins; NULL: none */
    } table[] = {
        {ERRORS(3, 3, ""), {I, .records = 3}, AZM_ACKNOWLEDGE, 0, "", NULL},
        /* left out by sampling, which was asked for */
        {ERRORS(3, 0, ERROR(0, 206) "," ERROR(1, 206) "," ERROR(2, 200)),
         {I, .records = 3},
         AZM_ACKNOWLEDGE,
         0,
         "",
         NULL},
        /* a mix is sorted, whatever it is */
        {ERRORS(3, 2, ERROR(1, 400)), {I, .records = 3}, AZM_SORT, 0, "HTTP 206: 2 of 3 records accepted", NULL},
        {ERRORS(3, 2, ERROR(2, 429)), {I, .records = 3}, AZM_SORT, 0, "HTTP 206: 2 of 3 records accepted", NULL},
        {ERRORS(3, 1, ERROR(2, 500) "," ERROR(0, 400)),
         {I, .records = 3},
         AZM_SORT,
         0,
         "HTTP 206: 1 of 3 records accepted",
         NULL},
        {ERRORS(3, 1, ERROR(0, 439) "," ERROR(1, 206) "," ERROR(2, 503)),
         {I, .records = 3},
         AZM_SORT,
         0,
         "HTTP 206: 1 of 3 records accepted",
         NULL},
        {ERRORS(3, 2, ERROR(1, 400)),
         {I, .records = 3, .proven = 1},
         AZM_SORT,
         0,
         "HTTP 206: 2 of 3 records accepted",
         NULL},
        {ERRORS(3, 2, ERROR(1, 500)),
         {I, .records = 3, .failures = 4, .others_passed = 1},
         AZM_SORT,
         4,
         "HTTP 206: 2 of 3 records accepted",
         NULL},
        /* none was: as if that were the status of all, the worst one */
        {ERRORS(2, 0, ERROR(0, 400) "," ERROR(1, 413)),
         {I, .records = 2},
         AZM_HOLD,
         0,
         "HTTP 206: 0 of 2 records accepted",
         NULL},
        {ERRORS(2, 0, ERROR(0, 400) "," ERROR(1, 400)),
         {I, .records = 2, .proven = 1},
         AZM_SPLIT,
         0,
         "HTTP 206: 0 of 2 records accepted",
         NULL},
        {ERRORS(1, 0, ERROR(0, 400)),
         {I, .records = 1, .proven = 1},
         AZM_QUARANTINE,
         0,
         "HTTP 206: 0 of 1 records accepted",
         NULL},
        {ERRORS(1, 0, ERROR(0, 400)), {I, .records = 1}, AZM_HOLD, 0, "HTTP 206: 0 of 1 records accepted", NULL},
        {ERRORS(1, 0, ERROR(0, 401)),
         {I, .records = 1, .token = 1, .renewable = 1, .proven = 1},
         AZM_QUARANTINE,
         0,
         "HTTP 206: 0 of 1 records accepted",
         NULL},
        {ERRORS(2, 0, ERROR(0, 400) "," ERROR(1, 500)),
         {I, .records = 2, .proven = 1},
         AZM_RETRY,
         1,
         "HTTP 206: 0 of 2 records accepted",
         NULL},
        {ERRORS(1, 0, ERROR(0, 500)),
         {I, .records = 1, .failures = 4, .others_passed = 1},
         AZM_QUARANTINE,
         5,
         "HTTP 206: 0 of 1 records accepted",
         NULL},
        {ERRORS(2, 0, ERROR(0, 500) "," ERROR(1, 503)),
         {I, .records = 2, .failures = 9, .others_passed = 1},
         AZM_RETRY,
         9,
         "HTTP 206: 0 of 2 records accepted",
         NULL},
        {ERRORS(2, 0, ERROR(0, 429) "," ERROR(1, 503)),
         {I, .records = 2, .failures = 9, .others_passed = 1},
         AZM_RETRY,
         9,
         "HTTP 206: 0 of 2 records accepted",
         NULL},
        {ERRORS(2, 0, ERROR(0, 439) "," ERROR(1, 429)),
         {I, .records = 2, .proven = 1},
         AZM_HOLD,
         0,
         "HTTP 206: 0 of 2 records accepted",
         QUOTA},
        {ERRORS(2, 0, ERROR(0, 402) "," ERROR(1, 400)),
         {I, .records = 2, .proven = 1},
         AZM_HOLD,
         0,
         "HTTP 206: 0 of 2 records accepted",
         QUOTA},
        /* it does not say */
        {"", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"[]", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{'itemsReceived':3,'itemsAccepted':3}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{'itemsReceived':3,'itemsAccepted':3,'errors':null}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{'itemsReceived':3,'itemsAccepted':3,'errors':{}}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{'itemsReceived':3,'itemsAccepted':2,'errors':[" ERROR(1, 400),
         {I, .records = 3},
         AZM_RETRY,
         1,
         SILENT,
         NULL},
        {"{'itemsReceived':3,'itemsReceived':3,'errors':[]}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {"{'errors':[]}", {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS('3', 2, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        /* about another request */
        {ERRORS(2, 2, ""), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(4, 3, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(-3, 2, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3.0, 2, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 3, ERROR(3, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(-1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(4294967296, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL}, /* not 0 */
        {ERRORS(3, 2, ERROR(9223372036854775807, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(18446744073709551616, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1.0, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR('1', 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(null, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, "{'statusCode':400}"), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        /* nonsense */
        {ERRORS(3, 2, ERROR(1, 0)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, 99)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, 600)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, -400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, 4294967696)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, '400')), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, 400.0)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, "{'index':1}"), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, "[]"), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, "7"), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        /* records of which it says nothing were not taken, as far as anybody knows */
        {ERRORS(3, 0, ""), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 1, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 1, ERROR(1, 400) "," ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, -1, ERROR(1, 400)), {I, .records = 3}, AZM_RETRY, 1, SILENT, NULL},
        {ERRORS(3, 2, ERROR(1, 400) "," ERROR(1, 400)),
         {I, .records = 3},
         AZM_SORT,
         0,
         "HTTP 206: 2 of 3 records accepted",
         NULL},
        {"{'itemsReceived':3,'errors':[" ERROR(1, 400) "]}",
         {I, .records = 3},
         AZM_SORT,
         0,
         "HTTP 206: 2 of 3 records accepted",
         NULL},
        {"{'itemsReceived':3,'itemsAccepted':2,'errors':[{'index':1,'statusCode':400,'message':7}],'x':{}}",
         {I, .records = 3},
         AZM_SORT,
         0,
         "HTTP 206: 2 of 3 records accepted",
         NULL},
        /* it goes on failing like that while others pass */
        {"", {I, .records = 3, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, SILENT, NULL},
        /* only Application Insights answers so */
        {ERRORS(3, 2, ERROR(1, 400)), {A, .records = 3}, AZM_ACKNOWLEDGE, 0, "", NULL},
        {ERRORS(3, 2, ERROR(1, 400)), {O, .records = 3}, AZM_ACKNOWLEDGE, 0, "", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_answer a = answer_of(206, table[i].body);
        const struct azm_verdict v = decide(&a, &table[i].t);

        ck_assert_msg(v.decision == table[i].decision, "%s: decision %d", table[i].body, v.decision);
        ck_assert_msg(v.failures == table[i].failures, "%s: %u failures", table[i].body, v.failures);
        ck_assert_msg(strcmp(v.reason, table[i].reason) == 0, "%s: %s", table[i].body, v.reason);
        ck_assert_msg(table[i].remedy ? v.remedy && strncmp(v.remedy, table[i].remedy, strlen(table[i].remedy)) == 0
                                      : !v.remedy,
                      "%s: %s", table[i].body, v.remedy ? v.remedy : "no remedy");
    }
}
END_TEST

/* What is no answer of Application Insights, although the status says so. */
START_TEST(a_206_from_somebody_else)
{
    const struct azm_attempt t = {I, .records = 3};
    struct azm_answer a = answer_of(206, ERRORS(3, 3, ""));

    ck_assert_int_eq(decide(&a, &t).decision, AZM_ACKNOWLEDGE);
    a.content_type = "text/html";
    ck_assert_int_eq(decide(&a, &t).decision, AZM_HOLD);
    a.content_type = "";
    ck_assert_int_eq(decide(&a, &t).decision, AZM_ACKNOWLEDGE);
    a.curl_code = CURLE_WRITE_ERROR;
    a.body_cut = true;
    ck_assert_int_eq(decide(&a, &t).decision, AZM_HOLD);
    a.body_cut = false;
    ck_assert_int_eq(decide(&a, &t).decision, AZM_RETRY);
}
END_TEST

/* 200 means all of it; who wants to say less says 206. */
START_TEST(a_200_is_all_of_it)
{
    const struct azm_attempt t = {I, .records = 3};
    const struct azm_answer a = answer_of(200, ERRORS(3, 2, ERROR(1, 400)));

    ck_assert_int_eq(decide(&a, &t).decision, AZM_ACKNOWLEDGE);
}
END_TEST

/* --- records of a 206 --- */

START_TEST(items_are_read)
{
    const struct azm_answer a =
        answer_of(206, "{'itemsReceived':4,'itemsAccepted':1,'errors':[{'index':3,'statusCode':400,'message':'odd'},"
                       "{'index':1,'statusCode':429},{'index':2,'statusCode':206,'message':'sampled out'}]}");
    struct azm_items items;

    ck_assert_int_eq(azm_delivery_items(&a, 4, &items), 0);
    ck_assert_uint_eq(items.n, 4);
    ck_assert(items.items[0].status == 200 && items.items[0].meaning == AZM_TAKEN && !items.items[0].message);
    ck_assert(items.items[1].status == 429 && items.items[1].meaning == AZM_THROTTLED && !items.items[1].message);
    ck_assert(items.items[2].status == 206 && items.items[2].meaning == AZM_TAKEN);
    ck_assert(items.items[3].status == 400 && items.items[3].meaning == AZM_REFUSED);
    ck_assert_str_eq(items.items[3].message, "odd");
    azm_items_free(&items);
    ck_assert_ptr_null(items.items);

    ck_assert_int_eq(azm_delivery_items(&a, 5, &items), -EBADMSG);
    azm_items_free(&items);
}
END_TEST

/* A status of one record among others that were taken: what is about the whole request elsewhere is about the record
 * here. */
static enum azm_meaning expected_meaning(long status)
{
    switch (status) {
    case 402:
    case 439:
        return AZM_MISCONFIGURED;
    case 429:
        return AZM_THROTTLED;
    case 503:
        return AZM_OVERLOADED;
    case 408:
        return AZM_FAILED;
    default:
        return status / 100 == 2 ? AZM_TAKEN : status / 100 == 5 ? AZM_FAILED : AZM_REFUSED;
    }
}

START_TEST(every_status_of_an_item)
{
    for (long status = 100; status <= 599; status++) {
        struct azm_items items;
        struct azm_answer a;
        char body[128];

        snprintf(body, sizeof body, "{'itemsReceived':2,'errors':[{'index':1,'statusCode':%ld}]}", status);
        a = answer_of(206, body);
        ck_assert_int_eq(azm_delivery_items(&a, 2, &items), 0);
        ck_assert_msg(items.items[1].meaning == expected_meaning(status), "%ld: %d", status, items.items[1].meaning);
        azm_items_free(&items);
    }
}
END_TEST

START_TEST(decisions_on_items)
{
    static const struct {
        struct azm_item item;
        struct azm_attempt t;
        enum azm_decision decision;
        unsigned failures;
        bool suspect;
        const char *remedy; /* how it begins; NULL: none */
    } table[] = {
        {{AZM_TAKEN, 200, NULL}, {I, .records = 3}, AZM_ACKNOWLEDGE, 0, 0, NULL},
        /* that others were taken is the proof */
        {{AZM_REFUSED, 400, "odd"}, {I, .records = 1}, AZM_QUARANTINE, 0, 0, NULL},
        {{AZM_REFUSED, 400, "odd"}, {I, .records = 3}, AZM_QUARANTINE, 0, 0, NULL},
        {{AZM_REFUSED, 413, NULL}, {I, .records = 1, .failures = 2}, AZM_QUARANTINE, 2, 0, NULL},
        {{AZM_THROTTLED, 429, NULL}, {I, .records = 3}, AZM_RETRY, 0, 0, NULL},
        {{AZM_THROTTLED, 429, NULL}, {I, .records = 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, NULL},
        {{AZM_OVERLOADED, 503, NULL}, {I, .records = 1, .failures = 9, .others_passed = 1}, AZM_RETRY, 9, 0, NULL},
        {{AZM_FAILED, 500, NULL}, {I, .records = 3}, AZM_RETRY, 1, 0, NULL},
        {{AZM_FAILED, 500, NULL}, {I, .records = 3, .failures = 4}, AZM_RETRY, 4, 0, NULL},
        {{AZM_FAILED, 500, NULL}, {I, .records = 3, .failures = 4, .others_passed = 1}, AZM_SPLIT, 5, 1, NULL},
        {{AZM_FAILED, 500, NULL}, {I, .records = 1, .failures = 4, .others_passed = 1}, AZM_QUARANTINE, 5, 1, NULL},
        {{AZM_MISCONFIGURED, 402, NULL}, {I, .records = 3, .proven = 1}, AZM_HOLD, 0, 0, QUOTA},
        {{AZM_MISCONFIGURED, 439, NULL}, {I, .records = 1, .proven = 1}, AZM_HOLD, 0, 0, QUOTA},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char reason[64];
        struct azm_verdict v;

        memset(&v, 0xA5, sizeof v);
        azm_delivery_decide_item(&table[i].item, &table[i].t, &v);
        ck_assert_msg(v.decision == table[i].decision, "row %zu: %d", i, v.decision);
        ck_assert_int_eq(v.meaning, table[i].item.meaning);
        ck_assert_msg(v.failures == table[i].failures, "row %zu: %u", i, v.failures);
        ck_assert_msg(v.suspect == table[i].suspect, "row %zu", i);
        ck_assert_msg(table[i].remedy ? v.remedy && strncmp(v.remedy, table[i].remedy, strlen(table[i].remedy)) == 0
                                      : !v.remedy,
                      "row %zu", i);
        snprintf(reason, sizeof reason, "status %ld for %zu of the records in a request", table[i].item.status,
                 table[i].t.records);
        ck_assert_str_eq(v.reason, reason);
        ck_assert_str_eq(v.code, "");
        ck_assert(v.retry_after_usec == 0 && v.rejected == 0 && !v.keep_credentials);
    }
}
END_TEST

/* --- the status of all --- */

START_TEST(statuses_and_what_to_do)
{
    static const struct {
        long status;
        enum azm_profile profile;
        bool token, renewable;
        enum azm_decision decision;
        const char *remedy; /* stands in it; NULL: there is none */
    } table[] = {
        {200, I, 0, 0, AZM_ACKNOWLEDGE, NULL},
        {204, I, 0, 0, AZM_ACKNOWLEDGE, NULL},
        {400, I, 0, 0, AZM_HOLD, "is the instrumentation key in connection_string= that of the resource?"},
        /* 401 */
        {401, O, 0, 0, AZM_HOLD, "set them with header= or headers_file="},
        {401, O, 0, 1, AZM_RENEW, "set them with header= or headers_file="},
        {401, A, 0, 0, AZM_HOLD, "the endpoint wants a token: set auth=default"},
        {401, I, 0, 0, AZM_HOLD, "the endpoint wants a token: set auth=default"},
        {401, A, 1, 0, AZM_HOLD, "does not accept the token: are cloud= and audience="},
        {401, A, 1, 1, AZM_RENEW, "does not accept the token: are cloud= and audience="},
        {401, I, 1, 1, AZM_RENEW, "does not accept the token: are cloud= and audience="},
        {401, A, 0, 1, AZM_RENEW, "does not accept the token"}, /* one that stands in headers_file= */
        /* quotas */
        {402, A, 0, 0, AZM_HOLD, QUOTA},
        {402, I, 0, 0, AZM_HOLD, QUOTA},
        {402, O, 0, 0, AZM_HOLD, "look into the server's own log"},
        {439, A, 0, 0, AZM_HOLD, QUOTA},
        {439, I, 0, 0, AZM_HOLD, QUOTA},
        {439, O, 0, 0, AZM_HOLD, "look into the server's own log"},
        /* permissions */
        {403, A, 1, 1, AZM_HOLD, "--scope $(az monitor data-collection rule list"},
        {403, I, 1, 1, AZM_HOLD, "--scope <resource id of the Application Insights resource>"},
        {403, O, 0, 1, AZM_HOLD, "check their permissions, and header= or headers_file="},
        /* nothing is there */
        {404, A, 1, 1, AZM_HOLD, "--query '[].immutableId'"},
        {404, I, 0, 0, AZM_HOLD, "--query '[].connectionString'"},
        {404, O, 0, 0, AZM_HOLD, "check host and path of [destination] endpoint="},
        {405, A, 0, 0, AZM_HOLD, "check host and path of [destination] endpoint="},
        /* types */
        {415, A, 0, 0, AZM_HOLD, "must end in /streams/Microsoft-OTLP-Logs/otlp/v1/logs"},
        {415, I, 0, 0, AZM_HOLD, "connection_string="},
        {415, O, 0, 0, AZM_HOLD, "does not take OTLP as protobuf"},
        {413, I, 0, 0, AZM_HOLD, "max_request_bytes"},
        /* it may work soon */
        {408, I, 0, 0, AZM_RETRY, NULL},
        {429, I, 0, 0, AZM_RETRY, NULL},
        {500, I, 0, 0, AZM_RETRY, NULL},
        {501, I, 0, 0, AZM_RETRY, NULL},
        {502, I, 0, 0, AZM_RETRY, NULL},
        {503, I, 0, 0, AZM_RETRY, NULL},
        {504, I, 0, 0, AZM_RETRY, NULL},
        {599, I, 0, 0, AZM_RETRY, NULL},
        {501, O, 0, 0, AZM_HOLD, "look into the server's own log"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_answer a = answer_of(table[i].status, "{'message':'" MARK "'}");
        const struct azm_attempt t = {.profile = table[i].profile,
                                      .origin = "https://h.example/",
                                      .records = 10,
                                      .token = table[i].token,
                                      .renewable = table[i].renewable};
        const struct azm_verdict v = decide(&a, &t);

        ck_assert_msg(v.decision == table[i].decision, "HTTP %ld, profile %d: %d", table[i].status, table[i].profile,
                      v.decision);
        ck_assert_msg(table[i].remedy ? v.remedy && strstr(v.remedy, table[i].remedy) : !v.remedy,
                      "HTTP %ld, profile %d: %s", table[i].status, table[i].profile, v.remedy ? v.remedy : "no remedy");
    }
}
END_TEST

/* Nothing is ever taken, given up or split by a status that is no success while nothing is proven. */
START_TEST(every_status_of_all)
{
    for (long status = 0; status <= 999; status++)
        for (int proven = 0; proven < 2; proven++) {
            const struct azm_attempt t = {I, .origin = "https://h.example/", .records = 1, .proven = proven};
            struct azm_answer a = no_answer;
            enum azm_decision d;

            a.status = status;
            d = decide(&a, &t).decision;
            if (status / 100 == 2 && status != 206)
                ck_assert_int_eq(d, AZM_ACKNOWLEDGE);
            else if (status == 206 || status == 408 || status == 429 || status / 100 == 5)
                ck_assert_int_eq(d, AZM_RETRY);
            else if (proven && status == 413)
                ck_assert_int_eq(d, AZM_TRUNCATE);
            else if (proven && (status == 400 || status == 422))
                ck_assert_int_eq(d, AZM_QUARANTINE);
            else
                ck_assert_msg(d == AZM_HOLD, "HTTP %ld: %d", status, d);
        }
}
END_TEST

/* --- remedies --- */

#define PRINCIPAL "0123abcd-4567-89ef-0123-456789abcdef"
#define RULE "dcr-0123456789abcdef0123456789abcdef"

/* 403 has two causes, and Azure names the second one only in its words. */
START_TEST(a_rule_of_another_endpoint)
{
    static const struct {
        const char *body, *remedy;
    } table[] = {
        {"{\"error\":{\"code\":\"OperationFailed\",\"message\":\"IsRbacPresent: True, IsDcrDceBindingValid: False\"}}",
         "dce= is not the endpoint that the rule belongs to"},
        {"{\"error\":{\"message\":\"\\\"IsDcrDceBindingValid\\\":\\\"false\\\"\"}}", "dce= is not the endpoint"},
        {"{\"error\":{\"message\":\"IsRbacPresent: False, IsDcrDceBindingValid: True\"}}", "az role assignment create"},
        {"{\"error\":{\"message\":\"IsDcrDceBindingValid\"}}", "az role assignment create"},
        {"", "az role assignment create"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_answer a = {.curl_words = "",
                                     .status = 403,
                                     .content_type = "application/json",
                                     .retry_after = "",
                                     .error_code = "",
                                     .request_id = "",
                                     .redirect_url = "",
                                     .body = (const uint8_t *)table[i].body,
                                     .body_len = strlen(table[i].body)};
        const struct azm_attempt t = {.profile = AZM_PROFILE_AZURE, .origin = "", .records = 1, .token = true};
        struct azm_verdict v;

        azm_delivery_decide(&a, &t, NOW, &v);
        ck_assert_int_eq(v.decision, AZM_HOLD);
        ck_assert_msg(strstr(v.remedy, table[i].remedy) != NULL, "%s: %s", table[i].body, v.remedy);
    }
}
END_TEST

/* All that azmonlog itself says fits, and is one line. */
START_TEST(every_remedy_fits)
{
    static const char *const codes[] = {"", "InvalidStream", "MissingContentLengthHeader"};
    const struct azm_remedy_facts facts = {.principal = PRINCIPAL, .rule = RULE};

    for (int profile = O; profile <= I; profile++)
        for (long status = -CURL_LAST; status <= 999; status++) /* negative: libcurl's codes */
            for (size_t k = 0; k < ELEMENTSOF(codes) * 2; k++) {
                const struct azm_attempt t = {
                    .profile = (enum azm_profile)profile, .origin = "https://h.example/", .records = 1, .token = k % 2};
                struct azm_answer a = no_answer;
                char printed[AZM_REMEDY_MAX];
                struct azm_verdict v;

                a.curl_code = status < 0 ? (int)-status : 0;
                a.status = status < 0 ? 0 : status;
                a.error_code = codes[k / 2];
                v = decide(&a, &t);
                azm_remedy_print(v.remedy, &facts, printed);
                if (!v.remedy)
                    continue;
                ck_assert_msg(strlen(printed) < AZM_REMEDY_MAX - 1, "%ld: %s", status, printed);
                ck_assert_ptr_null(strstr(printed, "<principal>"));
                ck_assert_ptr_null(strstr(printed, "<rule>"));
                ck_assert_ptr_null(strchr(printed, '\n'));
            }
}
END_TEST

/* --- redirects --- */

START_TEST(where_a_token_follows)
{
#define HOME "https://d.westeurope-1.ingest.monitor.azure.com/x"
    static const struct {
        enum azm_profile profile;
        const char *trusted_suffix, *url;
        enum azm_decision decision;
        bool keep_credentials;
    } table[] = {
        {I, NULL, "https://westeurope-5.in.applicationinsights.azure.com/", AZM_FOLLOW, true},
        {I, "", "https://westeurope-5.in.applicationinsights.azure.com/v2.1/track", AZM_FOLLOW, true},
        {A, "ingest.monitor.azure.com", "https://e.eastus-1.ingest.monitor.azure.com/", AZM_FOLLOW, true},
        {A, "ingest.monitor.azure.us", "https://e.eastus-1.ingest.monitor.azure.com/", AZM_FOLLOW, true},
        {O, "ingest.monitor.azure.com", "https://e.eastus-1.ingest.monitor.azure.com/", AZM_FOLLOW, false},
        {O, NULL, HOME, AZM_FOLLOW, true}, /* the same place */
        {A, "sovereign.example", "https://e.sovereign.example/", AZM_FOLLOW, true},
        {I, "sovereign.example", "https://E.Sovereign.Example:8443/", AZM_FOLLOW, true},
        {O, "sovereign.example", "https://e.sovereign.example/", AZM_FOLLOW, false},
        {A, NULL, "https://e.sovereign.example/", AZM_FOLLOW, false},
        {A, "", "https://e.sovereign.example/", AZM_FOLLOW, false},
        {A, "sovereign.example", "https://sovereign.example/", AZM_FOLLOW, false},
        {A, "sovereign.example", "https://evilsovereign.example/", AZM_FOLLOW, false},
        {A, "sovereign.example", "https://e.sovereign.example.evil.example/", AZM_FOLLOW, false},
        {A, "sovereign.example", "https://e.sovereign.example@evil.example/", AZM_FOLLOW, false},
        {A, "sovereign.example", "https://evil.example/e.sovereign.example", AZM_FOLLOW, false},
        {I, "sovereign.example", "https://ingest.monitor.azure.com.evil.example/", AZM_FOLLOW, false},
        {I, "sovereign.example", "https://evilingest.monitor.azure.com/", AZM_FOLLOW, false},
        {I, "sovereign.example", "http://e.sovereign.example/", AZM_HOLD, false},
        {I, NULL, "http://westeurope-5.in.applicationinsights.azure.com/", AZM_HOLD, false},
        {I, NULL, "", AZM_HOLD, false},
        {I, NULL, "/v2.1/track", AZM_HOLD, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table) * 2; i++) {
        const struct azm_attempt t = {.profile = table[i / 2].profile,
                                      .origin = HOME,
                                      .records = 10,
                                      .token = true,
                                      .renewable = true,
                                      .trusted_suffix = table[i / 2].trusted_suffix};
        struct azm_answer a = no_answer;
        struct azm_verdict v;

        a.status = i % 2 ? 308 : 307;
        a.redirect_url = table[i / 2].url;
        v = decide(&a, &t);
        ck_assert_msg(v.decision == table[i / 2].decision, "%s: %d", table[i / 2].url, v.decision);
        ck_assert_msg(v.keep_credentials == table[i / 2].keep_credentials, "%s", table[i / 2].url);
    }
}
END_TEST

/* The words on the first record that is refused, for the quarantine. */
START_TEST(words_of_application_insights)
{
    static const struct {
        long status;
        const char *body, *words;
    } table[] = {
        {400, ERRORS(1, 0, "{'index':0,'statusCode':400,'message':'odd 1'}"), "odd 1"},
        {206, ERRORS(2, 0, "{'index':1,'statusCode':400,'message':'odd 2'},{'index':0,'message':'odd 3'}"), "odd 2"},
        {400, ERRORS(1, 0, "{'index':0,'statusCode':400}"), ""},
        {400, ERRORS(1, 0, "{'index':0,'statusCode':400,'message':7}"), ""},
        {400, ERRORS(1, 0, ""), ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_answer a = answer_of(table[i].status, table[i].body);
        char words[AZM_WORDS_MAX];

        azm_delivery_words(&a, words);
        ck_assert_str_eq(words, table[i].words);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "some_were_accepted", some_were_accepted);
    add_test(s, "a_206_from_somebody_else", a_206_from_somebody_else);
    add_test(s, "a_200_is_all_of_it", a_200_is_all_of_it);
    add_test(s, "items_are_read", items_are_read);
    add_test(s, "every_status_of_an_item", every_status_of_an_item);
    add_test(s, "decisions_on_items", decisions_on_items);
    add_test(s, "statuses_and_what_to_do", statuses_and_what_to_do);
    add_test(s, "every_status_of_all", every_status_of_all);
    add_test(s, "a_rule_of_another_endpoint", a_rule_of_another_endpoint);
    add_test(s, "every_remedy_fits", every_remedy_fits);
    add_test(s, "where_a_token_follows", where_a_token_follows);
    add_test(s, "words_of_application_insights", words_of_application_insights);
}

TEST_MAIN("delivery_azure", add_tests)
