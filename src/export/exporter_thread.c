/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "encode/otlp_truncate.h"
#include "export/answer_body.h"
#include "export/exporter_internal.h"

#define PROBE_AGE_USEC (60 * AZM_USEC_PER_SEC) /* the record that serves as a probe is replaced so often */
#define SHORTAGE_RETRY_USEC AZM_USEC_PER_SEC

/* --- what is through --- */

/* Where a redirect has led with success the next requests go at once: the ingestion of Application Insights redirects
 * to the resource's own region. */
static void remember_elsewhere(struct azm_exporter *x, const struct azm_part *p)
{
    struct azm_route *route = x->route;

    if (route->body.profile != AZM_PROFILE_APPINSIGHTS || !p->redirect_url || !p->keep_credentials)
        return;
    free(route->elsewhere);
    route->elsewhere = strdup(p->redirect_url); /* else it is found again */
}

/* The destination has taken a request. */
void azm_exporter_on_passed(struct azm_exporter *x, const struct azm_part *p)
{
    struct azm_route *route = x->route;
    uint64_t since, now = azm_exporter_now(x);

    azm_log(AZM_LOG_DEBUG, "%zu records acknowledged in %.3f s, %zu bytes on the wire", p->n,
            (double)(now - p->sent_usec) / (double)AZM_USEC_PER_SEC, p->body.len);
    if (azm_request_is_current(p->request)) {
        azm_part_acknowledged(&x->transits, p);
        x->passed_usec = now;
        x->refusals = 0;
        azm_pace_success(p->suspect ? &route->suspect_pace : &route->pace, p->sent_usec, now);
        route->renewal_wanted = false;
        if (p->token_number != route->refused_token)
            route->refused_token = 0;
        remember_elsewhere(x, p);
    }
    azm_exporter_share(x);
    since = azm_exporter_set_well(x);
    if (since)
        azm_log(AZM_LOG_NOTICE, "delivery to %s works again after %.1f s", route->destination,
                (double)(now - since) / (double)AZM_USEC_PER_SEC);
}

/* Keeps one record that was taken, should there be a doubt later. */
static void keep_probe(struct azm_exporter *x, const struct azm_part *p)
{
    uint64_t now = azm_exporter_now(x);

    if ((x->transits.probe && now < x->probe_usec + PROBE_AGE_USEC) || p->truncated)
        return;
    if (azm_transits_set_probe(&x->transits, p) == 0) /* else the next one serves as well */
        x->probe_usec = now;
}

/* It was taken, in a request that has passed. */
static void on_taken(struct azm_exporter *x, struct azm_part *p)
{
    if (azm_part_is_probe(&x->transits, p)) {
        p->state = AZM_PART_READY;
        azm_part_reset(p);
        return;
    }
    keep_probe(x, p);
    azm_exporter_count(x, &x->status.records, p->n);
    if (p->truncated)
        azm_exporter_count(x, &x->status.truncated, 1);
    azm_exporter_part_done(x, p);
}

static void on_acknowledged(struct azm_exporter *x, struct azm_part *p)
{
    azm_exporter_on_passed(x, p);
    on_taken(x, p);
}

/* --- failures --- */

static void keep_pace(struct azm_exporter *x, const struct azm_part *p, const struct azm_verdict *v)
{
    struct azm_pace *pace = p->suspect ? &x->route->suspect_pace : &x->route->pace;
    /* Refused data is mended by other data that passes, not by a person: other data should not wait for long. */
    bool hold = (v->decision == AZM_HOLD && !azm_exporter_is_refusal(v)) || v->decision == AZM_RENEW;
    uint64_t now = azm_exporter_now(x);

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
    if (x->refusals >= AZM_REFUSALS_MAX || azm_part_is_probe(&x->transits, p))
        return false;
    x->refusals++;
    if (p->n > 1)
        return azm_part_split(p, v->meaning == AZM_TOO_LARGE) == 0;
    return x->in_flight > 0 || azm_transits_have_untried(&x->transits);
}

