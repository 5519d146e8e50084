/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>

#include "export/remedy.h"
#include "tests/unit/delivery_help.h"

/* The decisions that are Azure's own: tokens, remedies, and where a token may follow a redirect. test_delivery.c has
 * what is common to all, test_delivery_items.c what is said of single records. */

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
        {404, O, 0, 0, AZM_HOLD, "check host and path of <section> endpoint="},
        {405, A, 0, 0, AZM_HOLD, "check host and path of <section> endpoint="},
        /* types */
        {415, A, 0, 0, AZM_HOLD, "must end in /streams/<stream>"},
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
                ck_assert_ptr_null(strstr(printed, "<section>"));
                ck_assert_ptr_null(strstr(printed, "<stream>"));
                ck_assert_ptr_null(strstr(printed, "<ingestion>"));
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

static void add_tests(Suite *s)
{
    add_test(s, "statuses_and_what_to_do", statuses_and_what_to_do);
    add_test(s, "every_status_of_all", every_status_of_all);
    add_test(s, "a_rule_of_another_endpoint", a_rule_of_another_endpoint);
    add_test(s, "every_remedy_fits", every_remedy_fits);
    add_test(s, "where_a_token_follows", where_a_token_follows);
}

TEST_MAIN("delivery_azure", add_tests)
