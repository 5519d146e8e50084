/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "core/rfc3339.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

START_TEST(good_times)
{
    static const struct {
        const char *text;
        uint64_t nsec;
    } table[] = {
        {"1985-04-12T23:20:50.52Z", 482196050520000000},           /* RFC 5424, section 6.2.3.1 */
        {"1985-04-12T19:20:50.52-04:00", 482196050520000000},      /* the same */
        {"2003-10-11T22:14:15.003Z", 1065910455003000000},         /* the same */
        {"2003-08-24T05:14:15.000003-07:00", 1061727255000003000}, /* the same */
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1969-12-31T23:30:00-01:00", 1800000000000},
        {"2003-08-24t05:14:15z", 1061702055000000000},
        {"2003-08-24T05:14:15+00:00", 1061702055000000000},
        {"2003-08-24T05:14:15-00:00", 1061702055000000000},
        {"2003-08-24T10:44:15+05:30", 1061702055000000000},
        {"2000-02-29T00:00:00Z", 951782400000000000},
        {"2100-02-28T00:00:00Z", 4107456000000000000},
        {"1990-12-31T23:59:60Z", 662688000000000000},
        {"2024-12-31T23:59:59.123456789Z", 1735689599123456789},
        {"2024-12-31T23:59:59.9Z", 1735689599900000000},
        {"2554-07-21T23:34:32.999999999Z", 18446744072999999999u},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t nsec = 77;

        ck_assert_msg(azm_rfc3339_parse(azm_text_of(table[i].text), &nsec), "%s", table[i].text);
        ck_assert_msg(nsec == table[i].nsec, "%s is %llu", table[i].text, (unsigned long long)nsec);
    }
}
END_TEST

START_TEST(bad_times)
{
    static const char *const table[] = {
        "",
        "-",
        "2003",
        "2003-10-11",
        "2003-10-11T22:14:15",
        "2003-10-11T22:14Z",
        "2003-10-11 22:14:15Z",
        "2003-10-11T22:14:15.Z",
        "2003-10-11T22:14:15.1234567890Z", /* RFC 5424 has six at most, we nine */
        "2003-10-11T24:00:00Z",
        "2003-10-11T22:60:15Z",
        "2003-10-11T22:14:61Z",
        "2003-00-11T22:14:15Z",
        "2003-13-11T22:14:15Z",
        "2003-10-00T22:14:15Z",
        "2003-10-32T22:14:15Z",
        "2003-02-29T22:14:15Z",
        "2100-02-29T22:14:15Z",
        "2004-02-30T22:14:15Z",
        "2003-11-31T22:14:15Z",
        "2003-10-11T22:14:15.003-7",
        "2003-10-11T22:14:15-07",
        "2003-10-11T22:14:15-0700",
        "2003-10-11T22:14:15-07:60",
        "2003-10-11T22:14:15+24:00",
        "2003-10-11T22:14:15ZZ",
        "2003-10-11T22:14:15Z ",
        " 2003-10-11T22:14:15Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "0000-01-01T00:00:00Z",
        "2554-07-21T23:34:33Z",
        "9999-12-31T23:59:59Z",
        "2003-1a-11T22:14:15Z",
        "2003-10-11T22:14:15,003Z",
        "+003-10-11T22:14:15Z",
        "2003-10-11T-2:14:15Z",
        "Oct 11 22:14:15",
        "1065910455",
        "2003-10-11T22:14:15.\xB7"
        "89Z",
    };
    uint64_t nsec;

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        ck_assert_msg(!azm_rfc3339_parse(azm_text_of(table[i]), &nsec), "%s", table[i]);
}
END_TEST

/* Every day of the range, by the C library. */
START_TEST(every_day)
{
    for (time_t day = 0; day < 18446744072 / 86400; day++) {
        time_t seconds = day * 86400 + day % 86400;
        struct tm tm;
        char text[40];
        uint64_t nsec;

        ck_assert_ptr_nonnull(gmtime_r(&seconds, &tm));
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        ck_assert_msg(azm_rfc3339_parse(azm_text_of(text), &nsec) && nsec == (uint64_t)seconds * 1000000000, "%s",
                      text);
    }
}
END_TEST

/* No byte behind the text is looked at, whatever is in it. */
START_TEST(no_byte_behind_the_end)
{
    static const char good[] = "2003-08-24T05:14:15.000003-07:00";
    struct prng prng = {1};

    for (size_t len = 0; len < sizeof good; len++)
        for (size_t round = 0; round < 300; round++) {
            char *copy = malloc(len);
            uint64_t nsec;

            if (len > 0)
                memcpy(copy, good, len);
            if (round > 0 && len > 0)
                copy[prng_below(&prng, len)] = (char)prng_next(&prng);
            azm_rfc3339_parse((struct azm_text){copy, len}, &nsec);
            free(copy);
        }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "good_times", good_times);
    add_test(s, "bad_times", bad_times);
    add_test(s, "every_day", every_day);
    add_test(s, "no_byte_behind_the_end", no_byte_behind_the_end);
}

TEST_MAIN("rfc3339", add_tests)
