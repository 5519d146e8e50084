/* SPDX-License-Identifier: MIT */
#pragma once

#include <inttypes.h>

#include "export/delivery.h"
#include "export/pace.h"
#include "export/transit.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* The exporter in small and in virtual time: transit, pace and decisions, put together as src/export/exporter_thread.c
 * does it, against a server that is a function. Nothing sleeps; the time is that of the next event. (In what runs often
 * there is no ck_assert: each is a system call.) */

#define SIM_RECORDS_MAX 4096
#define SIM_WINDOW_MAX 64
#define SIM_REFUSALS_MAX 32 /* as in exporter_thread.c */
#define SIM_PROBE_AGE_USEC (60 * AZM_USEC_PER_SEC)

struct sim_answer {
    int curl_code;
    long status;
    uint64_t retry_after_sec; /* 0: none */
    uint64_t takes_usec;      /* from the request to it */
};

struct sim;

/* The request has the records first .. first + n - 1. */
typedef struct sim_answer (*sim_server_t)(struct sim *s, uint64_t first, size_t n);

struct sim {
    sim_server_t server;
    unsigned window;
    struct prng dice;

    uint64_t now_usec, passed_usec, probe_usec;
    struct azm_clock clock;
    struct azm_pace pace, suspect_pace;
    struct azm_transits ts;
    unsigned in_flight, suspects_in_flight, refusals;
    size_t unfinished; /* batches */
    struct sim_request {
        struct azm_part *part;
        struct sim_answer answer;
        uint64_t done_usec;
    } running[SIM_WINDOW_MAX];
    size_t n_running;

    /* What came of it. */
    uint64_t requests, probes;
    unsigned char taken[SIM_RECORDS_MAX], quarantined[SIM_RECORDS_MAX]; /* how often; the probe does not count */
    uint64_t not_before_usec;                                           /* the latest Retry-After */
};

static inline uint64_t sim_throw(void *userdata)
{
    return prng_next(userdata);
}

static inline void sim_begin(struct sim *s, uint64_t seed, unsigned window, sim_server_t server)
{
    *s = (struct sim){.server = server, .window = window, .dice = {seed}, .now_usec = 1000 * AZM_USEC_PER_SEC};
    s->clock = (struct azm_clock){.random = sim_throw, .userdata = &s->dice};
    azm_pace_init(&s->pace, window, AZM_USEC_PER_SEC, 30 * AZM_USEC_PER_SEC, 300 * AZM_USEC_PER_SEC);
    azm_pace_init(&s->suspect_pace, 1, AZM_USEC_PER_SEC, 30 * AZM_USEC_PER_SEC, 300 * AZM_USEC_PER_SEC);
}

static inline void sim_end(struct sim *s)
{
    azm_transits_clear(&s->ts);
}

/* --- records: their number, padded --- */

static inline struct azm_batch *sim_batch(uint64_t first, size_t n)
{
    struct azm_batch *b;

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){n, SIZE_MAX}, &b), 0);
    for (uint64_t number = first; number < first + n; number++)
        if (azm_batch_add_anyway(b, AZM_TEXT(""), (struct azm_text){(const char *)&number, sizeof number}) != 1)
            ck_abort();
    return b;
}

static inline uint64_t sim_number(const struct azm_batch *b, size_t i)
{
    struct azm_text resource, record;
    uint64_t number;

    azm_batch_get(b, i, &resource, &record);
    memcpy(&number, record.s, sizeof number);
    return number;
}

static inline uint64_t sim_first(const struct azm_part *p)
{
    return sim_number(p->batch, p->first);
}

/* As azm_exporter_has_room. */
static inline bool sim_has_room(const struct sim *s)
{
    size_t window = MAX(s->window, 2U);

    return s->unfinished < window + MIN(azm_transits_suspects(&s->ts), window);
}

static inline void sim_submit(struct sim *s, uint64_t first, size_t n)
{
    struct azm_transit *t = azm_transit_new(sim_batch(first, n));

    ck_assert_ptr_nonnull(t);
    ck_assert_uint_le(first + n, SIM_RECORDS_MAX);
    azm_transits_append(&s->ts, t);
    s->unfinished++;
}

