/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "source/history.h"
#include "tests/unit/place_help.h"
#include "tests/unit/test.h"

/* A place with other times, in seconds after those of place_of. */
static struct azm_place shifted(struct azm_place p, int monotonic, int realtime)
{
    p.monotonic_usec += (uint64_t)(int64_t)monotonic * 1000000;
    p.realtime_usec += (uint64_t)(int64_t)realtime * 1000000;
    return p;
}

static bool delivered(const struct azm_history *h, struct azm_place p)
{
    return azm_history_delivered(h, &p);
}

static void note(struct azm_history *h, struct azm_place p)
{
    azm_history_note(h, &p);
}

START_TEST(nothing_is_known_of_nothing)
{
    struct azm_history h = {0};
    struct azm_buf out = {0};

    ck_assert(!delivered(&h, place_of(1, 1, 1)));
    ck_assert(!delivered(&h, (struct azm_place){0}));
    ck_assert_int_eq(azm_history_print(&h, &out), 0);
    ck_assert_uint_eq(out.len, 0);
    azm_history_free(&h);
}
END_TEST

/* Number, monotonic time and realtime all have to be those of an entry that was read; each alone lies after a power
 * loss, with a clock set back, or after files were put back. */
START_TEST(within_one_boot)
{
    struct azm_history h = {0};

    note(&h, place_of(1, 1, 50));
    ck_assert(delivered(&h, place_of(1, 1, 50))); /* the entry itself */
    ck_assert(delivered(&h, place_of(1, 1, 1)));
    ck_assert(!delivered(&h, place_of(1, 1, 51)));
    ck_assert(!delivered(&h, shifted(place_of(1, 1, 51), -10, -10))); /* the number alone is new */
    ck_assert(!delivered(&h, shifted(place_of(1, 1, 40), 20, 0)));    /* ... or the monotonic time */
    ck_assert(!delivered(&h, shifted(place_of(1, 1, 40), 0, 20)));    /* ... or the clock's */
    ck_assert(delivered(&h, shifted(place_of(1, 1, 40), 10, 10)));    /* up to it is enough */
    azm_history_free(&h);
}
END_TEST

/* Another boot is another matter, whatever its numbers and times: journald uses numbers again after a power loss. */
START_TEST(another_boot)
{
    struct azm_history h = {0};

    note(&h, place_of(1, 1, 50));
    ck_assert(!delivered(&h, place_of(1, 2, 40)));
    ck_assert(!delivered(&h, shifted(place_of(1, 2, 51), -51, 100)));
    note(&h, shifted(place_of(1, 2, 60), -55, 0)); /* 5 s after it began */
    ck_assert(delivered(&h, shifted(place_of(1, 2, 58), -55, 0)));
    ck_assert(delivered(&h, place_of(1, 1, 50))); /* still known */
    ck_assert(!delivered(&h, place_of(1, 2, 50)));
    azm_history_free(&h);
}
END_TEST

/* In a file with another seqnum id, numbers say nothing; what is older by the monotonic time was read before. */
START_TEST(another_seqnum_id)
{
    struct azm_history h = {0};
    struct azm_place p = place_of(2, 1, 49);

    note(&h, place_of(1, 1, 50));
    ck_assert(delivered(&h, p));
    p.seqnum = 1000000;
    ck_assert(delivered(&h, p));
    ck_assert(!delivered(&h, place_of(2, 1, 50))); /* of the same microsecond: perhaps not */
    p.seqnum = 1;
    ck_assert(!delivered(&h, shifted(p, 2, 0)));
    ck_assert(!delivered(&h, shifted(p, 0, 2)));
    ck_assert(!delivered(&h, place_of(2, 2, 1))); /* another boot as well */
    azm_history_free(&h);
}
END_TEST

/* An entry with a clock set back, or from a file merged in, does not take back what is known. */
START_TEST(the_highest_values_stay)
{
    struct azm_history h = {0};

    note(&h, place_of(1, 1, 50));
    note(&h, place_of(1, 1, 20));
    ck_assert_uint_eq(h.n_pairs, 1);
    ck_assert(delivered(&h, place_of(1, 1, 50)));
    note(&h, shifted(place_of(1, 1, 51), 0, -1000));
    ck_assert_uint_eq(h.pairs[0].seqnum, 51);
    ck_assert_uint_eq(h.pairs[0].monotonic_usec, place_of(1, 1, 51).monotonic_usec);
    ck_assert_uint_eq(h.pairs[0].realtime_usec, place_of(1, 1, 50).realtime_usec);
    note(&h, shifted(place_of(1, 1, 52), -40, 1000));
    ck_assert_uint_eq(h.pairs[0].monotonic_usec, place_of(1, 1, 51).monotonic_usec);
    ck_assert_uint_eq(h.n_pairs, 1);
    azm_history_free(&h);
}
END_TEST

