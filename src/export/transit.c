/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "export/transit.h"

static struct azm_part *part_new(struct azm_transit *t, struct azm_batch *batch, size_t first, size_t n)
{
    struct azm_part *p = calloc(1, sizeof *p);

    if (p) {
        p->transit = t;
        p->batch = batch;
        p->first = first;
        p->n = n;
    }
    return p;
}

void azm_part_go_home(struct azm_part *p)
{
    free(p->redirect_url);
    p->redirect_url = NULL;
    p->redirects = 0;
}

void azm_part_reset(struct azm_part *p)
{
    p->request = azm_request_free(p->request);
    azm_buf_free(&p->body);
    azm_part_go_home(p);
}

static void part_free(struct azm_part *p)
{
    azm_part_reset(p);
    azm_batch_free(p->truncated);
    free(p->note);
    free(p);
}

struct azm_transit *azm_transit_new(struct azm_batch *batch)
{
    struct azm_transit *t = calloc(1, sizeof *t);

    if (t)
        t->parts = part_new(t, batch, 0, azm_batch_records(batch));
    if (!t || !t->parts) {
        free(t);
        return NULL;
    }
    t->batch = batch;
    return t;
}

struct azm_batch *azm_transit_free(struct azm_transit *t)
{
    struct azm_batch *batch = t->batch;

    while (t->parts) {
        struct azm_part *p = t->parts;

        t->parts = p->next;
        part_free(p);
    }
    for (size_t i = 0; i < t->n_gathered; i++)
        azm_batch_free(t->gathered[i]);
    free(t->gathered);
    free(t);
    return batch;
}

void azm_transits_append(struct azm_transits *ts, struct azm_transit *t)
{
    t->next = NULL;
    if (ts->youngest)
        ts->youngest->next = t;
    else
        ts->oldest = t;
    ts->youngest = t;
}

static void unlink_transit(struct azm_transits *ts, const struct azm_transit *t)
{
    struct azm_transit **link = &ts->oldest, *before = NULL;

    while (*link != t) {
        before = *link;
        link = &before->next;
    }
    *link = t->next;
    if (ts->youngest == t)
        ts->youngest = before;
}

struct azm_transit *azm_transits_take(struct azm_transits *ts)
{
    struct azm_transit *t = ts->oldest;

    if (t)
        unlink_transit(ts, t);
    return t;
}

void azm_transits_clear(struct azm_transits *ts)
{
    struct azm_transit *t;

    while ((t = azm_transits_take(ts)))
        azm_batch_free(azm_transit_free(t));
    if (ts->probe)
        azm_batch_free(azm_transit_free(ts->probe));
    ts->probe = NULL;
}

int azm_transits_set_probe(struct azm_transits *ts, const struct azm_part *p)
{
    static const struct azm_batch_limits limits = {.records = 1, .bytes = SIZE_MAX};
    struct azm_text resource, record;
    struct azm_batch *batch;
    struct azm_transit *t;

    if (ts->probe && ts->probe->parts->state == AZM_PART_SENDING)
        return 0;
    if (azm_batch_new(&limits, &batch) < 0)
        return -ENOMEM;
    azm_batch_get(p->batch, p->first, &resource, &record);
    t = azm_batch_add_anyway(batch, resource, record) < 0 ? NULL : azm_transit_new(batch);
    if (!t) {
        azm_batch_free(batch);
        return -ENOMEM;
    }
    if (ts->probe) {
        t->parts->sent = ts->probe->parts->sent;
        azm_batch_free(azm_transit_free(ts->probe));
    }
    ts->probe = t;
    return 0;
}

/* --- what next --- */

#define TRIES_MAX 5 /* without anything else that passes, before the probe is sent */

/* The step since which it is in doubt. */
static uint64_t doubted_since(const struct azm_part *p)
{
    return MAX(p->refused, p->failed);
}

static bool is_undoubted(const struct azm_transits *ts, const struct azm_part *p)
{
    return doubted_since(p) == 0 || doubted_since(p) < ts->proof;
}

/* Would it help to know whether the destination takes anything else? Not in an outage: there the part itself shows when
 * it is over. */
static bool wants_probe(const struct azm_transits *ts, const struct azm_part *p)
{
    return p->state == AZM_PART_READY && !is_undoubted(ts, p) && doubted_since(p) > ts->probe->parts->sent &&
           (p->refused > 0 || p->suspect || p->failures > 1 || p->tries >= TRIES_MAX);
}

static bool probe_is_wanted(const struct azm_transits *ts)
{
    if (!ts->probe || ts->probe->parts->state != AZM_PART_READY)
        return false;
    for (struct azm_transit *t = ts->oldest; t; t = t->next)
        for (struct azm_part *p = t->parts; p; p = p->next)
            if (wants_probe(ts, p))
                return true;
    return false;
}

bool azm_part_is_scout(const struct azm_transits *ts, const struct azm_part *p)
{
    const struct azm_part *first = ts->oldest ? ts->oldest->parts : NULL;

    while (first && first->n == 1)
        first = first->next;
    return !ts->probe && p == first && p->tries >= (p->n == azm_batch_records(p->transit->batch) ? TRIES_MAX : 1);
}

bool azm_transits_have_untried(const struct azm_transits *ts)
{
    for (struct azm_transit *t = ts->oldest; t; t = t->next)
        for (struct azm_part *p = t->parts; p; p = p->next)
            if (p->state == AZM_PART_READY && !p->suspect && p->failed == 0)
                return true;
    return false;
}