/* --- sending --- */

static inline void sim_send(struct sim *s, struct azm_part *p)
{
    struct sim_request *r = &s->running[s->n_running++];

    if (s->n_running > SIM_WINDOW_MAX)
        ck_abort_msg("too many requests in flight");
    if (s->now_usec < s->not_before_usec)
        ck_abort_msg("sent %" PRIu64 " us before a Retry-After has passed", s->not_before_usec - s->now_usec);
    azm_part_sent(&s->ts, p, s->now_usec);
    p->outside = p->suspect;
    if (p->outside)
        s->suspects_in_flight++;
    else
        s->in_flight++;
    azm_pace_sent(p->suspect ? &s->suspect_pace : &s->pace, s->now_usec);
    s->requests++;
    s->probes += azm_part_is_probe(&s->ts, p);
    r->part = p;
    r->answer = s->server(s, sim_first(p), p->n);
    r->done_usec = s->now_usec + r->answer.takes_usec;
}

static inline bool sim_may_probe(const struct sim *s)
{
    return s->in_flight == 0 && s->now_usec >= s->passed_usec + s->pace.initial_usec;
}

/* Returns how long there is nothing to send. */
static inline uint64_t sim_send_ready(struct sim *s, const struct azm_pace *pace, const unsigned *in_flight,
                                      bool suspects)
{
    struct azm_part *p;

    while (*in_flight < pace->window &&
           (p = azm_transits_next(&s->ts, suspects, sim_may_probe(s) ? AZM_PROBE_AFTER_UNTRIED : AZM_PROBE_NOT))) {
        uint64_t wait = azm_pace_wait_usec(pace, s->now_usec);

        if (wait > 0)
            return wait;
        sim_send(s, p);
    }
    return AZM_USEC_INFINITY;
}

static inline uint64_t sim_send_all(struct sim *s)
{
    uint64_t wait = sim_send_ready(s, &s->pace, &s->in_flight, false);

    if (s->pace.failures == 0)
        wait = MIN(wait, sim_send_ready(s, &s->suspect_pace, &s->suspects_in_flight, true));
    if (s->ts.oldest && s->ts.probe && !sim_may_probe(s))
        wait = MIN(wait, s->pace.initial_usec);
    return wait;
}

/* --- answers --- */

static inline void sim_done(struct sim *s, struct azm_part *p)
{
    struct azm_transit *t = azm_part_done(&s->ts, p);

    if (t) {
        azm_batch_free(azm_transit_free(t));
        s->unfinished--;
    }
}

static inline void sim_passed(struct sim *s, struct azm_part *p)
{
    uint64_t first = sim_first(p);

    azm_part_acknowledged(&s->ts, p);
    s->passed_usec = s->now_usec;
    s->refusals = 0;
    azm_pace_success(p->suspect ? &s->suspect_pace : &s->pace, p->sent_usec, s->now_usec);
    if (azm_part_is_probe(&s->ts, p)) {
        p->state = AZM_PART_READY;
        return;
    }
    if (!s->ts.probe || s->now_usec >= s->probe_usec + SIM_PROBE_AGE_USEC) {
        if (azm_transits_set_probe(&s->ts, p) < 0)
            ck_abort();
        s->probe_usec = s->now_usec;
    }
    for (size_t i = 0; i < p->n; i++)
        s->taken[first + i]++;
    sim_done(s, p);
}

static inline void sim_keep_pace(struct sim *s, const struct azm_part *p, const struct azm_verdict *v)
{
    bool refusal = v->meaning == AZM_REFUSED || v->meaning == AZM_TOO_LARGE;

    if (v->meaning == AZM_THROTTLED)
        azm_pace_throttled(&s->pace, &s->clock, p->sent_usec, s->now_usec, v->retry_after_usec);
    else
        azm_pace_failure(p->suspect ? &s->suspect_pace : &s->pace, &s->clock, p->sent_usec, s->now_usec,
                         v->decision == AZM_HOLD && !refusal, v->retry_after_usec);
    s->not_before_usec = MAX(s->not_before_usec, s->now_usec + v->retry_after_usec);
}

