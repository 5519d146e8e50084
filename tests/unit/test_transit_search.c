/* SPDX-License-Identifier: MIT */
#include "tests/unit/exporter_sim.h"

/* Parts and decisions together, in a simulation, against a server that does not like some records: these are found, in
 * few requests. Batch i has the records 100 * i and following. */

#define SEC AZM_USEC_PER_SEC
#define PER 100

enum { FINE, REFUSED, BREAKS }; /* what the server thinks of a record */

static unsigned char opinion[SIM_RECORDS_MAX];
static bool refuses_all;
static uint64_t newest[SIM_RECORDS_MAX / PER]; /* by batch: the last record that arrived, + 1 */
static bool in_order;

static struct sim_answer picky_server(struct sim *s, uint64_t first, size_t n)
{
    struct sim_answer a = {.status = 200, .takes_usec = 10000 + prng_below(&s->dice, 90000)};

    for (uint64_t i = first; i < first + n; i++) {
        if (opinion[i] == BREAKS)
            a.status = 500;
        if (refuses_all || (opinion[i] == REFUSED && a.status != 500))
            a.status = 400;
    }
    if (a.status == 200 && !s->taken[first]) {
        in_order &= first >= newest[first / PER];
        newest[first / PER] = first + n;
    }
    return a;
}

static void begin(struct sim *s, uint64_t seed, unsigned window)
{
    memset(opinion, FINE, sizeof opinion);
    memset(newest, 0, sizeof newest);
    refuses_all = false;
    in_order = true;
    sim_begin(s, seed, window, picky_server);
}

static void poison(struct sim *s, size_t batches, size_t per, size_t k, unsigned char kind)
{
    while (k > 0) {
        size_t i = prng_below(&s->dice, batches) * PER + prng_below(&s->dice, per);

        k -= opinion[i] == FINE;
        opinion[i] = kind;
    }
}

/* One record is taken, so that it is known that the destination takes something. */
static void take_one(struct sim *s)
{
    sim_submit(s, SIM_RECORDS_MAX - PER, 1);
    while (s->unfinished > 0)
        sim_step(s, AZM_USEC_INFINITY);
    ck_assert_uint_eq(s->taken[SIM_RECORDS_MAX - PER]--, 1);
    s->requests = 0;
}

/* Delivers batches 0.. of `per` records each, handed over as there is room, until all is through. */
static void deliver(struct sim *s, size_t batches, size_t per)
{
    uint64_t until = s->now_usec + 24 * 3600 * SEC;
    size_t next = 0;

    while (next < batches || s->unfinished > 0) {
        for (; next < batches && sim_has_room(s); next++)
            sim_submit(s, PER * next, per);
        sim_step(s, until);
        if (s->now_usec >= until)
            ck_abort_msg("it does not end");
    }
}

/* Exactly the poison is in quarantine, the others were taken once. */
static void assert_sorted_out(const struct sim *s, size_t batches, size_t per)
{
    for (size_t i = 0; i < ELEMENTSOF(opinion); i++) {
        bool is_there = i / PER < batches && i % PER < per;

        if (s->taken[i] != (is_there && opinion[i] == FINE) || s->quarantined[i] != (is_there && opinion[i] != FINE))
            ck_abort_msg("record %zu (%d) was taken %d times, quarantined %d times", i, opinion[i], s->taken[i],
                         s->quarantined[i]);
    }
}

static unsigned log2_up(size_t n)
{
    unsigned k = 0;

    while (((size_t)1 << k) < n)
        k++;
    return k;
}

/* A search by halves for each: on every level two requests, and at the bottom one more with a probe before it. */
START_TEST(what_is_refused_is_found_in_few_requests)
{
    static struct sim s;

    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct prng dice = {seed};
        size_t batches = 1 + prng_below(&dice, 12), per = 2 + prng_below(&dice, PER - 1), k = 1 + prng_below(&dice, 5);

        k = MIN(k, per / 2);
        begin(&s, seed, 1 + (unsigned)prng_below(&dice, 4));
        take_one(&s);
        poison(&s, batches, per, k, REFUSED);
        deliver(&s, batches, per);
        assert_sorted_out(&s, batches, per);
        ck_assert_msg(in_order, "seed %" PRIu64 ": not in order", seed);
        ck_assert_msg(s.requests <= batches + k * (2 * log2_up(per) + 2),
                      "seed %" PRIu64 ": %" PRIu64 " requests for %zu of %zu times %zu", seed, s.requests, k, batches,
                      per);
        sim_end(&s);
    }
}
END_TEST

