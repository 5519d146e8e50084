/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "encode/otlp_truncate.h"
#include "export/exporter_internal.h"

#define KEEP_RETRY_USEC (10 * AZM_USEC_PER_SEC) /* how often a full quarantine is tried again */
#define TELL_USEC (60 * AZM_USEC_PER_SEC)       /* records in quarantine are told at most so often */
#define REFUSALS_MAX 32                         /* in a row, before it is held */
#define PROBE_AGE_USEC (60 * AZM_USEC_PER_SEC)  /* the record that serves as a probe is replaced so often */
#define SLEEP_MAX_USEC (60 * AZM_USEC_PER_SEC)

/* What is to be written into the quarantine; kept with the part while there is no room for it. */
struct azm_part_note {
    struct azm_quarantine_note note; /* its strings are the ones below */
    char code[sizeof(((struct azm_verdict *)NULL)->code)], request_id[128], words[AZM_WORDS_MAX];
};

static uint64_t now_usec(const struct azm_exporter *x)
{
    return azm_monotonic_usec(x->clock);
}

/* --- sending --- */

static int make_body(struct azm_exporter *x, struct azm_part *p)
{
    bool gzip = azm_http_request_gzip(p->request);
    struct azm_buf *out = gzip ? &x->raw : &p->body;
    int r;

    if (p->truncated)
        r = azm_batch_serialize(p->truncated, 0, 1, out);
    else
        r = azm_batch_serialize(p->transit->batch, p->first, p->n, out);
    if (r < 0 || !gzip)
        return r;
    return azm_gzip_compress(x->gzip, x->raw.data, x->raw.len, &p->body);
}

static int send_part(struct azm_exporter *x, struct azm_part *p)
{
    const struct azm_http_redirect redirect = {p->redirect_url, p->keep_credentials};
    int r;

    if (p->request && !azm_http_request_is_current(p->request))
        azm_part_reset(p);
    if (!p->request) {
        r = azm_http_request_new(x->http, p, &p->request);
        if (r < 0)
            return r;
        r = make_body(x, p);
        if (r < 0) {
            azm_part_reset(p); /* half a body must never go out */
            return r;
        }
    }
    r = azm_http_post(p->request, p->redirect_url ? &redirect : NULL, p->body.data, p->body.len);
    if (r < 0)
        return r;
    azm_part_sent(&x->transits, p, now_usec(x));
    p->outside = p->suspect;
    if (p->outside)
        x->suspects_in_flight++;
    else
        x->in_flight++;
    azm_pace_sent(p->suspect ? &x->route->suspect_pace : &x->route->pace, p->sent_usec);
    pthread_mutex_lock(&x->mutex);
    x->status.requests++;
    x->status.bytes += p->body.len;
    pthread_mutex_unlock(&x->mutex);
    return 0;
}

/* While others pass they end every doubt, without a duplicate. */
static bool may_probe(const struct azm_exporter *x)
{
    return x->in_flight == 0 && now_usec(x) >= x->passed_usec + x->route->pace.initial_usec;
}

static enum azm_probing probing(const struct azm_exporter *x)
{
    if (!may_probe(x))
        return AZM_PROBE_NOT;
    return x->refusals < REFUSALS_MAX ? AZM_PROBE_AFTER_UNTRIED : AZM_PROBE_FIRST;
}

/* Sends what a pace allows. Returns how long the thread may sleep, or -errno. */
static int64_t send_ready(struct azm_exporter *x, const struct azm_pace *pace, const unsigned *in_flight, bool suspects)
{
    struct azm_part *p;

    while (*in_flight < pace->window && (p = azm_transits_next(&x->transits, suspects, probing(x)))) {
        uint64_t wait = azm_pace_wait_usec(pace, now_usec(x));
        int r;

        if (wait > 0)
            return (int64_t)MIN(wait, SLEEP_MAX_USEC);
        r = send_part(x, p);
        if (r < 0)
            return r;
    }
    return (int64_t)SLEEP_MAX_USEC; /* an answer or the owner will wake us */
}

