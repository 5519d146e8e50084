/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/unit/place_help.h"
#include "tests/unit/test.h"

#define ID_1 "0123456789abcdef0123456789abcdef"
#define ID_2 "fedcba9876543210fedcba9876543210"
#define CURSOR "s=" ID_1 ";i=1f;b=" ID_2 ";m=abc;t=60a24181e4000;x=fedcba9876543210"

/* A cursor as libsystemd writes it. */
START_TEST(a_real_cursor)
{
    char text[AZM_PLACE_TEXT_MAX];
    struct azm_place p;

    ck_assert(azm_place_parse(CURSOR, &p));
    ck_assert_uint_eq(p.seqnum, 0x1F);
    ck_assert_uint_eq(p.monotonic_usec, 0xABC);
    ck_assert_uint_eq(p.realtime_usec, UINT64_C(0x60A24181E4000));
    ck_assert_uint_eq(p.hash, UINT64_C(0xFEDCBA9876543210));
    ck_assert_str_eq(SD_ID128_TO_STRING(p.seqnum_id), ID_1);
    ck_assert_str_eq(SD_ID128_TO_STRING(p.boot), ID_2);
    azm_place_print(&p, text);
    ck_assert_str_eq(text, CURSOR);
}
END_TEST

START_TEST(what_is_printed_is_parsed)
{
    struct prng prng = {1};

    for (int i = 0; i < 20000; i++) {
        struct azm_place p = random_place(&prng), again;
        char text[AZM_PLACE_TEXT_MAX];

        azm_place_print(&p, text);
        ck_assert_msg(azm_place_parse(text, &again), "%s", text);
        ck_assert_msg(azm_place_equal(&p, &again), "%s", text);
    }
}
END_TEST

START_TEST(the_longest_has_room)
{
    struct azm_place p = {.seqnum = UINT64_MAX, .hash = UINT64_MAX}, again;
    char text[AZM_PLACE_TEXT_MAX];

    p.monotonic_usec = p.realtime_usec = UINT64_MAX;
    memset(&p.boot, 0xFF, sizeof p.boot);
    memset(&p.seqnum_id, 0xFF, sizeof p.seqnum_id);
    azm_place_print(&p, text);
    ck_assert(azm_place_parse(text, &again));
    ck_assert(azm_place_equal(&p, &again));
}
END_TEST

START_TEST(what_is_no_cursor)
{
    static const char *const bad[] = {
        "",
        "cursor",
        "s=",
        "s=" ID_1,
        "s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1",       /* libsystemd takes it; a place has all six */
        "s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=",    /* no digit */
        "s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=1;",  /* something follows */
        "s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=1 ",  /* ditto */
        "s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=1\n", /* ditto */
        " s=" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=1",
        "i=1;s=" ID_1 ";b=" ID_2 ";m=1;t=1;x=1", /* another order */
        "s=" ID_1 "0;i=1;b=" ID_2 ";m=1;t=1;x=1",
        "s=0123456789abcdef0123456789abcdeg;i=1;b=" ID_2 ";m=1;t=1;x=1",
        "s=0123456789ABCDEF0123456789ABCDEF;i=1;b=" ID_2 ";m=1;t=1;x=1",
        "s=" ID_1 ";i=-1;b=" ID_2 ";m=1;t=1;x=1",
        "s=" ID_1 ";i=0x1;b=" ID_2 ";m=1;t=1;x=1",
        "s=" ID_1 ";i=10000000000000000;b=" ID_2 ";m=1;t=1;x=1", /* more than 64 bits */
        "s=" ID_1 ",i=1;b=" ID_2 ";m=1;t=1;x=1",
        "s:" ID_1 ";i=1;b=" ID_2 ";m=1;t=1;x=1",
    };

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        struct azm_place p;

        ck_assert_msg(!azm_place_parse(bad[i], &p), "'%s' was taken", bad[i]);
    }
}
END_TEST

/* Anything may stand in a checkpoint: it is read within its bounds (sanitizers look), and what is taken means what it
 * says. */
START_TEST(garbage)
{
    static const char alphabet[] = "simbtx=;0123456789abcdef\n\xFF";
    struct prng prng = {2};
    unsigned taken = 0;

    for (int i = 0; i < 50000; i++) {
        size_t len = i % 2 ? strlen(CURSOR) : prng_below(&prng, 40), changes = i % 2 ? prng_below(&prng, 3) : len;
        char *text = strndup(CURSOR, len), again[AZM_PLACE_TEXT_MAX]; /* not a byte more is allocated */
        struct azm_place p, q;

        for (; changes > 0; changes--)
            text[prng_below(&prng, len)] = alphabet[prng_below(&prng, sizeof alphabet)]; /* also the NUL at its end */
        if (azm_place_parse(text, &p)) {
            taken++;
            azm_place_print(&p, again);
            ck_assert(azm_place_parse(again, &q));
            ck_assert(azm_place_equal(&p, &q));
        }
        free(text);
    }
    ck_assert_uint_gt(taken, 1000); /* the changes are few enough to test the parser's end, too */
}
END_TEST

START_TEST(every_part_makes_a_difference)
{
    const struct azm_place a = place_of(1, 2, 3);
    struct azm_place b[] = {a, a, a, a, a, a};

    ck_assert(azm_place_equal(&a, &b[0]));
    b[0].seqnum_id.bytes[15] ^= 1;
    b[1].boot.bytes[0] ^= 1;
    b[2].seqnum++;
    b[3].monotonic_usec++;
    b[4].realtime_usec++;
    b[5].hash++;
    for (size_t i = 0; i < ELEMENTSOF(b); i++)
        ck_assert_msg(!azm_place_equal(&a, &b[i]), "part %zu does not count", i);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_real_cursor", a_real_cursor);
    add_test(s, "what_is_printed_is_parsed", what_is_printed_is_parsed);
    add_test(s, "the_longest_has_room", the_longest_has_room);
    add_test(s, "what_is_no_cursor", what_is_no_cursor);
    add_test(s, "garbage", garbage);
    add_test(s, "every_part_makes_a_difference", every_part_makes_a_difference);
}

TEST_MAIN("place", add_tests)