static void go_home(struct azm_exporter *x, struct azm_part *p)
{
    azm_part_go_home(p); /* the redirect was for that one request: the place may be gone, home may be well again */
    free(x->route->elsewhere);
    x->route->elsewhere = NULL;
}

/* It is kept and sent again later. */
void azm_exporter_on_failed(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v)
{
    bool refused = azm_exporter_is_refusal(v), renew = v->decision == AZM_RENEW;
    /* They are renewed every time, for who rotates them may be later than the first refusal; the pace bounds how often.
     */
    bool hold = v->decision == AZM_HOLD || (renew && (x->route->renewal_wanted || x->route->tokens));
    const char *id = p->request ? azm_request_id(p->request) : "";

    azm_part_failed(&x->transits, p, refused);
    go_home(x, p);
    if (renew && azm_exporter_token_refused(x, p))
        return;
    if (hold && refused && look_closer(x, p, v))
        return;
    p->failures = v->failures;
    p->tries = v->meaning == AZM_FAILED ? p->tries + 1 : 0;
    keep_pace(x, p, v);
    azm_exporter_share(x);
    pthread_mutex_lock(&x->mutex);
    x->status.throttled += v->meaning == AZM_THROTTLED;
    if (!p->suspect)
        x->status.slowed_down = v->meaning == AZM_THROTTLED;
    if (renew && !x->route->tokens)
        x->renewal = x->route->renewal_wanted = true;
    pthread_mutex_unlock(&x->mutex);
    if (renew || v->failures > 1)
        azm_exporter_poke(x->ack_fd); /* to renew, or because there may be room now */
    if (!p->suspect)                  /* the destination is well while a suspect fails */
        azm_exporter_set_failing(x, hold ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING, v->reason, v->remedy, id);
    if (azm_part_is_probe(&x->transits, p)) {
        p->failures = 0;
        azm_part_reset(p);
    } else if ((hold && refused && p->n > 1 && !x->transits.probe) || azm_part_is_scout(&x->transits, p))
        azm_part_split(p, v->meaning == AZM_TOO_LARGE); /* a half may be taken, and then it is known what is wrong */
}

static void on_split(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v)
{
    azm_log(AZM_LOG_DEBUG, "%zu records: %s; sending them in halves", p->n, v->reason);
    azm_part_failed(&x->transits, p, azm_exporter_is_refusal(v));
    p->suspect = v->suspect;
    if (azm_part_split(p, v->meaning == AZM_TOO_LARGE) < 0)
        keep_pace(x, p, v); /* out of memory: the whole of it once more */
    azm_exporter_share(x);
    if (v->suspect)
        azm_exporter_poke(x->ack_fd); /* there may be room now */
}

static void on_redirected(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v, const char *url)
{
    char *target = azm_answer_redirected(x->route->body.profile, x->route->origin, url);
    int r = -ENOMEM;

    p->state = AZM_PART_READY;
    if (target) {
        azm_log(AZM_LOG_DEBUG, "%s: following", v->reason);
        free(p->redirect_url);
        p->redirect_url = target;
        p->keep_credentials = v->keep_credentials;
        p->redirects++;
        r = azm_exporter_send_part(x, p); /* it goes on in the same place of the window */
    }
    if (r < 0)
        azm_exporter_on_failed(x, p, v);
}