static int64_t send_all(struct azm_exporter *x)
{
    const struct azm_route *route = x->route;
    int64_t sleep = send_ready(x, &route->pace, &x->in_flight, false), other = (int64_t)SLEEP_MAX_USEC;

    /* While everything fails it says nothing about a suspect that it fails as well. */
    if (sleep >= 0 && route->pace.failures == 0)
        other = send_ready(x, &route->suspect_pace, &x->suspects_in_flight, true);
    if (sleep < 0 || other < 0)
        return MIN(sleep, other);
    if (x->in_flight == 0 && x->transits.oldest && x->transits.probe && !may_probe(x)) /* look again when it may */
        other = MIN(other, (int64_t)route->pace.initial_usec);
    return MIN(sleep, other);
}

/* --- what is through --- */

static void part_done(struct azm_exporter *x, struct azm_part *p)
{
    struct azm_transit *t = azm_part_done(&x->transits, p);

    pthread_mutex_lock(&x->mutex);
    if (t) {
        azm_transits_append(&x->finished, t);
        x->unfinished--;
    }
    x->suspects = azm_transits_suspects(&x->transits);
    pthread_mutex_unlock(&x->mutex);
    if (t)
        azm_exporter_poke(x->ack_fd);
}

static void share_pace(struct azm_exporter *x)
{
    x->status.window = x->route->pace.window;
    x->status.batch_delay_usec = x->route->pace.batch_delay_usec;
}

/* The destination has taken a request. */
static void on_passed(struct azm_exporter *x, const struct azm_part *p)
{
    struct azm_route *route = x->route;
    uint64_t since = 0, now = now_usec(x);

    azm_log(AZM_LOG_DEBUG, "%zu records acknowledged in %.3f s, %zu bytes on the wire", p->n,
            (double)(now - p->sent_usec) / (double)AZM_USEC_PER_SEC, p->body.len);
    if (azm_http_request_is_current(p->request)) {
        azm_part_acknowledged(&x->transits, p);
        x->passed_usec = now;
        x->refusals = 0;
        azm_pace_success(p->suspect ? &route->suspect_pace : &route->pace, p->sent_usec, now);
        route->renewal_wanted = false;
    }
    pthread_mutex_lock(&x->mutex);
    share_pace(x);
    if (route->pace.failures == 0 && !x->kept_out && !x->next_route) {
        since = x->status.failing_since_usec;
        azm_exporter_forget_failure(&x->status);
    }
    pthread_mutex_unlock(&x->mutex);
    if (since) {
        azm_log(AZM_LOG_NOTICE, "delivery to %s works again after %.1f s", route->destination,
                (double)(now - since) / (double)AZM_USEC_PER_SEC);
        azm_exporter_poke(x->ack_fd); /* the owner shows the state */
    }
}

static void count_records(struct azm_exporter *x, uint64_t *counter, uint64_t n)
{
    pthread_mutex_lock(&x->mutex);
    *counter += n;
    pthread_mutex_unlock(&x->mutex);
}

/* Keeps one record that was taken, should there be a doubt later. */
static void keep_probe(struct azm_exporter *x, const struct azm_part *p)
{
    uint64_t now = now_usec(x);

    if ((x->transits.probe && now < x->probe_usec + PROBE_AGE_USEC) || p->truncated)
        return;
    if (azm_transits_set_probe(&x->transits, p) == 0) /* else the next one serves as well */
        x->probe_usec = now;
}

static void on_acknowledged(struct azm_exporter *x, struct azm_part *p)
{
    on_passed(x, p);
    if (azm_part_is_probe(&x->transits, p)) {
        p->state = AZM_PART_READY;
        azm_part_reset(p);
        return;
    }
    keep_probe(x, p);
    count_records(x, &x->status.records, p->n);
    if (p->truncated)
        count_records(x, &x->status.truncated, 1);
    part_done(x, p);
}

/* --- failures --- */

static void log_failure(const struct azm_exporter *x, enum azm_exporter_state state, const char *reason,
                        const char *remedy)
{
    bool held = state == AZM_EXPORTER_HELD;

    azm_log(held ? AZM_LOG_ERROR : AZM_LOG_WARNING, "%s %s: %s; nothing is lost, trying again%s%s%s",
            held ? "delivery is held by" : "cannot deliver to", x->route->destination, reason,
            held ? " more and more slowly" : "", remedy ? "; " : "", remedy ? remedy : "");
}