/* What breaks the server is tried five times, each part of it twice and the record alone five times, with a probe
 * before every try. */
START_TEST(what_breaks_the_server_is_found_in_few_requests)
{
    static struct sim s;

    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct prng dice = {seed};
        size_t batches = 1 + prng_below(&dice, 12), per = 2 + prng_below(&dice, PER - 1), k = 1 + prng_below(&dice, 3);

        k = MIN(k, per / 2);
        begin(&s, seed, 1 + (unsigned)prng_below(&dice, 4));
        take_one(&s);
        poison(&s, batches, per, k, BREAKS);
        deliver(&s, batches, per);
        assert_sorted_out(&s, batches, per);
        ck_assert_msg(s.requests <= batches + k * (6 * log2_up(per) + 26),
                      "seed %" PRIu64 ": %" PRIu64 " requests for %zu of %zu times %zu", seed, s.requests, k, batches,
                      per);
        sim_end(&s);
    }
}
END_TEST

/* Both kinds, any number of them: it ends, and all is where it belongs. */
START_TEST(any_mixture_is_sorted_out)
{
    static struct sim s;

    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct prng dice = {seed};
        size_t batches = 2 + prng_below(&dice, 6), per = 2 + prng_below(&dice, 30);

        begin(&s, seed, 1 + (unsigned)prng_below(&dice, 4));
        take_one(&s);
        poison(&s, batches, per, prng_below(&dice, per / 2 + 1), REFUSED);
        poison(&s, batches, per, prng_below(&dice, per / 2 + 1), BREAKS);
        deliver(&s, batches, per);
        assert_sorted_out(&s, batches, per);
        sim_end(&s);
    }
}
END_TEST

/* A wrong path or proxy refuses everything, from the first request or from some time on: nothing is the data's fault.
 * When that is mended, all of it is taken, but for what is refused still. */
START_TEST(a_server_that_refuses_everything_costs_nothing)
{
    static struct sim s;

    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct prng dice = {seed};
        size_t batches = 4, per = 1 + prng_below(&dice, 60), k = prng_below(&dice, 3);
        uint64_t until, requests;

        begin(&s, seed, 1 + (unsigned)prng_below(&dice, 4));
        if (seed % 2)
            take_one(&s);
        poison(&s, batches, per, MIN(k, per - 1), REFUSED);
        refuses_all = true;
        for (size_t i = 0; i < batches; i++)
            sim_submit(&s, PER * i, per);
        requests = s.requests;
        until = s.now_usec + 3600 * SEC;
        while (s.now_usec < until)
            sim_step(&s, until);
        for (size_t i = 0; i < ELEMENTSOF(opinion); i++)
            if (s.taken[i] || s.quarantined[i])
                ck_abort_msg("record %zu", i);
        /* an hour at one in 15 s on average; what is tried to look closer comes on top */
        ck_assert_msg(s.requests - requests < 500, "%" PRIu64 " requests in an hour", s.requests - requests);
        refuses_all = false;
        deliver(&s, 0, 0);
        assert_sorted_out(&s, batches, per);
        sim_end(&s);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "what_is_refused_is_found_in_few_requests", what_is_refused_is_found_in_few_requests);
    add_test(s, "what_breaks_the_server_is_found_in_few_requests", what_breaks_the_server_is_found_in_few_requests);
    add_test(s, "any_mixture_is_sorted_out", any_mixture_is_sorted_out);
    add_test(s, "a_server_that_refuses_everything_costs_nothing", a_server_that_refuses_everything_costs_nothing);
}

TEST_MAIN("transit_search", add_tests)
