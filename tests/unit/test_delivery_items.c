/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>

#include "tests/unit/delivery_help.h"

/* Application Insights' answers about single records: 206, and the words of any other. */

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
    add_test(s, "words_of_application_insights", words_of_application_insights);
}

TEST_MAIN("delivery_items", add_tests)