static void on_truncated(struct azm_exporter *x, struct azm_part *p, struct azm_verdict *v, const struct azm_answer *a)
{
    static const struct azm_batch_limits limits = {.records = 1, .bytes = SIZE_MAX};
    _cleanup_(azm_buf_free) struct azm_buf small = {0};
    struct azm_text resource, record;
    int r;

    azm_batch_get(p->batch, p->first, &resource, &record);
    r = azm_otlp_truncate_record(record, &small);
    if (r == 0 || r == -EBADMSG) { /* nothing can be cut */
        v->decision = AZM_QUARANTINE;
        azm_exporter_on_quarantined(x, p, v, a);
        return;
    }
    if (r > 0)
        r = azm_batch_new(&limits, &p->truncated);
    if (r >= 0)
        r = azm_batch_add(p->truncated, resource, azm_buf_text(&small));
    if (r < 0) {
        p->truncated = azm_batch_free(p->truncated);
        azm_exporter_on_failed(x, p, v);
        return;
    }
    azm_log(AZM_LOG_WARNING, "a record of %zu bytes is too large for the server; it is sent truncated", record.len);
    azm_part_failed(&x->transits, p, true);
    azm_part_reset(p);
}

/* --- answers --- */

static struct azm_attempt describe_attempt(const struct azm_exporter *x, const struct azm_part *p)
{
    const struct azm_route *route = x->route;
    bool is_probe = azm_part_is_probe(&x->transits, p);

    return (struct azm_attempt){
        .profile = route->body.profile,
        .origin = route->origin,
        .trusted_suffix = route->trusted_suffix,
        .records = p->n,
        .proven = !is_probe && azm_part_is_proven(&x->transits, p), /* a probe is to find out, not to be judged */
        .truncated = p->truncated != NULL,
        .suspect = p->suspect,
        .failures = p->failures,
        .others_passed = azm_part_others_passed(&x->transits, p),
        .redirects = p->redirects,
        .renewable = route->renewable,
        .token = p->token_number > 0,
    };
}

static void carry_out(struct azm_exporter *x, struct azm_part *p, struct azm_verdict *v, const struct azm_answer *a);

/* How many records from `first` on have met with the same. */
static size_t run_length(const struct azm_items *items, size_t first)
{
    size_t n = first + 1;

    while (n < items->n && items->items[n].meaning == items->items[first].meaning &&
           items->items[n].status == items->items[first].status)
        n++;
    return n - first;
}

/* The worse of two reasons to send records again. */
static enum azm_meaning worse(enum azm_meaning a, enum azm_meaning b)
{
    static const enum azm_meaning by_weight[] = {AZM_MISCONFIGURED, AZM_THROTTLED, AZM_OVERLOADED};

    for (size_t i = 0; i < ELEMENTSOF(by_weight); i++)
        if (a == by_weight[i] || b == by_weight[i])
            return by_weight[i];
    return a;
}

#define MOVED 0 /* the status of an item that goes on in another part */

/* What comes again and lies apart goes on in one part, behind this one: each piece alone would be a request, and wait
 * for its turn. Returns that part, and what happened to it in `ret`; NULL if there is no need, or no memory. */
static struct azm_part *gather(struct azm_part *p, struct azm_items *items, struct azm_item *ret)
{
    _cleanup_free_ bool *again = calloc(items->n, sizeof *again);
    size_t pieces = 0;
    struct azm_part *q;

    *ret = (struct azm_item){0};
    for (size_t i = 0; again && i < items->n; i++) {
        const struct azm_item *item = &items->items[i];

        again[i] = item->meaning != AZM_TAKEN && item->meaning != AZM_REFUSED;
        if (!again[i])
            continue;
        pieces += i == 0 || !again[i - 1] || item->status != items->items[i - 1].status;
        if (ret->status == 0 || worse(item->meaning, ret->meaning) != ret->meaning)
            *ret = *item;
    }
    q = pieces > 1 ? azm_part_gather(p, again) : NULL;
    for (size_t i = 0; q && i < items->n; i++)
        if (again[i])
            items->items[i] = (struct azm_item){.meaning = AZM_TAKEN, .status = MOVED};
    return q;
}

/* The item as if it were an answer, for the quarantine. It borrows from both. */
static struct azm_answer answer_about(const struct azm_item *item, const char *request_id)
{
    return (struct azm_answer){
        .status = item->status,
        .content_type = "text/plain",
        .error_code = "",
        .request_id = request_id,
        .body = (const uint8_t *)item->message,
        .body_len = item->message ? strlen(item->message) : 0,
    };
}