static inline bool sim_look_closer(struct sim *s, struct azm_part *p)
{
    if (s->refusals >= SIM_REFUSALS_MAX || azm_part_is_probe(&s->ts, p))
        return false;
    s->refusals++;
    if (p->n > 1)
        return azm_part_split(p, false) == 0;
    return s->in_flight > 0 || azm_transits_have_untried(&s->ts);
}

static inline void sim_failed(struct sim *s, struct azm_part *p, const struct azm_verdict *v)
{
    bool held = v->decision == AZM_HOLD && v->meaning == AZM_REFUSED;

    azm_part_failed(&s->ts, p, v->meaning == AZM_REFUSED);
    if (held && sim_look_closer(s, p))
        return;
    p->failures = v->failures;
    p->tries = v->meaning == AZM_FAILED ? p->tries + 1 : 0;
    sim_keep_pace(s, p, v);
    if (azm_part_is_probe(&s->ts, p))
        p->failures = 0;
    else if (held && p->n > 1 && !s->ts.probe)
        azm_part_split(p, false);
}

static inline void sim_on_answer(struct sim *s, struct azm_part *p, const struct sim_answer *from_server)
{
    const struct azm_attempt attempt = {
        .origin = "http://127.0.0.1/v1/logs",
        .records = p->n,
        .proven = azm_part_is_proven(&s->ts, p),
        .suspect = p->suspect,
        .failures = p->failures,
        .others_passed = azm_part_others_passed(&s->ts, p),
    };
    char retry_after[24] = "";
    const struct azm_answer a = {
        .curl_code = from_server->curl_code,
        .curl_words = "",
        .status = from_server->status,
        .content_type = "",
        .retry_after = retry_after,
        .error_code = "",
        .request_id = "",
        .redirect_url = "",
    };
    struct azm_verdict v;

    if (from_server->retry_after_sec > 0)
        snprintf(retry_after, sizeof retry_after, "%" PRIu64, from_server->retry_after_sec);
    if (p->outside)
        s->suspects_in_flight--;
    else
        s->in_flight--;
    azm_delivery_decide(&a, &attempt, s->now_usec, &v);
    switch (v.decision) {
    case AZM_ACKNOWLEDGE:
        sim_passed(s, p);
        break;
    case AZM_QUARANTINE:
        if (azm_part_is_probe(&s->ts, p)) {
            sim_passed(s, p);
            break;
        }
        if (p->n != 1)
            ck_abort_msg("more than the record that is at fault");
        s->quarantined[sim_first(p)]++;
        sim_done(s, p);
        break;
    case AZM_RETRY:
    case AZM_HOLD:
        sim_failed(s, p, &v);
        break;
    case AZM_SPLIT:
        azm_part_failed(&s->ts, p, v.meaning == AZM_REFUSED);
        p->suspect = v.suspect;
        azm_part_split(p, false);
        break;
    default:
        ck_abort_msg("decision %d is not expected here", v.decision);
    }
}

/* Sends what may be sent, lets time pass until the next event, at most until `until_usec`, and looks at the answers
 * that are there then. */
static inline void sim_step(struct sim *s, uint64_t until_usec)
{
    uint64_t wait = sim_send_all(s), next = until_usec;

    if (wait < AZM_USEC_INFINITY)
        next = MIN(next, s->now_usec + wait);
    for (size_t i = 0; i < s->n_running; i++)
        next = MIN(next, s->running[i].done_usec);
    s->now_usec = MAX(s->now_usec, next);
    for (size_t i = 0; i < s->n_running;) {
        struct sim_request r = s->running[i];

        if (r.done_usec > s->now_usec) {
            i++;
            continue;
        }
        s->running[i] = s->running[--s->n_running];
        sim_on_answer(s, r.part, &r.answer);
    }
}