/* Both ids make a pair; as many as there is room for, the oldest one goes first. */
START_TEST(only_so_many_pairs)
{
    struct azm_history h = {0};

    for (uint8_t i = 0; i < AZM_HISTORY_PAIRS / 2; i++) {
        note(&h, place_of(i, 1, 10));
        note(&h, place_of(i, 2, 10));
    }
    ck_assert_uint_eq(h.n_pairs, AZM_HISTORY_PAIRS);
    note(&h, place_of(0, 1, 20)); /* no new one */
    ck_assert_uint_eq(h.n_pairs, AZM_HISTORY_PAIRS);
    ck_assert(delivered(&h, place_of(0, 1, 20)));
    for (uint8_t i = 0; i < AZM_HISTORY_PAIRS; i++) {
        note(&h, place_of(100 + i, 3, 10));
        ck_assert_uint_eq(h.n_pairs, AZM_HISTORY_PAIRS);
        ck_assert(delivered(&h, place_of(100 + i, 3, 10)));
        /* the one that was noted last goes last */
        ck_assert(delivered(&h, place_of((AZM_HISTORY_PAIRS - 1) / 2, 2, 10)) == (i < AZM_HISTORY_PAIRS - 2));
        ck_assert(delivered(&h, place_of(0, 1, 20)) == (i < AZM_HISTORY_PAIRS - 1));
    }
    for (uint8_t i = 0; i < AZM_HISTORY_PAIRS; i++) {
        ck_assert(sd_id128_equal(h.pairs[i].seqnum_id, some_id(100 + i)));
        ck_assert(!delivered(&h, place_of(i / 2, 1 + i % 2, 1)));
    }
    azm_history_free(&h);
}
END_TEST

/* Those of files that are there, and those of files that are gone again. */
START_TEST(several_ids)
{
    struct azm_history read = {0}, seen = {0};

    ck_assert(!azm_history_has_several_ids(&read));
    note(&read, place_of(1, 1, 1));
    note(&read, place_of(1, 2, 2));
    ck_assert(!azm_history_has_several_ids(&read));
    note(&read, place_of(2, 2, 3));
    ck_assert(azm_history_has_several_ids(&read));
    ck_assert_int_eq(azm_history_add_seen(&seen, (sd_id128_t){.bytes = {1}}), 0);
    ck_assert(!azm_history_has_several_ids(&seen));
    ck_assert_int_eq(azm_history_add_seen(&seen, (sd_id128_t){.bytes = {2}}), 0);
    ck_assert(azm_history_has_several_ids(&seen));
    azm_history_free(&read);
    azm_history_free(&seen);
}
END_TEST

static bool is_even(sd_id128_t id, void *userdata)
{
    ++*(unsigned *)userdata;
    return id.bytes[15] % 2 == 0;
}

START_TEST(seen_is_a_set)
{
    struct azm_history h = {0};
    unsigned asked = 0;

    for (int round = 0; round < 2; round++)
        for (uint8_t i = 0; i < 100; i++) {
            ck_assert(azm_history_has_seen(&h, some_id(i)) == (round == 1));
            ck_assert_int_eq(azm_history_add_seen(&h, some_id(i)), 0);
            ck_assert(azm_history_has_seen(&h, some_id(i)));
        }
    ck_assert_uint_eq(h.n_seen, 100);
    azm_history_prune(&h, is_even, &asked);
    ck_assert_uint_eq(asked, 100);
    ck_assert_uint_eq(h.n_seen, 50);
    for (uint8_t i = 0; i < 100; i++)
        ck_assert(azm_history_has_seen(&h, some_id(i)) == (i % 2 == 0));
    ck_assert(!delivered(&h, place_of(2, 2, 1))); /* to have seen a file says nothing of its entries */
    azm_history_free(&h);
    ck_assert_uint_eq(h.n_seen, 0);
    ck_assert_ptr_null(h.seen);
}
END_TEST

