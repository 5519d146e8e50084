/* SPDX-License-Identifier: MIT */
#include "config/azure_endpoint.h"
#include "export/answer_body.h"
#include "tests/unit/test.h"

/* Azure's hosts and URLs: which ones are taken for what. A token may go where these functions say so. */

#define DCR "dcr-0123456789abcdef0123456789abcdef"
#define HOST "https://d-1.westeurope-1.ingest.monitor.azure.com"
#define LOGS "/dataCollectionRules/" DCR "/streams/Microsoft-OTLP-Logs/otlp/v1/logs"
#define SUFFIX "ingest.monitor.azure.com"

/* --- the endpoint --- */

START_TEST(the_endpoint_is_known_by_its_path)
{
    static const struct {
        const char *url;
        bool azure;
        const char *dcr;
    } table[] = {
        {HOST LOGS, true, DCR},
        {HOST "/datacollectionRules/" DCR "/streams/Microsoft-OTLP-Logs/otlp/v1/logs", true, DCR},
        {HOST "/DATACOLLECTIONRULES/" DCR "/streams/x", true, DCR},
        {"http://127.0.0.1:4318" LOGS, true, DCR}, /* an emulator, a proxy */
        {"HTTPS://H" LOGS, true, DCR},
        {"https://[::1]:8443" LOGS, true, DCR},
        {HOST "/dataCollectionRules/r/streams/s", true, ""},
        {HOST "/dataCollectionRules/" DCR "0/streams/s", true, ""},
        {HOST "/dataCollectionRules/" DCR "?x=/streams/s", true, DCR},
        {HOST "/dataCollectionRules/" DCR, false, DCR},
        {HOST "/dataCollectionRules/" DCR "/", false, DCR},
        {HOST "/v1/logs", false, ""},
        {HOST "/x" LOGS, false, ""},
        {HOST "/v1/logs?next=" LOGS, false, ""},
        {HOST, false, ""},
        {HOST "/", false, ""},
        {"d-1.ingest.monitor.azure.com" LOGS, false, ""},
        {LOGS, false, ""},
        {"://", false, ""},
        {"", false, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char dcr[40];

        ck_assert_msg(azm_is_azure_endpoint(table[i].url) == table[i].azure, "%s", table[i].url);
        azm_azure_endpoint_dcr(table[i].url, dcr);
        ck_assert_msg(strcmp(dcr, table[i].dcr) == 0, "%s: %s", table[i].url, dcr);
    }
}
END_TEST

START_TEST(the_url_of_an_endpoint_and_a_rule)
{
    static const struct {
        const char *dce, *suffix, *url;
    } table[] = {
        {HOST, SUFFIX, HOST LOGS},
        {HOST "/", SUFFIX, HOST LOGS},
        {HOST "//", SUFFIX, HOST LOGS},
        {"https://elsewhere.example:8443/", SUFFIX, "https://elsewhere.example:8443" LOGS}, /* a URL is complete */
        {"http://127.0.0.1:4318", SUFFIX, "http://127.0.0.1:4318" LOGS},
        {"d-1.westeurope-1.ingest.monitor.azure.com", SUFFIX, HOST LOGS},
        {"D-1.WestEurope-1.Ingest.Monitor.Azure.COM", SUFFIX, "https://D-1.WestEurope-1.Ingest.Monitor.Azure.COM" LOGS},
        {"d-1.westeurope-1", SUFFIX, HOST LOGS},
        {"d-1.usgovvirginia-1", "ingest.monitor.azure.us", "https://d-1.usgovvirginia-1.ingest.monitor.azure.us" LOGS},
        {"d-1.usgovvirginia-1.ingest.monitor.azure.us", "ingest.monitor.azure.us",
         "https://d-1.usgovvirginia-1.ingest.monitor.azure.us" LOGS},
        {"d-1.chinaeast2-1", "ingest.monitor.azure.cn", "https://d-1.chinaeast2-1.ingest.monitor.azure.cn" LOGS},
        /* a suffix within a name is none */
        {"ingest.monitor.azure.com", SUFFIX, "https://ingest.monitor.azure.com.ingest.monitor.azure.com" LOGS},
        {"evilingest.monitor.azure.com", SUFFIX, "https://evilingest.monitor.azure.com.ingest.monitor.azure.com" LOGS},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *url = azm_azure_logs_url(table[i].dce, DCR, table[i].suffix);

        ck_assert_str_eq(url, table[i].url);
        ck_assert(azm_is_azure_endpoint(url));
    }
}
END_TEST

START_TEST(every_cloud_has_its_names)
{
    static const struct {
        enum azm_cloud cloud;
        struct azm_cloud_names names;
    } table[] = {
        {AZM_CLOUD_PUBLIC,
         {"https://login.microsoftonline.com", "https://monitor.azure.com", "ingest.monitor.azure.com",
          "services.visualstudio.com"}},
        {AZM_CLOUD_USGOV,
         {"https://login.microsoftonline.us", "https://monitor.azure.us", "ingest.monitor.azure.us",
          "applicationinsights.us"}},
        {AZM_CLOUD_CHINA,
         {"https://login.chinacloudapi.cn", "https://monitor.azure.cn", "ingest.monitor.azure.cn",
          "applicationinsights.azure.cn"}},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_cloud_names *names = azm_cloud_names(table[i].cloud);
        _cleanup_free_ char *logs = azm_azure_logs_url("d-1.x-1", DCR, names->ingest_suffix), *dc = NULL;

        ck_assert_str_eq(names->authority, table[i].names.authority);
        ck_assert_str_eq(names->audience, table[i].names.audience);
        ck_assert_str_eq(names->ingest_suffix, table[i].names.ingest_suffix);
        ck_assert_str_eq(names->application_suffix, table[i].names.application_suffix);
        /* what they are good for elsewhere */
        ck_assert(azm_url_is_base(names->authority));
        ck_assert(azm_is_host_name(names->ingest_suffix));
        ck_assert_msg(azm_answer_is_azure(logs, ""), "%s", logs);
        ck_assert_int_gt(asprintf(&dc, "https://dc.%s/v2.1/track", names->application_suffix), 0);
        ck_assert_msg(azm_answer_is_azure(dc, ""), "%s", dc);
    }
}
END_TEST

/* --- words --- */

struct word {
    const char *s;
    bool good;
};

#define CHECK_WORDS(function, table)                                                                                   \
    for (size_t i = 0; i < ELEMENTSOF(table); i++)                                                                     \
    ck_assert_msg(function((table)[i].s) == (table)[i].good, #function " of \"%s\"", (table)[i].s)

START_TEST(ids_of_rules)
{
    static const struct word table[] = {
        {DCR, true},
        {"dcr-00000000000000000000000000000000", true},
        {"dcr-0123456789abcdef0123456789abcde", false},
        {DCR "0", false},
        {DCR "/", false},
        {" " DCR, false},
        {DCR "\n", false},
        {"dcr-0123456789ABCDEF0123456789ABCDEF", false},
        {"DCR-0123456789abcdef0123456789abcdef", false},
        {"dcr-0123456789abcdefg123456789abcdef", false},
        {"dcr_0123456789abcdef0123456789abcdef", false},
        {"0123456789abcdef0123456789abcdef", false},
        {"my-rule", false},
        {"dcr-", false},
        {"", false},
    };

    CHECK_WORDS(azm_is_dcr_id, table);
}
END_TEST

#define LABEL_63 "012345678901234567890123456789012345678901234567890123456789abc"

START_TEST(names_of_hosts)
{
    static const struct word table[] = {
        {"d-1.westeurope-1.ingest.monitor.azure.com", true},
        {"A.B-c", true},
        {"x", true},
        {"127.0.0.1", true},
        {LABEL_63, true},
        {LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, false}, /* 255 */
        {LABEL_63 "." LABEL_63 "." LABEL_63 ".2345678901234567890123456789012345678901234567890123456789abc",
         true}, /* 253 */
        {LABEL_63 "." LABEL_63 "." LABEL_63 ".12345678901234567890123456789012345678901234567890123456789abc", false},
        {LABEL_63 "d", false},
        {"a." LABEL_63 "d.b", false},
        {"", false},
        {".", false},
        {".a", false},
        {"a.", false},
        {"a..b", false},
        {"-a", false},
        {"a-", false},
        {"a.-b", false},
        {"a-.b", false},
        {"a_b", false},
        {"a b", false},
        {"a/b", false},
        {"a:443", false},
        {"u@a", false},
        {"a\n", false},
        {"b\xC3\xBC"
         "cher.example",
         false},
        {"[::1]", false},
        {"a%2e", false},
    };

    CHECK_WORDS(azm_is_host_name, table);
}
END_TEST

/* --- where a token may travel --- */

START_TEST(private_urls_and_bases)
{
    static const struct {
        const char *url;
        bool is_private, is_base;
    } table[] = {
        {"https://h.example", true, true},
        {"https://h.example/", true, true},
        {"https://h.example:8443/", true, true},
        {"HTTPS://H.EXAMPLE", true, true},
        {"https://h.example/path", true, false},
        {"https://h.example//", true, false},
        {"https://h.example/?q=1", true, false},
        {"https://h.example?q=1", true, false},
        {"https://h.example/?", true, false},
        {"https://h.example?", true, false},
        {"https://h.example/#f", true, false},
        {"https://h.example/#", true, false},
        {"https://h.example#", true, false},
        {"https://user@h.example", true, false},
        {"https://user:password@h.example/", true, false},
        {"https://:password@h.example/", true, false},
        {"https://@h.example/", true, false},
        {"https://[2001:db8::1]:8443", true, true},
        {"http://localhost", true, true},
        {"http://LocalHost:80/", true, true},
        {"HTTP://localhost:8080", true, true},
        {"http://127.0.0.1:4318", true, true},
        {"http://127.0.0.1/metadata", true, false},
        {"http://127.255.255.254", true, true},
        {"http://127.1", true, true},       /* libcurl: 127.0.0.1 */
        {"http://2130706433/", true, true}, /* the same */
        {"http://[::1]", true, true},
        {"http://[::1]:8080/", true, true},
        {"http://[0:0:0:0:0:0:0:1]/", true, true},
        {"http://user@127.0.0.1/", true, false},
        {"http://evil.example\\@127.0.0.1/", true, false}, /* a user, for libcurl, which is who sends */
        /* other machines */
        {"http://h.example", false, false},
        {"http://128.0.0.1", false, false},
        {"http://126.255.255.255", false, false},
        {"http://0.0.0.0", false, false},
        {"http://10.127.0.1", false, false},
        {"http://169.254.169.254", false, false},
        {"http://[::]", false, false},
        {"http://[::2]", false, false},
        {"http://[2001:db8::1]", false, false},
        {"http://[fe80::1]", false, false},
        {"http://localhost.", false, false}, /* asks a name server */
        {"http://localhost.evil.example", false, false},
        {"http://evil.localhost", false, false},
        {"http://127.0.0.1.evil.example", false, false},
        {"http://127.0.0.1@evil.example/", false, false},
        {"http://localhost:80@evil.example/", false, false},
        {"http://evil.example/127.0.0.1", false, false},
        {"http://evil.example#@127.0.0.1/", false, false},
        {"http://evil.example?@127.0.0.1/", false, false},
        /* other things */
        {"ftp://localhost", false, false},
        {"ws://127.0.0.1", false, false},
        {"file:///etc/passwd", false, false},
        {"unix:///run/x", false, false},
        {"localhost", false, false},
        {"h.example:443", false, false},
        {"//h.example", false, false},
        {"https://", false, false},
        {"https:///", false, false},
        {"https://:443", false, false},
        {"https://h.example:99999", false, false},
        {"https://h.example:x", false, false},
        {"https://h example", false, false},
        {" https://h.example", false, false},
        {"https://h.example\n", false, false},
        {"https://[::1", false, false},
        {"", false, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_msg(azm_url_is_private(table[i].url) == table[i].is_private, "private: %s", table[i].url);
        ck_assert_msg(azm_url_is_base(table[i].url) == table[i].is_base, "base: %s", table[i].url);
    }
}
END_TEST

/* --- redirects: where credentials may follow --- */

START_TEST(origins)
{
    static const struct {
        const char *a, *b;
        bool same;
    } table[] = {
        {"https://h.example/a", "https://h.example/b?c#d", true},
        {"https://h.example", "https://h.example:443/", true},
        {"https://h.example:443", "HTTPS://H.Example", true},
        {"https://h.example:8443/a", "https://h.example:8443/b", true},
        {"https://h.example:0443/", "https://h.example/", true},
        {"http://h.example", "http://h.example:80/", true},
        {"https://[::1]/", "https://[::1]:443/", true},
        {"https://h.example/", "https://user@h.example/", true}, /* the same host, whoever asks */
        {"https://h.example", "http://h.example", false},
        {"https://h.example:443", "http://h.example:443", false},
        {"https://h.example:80", "http://h.example", false},
        {"https://h.example", "https://h.example:444", false},
        {"https://h.example", "https://h.example.", false},
        {"https://h.example", "https://h.example.evil.example", false},
        {"https://h.example", "https://evilh.example", false},
        {"https://h.example", "https://sub.h.example", false},
        {"https://h.example", "https://h.example@evil.example/", false},
        {"https://h.example", "https://h.example:443@evil.example/", false},
        {"https://h.example", "https://evil.example/https://h.example", false},
        {"https://h.example", "https://evil.example#@h.example/", false},
        {"https://h.example", "https://evil.example?@h.example/", false},
        {"https://[::1]", "https://[::2]", false},
        {"https://h.example", "/v1/logs", false},
        {"https://h.example", "h.example", false},
        {"https://h.example", "", false},
        {"", "", false},
        {"x", "x", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_msg(azm_answer_same_origin(table[i].a, table[i].b) == table[i].same, "%s, %s", table[i].a,
                      table[i].b);
        ck_assert_msg(azm_answer_same_origin(table[i].b, table[i].a) == table[i].same, "%s, %s", table[i].b,
                      table[i].a);
    }
}
END_TEST

START_TEST(hosts_of_azure)
{
    static const struct {
        const char *url, *suffix;
        bool azure;
    } table[] = {
        {HOST LOGS, "", true},
        {"https://x.ingest.monitor.azure.us/", "", true},
        {"https://x.ingest.monitor.azure.cn", "", true},
        {"https://westeurope-5.in.applicationinsights.azure.com/v2.1/track", "", true},
        {"https://x.in.applicationinsights.us/", "", true},
        {"https://x.in.applicationinsights.azure.cn/", "", true},
        {"https://dc.services.visualstudio.com/", "", true},
        {"HTTPS://X.INGEST.Monitor.Azure.COM/", "", true},
        {"https://x.ingest.monitor.azure.com:443/", "", true},
        {"https://x.ingest.monitor.azure.com:8443/", "", true},
        {"https://user:password@x.ingest.monitor.azure.com/", "", true},
        /* with the configured suffix */
        {"https://x.ingest.sovereign.example/", "ingest.sovereign.example", true},
        {"https://X.Ingest.Sovereign.Example:8443/", "ingest.sovereign.example", true},
        {"https://x.ingest.sovereign.example/", "INGEST.sovereign.example", true},
        {HOST, "ingest.sovereign.example", true},
        {"https://x.ingest.sovereign.example/", "", false},
        {"https://ingest.sovereign.example/", "ingest.sovereign.example", false},
        {"https://xingest.sovereign.example/", "ingest.sovereign.example", false},
        {"https://x.ingest.sovereign.example.evil.example/", "ingest.sovereign.example", false},
        {"http://x.ingest.sovereign.example/", "ingest.sovereign.example", false},
        {"https://evil.example/x.ingest.sovereign.example", "ingest.sovereign.example", false},
        /* look-alikes */
        {"https://ingest.monitor.azure.com/", "", false},
        {"https://ingest.monitor.azure.com.evil.example/", "", false},
        {"https://x.ingest.monitor.azure.com.evil.example/", "", false},
        {"https://evilingest.monitor.azure.com/", "", false},
        {"https://x.evilingest.monitor.azure.com/", "", false},
        {"https://x.ingest.monitor.azure.com./", "", false},
        {"https://x.ingest.monitor.azure.com..evil.example/", "", false},
        {"https://x.ingest.monitor.azure.com@evil.example/", "", false},
        {"https://x.ingest.monitor.azure.com:443@evil.example/", "", false},
        {"https://evil.example/x.ingest.monitor.azure.com", "", false},
        {"https://evil.example?x.ingest.monitor.azure.com", "", false},
        {"https://evil.example#x.ingest.monitor.azure.com", "", false},
        {"https://evil.example#.ingest.monitor.azure.com/", "", false},
        {"https://evil.example?.ingest.monitor.azure.com/", "", false},
        {"https://evil.example\\.ingest.monitor.azure.com/", "", false},
        {"https://evil.example%2F.ingest.monitor.azure.com/", "", false},
        {"https://evil.example%23.ingest.monitor.azure.com/", "", false},
        {"https://evil.example%00.ingest.monitor.azure.com/", "", false},
        {"https://evil.example:443/.ingest.monitor.azure.com/", "", false},
        {"https://evil.example /.ingest.monitor.azure.com/", "", false},
        {"https://x.monitor.azure.com/", "", false},
        {"https://x.azure.com/", "", false},
        {"https://x.blob.core.windows.net/", "", false},
        {"https://services.visualstudio.com/", "", false},
        {"https://dcservices.visualstudio.com/", "", false},
        {"https://evilapplicationinsights.azure.com/", "", false},
        {"http://x.ingest.monitor.azure.com/", "", false},
        {"ftp://x.ingest.monitor.azure.com/", "", false},
        {"x.ingest.monitor.azure.com", "", false},
        {"//x.ingest.monitor.azure.com/", "", false},
        {" https://x.ingest.monitor.azure.com/", "", false},
        {"https://[::1]/", "", false},
        {"https://127.0.0.1/", "", false},
        {"https://", "", false},
        {"", "", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        ck_assert_msg(azm_answer_is_azure(table[i].url, table[i].suffix) == table[i].azure, "%s, %s", table[i].url,
                      table[i].suffix);
}
END_TEST

/* With Application Insights only the place moves: scheme, host and port. */
START_TEST(moved_urls)
{
    static const struct {
        const char *url, *to, *moved;
    } table[] = {
        {"https://a.example/v2.1/track", "https://b.example/", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://b.example", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://b.example/other?x=y#z", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track?q=1", "https://b.example:8443", "https://b.example:8443/v2.1/track?q=1"},
        {"https://a.example:8443/v2.1/track", "https://b.example/", "https://b.example/v2.1/track"},
        {"https://a.example:8443/v2.1/track", "https://b.example:443/", "https://b.example/v2.1/track"},
        {"http://127.0.0.1:4318/v2.1/track", "https://b.example/", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "http://b.example:80/", "http://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://[::1]:8443/x", "https://[::1]:8443/v2.1/track"},
        {"https://[::1]:8443/v2.1/track", "https://b.example/", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "HTTPS://B.example", "https://B.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://user:password@b.example/", "https://b.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://b.example@evil.example/", "https://evil.example/v2.1/track"},
        {"https://a.example/v2.1/track", "https://b.example./", "https://b.example./v2.1/track"},
        {"https://a.example/v2.1/track", "/v2.1/track", NULL},
        {"https://a.example/v2.1/track", "b.example", NULL},
        {"https://a.example/v2.1/track", "https://b.example:99999/", NULL},
        {"https://a.example/v2.1/track", "", NULL},
        {"", "https://b.example/", NULL},
        {"/v2.1/track", "https://b.example/", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *moved = azm_answer_redirected(AZM_PROFILE_APPINSIGHTS, table[i].url, table[i].to),
                            *otlp = azm_answer_redirected(AZM_PROFILE_OTLP, table[i].url, table[i].to),
                            *azure = azm_answer_redirected(AZM_PROFILE_AZURE, table[i].url, table[i].to);

        if (table[i].moved)
            ck_assert_pstr_eq(moved, table[i].moved);
        else
            ck_assert_msg(!moved, "%s", moved);
        ck_assert_str_eq(otlp, table[i].to);
        ck_assert_str_eq(azure, table[i].to);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "the_endpoint_is_known_by_its_path", the_endpoint_is_known_by_its_path);
    add_test(s, "the_url_of_an_endpoint_and_a_rule", the_url_of_an_endpoint_and_a_rule);
    add_test(s, "every_cloud_has_its_names", every_cloud_has_its_names);
    add_test(s, "ids_of_rules", ids_of_rules);
    add_test(s, "names_of_hosts", names_of_hosts);
    add_test(s, "private_urls_and_bases", private_urls_and_bases);
    add_test(s, "origins", origins);
    add_test(s, "hosts_of_azure", hosts_of_azure);
    add_test(s, "moved_urls", moved_urls);
}

TEST_MAIN("azure_endpoint", add_tests)