/* A change of state is worth a line; the hundredth failure of one outage is not. */
static void set_failing(struct azm_exporter *x, enum azm_exporter_state state, const char *reason, const char *remedy)
{
    bool changed = false;

    pthread_mutex_lock(&x->mutex);
    if (!x->next_route) {
        changed = x->status.state != state;
        x->status.state = state;
        if (!x->status.failing_since_usec) {
            x->status.failing_since_usec = now_usec(x);
            x->status.failing_since_realtime_usec = azm_realtime_usec(x->clock);
        }
        snprintf(x->status.reason, sizeof x->status.reason, "%s", reason);
        x->status.remedy = remedy;
    }
    pthread_mutex_unlock(&x->mutex);
    if (changed) {
        log_failure(x, state, reason, remedy);
        azm_exporter_poke(x->ack_fd); /* the owner shows the state */
    }
}

static bool is_refusal(const struct azm_verdict *v)
{
    return v->meaning == AZM_REFUSED || v->meaning == AZM_TOO_LARGE;
}

static void keep_pace(struct azm_exporter *x, const struct azm_part *p, const struct azm_verdict *v)
{
    struct azm_pace *pace = p->suspect ? &x->route->suspect_pace : &x->route->pace;
    /* Refused data is mended by other data that passes, not by a person: other data should not wait for long. */
    bool hold = (v->decision == AZM_HOLD && !is_refusal(v)) || v->decision == AZM_RENEW;
    uint64_t now = now_usec(x);

    if (v->meaning == AZM_THROTTLED)
        azm_pace_throttled(&x->route->pace, x->clock, p->sent_usec, now, v->retry_after_usec);
    else
        azm_pace_failure(pace, x->clock, p->sent_usec, now, hold, v->retry_after_usec);
    azm_log(AZM_LOG_DEBUG, "%zu records: %s; next try in %.3f s", p->n, v->reason,
            (double)azm_pace_wait_usec(pace, now) / (double)AZM_USEC_PER_SEC);
}

/* It was refused, and it is not known yet whether the destination takes anything. A few requests, in order and with
 * ever fewer records, mostly tell; then it is time to be slow. True if there is something to send for that. */
static bool look_closer(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v)
{
    if (x->refusals >= REFUSALS_MAX || azm_part_is_probe(&x->transits, p))
        return false;
    x->refusals++;
    if (p->n > 1)
        return azm_part_split(p, v->meaning == AZM_TOO_LARGE) == 0;
    return x->in_flight > 0 || azm_transits_have_untried(&x->transits);
}

/* It is kept and sent again later. */
static void on_failed(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v)
{
    /* They are renewed every time, for who rotates them may be later than the first refusal; the pace bounds how often.
     */
    bool renew = v->decision == AZM_RENEW, hold = v->decision == AZM_HOLD || (renew && x->route->renewal_wanted);

    azm_part_failed(&x->transits, p, is_refusal(v));
    azm_part_go_home(p); /* the redirect was for that one request: the place may be gone, home may be well again */
    if (hold && is_refusal(v) && look_closer(x, p, v))
        return;
    p->failures = v->failures;
    p->tries = v->meaning == AZM_FAILED ? p->tries + 1 : 0;
    keep_pace(x, p, v);
    pthread_mutex_lock(&x->mutex);
    x->status.throttled += v->meaning == AZM_THROTTLED;
    x->suspects = azm_transits_suspects(&x->transits);
    share_pace(x);
    if (renew)
        x->renewal = x->route->renewal_wanted = true;
    pthread_mutex_unlock(&x->mutex);
    if (renew || v->failures > 1)
        azm_exporter_poke(x->ack_fd); /* to renew, or because there may be room now */
    if (!p->suspect)                  /* the destination is well while a suspect fails */
        set_failing(x, hold ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING, v->reason, v->remedy);
    if (azm_part_is_probe(&x->transits, p)) {
        p->failures = 0;
        azm_part_reset(p);
    } else if ((hold && is_refusal(v) && p->n > 1 && !x->transits.probe) || azm_part_is_scout(&x->transits, p))
        azm_part_split(p, v->meaning == AZM_TOO_LARGE); /* a half may be taken, and then it is known what is wrong */
}

