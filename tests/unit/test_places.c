/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "config/places.h"
#include "tests/unit/test.h"

#define HOSTS 10000

static const char five[] = "https://a/x https://b/x https://c/x https://d/x https://e/x";

static struct azm_text place_of(const char *list, unsigned host)
{
    char name[32];

    snprintf(name, sizeof name, "host-%u", host);
    return azm_places_get(list, azm_places_choose(list, name));
}

START_TEST(words)
{
    static const char list[] = " \thttp://a/x  b\tc ";
    static const char *const expected[] = {"http://a/x", "b", "c"};

    ck_assert_uint_eq(azm_places_count(list), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert(azm_text_equal(azm_places_get(list, i), azm_text_of(expected[i])));
    ck_assert_uint_eq(azm_places_get(list, 3).len, 0);
    ck_assert_uint_eq(azm_places_count(""), 0);
    ck_assert_uint_eq(azm_places_choose("", "host"), 0);
    ck_assert_uint_eq(azm_places_choose("one", "host"), 0);
    ck_assert_uint_eq(azm_places_choose("one", ""), 0);
}
END_TEST

/* Each place gets its share: 2,000 of 10,000 hosts, where 40 is the standard deviation. */
START_TEST(even)
{
    unsigned hosts[5] = {0};
    char name[32];

    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(name, sizeof name, "host-%u", i);
        hosts[azm_places_choose(five, name)]++;
    }
    for (size_t i = 0; i < 5; i++)
        ck_assert_msg(hosts[i] > 1840 && hosts[i] < 2160, "%zu: %u hosts", i, hosts[i]);
}
END_TEST

/* In another order nobody moves; where one is added, nobody but to it; where one is taken away, nobody but from it. */
START_TEST(few_move)
{
    static const char turned[] = "https://e/x https://c/x https://d/x https://a/x https://b/x",
                      six[] = "https://f/x https://a/x https://b/x https://c/x https://d/x https://e/x",
                      four[] = "https://a/x https://b/x https://d/x https://e/x";
    unsigned to_added = 0, from_taken = 0;

    for (unsigned i = 0; i < HOSTS; i++) {
        struct azm_text before = place_of(five, i);

        ck_assert(azm_text_equal(place_of(turned, i), before));
        if (!azm_text_equal(place_of(six, i), before)) {
            ck_assert(azm_text_equal(place_of(six, i), AZM_TEXT("https://f/x")));
            to_added++;
        }
        if (!azm_text_equal(place_of(four, i), before)) {
            ck_assert(azm_text_equal(before, AZM_TEXT("https://c/x")));
            from_taken++;
        }
    }
    ck_assert_msg(to_added > 1500 && to_added < 1833, "%u", to_added);
    ck_assert_msg(from_taken > 1840 && from_taken < 2160, "%u", from_taken);
}
END_TEST

/* An update must not move a host. */
START_TEST(stable)
{
    static const struct {
        const char *host;
        size_t place;
    } table[] = {
        {"web-1", 2}, {"web-2", 1}, {"web-3", 2}, {"db-1.example.org", 4}, {"", 4},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        ck_assert_msg(azm_places_choose(five, table[i].host) == table[i].place, "%s: %zu", table[i].host,
                      azm_places_choose(five, table[i].host));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "words", words);
    add_test(s, "even", even);
    add_test(s, "few_move", few_move);
    add_test(s, "stable", stable);
}

TEST_MAIN("places", add_tests)