/* One for each seqnum id, whatever its number; the one noted last comes last. */
START_TEST(lasts)
{
    struct azm_history h = {0};
    unsigned asked = 0;

    for (uint8_t round = 1; round <= 2; round++)
        for (uint8_t i = 0; i < 200; i++)
            ck_assert_int_eq(azm_history_note_last(&h, &(struct azm_place){.seqnum_id = some_id(i), .seqnum = round}),
                             0);
    ck_assert_uint_eq(h.n_lasts, 200);
    ck_assert_int_eq(azm_history_note_last(&h, &(struct azm_place){.seqnum_id = some_id(6), .seqnum = 1}), 0);
    ck_assert_uint_eq(h.n_lasts, 200);
    ck_assert_uint_eq(h.lasts[0].seqnum, 2);
    ck_assert(sd_id128_equal(h.lasts[0].seqnum_id, some_id(0)));
    ck_assert(sd_id128_equal(h.lasts[6].seqnum_id, some_id(7)));
    ck_assert(sd_id128_equal(h.lasts[199].seqnum_id, some_id(6)));
    ck_assert_uint_eq(h.lasts[199].seqnum, 1);
    azm_history_prune(&h, is_even, &asked);
    ck_assert_uint_eq(h.n_lasts, 100 + AZM_HISTORY_PAIRS); /* of those that are not there, the latest */
    ck_assert(sd_id128_equal(h.lasts[99 + AZM_HISTORY_PAIRS].seqnum_id, some_id(6)));
    ck_assert_ptr_null(azm_history_last(&h, some_id(71)));
    ck_assert_uint_eq(azm_history_last(&h, some_id(73))->seqnum, 2);
    azm_history_forget_last(&h, some_id(73));
    ck_assert_ptr_null(azm_history_last(&h, some_id(73)));
    ck_assert_uint_eq(h.n_lasts, 99 + AZM_HISTORY_PAIRS);
    azm_history_forget_lasts(&h);
    ck_assert_uint_eq(h.n_lasts, 0);
    azm_history_free(&h);
    ck_assert_ptr_null(h.lasts);
}
END_TEST

/* All up to the last entry of a seqnum id was read, of its boot. */
START_TEST(up_to_the_last)
{
    struct azm_history h = {0};
    struct azm_place last = place_of(1, 1, 50);

    ck_assert_int_eq(azm_history_note_last(&h, &last), 0);
    ck_assert(delivered(&h, last));
    ck_assert(delivered(&h, place_of(1, 1, 1)));
    ck_assert(!delivered(&h, place_of(1, 1, 51)));
    ck_assert(!delivered(&h, shifted(place_of(1, 1, 51), -10, -10)));
    ck_assert(!delivered(&h, shifted(place_of(1, 1, 40), 20, 0)));
    ck_assert(!delivered(&h, place_of(2, 1, 1))); /* another file's numbers */
    ck_assert(!delivered(&h, place_of(1, 2, 1))); /* another boot, whose clock may be behind */
    azm_history_free(&h);
}
END_TEST

/* --- checkpoint lines --- */

/* Takes over all lines, as the checkpoint's reader does. */
static void parse_lines(struct azm_history *h, struct azm_buf *lines)
{
    char *save = NULL;

    ck_assert_int_eq(azm_buf_append(lines, "", 1), 0);
    for (char *line = strtok_r((char *)lines->data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, '=');

        ck_assert_ptr_nonnull(value);
        *value = '\0';
        ck_assert_int_eq(azm_history_parse(h, line, value + 1), 1);
    }
}

