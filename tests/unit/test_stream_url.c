/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/stream_url.h"
#include "tests/unit/test.h"

START_TEST(what_is_right)
{
    static const struct {
        const char *url;
        bool tls;
        const char *user, *password, *host, *stream, *name, *http; /* password NULL: none */
    } table[] = {
        {"redis://localhost/logs", false, "", NULL, "localhost:6379", "logs", "redis://localhost/logs",
         "http://localhost:6379/"},
        {"rediss://azmonlog@cache.example:6380/a:b", true, "azmonlog", NULL, "cache.example:6380", "a:b",
         "rediss://cache.example:6380/a:b", "https://cache.example:6380/"},
        {"REDIS://u:p@h/s", false, "u", "p", "h:6379", "s", "redis://h/s", "http://h:6379/"},
        {"redis://:p@h/s", false, "", "p", "h:6379", "s", "redis://h/s", "http://h:6379/"},
        {"redis://u:@h/s", false, "u", NULL, "h:6379", "s", "redis://h/s", "http://h:6379/"},
        {"redis://u:p%40%3a%2F%25@h/s%20t", false, "u", "p@:/%", "h:6379", "s t", "redis://h/s%20t", "http://h:6379/"},
        {"redis://u:p@q@h/s", false, "u", "p@q", "h:6379", "s", "redis://h/s", "http://h:6379/"},
        {"redis://u:p:q@h:1/s", false, "u", "p:q", "h:1", "s", "redis://h:1/s", "http://h:1/"},
        {"redis://127.0.0.1:65535/s/t", false, "", NULL, "127.0.0.1:65535", "s/t", "redis://127.0.0.1:65535/s/t",
         "http://127.0.0.1:65535/"},
        {"redis://[::1]/s", false, "", NULL, "[::1]:6379", "s", "redis://[::1]/s", "http://[::1]:6379/"},
        {"redis://u@[fe80::1]:7/s", false, "u", NULL, "[fe80::1]:7", "s", "redis://[fe80::1]:7/s",
         "http://[fe80::1]:7/"},
        {"redis://h/s@t", false, "", NULL, "h:6379", "s@t", "redis://h/s@t", "http://h:6379/"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *name = azm_stream_url_name(table[i].url), *http = azm_stream_url_as_http(table[i].url);
        struct azm_stream_url u;
        struct azm_error err = {""};

        ck_assert_int_eq(azm_stream_engine_of(table[i].url), AZM_STREAM_REDIS);
        ck_assert_msg(azm_stream_url_parse(table[i].url, &u, &err) == 0, "%s: %s", table[i].url, err.words);
        ck_assert_int_eq(u.engine, AZM_STREAM_REDIS);
        ck_assert_int_eq(u.tls, table[i].tls);
        ck_assert_str_eq(u.user, table[i].user);
        ck_assert_int_eq(u.password != NULL, table[i].password != NULL);
        if (u.password)
            ck_assert_str_eq(azm_secret_text(u.password), table[i].password);
        ck_assert_str_eq(u.host, table[i].host);
        ck_assert_str_eq(u.stream, table[i].stream);
        ck_assert_str_eq(name, table[i].name);
        ck_assert_str_eq(http, table[i].http);
        azm_stream_url_free(&u);
    }
}
END_TEST

START_TEST(what_is_wrong)
{
    static const char *const table[] = {
        "redis://",
        "redis:///s",
        "redis://h",
        "redis://h/",
        "redis://h/s?db=1",
        "redis://h/s#t",
        "redis://h:0/s",
        "redis://h:65536/s",
        "redis://h:/s",
        "redis://h:x/s",
        "redis://h:1:2/s",
        "redis://-h/s",
        "redis://h h/s",
        "redis://[::1/s",
        "redis://[]/s",
        "redis://[::1]x/s",
        "redis://[x]/s",
        "redis://SECRET:SECRET%@h/s",
        "redis://SECRET:SECRET%4@h/s",
        "redis://SECRET:SECRET%zz@h/s",
        "redis://SECRET:SECRET%00@h/s",
        "redis://SECRET:SECRET@h",
        "redis://SECRET:SECRET@/s",
        "redis://h/s%0a",
        "redis://h/s\n",
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_stream_url u;
        struct azm_error err = {""};

        ck_assert_msg(azm_stream_url_parse(table[i], &u, &err) == -EINVAL, "%s", table[i]);
        ck_assert_msg(*err.words && !strstr(err.words, "SECRET"), "%s: %s", table[i], err.words);
    }
}
END_TEST

START_TEST(others)
{
    _cleanup_free_ char *name = azm_stream_url_name("http://u@h/x");

    ck_assert_int_eq(azm_stream_engine_of("http://h/s"), AZM_STREAM_NONE);
    ck_assert_int_eq(azm_stream_engine_of("redis:/h/s"), AZM_STREAM_NONE);
    ck_assert_int_eq(azm_stream_engine_of(""), AZM_STREAM_NONE);
    ck_assert_str_eq(name, "http://u@h/x"); /* it is not this one's affair */
}
END_TEST

START_TEST(passwords_are_seen)
{
    static const char *const with[] = {"redis://u:p@h/s", "redis://:p@h/s", "rediss://u:p@h", "redis://u:@h/s"};
    static const char *const without[] = {"redis://u@h/s", "redis://h:1/s", "redis://h/a:b@c", "http://u:p@h/", ""};

    for (size_t i = 0; i < ELEMENTSOF(with); i++)
        ck_assert_msg(azm_stream_url_has_password(with[i]), "%s", with[i]);
    for (size_t i = 0; i < ELEMENTSOF(without); i++)
        ck_assert_msg(!azm_stream_url_has_password(without[i]), "%s", without[i]);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_is_right", what_is_right);
    add_test(s, "what_is_wrong", what_is_wrong);
    add_test(s, "others", others);
    add_test(s, "passwords_are_seen", passwords_are_seen);
}

TEST_MAIN("stream_url", add_tests)