/* The answer says of each record what came of it: the part is cut where that changes, and each piece goes its way. */
static void on_sorted(struct azm_exporter *x, struct azm_part *p, struct azm_verdict *v, const struct azm_answer *a)
{
    _cleanup_(azm_items_free) struct azm_items items = {0};
    uint64_t retry_after_usec = v->retry_after_usec; /* for all that is to come again */
    char request_id[128];
    struct azm_part *next, *again;
    struct azm_item reason;
    struct azm_answer of_rest;
    struct azm_attempt attempt;

    if (azm_delivery_items(a, p->n, &items) < 0) {
        azm_exporter_on_failed(x, p, v);
        return;
    }
    snprintf(request_id, sizeof request_id, "%s", a->request_id); /* `a` goes with the request */
    azm_exporter_on_passed(x, p);
    again = gather(p, &items, &reason);
    for (size_t first = 0; first < items.n; p = next) {
        const struct azm_item *item = &items.items[first];
        const struct azm_answer of_item = answer_about(item, request_id);
        size_t n = run_length(&items, first);

        if (n < p->n && azm_part_cut(p, n) < 0) { /* out of memory: the rest is sent again, also what was taken */
            azm_exporter_on_failed(x, p, v);
            return;
        }
        next = p->next; /* `p` may be gone by then */
        first += n;
        if (item->status == MOVED) {
            azm_exporter_part_done(x, p);
            continue;
        }
        attempt = describe_attempt(x, p);
        azm_delivery_decide_item(item, &attempt, v);
        v->retry_after_usec = retry_after_usec;
        if (v->decision == AZM_ACKNOWLEDGE)
            on_taken(x, p);
        else
            carry_out(x, p, v, &of_item);
    }
    if (!again)
        return;
    attempt = describe_attempt(x, again);
    azm_delivery_decide_item(&reason, &attempt, v);
    v->retry_after_usec = retry_after_usec;
    of_rest = answer_about(&reason, request_id);
    carry_out(x, again, v, &of_rest);
}

static void carry_out(struct azm_exporter *x, struct azm_part *p, struct azm_verdict *v, const struct azm_answer *a)
{
    switch (v->decision) {
    case AZM_ACKNOWLEDGE:
        on_acknowledged(x, p);
        break;
    case AZM_ACKNOWLEDGE_PARTIAL:
    case AZM_QUARANTINE:
        if (azm_part_is_probe(&x->transits, p)) /* it was taken, then: what is not proven is not given up */
            on_acknowledged(x, p);
        else
            azm_exporter_on_quarantined(x, p, v, a);
        break;
    case AZM_SORT:
        on_sorted(x, p, v, a);
        break;
    case AZM_RETRY:
    case AZM_RENEW:
    case AZM_HOLD:
        azm_exporter_on_failed(x, p, v);
        break;
    case AZM_FOLLOW:
        on_redirected(x, p, v, a->redirect_url);
        break;
    case AZM_SPLIT:
        on_split(x, p, v);
        break;
    case AZM_TRUNCATE:
        on_truncated(x, p, v, a);
        break;
    }
}

static void on_answer(struct azm_exporter *x, struct azm_part *p, const struct azm_answer *a)
{
    const struct azm_attempt attempt = describe_attempt(x, p);
    struct azm_verdict v;

    if (p->outside)
        x->suspects_in_flight--;
    else
        x->in_flight--;
    azm_delivery_decide(a, &attempt, azm_realtime_usec(x->clock), &v);
    azm_exporter_note_answer(x, p, a, v.decision == AZM_ACKNOWLEDGE ? "" : v.reason);
    if (v.decision != AZM_ACKNOWLEDGE && v.decision != AZM_ACKNOWLEDGE_PARTIAL) {
        azm_exporter_count(x, &x->status.failures, 1);
        if (!azm_request_is_current(p->request)) { /* it says nothing about the way that it takes now */
            p->state = AZM_PART_READY;
            return;
        }
    }
    carry_out(x, p, &v, a);
}