START_TEST(what_is_printed_is_parsed)
{
    struct prng prng = {3};

    for (int i = 0; i < 300; i++) {
        size_t n_pairs = prng_below(&prng, AZM_HISTORY_PAIRS + 20), n_seen = prng_below(&prng, 10),
               n_lasts = prng_below(&prng, 10);
        struct azm_history h = {0}, again = {0};
        struct azm_buf lines = {0};

        for (; n_pairs > 0; n_pairs--)
            note(&h, random_place(&prng));
        for (; n_seen > 0; n_seen--)
            ck_assert_int_eq(azm_history_add_seen(&h, random_place(&prng).boot), 0);
        for (; n_lasts > 0; n_lasts--) {
            struct azm_place p = random_place(&prng);

            ck_assert_int_eq(azm_history_note_last(&h, &p), 0);
        }
        ck_assert_int_eq(azm_history_print(&h, &lines), 0);
        parse_lines(&again, &lines);
        ck_assert_uint_eq(again.n_pairs, h.n_pairs);
        for (size_t k = 0; k < h.n_pairs; k++)
            ck_assert(azm_place_equal(&h.pairs[k], &again.pairs[k]));
        ck_assert_uint_eq(again.n_seen, h.n_seen);
        for (size_t k = 0; k < h.n_seen; k++)
            ck_assert(azm_history_has_seen(&again, h.seen[k]));
        ck_assert_uint_eq(again.n_lasts, h.n_lasts);
        for (size_t k = 0; k < h.n_lasts; k++)
            ck_assert(azm_place_equal(&h.lasts[k], &again.lasts[k]));
        azm_buf_free(&lines);
        azm_history_free(&h);
        azm_history_free(&again);
    }
}
END_TEST

START_TEST(lines_that_make_no_sense)
{
    static const struct {
        const char *key, *value;
        int expected;
    } table[] = {
        {"history", "", -EBADMSG},
        {"history", "s=1;i=1", -EBADMSG},
        {"last", "", -EBADMSG},
        {"last", "s=1;i=1", -EBADMSG},
        {"seen", "", -EBADMSG},
        {"seen", "x", -EBADMSG},
        {"seen", "0123456789abcdef0123456789abcdef0", -EBADMSG},
        {"cursor", "s=1;i=1", 0},
        {"", "", 0},
        {"historyx", "", 0},
        {"see", "0123456789abcdef0123456789abcdef", 0},
    };
    struct azm_history h = {0};

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        ck_assert_int_eq(azm_history_parse(&h, table[i].key, table[i].value), table[i].expected);
    ck_assert_uint_eq(h.n_pairs, 0);
    ck_assert_uint_eq(h.n_seen, 0);
    azm_history_free(&h);
}
END_TEST

/* --- property: it never claims too much --- */

/* A machine's life: boots and users' files with one counter (as before systemd 254), power losses that take the end of
 * it all away, clocks that are set. Whatever was not read and comes later, the history does not claim. */
START_TEST(never_claims_what_was_not_read)
{
    struct prng prng = {4};

    for (int life = 0; life < 300; life++) {
        struct azm_history h = {0};
        uint64_t seqnum = 1, realtime = UINT64_C(1700000000000000);

        for (uint8_t boot = 0; boot < 6; boot++) {
            uint64_t monotonic = 1000000;

            for (int i = 0; i < 40; i++) {
                struct azm_place p = {.seqnum_id = some_id((uint8_t)prng_below(&prng, 3)),
                                      .boot = some_id(boot),
                                      .seqnum = seqnum++,
                                      .monotonic_usec = monotonic += 1 + prng_below(&prng, 1000000),
                                      .realtime_usec = realtime += prng_below(&prng, 1000000)};

                ck_assert(!azm_history_delivered(&h, &p));
                if (prng_below(&prng, 20) == 0)
                    realtime -= prng_below(&prng, 100000000); /* the clock is set */
                azm_history_note(&h, &p);
                ck_assert(azm_history_delivered(&h, &p));
            }
            if (prng_below(&prng, 2) == 0) { /* a power loss */
                seqnum -= prng_below(&prng, 60) % seqnum;
                realtime -= prng_below(&prng, 100000000);
            }
        }
        azm_history_free(&h);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "nothing_is_known_of_nothing", nothing_is_known_of_nothing);
    add_test(s, "within_one_boot", within_one_boot);
    add_test(s, "another_boot", another_boot);
    add_test(s, "another_seqnum_id", another_seqnum_id);
    add_test(s, "the_highest_values_stay", the_highest_values_stay);
    add_test(s, "only_so_many_pairs", only_so_many_pairs);
    add_test(s, "several_ids", several_ids);
    add_test(s, "seen_is_a_set", seen_is_a_set);
    add_test(s, "lasts", lasts);
    add_test(s, "up to the last", up_to_the_last);
    add_test(s, "what_is_printed_is_parsed", what_is_printed_is_parsed);
    add_test(s, "lines_that_make_no_sense", lines_that_make_no_sense);
    add_test(s, "never_claims_what_was_not_read", never_claims_what_was_not_read);
}

TEST_MAIN("history", add_tests)