static void on_split(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v)
{
    azm_log(AZM_LOG_DEBUG, "%zu records: %s; sending them in halves", p->n, v->reason);
    azm_part_failed(&x->transits, p, is_refusal(v));
    p->suspect = v->suspect;
    if (azm_part_split(p, v->meaning == AZM_TOO_LARGE) < 0)
        keep_pace(x, p, v); /* out of memory: the whole of it once more */
    pthread_mutex_lock(&x->mutex);
    x->suspects = azm_transits_suspects(&x->transits);
    pthread_mutex_unlock(&x->mutex);
    if (v->suspect)
        azm_exporter_poke(x->ack_fd); /* there may be room now */
}

static void on_redirected(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v, const char *url)
{
    char *copy = strdup(url);
    int r = -ENOMEM;

    p->state = AZM_PART_READY;
    if (copy) {
        azm_log(AZM_LOG_DEBUG, "%s: following", v->reason);
        free(p->redirect_url);
        p->redirect_url = copy;
        p->keep_credentials = v->keep_credentials;
        p->redirects++;
        r = send_part(x, p); /* it goes on in the same place of the window */
    }
    if (r < 0)
        on_failed(x, p, v);
}

/* --- quarantine --- */

static const char *reason_words(enum azm_quarantine_reason reason)
{
    switch (reason) {
    case AZM_QUARANTINE_REFUSED:
        return "refused by the server";
    case AZM_QUARANTINE_SUSPECT:
        return "in every request that failed, while others were taken";
    case AZM_QUARANTINE_TOO_LARGE:
        return "too large for the server even when cut";
    case AZM_QUARANTINE_PARTIAL:
        return "in requests of which the server rejected some";
    }
    return "";
}

/* One line at first, then one a minute. */
static void tell(struct azm_exporter *x, uint64_t n, const struct azm_quarantine_note *note)
{
    uint64_t now = now_usec(x);

    x->untold += n;
    if (x->told_usec > 0 && now < x->told_usec + TELL_USEC)
        return;
    azm_log(AZM_LOG_WARNING,
            "%" PRIu64 " record%s %s went into quarantine (HTTP %ld%s%s); azmonlog quarantine list shows %s", x->untold,
            x->untold == 1 ? "" : "s", reason_words(note->reason), note->status, *note->code ? " " : "", note->code,
            x->untold == 1 ? "it" : "them");
    x->told_usec = now;
    x->untold = 0;
}

static int write_quarantine(struct azm_exporter *x, const struct azm_part *p, const struct azm_quarantine_note *note,
                            struct azm_error *err)
{
    _cleanup_free_ struct azm_quarantine_record *records = NULL;

    if (!x->quarantine)
        return azm_error_set(err, ENOTSUP, "there is no quarantine");
    records = calloc(p->n, sizeof *records);
    if (!records)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < p->n; i++)
        azm_batch_get(p->transit->batch, p->first + i, &records[i].resource, &records[i].record);
    return azm_quarantine_append(x->quarantine, records, p->n, note, err);
}

/* Puts the part into quarantine, if there is room; else everything waits until there is. True if it is through. */
static bool keep_part(struct azm_exporter *x, struct azm_part *p)
{
    const struct azm_quarantine_note *note = &p->note->note;
    struct azm_error err;
    uint64_t n = p->n;
    bool partial = note->reason == AZM_QUARANTINE_PARTIAL;

    if (write_quarantine(x, p, note, &err) < 0) {
        x->keep_usec = now_usec(x) + KEEP_RETRY_USEC;
        pthread_mutex_lock(&x->mutex);
        x->kept_out = true;
        pthread_mutex_unlock(&x->mutex);
        set_failing(
            x, AZM_EXPORTER_HELD, err.words,
            "look at azmonlog quarantine list, then use resend or purge; or raise [state] quarantine_max_bytes=");
        return false;
    }
    tell(x, n, note);
    count_records(x, partial ? &x->status.rejected : &x->status.quarantined, partial ? note->rejected : n);
    if (partial)
        count_records(x, &x->status.records, n - note->rejected);
    part_done(x, p);
    return true;
}

