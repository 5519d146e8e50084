/* SPDX-License-Identifier: MIT */
#include "core/log.h"
#include "export/exporter_internal.h"

void azm_exporter_count(struct azm_exporter *x, uint64_t *counter, uint64_t n)
{
    pthread_mutex_lock(&x->mutex);
    *counter += n;
    pthread_mutex_unlock(&x->mutex);
}

void azm_exporter_share(struct azm_exporter *x)
{
    const struct azm_pace *pace = &x->route->pace;
    uint64_t now = azm_exporter_now(x);

    pthread_mutex_lock(&x->mutex);
    x->status.window = pace->window;
    x->status.window_max = pace->window_max;
    x->status.batch_delay_usec = pace->batch_delay_usec;
    x->status.next_try_usec = pace->failures > 0 ? now + azm_pace_wait_usec(pace, now) : 0;
    x->status.throttled_until_usec = pace->ease_usec;
    if (pace->ease_usec == 0)
        x->status.throttled_since_realtime_usec = 0;
    else if (x->status.throttled_since_realtime_usec == 0)
        x->status.throttled_since_realtime_usec = azm_realtime_usec(x->clock);
    x->suspects = azm_transits_suspects(&x->transits);
    pthread_mutex_unlock(&x->mutex);
}

void azm_exporter_note_answer(struct azm_exporter *x, const struct azm_part *p, const struct azm_answer *a,
                              const char *words)
{
    uint64_t took = azm_exporter_now(x) - p->sent_usec;
    char plain[32];

    if (a->stream)
        snprintf(plain, sizeof plain, "stored");
    else
        snprintf(plain, sizeof plain, "HTTP %ld", a->status);
    pthread_mutex_lock(&x->mutex);
    azm_answers_add(&x->answers, a->status, *words ? words : plain, took, azm_realtime_usec(x->clock));
    if (a->status > 0 || (a->stream && a->curl_code == 0))
        azm_latency_add(&x->status.latency, took);
    pthread_mutex_unlock(&x->mutex);
}

static void log_failure(const struct azm_exporter *x, enum azm_exporter_state state, const char *reason,
                        const char *remedy, const char *id)
{
    bool held = state == AZM_EXPORTER_HELD;

    azm_log(held ? AZM_LOG_ERROR : AZM_LOG_WARNING, "%s %s: %s%s%s%s; nothing is lost, trying again%s%s%s",
            held ? "delivery is held by" : "cannot deliver to", x->route->destination, reason,
            *id ? " (x-ms-client-request-id " : "", id, *id ? ")" : "", held ? " more and more slowly" : "",
            *remedy ? "; " : "", remedy);
}

void azm_exporter_set_failing(struct azm_exporter *x, enum azm_exporter_state state, const char *reason,
                              const char *remedy, const char *id)
{
    char printed[AZM_REMEDY_MAX];
    bool changed = false;

    azm_remedy_print_for(remedy, AZM_LOGS, x->route->origin, x->route->tokens, printed);
    pthread_mutex_lock(&x->mutex);
    if (!x->next_route) {
        changed = x->status.state != state;
        x->status.state = state;
        if (!x->status.failing_since_usec) {
            x->status.failing_since_usec = azm_exporter_now(x);
            x->status.failing_since_realtime_usec = azm_realtime_usec(x->clock);
        }
        snprintf(x->status.reason, sizeof x->status.reason, "%s", reason);
        snprintf(x->status.remedy, sizeof x->status.remedy, "%s", printed);
    }
    pthread_mutex_unlock(&x->mutex);
    if (changed) {
        log_failure(x, state, reason, printed, id);
        azm_exporter_poke(x->ack_fd); /* the owner shows the state */
    }
}

uint64_t azm_exporter_set_well(struct azm_exporter *x)
{
    uint64_t since = 0;

    pthread_mutex_lock(&x->mutex);
    if (x->route->pace.failures == 0 && !x->kept_out && !x->next_route) {
        since = x->status.failing_since_usec;
        azm_exporter_forget_failure(&x->status);
    }
    pthread_mutex_unlock(&x->mutex);
    if (since)
        azm_exporter_poke(x->ack_fd);
    return since;
}

void azm_exporter_part_done(struct azm_exporter *x, struct azm_part *p)
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
