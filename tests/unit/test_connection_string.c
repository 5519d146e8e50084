/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/connection_string.h"
#include "tests/unit/test.h"

#define ID "0123abcd-4567-89ef-0123-456789abcdef"
#define IKEY "InstrumentationKey=" ID
#define SUFFIX "services.visualstudio.com" /* of the public cloud */
#define PUBLIC "https://dc." SUFFIX "/v2.1/track"

static void check_parsed(const char *s, const char *url, const char *audience)
{
    struct azm_connection_string c;
    struct azm_error err = {""};

    ck_assert_msg(azm_connection_string_parse(s, SUFFIX, &c, &err) == 0, "%s: %s", s, err.words);
    ck_assert_str_eq(c.ikey, ID);
    ck_assert_str_eq(c.track_url, url);
    ck_assert_str_eq(c.audience, audience);
    azm_connection_string_free(&c);
    ck_assert_ptr_null(c.ikey);
}

START_TEST(what_is_right)
{
    static const struct {
        const char *s, *url, *audience;
    } table[] = {
        {IKEY, PUBLIC, ""},
        {IKEY ";", PUBLIC, ""},
        {";;" IKEY ";;", PUBLIC, ""},
        {"  " IKEY " ; \n", PUBLIC, ""},
        {" instrumentationkey = 0123ABCD-4567-89EF-0123-456789ABCDEF ", PUBLIC, ""},
        {IKEY ";Authorization=ikey", PUBLIC, ""},
        {IKEY ";AUTHORIZATION=IKEY", PUBLIC, ""},
        {IKEY ";Authorization=", PUBLIC, ""},
        {IKEY ";LiveEndpoint=https://live/;ApplicationId=1;ApplicationId=2;Unknown=a=b", PUBLIC, ""},
        /* as the portal shows it */
        {IKEY ";IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
              ";LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=" ID,
         "https://westeurope-5.in.applicationinsights.azure.com/v2.1/track", ""},
        {"IngestionEndpoint=https://in.example;" IKEY, "https://in.example/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=https://in.example:8443/base//", "https://in.example:8443/base/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=https://in.example/a=b/", "https://in.example/a=b/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=HTTPS://in.example", "HTTPS://in.example/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=http://127.0.0.1:8080", "http://127.0.0.1:8080/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=http://localhost/", "http://localhost/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=http://[::1]:1/", "http://[::1]:1/v2.1/track", ""},
        {IKEY ";IngestionEndpoint=", PUBLIC, ""},
        {IKEY ";EndpointSuffix=applicationinsights.us", "https://dc.applicationinsights.us/v2.1/track", ""},
        {IKEY ";EndpointSuffix=applicationinsights.azure.cn;Location=china-east2",
         "https://china-east2.dc.applicationinsights.azure.cn/v2.1/track", ""},
        {IKEY ";Location=westeurope", PUBLIC, ""}, /* a part of nothing */
        {IKEY ";EndpointSuffix=example.org;IngestionEndpoint=https://in.example", "https://in.example/v2.1/track", ""},
        {IKEY ";AADAudience=https://monitor.azure.us", PUBLIC, "https://monitor.azure.us"},
        {IKEY ";aadaudience = api://x?y=z ", PUBLIC, "api://x?y=z"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        check_parsed(table[i].s, table[i].url, table[i].audience);
}
END_TEST

START_TEST(the_cloud_is_the_callers)
{
    struct azm_connection_string c;

    ck_assert_int_eq(azm_connection_string_parse(IKEY, "applicationinsights.us", &c, NULL), 0);
    ck_assert_str_eq(c.track_url, "https://dc.applicationinsights.us/v2.1/track");
    azm_connection_string_free(&c);
}
END_TEST

#define SECRET "s3cr3t"

static void check_refused(const char *s, const char *word)
{
    struct azm_connection_string c;
    struct azm_error err = {""};

    ck_assert_msg(azm_connection_string_parse(s, SUFFIX, &c, &err) == -EINVAL, "%s", s);
    ck_assert_msg(strstr(err.words, word) != NULL, "%s: %s", s, err.words);
    ck_assert_msg(strstr(err.words, SECRET) == NULL, "%s: %s", s, err.words);
    ck_assert_msg(strstr(err.words, ID) == NULL, "%s: %s", s, err.words);
    ck_assert_ptr_null(c.ikey);
    ck_assert_ptr_null(c.track_url);
    ck_assert_ptr_null(c.audience);
}

START_TEST(what_is_wrong)
{
    static const struct {
        const char *s, *word;
    } table[] = {
        {"", "InstrumentationKey is missing"},
        {";", "InstrumentationKey is missing"},
        {"InstrumentationKey=", "InstrumentationKey is missing"},
        {"IngestionEndpoint=https://" SECRET, "InstrumentationKey is missing"},
        {SECRET, "part 1 is not KEY=VALUE"},
        {ID, "part 1 is not KEY=VALUE"},
        {IKEY ";" SECRET, "part 2 is not KEY=VALUE"},
        {IKEY ";=" SECRET, "part 2 is not KEY=VALUE"},
        {"InstrumentationKey=" SECRET, "8-4-4-4-12"},
        {"InstrumentationKey=0123abcd456789ef0123456789abcdef", "8-4-4-4-12"},
        {"InstrumentationKey=0123abcd-4567-89ef-0123-456789abcde", "8-4-4-4-12"},
        {"InstrumentationKey=0123abcd-4567-89ef-0123-456789abcdef0", "8-4-4-4-12"},
        {"InstrumentationKey=0123abcg-4567-89ef-0123-456789abcdef", "8-4-4-4-12"},
        {"InstrumentationKey=0123abcd-456-789ef-0123-456789abcdef", "8-4-4-4-12"},
        {"InstrumentationKey=\"" ID "\"", "8-4-4-4-12"},
        {IKEY ";" IKEY, "InstrumentationKey is there twice"},
        {IKEY ";Location=;location=" SECRET, "Location is there twice"},
        {IKEY ";IngestionEndpoint=https://a;IngestionEndpoint=https://" SECRET, "IngestionEndpoint is there twice"},
        {IKEY ";Authorization=" SECRET, "Authorization must be 'ikey'"},
        {IKEY ";IngestionEndpoint=" SECRET, "IngestionEndpoint is not an https URL"},
        {IKEY ";IngestionEndpoint=/" SECRET, "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=https://", "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=https://" SECRET " x", "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=https://" SECRET "\n/", "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=https://h:99999/" SECRET, "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=ftp://" SECRET, "IngestionEndpoint"},
        {IKEY ";IngestionEndpoint=http://" SECRET, "must be an https URL"},
        {IKEY ";IngestionEndpoint=http://127.0.0.1." SECRET "/", "must be an https URL"},
        {IKEY ";IngestionEndpoint=http://localhost." SECRET "/", "must be an https URL"},
        {IKEY ";IngestionEndpoint=https://user:" SECRET "@h/", "must not have a user name"},
        {IKEY ";IngestionEndpoint=https://h/?" SECRET, "must not have"},
        {IKEY ";IngestionEndpoint=https://h/#" SECRET, "must not have"},
        {IKEY ";EndpointSuffix=h/" SECRET, "EndpointSuffix is not part of a host name"},
        {IKEY ";EndpointSuffix=.h", "EndpointSuffix"},
        {IKEY ";EndpointSuffix=a..b", "EndpointSuffix"},
        {IKEY ";EndpointSuffix=h.", "EndpointSuffix"},
        {IKEY ";EndpointSuffix=h:80", "EndpointSuffix"},
        {IKEY ";EndpointSuffix=h;Location=a@" SECRET, "Location"},
        {IKEY ";AADAudience=a " SECRET, "AADAudience"},
        {IKEY ";AADAudience=\xC3\xA9", "AADAudience"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        check_refused(table[i].s, table[i].word);
}
END_TEST

START_TEST(how_long)
{
    char s[AZM_CONNECTION_STRING_MAX + 2] = IKEY ";x=";

    memset(s + strlen(s), 'x', AZM_CONNECTION_STRING_MAX - strlen(s));
    check_parsed(s, PUBLIC, "");
    s[AZM_CONNECTION_STRING_MAX] = 'x';
    check_refused(s, "longer than 4096");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_is_right", what_is_right);
    add_test(s, "the_cloud_is_the_callers", the_cloud_is_the_callers);
    add_test(s, "what_is_wrong", what_is_wrong);
    add_test(s, "how_long", how_long);
}

TEST_MAIN("connection_string", add_tests)