static bool goes_before(const struct azm_transits *ts, const struct azm_part *a, const struct azm_part *b)
{
    bool x = is_undoubted(ts, a), y = is_undoubted(ts, b);

    if (x || y)
        return x && !y;
    return a->failed < b->failed; /* 0: not tried yet */
}

static bool is_sending(const struct azm_transit *t)
{
    for (const struct azm_part *p = t->parts; p; p = p->next)
        if (p->state == AZM_PART_SENDING)
            return true;
    return false;
}

struct azm_part *azm_transits_next(const struct azm_transits *ts, bool suspects, enum azm_probing probing)
{
    struct azm_part *best = NULL;

    for (struct azm_transit *t = ts->oldest; t; t = t->next)
        for (struct azm_part *p = is_sending(t) ? NULL : t->parts; p; p = p->next) {
            if (p->state != AZM_PART_READY || p->suspect != suspects)
                continue;
            if (!best || goes_before(ts, p, best))
                best = p;
            if (is_undoubted(ts, best))
                return best;
        }
    if (probing == AZM_PROBE_AFTER_UNTRIED && best && best->failed == 0)
        return best;
    if (probing != AZM_PROBE_NOT && !suspects && probe_is_wanted(ts))
        return ts->probe->parts;
    return best;
}

/* --- what is known --- */

void azm_part_sent(struct azm_transits *ts, struct azm_part *p, uint64_t now_usec)
{
    p->state = AZM_PART_SENDING;
    p->sent = ++ts->step;
    p->sent_usec = now_usec;
}

void azm_part_failed(struct azm_transits *ts, struct azm_part *p, bool refused)
{
    p->state = AZM_PART_READY;
    p->failed = ++ts->step;
    if (refused && p->refused == 0)
        p->refused = p->failed;
}

void azm_part_acknowledged(struct azm_transits *ts, const struct azm_part *p)
{
    ts->proof = MAX(ts->proof, p->sent);
}

bool azm_part_is_proven(const struct azm_transits *ts, const struct azm_part *p)
{
    return p->refused > 0 ? ts->proof > p->refused : p->n > 1 && ts->proof > 0;
}

bool azm_part_others_passed(const struct azm_transits *ts, const struct azm_part *p)
{
    return ts->proof > p->failed;
}

void azm_transits_forget(struct azm_transits *ts)
{
    ts->proof = 0;
    for (struct azm_transit *t = ts->oldest; t; t = t->next)
        for (struct azm_part *p = t->parts; p; p = p->next) {
            p->refused = p->failed = 0;
            p->failures = p->tries = 0;
            p->suspect = false;
            p->truncated = azm_batch_free(p->truncated);
        }
}

static bool is_under_suspicion(const struct azm_transit *t)
{
    for (const struct azm_part *p = t->parts; p; p = p->next)
        if (p->suspect || p->failures > 1)
            return true;
    return false;
}

size_t azm_transits_suspects(const struct azm_transits *ts)
{
    size_t n = 0;

    for (const struct azm_transit *t = ts->oldest; t; t = t->next)
        n += is_under_suspicion(t);
    return n;
}

/* --- changes --- */

int azm_part_split(struct azm_part *p, bool by_bytes)
{
    return azm_part_cut(p, by_bytes ? azm_batch_half(p->batch, p->first, p->n) : p->n / 2);
}

int azm_part_cut(struct azm_part *p, size_t n)
{
    struct azm_part *rest = part_new(p->transit, p->batch, p->first + n, p->n - n);

    if (!rest)
        return -ENOMEM;
    azm_part_reset(p);
    p->n = n;
    p->state = AZM_PART_READY;
    p->failed = 0;
    p->failures = p->tries = 0;
    rest->refused = p->refused;
    rest->suspect = p->suspect;
    rest->next = p->next;
    p->next = rest;
    return 0;
}

/* Copies of these records, which the transit owns. */
static struct azm_batch *copy_records(const struct azm_part *p, const bool *wanted)
{
    static const struct azm_batch_limits limits = {.records = SIZE_MAX, .bytes = SIZE_MAX};
    struct azm_transit *t = p->transit;
    struct azm_batch **gathered = reallocarray(t->gathered, t->n_gathered + 1, sizeof(struct azm_batch *));
    struct azm_batch *copy;
    int r = 0;

    if (!gathered)
        return NULL;
    t->gathered = gathered;
    if (azm_batch_new(&limits, &copy) < 0)
        return NULL;
    for (size_t i = 0; i < p->n && r >= 0; i++) {
        struct azm_text resource, record;

        azm_batch_get(p->batch, p->first + i, &resource, &record);
        if (wanted[i])
            r = azm_batch_add_anyway(copy, resource, record);
    }
    if (r < 0)
        return azm_batch_free(copy);
    return t->gathered[t->n_gathered++] = copy;
}

struct azm_part *azm_part_gather(struct azm_part *p, const bool *wanted)
{
    struct azm_batch *copy = copy_records(p, wanted);
    struct azm_part *q = copy ? part_new(p->transit, copy, 0, azm_batch_records(copy)) : NULL;

    if (!q)
        return NULL; /* a copy without a part is freed with the rest */
    q->refused = p->refused;
    q->suspect = p->suspect;
    q->failures = p->failures;
    q->next = p->next;
    p->next = q;
    return q;
}

struct azm_transit *azm_part_done(struct azm_transits *ts, struct azm_part *p)
{
    struct azm_transit *t = p->transit;
    struct azm_part **link = &t->parts;

    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    part_free(p);
    if (t->parts)
        return NULL;
    unlink_transit(ts, t);
    return t;
}