static void collect_answers(struct azm_exporter *x)
{
    struct azm_request *request;
    struct azm_answer answer;

    while ((request = azm_transport_next_done(x->transport, &answer)))
        on_answer(x, azm_request_userdata(request), &answer);
}

/* --- the loop --- */

/* False if there are no descriptors or memory for it now. */
static bool set_route(struct azm_exporter *x, struct azm_route *route)
{
    struct azm_tokens *before = x->route->tokens;

    if (azm_transport_configure(x->transport, route->settings) < 0)
        return false;
    if (before && before != route->tokens)
        azm_tokens_notify(before, -1);
    if (route->tokens)
        azm_tokens_notify(route->tokens, x->wake_fd);
    azm_route_free(x->route);
    x->route = route;
    azm_transits_forget(&x->transits);
    x->refusals = 0;
    azm_exporter_share(x);
    return true;
}

/* It is tried again, unless there is a newer one by then. */
static void keep_route(struct azm_exporter *x, struct azm_route *route)
{
    pthread_mutex_lock(&x->mutex);
    if (!x->next_route) {
        x->next_route = route;
        route = NULL;
    }
    pthread_mutex_unlock(&x->mutex);
    azm_route_free(route);
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
    if (next && !set_route(x, next))
        keep_route(x, next);
    return go_on;
}

/* How long to sleep before there is something to do, or -errno. */
static int64_t work(struct azm_exporter *x)
{
    int64_t sleep;

    azm_exporter_keep_waiting(x);
    sleep = azm_exporter_send_all(x);
    return x->keeping > 0 && sleep >= 0 ? MIN(sleep, (int64_t)AZM_KEEP_RETRY_USEC) : sleep;
}

/* There is no memory, or no descriptor. Both may come back, and until then nothing is lost. */
static void set_short(struct azm_exporter *x, bool is_short)
{
    if (is_short && !x->is_short)
        azm_log(AZM_LOG_ERROR,
                "no memory or no descriptors to send or to wait for the network; trying again every second");
    else if (!is_short && x->is_short)
        azm_log(AZM_LOG_NOTICE, "there are memory and descriptors again to send and to wait for the network");
    x->is_short = is_short;
}

/* Sends, waits and moves requests on, once: 0 or -errno. */
static int turn(struct azm_exporter *x)
{
    int64_t sleep = work(x);
    bool is_short = sleep == -ENOMEM;
    int r;

    if (is_short)
        sleep = SHORTAGE_RETRY_USEC; /* what is on its way goes on meanwhile */
    r = sleep < 0 ? (int)sleep : azm_transport_run(x->transport, (uint64_t)sleep);
    set_short(x, is_short || r == -ENOMEM);
    if (r == -ENOMEM) {
        azm_exporter_wait(x->wake_fd, SHORTAGE_RETRY_USEC);
        r = 0;
    }
    azm_exporter_drain(x->wake_fd);
    return r;
}

void *azm_exporter_main(void *userdata)
{
    struct azm_exporter *x = userdata;

    pthread_setname_np(pthread_self(), "azm-export");
    azm_log_as(x->log_name);
    while (take_inbox(x)) {
        int r = turn(x);

        if (r < 0) {
            azm_log(AZM_LOG_ERROR, "the exporter has failed for good (%s); restart azmonlog (nothing is lost)",
                    strerror(-r));
            pthread_mutex_lock(&x->mutex);
            x->failed = true;
            pthread_mutex_unlock(&x->mutex);
            azm_exporter_poke(x->ack_fd);
            break;
        }
        collect_answers(x);
    }
    return NULL; /* the batches stay until azm_exporter_free: the owner may be reading them */
}
