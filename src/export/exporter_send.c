/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/log.h"
#include "export/exporter_internal.h"

#define BODY_AGE_USEC (3600 * AZM_USEC_PER_SEC) /* then it is made anew */
#define SLEEP_MAX_USEC (60 * AZM_USEC_PER_SEC)

/* The body for a new request. -EMSGSIZE: its records do not fit into one. */
static int make_body(struct azm_exporter *x, struct azm_part *p)
{
    bool gzip = azm_request_gzip(p->request);
    struct azm_buf *out = gzip ? &x->raw : &p->body;
    struct azm_route *route = x->route;
    uint64_t now_realtime = azm_realtime_usec(x->clock);
    int r;

    p->made_usec = azm_exporter_now(x);
    if (p->truncated)
        r = azm_body_make(&route->body, p->truncated, 0, 1, now_realtime, out);
    else
        r = azm_body_make(&route->body, p->batch, p->first, p->n, now_realtime, out);
    if (r == 0 && p->n > 1 && route->max_body_bytes > 0 && out->len > route->max_body_bytes)
        return -EMSGSIZE;
    if (r < 0 || !gzip)
        return r;
    return azm_gzip_compress(x->gzip, x->raw.data, x->raw.len, &p->body);
}

/* What is to be sent depends on how old the records are. */
static bool is_stale(const struct azm_exporter *x, const struct azm_part *p)
{
    return x->route->body.profile != AZM_PROFILE_OTLP && azm_exporter_now(x) > p->made_usec + BODY_AGE_USEC;
}

static int prepare(struct azm_exporter *x, struct azm_part *p)
{
    int r;

    if (p->request && (!azm_request_is_current(p->request) || is_stale(x, p)))
        azm_part_reset(p);
    if (p->request)
        return 0;
    r = azm_request_new(x->transport, p, &p->request);
    if (r < 0)
        return r;
    r = make_body(x, p);
    if (r < 0)
        azm_part_reset(p); /* half a body must never go out */
    return r;
}

static int post(struct azm_exporter *x, struct azm_part *p)
{
    const struct azm_route *route = x->route;
    char id[AZM_GUID_MAX] = "";
    const struct azm_http_call call = {
        .url = p->redirect_url ? p->redirect_url : route->elsewhere,
        .abroad = p->redirect_url && !p->keep_credentials,
        .token = x->token,
        .id = id,
    };

    if (route->body.profile != AZM_PROFILE_OTLP)
        azm_guid_make(id);
    p->token_number = x->token_number;
    return azm_request_post(p->request, &call, p->body.data, p->body.len, p->n);
}

/* One of its records cannot be put into the destination's form. */
static int isolate(struct azm_exporter *x, struct azm_part *p)
{
    static const char words[] = "the record cannot be written in the form of this destination";
    const struct azm_verdict v = {.decision = AZM_QUARANTINE, .meaning = AZM_REFUSED};
    const struct azm_answer a = {.content_type = "text/plain",
                                 .error_code = "",
                                 .request_id = "",
                                 .body = (const uint8_t *)words,
                                 .body_len = sizeof words - 1};

    if (p->n > 1)
        return azm_part_split(p, false);
    azm_exporter_on_quarantined(x, p, &v, &a);
    return 0;
}

static void count_request(struct azm_exporter *x, const struct azm_part *p)
{
    pthread_mutex_lock(&x->mutex);
    x->status.requests++;
    x->status.bytes += p->body.len;
    pthread_mutex_unlock(&x->mutex);
}

static void rehearse(struct azm_exporter *x, struct azm_part *p)
{
    x->rehearse(x->rehearse_userdata, p->batch, p->first, p->n,
                azm_request_gzip(p->request) ? x->raw.len : p->body.len);
    count_request(x, p);
    azm_exporter_count(x, &x->status.records, p->n);
    azm_exporter_part_done(x, p);
}

int azm_exporter_send_part(struct azm_exporter *x, struct azm_part *p)
{
    int r = prepare(x, p);

    if (r == -EMSGSIZE)
        return azm_part_split(p, true);
    if (r == -EBADMSG)
        return isolate(x, p);
    if (r == 0 && x->rehearse) {
        rehearse(x, p);
        return 0;
    }
    if (r == 0)
        r = post(x, p);
    if (r < 0)
        return r;
    azm_part_sent(&x->transits, p, azm_exporter_now(x));
    p->outside = p->suspect;
    if (p->outside)
        x->suspects_in_flight++;
    else
        x->in_flight++;
    azm_pace_sent(p->suspect ? &x->route->suspect_pace : &x->route->pace, p->sent_usec);
    count_request(x, p);
    return 0;
}

/* While others pass they end every doubt, without a duplicate. */
static bool may_probe(const struct azm_exporter *x)
{
    return x->in_flight == 0 && azm_exporter_now(x) >= x->passed_usec + x->route->pace.initial_usec;
}

static enum azm_probing probing(const struct azm_exporter *x)
{
    if (!may_probe(x))
        return AZM_PROBE_NOT;
    return x->refusals < AZM_REFUSALS_MAX ? AZM_PROBE_AFTER_UNTRIED : AZM_PROBE_FIRST;
}

/* Sends what a pace allows. Returns how long the thread may sleep, or -errno. */
static int64_t send_ready(struct azm_exporter *x, const struct azm_pace *pace, const unsigned *in_flight, bool suspects)
{
    struct azm_part *p;

    while (*in_flight < pace->window && (p = azm_transits_next(&x->transits, suspects, probing(x)))) {
        uint64_t wait = azm_pace_wait_usec(pace, azm_exporter_now(x));
        int r;

        if (wait > 0)
            return (int64_t)MIN(wait, SLEEP_MAX_USEC);
        r = azm_exporter_send_part(x, p);
        if (r < 0)
            return r;
    }
    return (int64_t)SLEEP_MAX_USEC; /* an answer or the owner will wake us */
}

int64_t azm_exporter_send_all(struct azm_exporter *x)
{
    const struct azm_route *route = x->route;
    int64_t sleep, other = (int64_t)SLEEP_MAX_USEC;

    if (!azm_exporter_take_token(x))
        return (int64_t)SLEEP_MAX_USEC; /* news of the token will wake us */
    sleep = send_ready(x, &route->pace, &x->in_flight, false);
    /* While everything fails it says nothing about a suspect that it fails as well. */
    if (sleep >= 0 && route->pace.failures == 0)
        other = send_ready(x, &route->suspect_pace, &x->suspects_in_flight, true);
    if (sleep < 0 || other < 0)
        return MIN(sleep, other);
    if (x->in_flight == 0 && x->transits.oldest && x->transits.probe && !may_probe(x)) /* look again when it may */
        other = MIN(other, (int64_t)route->pace.initial_usec);
    return MIN(sleep, other);
}
