/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>

#include "tests/unit/exporter_sim.h"

/* An hour of outage in virtual time, then a server that takes so many requests in a minute: what the exporter sends,
 * and when. A batch is one record here, and stands for one full request. */

#define SEC AZM_USEC_PER_SEC
#define MINUTE (60 * SEC)
#define REQUEST_USEC (SEC / 20)
#define OUTAGE_USEC (60 * MINUTE)
#define PER_MINUTE 200
#define WINDOW 4
#define SEEDS 100

static uint64_t end_usec;                  /* of the outage */
static uint64_t minute, taken_in_minute;   /* the server's fixed window, and what it took in it */
static uint64_t phase_usec;                /* when its windows begin */
static uint64_t throttled_sent_usec;       /* when the last request of the last throttle episode was sent */
static uint64_t episodes, throttled;       /* 429s of requests that were in flight together count as one */
static uint64_t successes, most_in_flight; /* since the outage */
static uint64_t requests_in_outage;

static struct sim_answer down(uint64_t since_usec)
{
    if (since_usec < 20 * MINUTE)
        return (struct sim_answer){.curl_code = CURLE_COULDNT_CONNECT, .takes_usec = SEC / 1000};
    if (since_usec < 40 * MINUTE)
        return (struct sim_answer){.status = 503, .takes_usec = REQUEST_USEC};
    return (struct sim_answer){.curl_code = CURLE_OPERATION_TIMEDOUT, .takes_usec = 10 * SEC};
}

static struct sim_answer limited_server(struct sim *s, uint64_t first, size_t n)
{
    struct sim_answer a = {.status = 200, .takes_usec = REQUEST_USEC};
    uint64_t since_phase = s->now_usec - phase_usec;

    (void)first, (void)n;
    if (s->now_usec < end_usec) {
        requests_in_outage++;
        return down(s->now_usec - (end_usec - OUTAGE_USEC));
    }
    most_in_flight = MAX(most_in_flight, s->in_flight);
    /* what was taken opens the window: at first one, then twofold with each */
    if (s->in_flight > (successes < 2 ? 1U : 1U << MIN(successes - 1, UINT64_C(8))))
        ck_abort_msg("%u requests at once after %" PRIu64 " were taken", s->in_flight, successes);
    if (since_phase / MINUTE != minute) {
        minute = since_phase / MINUTE;
        taken_in_minute = 0;
    }
    if (taken_in_minute < PER_MINUTE) {
        taken_in_minute++;
        return a;
    }
    a.status = 429;
    a.retry_after_sec = (MINUTE - since_phase % MINUTE + SEC - 1) / SEC;
    throttled++;
    if (throttled_sent_usec == 0 || s->now_usec >= throttled_sent_usec + REQUEST_USEC) { /* else sent unknowing */
        episodes++;
        throttled_sent_usec = s->now_usec;
    }
    return a;
}

/* One full request comes in every `every_usec`, `backlog` of them by the end of the outage and some more after that;
 * returns when all of it was taken. */
static void live_through(struct sim *s, uint64_t seed, size_t backlog)
{
    uint64_t every_usec = OUTAGE_USEC / backlog, begin, next;
    size_t submitted = 0, all = backlog + 60;

    sim_begin(s, seed, WINDOW, limited_server);
    begin = next = s->now_usec;
    end_usec = begin + OUTAGE_USEC;
    phase_usec = begin - prng_below(&s->dice, MINUTE);
    minute = taken_in_minute = throttled_sent_usec = 0;
    episodes = throttled = successes = most_in_flight = requests_in_outage = 0;
    while (submitted < all || s->unfinished > 0) {
        size_t came = MIN((s->now_usec - begin) / every_usec + 1, all), before;

        for (; submitted < came && sim_has_room(s); submitted++)
            sim_submit(s, submitted, 1);
        before = s->unfinished;
        sim_step(s, submitted < came || came == all ? UINT64_MAX : begin + came * every_usec);
        successes += before - s->unfinished;
        if (s->now_usec >= end_usec + 4 * 3600 * SEC)
            ck_abort_msg("seed %" PRIu64 ": not drained after four hours", seed);
    }
    for (size_t i = 0; i < all; i++)
        if (s->taken[i] != 1)
            ck_abort_msg("record %zu was taken %d times", i, s->taken[i]);
}

/* A fixed window takes up to twice its limit in one minute of ours, so where the outage ends just before a new window
 * the first rate is guessed too high, and with more than three windows' worth waiting the server may have to say it
 * twice. */
START_TEST(an_hour_of_outage)
{
    static struct sim s;

    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (size_t backlog = 300; backlog <= 900; backlog += 100) {
            live_through(&s, seed, backlog);
            /* one in 15 s on average, or in 25 s while each waits 10 s for an answer */
            ck_assert_uint_le(requests_in_outage, 300);
            ck_assert_uint_le(episodes, backlog <= 3 * PER_MINUTE ? 1 : 2);
            ck_assert_uint_le(throttled, episodes * WINDOW);
            ck_assert_uint_eq(s.probes, 0);
            ck_assert_uint_ge(most_in_flight, 2);
            sim_end(&s);
        }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "an_hour_of_outage", an_hour_of_outage);
}

TEST_MAIN("outage", add_tests)