static void keep_waiting_parts(struct azm_exporter *x)
{
    struct azm_part *p, *next;

    if (x->keeping == 0 || now_usec(x) < x->keep_usec)
        return;
    for (struct azm_transit *t = x->transits.oldest, *younger; t; t = younger) {
        younger = t->next; /* `t` is gone with its last part */
        for (p = t->parts; p; p = next) {
            next = p->next;
            if (p->state != AZM_PART_KEEPING)
                continue;
            if (!keep_part(x, p))
                return;
            x->keeping--;
        }
    }
    pthread_mutex_lock(&x->mutex);
    x->kept_out = false;
    azm_exporter_forget_failure(&x->status);
    pthread_mutex_unlock(&x->mutex);
    azm_log(AZM_LOG_NOTICE, "the quarantine has room again; delivery to %s goes on", x->route->destination);
    azm_exporter_poke(x->ack_fd);
}

static enum azm_quarantine_reason quarantine_reason(const struct azm_verdict *v)
{
    if (v->decision == AZM_ACKNOWLEDGE_PARTIAL)
        return AZM_QUARANTINE_PARTIAL;
    if (v->suspect)
        return AZM_QUARANTINE_SUSPECT;
    return v->meaning == AZM_TOO_LARGE ? AZM_QUARANTINE_TOO_LARGE : AZM_QUARANTINE_REFUSED;
}

static void on_quarantined(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v,
                           const struct azm_answer *a)
{
    struct azm_part_note *n = calloc(1, sizeof *n);

    if (!n) { /* then it is decided once more, for a partial success at the price of duplicates */
        on_failed(x, p, v);
        return;
    }
    snprintf(n->code, sizeof n->code, "%s", v->code);
    snprintf(n->request_id, sizeof n->request_id, "%s", a->request_id);
    azm_delivery_words(a, n->words);
    n->note = (struct azm_quarantine_note){
        .reason = quarantine_reason(v),
        .status = a->status,
        .code = n->code,
        .message = azm_text_of(n->words),
        .request_id = n->request_id,
        .rejected = v->rejected,
        .of = p->n,
    };
    if (v->decision == AZM_ACKNOWLEDGE_PARTIAL)
        on_passed(x, p);
    azm_part_reset(p);
    p->note = n;
    p->state = AZM_PART_KEEPING;
    if (!keep_part(x, p))
        x->keeping++;
}

static void on_truncated(struct azm_exporter *x, struct azm_part *p, struct azm_verdict *v, const struct azm_answer *a)
{
    static const struct azm_batch_limits limits = {.records = 1, .bytes = SIZE_MAX};
    _cleanup_(azm_buf_free) struct azm_buf small = {0};
    struct azm_text resource, record;
    int r;

    azm_batch_get(p->transit->batch, p->first, &resource, &record);
    r = azm_otlp_truncate_record(record, &small);
    if (r == 0 || r == -EBADMSG) { /* nothing can be cut */
        v->decision = AZM_QUARANTINE;
        on_quarantined(x, p, v, a);
        return;
    }
    if (r > 0)
        r = azm_batch_new(&limits, &p->truncated);
    if (r >= 0)
        r = azm_batch_add(p->truncated, resource, &small);
    if (r < 0) {
        p->truncated = azm_batch_free(p->truncated);
        on_failed(x, p, v);
        return;
    }
    azm_log(AZM_LOG_WARNING, "a record of %zu bytes is too large for the server; it is sent truncated", record.len);
    azm_part_failed(&x->transits, p, true);
    azm_part_reset(p);
}

/* --- answers --- */

static void on_answer(struct azm_exporter *x, struct azm_part *p, const struct azm_answer *a)
{
    const bool is_probe = azm_part_is_probe(&x->transits, p);
    const struct azm_attempt attempt = {
        .profile = x->route->profile,
        .origin = x->route->origin,
        .records = p->n,
        .proven = !is_probe && azm_part_is_proven(&x->transits, p), /* a probe is to find out, not to be judged */
        .truncated = p->truncated != NULL,
        .suspect = p->suspect,
        .failures = p->failures,
        .others_passed = azm_part_others_passed(&x->transits, p),
        .redirects = p->redirects,
        .renewable = x->route->renewable,
    };
    struct azm_verdict v;

    if (p->outside)
        x->suspects_in_flight--;
    else
        x->in_flight--;
    azm_delivery_decide(a, &attempt, azm_realtime_usec(x->clock), &v);
    if (v.decision != AZM_ACKNOWLEDGE && v.decision != AZM_ACKNOWLEDGE_PARTIAL) {
        count_records(x, &x->status.failures, 1);
        if (!azm_http_request_is_current(p->request)) { /* it says nothing about the way that it takes now */
            p->state = AZM_PART_READY;
            return;
        }
    }
    switch (v.decision) {
    case AZM_ACKNOWLEDGE:
        on_acknowledged(x, p);
        break;
    case AZM_ACKNOWLEDGE_PARTIAL:
    case AZM_QUARANTINE:
        if (is_probe) /* it was taken, then: what is not proven is not given up */
            on_acknowledged(x, p);
        else
            on_quarantined(x, p, &v, a);
        break;
    case AZM_RETRY:
    case AZM_RENEW:
    case AZM_HOLD:
        on_failed(x, p, &v);
        break;
    case AZM_FOLLOW:
        on_redirected(x, p, &v, a->redirect_url);
        break;
    case AZM_SPLIT:
        on_split(x, p, &v);
        break;
    case AZM_TRUNCATE:
        on_truncated(x, p, &v, a);
        break;
    }
}

static void collect_answers(struct azm_exporter *x)
{
    struct azm_http_request *request;
    struct azm_answer answer;

    while ((request = azm_http_next_done(x->http, &answer)))
        on_answer(x, azm_http_request_userdata(request), &answer);
}

/* --- the loop --- */

static void set_route(struct azm_exporter *x, struct azm_route *route)
{
    azm_route_free(x->route);
    x->route = route;
    azm_http_configure(x->http, route->http);
    azm_transits_forget(&x->transits);
    x->refusals = 0;
}

/* Takes over what was submitted and configured, and says whether to go on. */
static bool take_inbox(struct azm_exporter *x)
{
    struct azm_transit *t;
    struct azm_route *next;
    bool go_on;

    pthread_mutex_lock(&x->mutex);
    next = x->next_route;
    x->next_route = NULL;
    while ((t = azm_transits_take(&x->inbox)))
        azm_transits_append(&x->transits, t);
    x->pong = x->ping;
    go_on = !x->quit;
    pthread_mutex_unlock(&x->mutex);
    if (next)
        set_route(x, next);
    return go_on;
}

/* How long to sleep before there is something to do, or -errno. */
static int64_t work(struct azm_exporter *x)
{
    int64_t sleep;

    keep_waiting_parts(x);
    sleep = send_all(x);
    if (sleep == -ENOMEM) {
        azm_log(AZM_LOG_ERROR, "out of memory while sending; trying again in 1 s");
        sleep = (int64_t)AZM_USEC_PER_SEC;
    }
    return x->keeping > 0 ? MIN(sleep, (int64_t)KEEP_RETRY_USEC) : sleep;
}

void *azm_exporter_main(void *userdata)
{
    struct azm_exporter *x = userdata;

    pthread_setname_np(pthread_self(), "azm-export");
    while (take_inbox(x)) {
        int64_t sleep = work(x);
        int r = sleep < 0 ? (int)sleep : azm_http_run(x->http, x->wake_fd, (uint64_t)sleep);

        if (r < 0) {
            azm_log(AZM_LOG_ERROR, "the exporter has failed for good (%s); restart azmonlog (nothing is lost)",
                    strerror(-r));
            pthread_mutex_lock(&x->mutex);
            x->failed = true;
            pthread_mutex_unlock(&x->mutex);
            azm_exporter_poke(x->ack_fd);
            break;
        }
        azm_exporter_drain(x->wake_fd);
        collect_answers(x);
    }
    return NULL; /* the batches stay until azm_exporter_free: the owner may be reading them */
}
