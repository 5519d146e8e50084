/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/guid.h"
#include "core/log.h"
#include "core/thread.h"
#include "encode/gzip.h"
#include "export/answer_body.h"
#include "export/exporter_internal.h"
#include "export/metrics_exporter.h"
#include "export/request_body.h"

#define SLEEP_MAX_USEC (60 * AZM_USEC_PER_SEC)
#define SHORTAGE_RETRY_USEC AZM_USEC_PER_SEC

struct azm_metrics_exporter {
    /* Set before the thread starts, then read only. */
    const struct azm_clock *clock;
    enum azm_profile profile;
    char *destination, *origin, *trusted_suffix;
    struct azm_tokens *tokens; /* NULL: none */
    int wake_fd;               /* owner -> thread */
    pthread_t thread;
    bool started;
    const char *log_name; /* of azm_log_as */

    /* The thread's own. */
    struct azm_http *http;
    struct azm_http_settings *settings;
    struct azm_http_request *request; /* the same for all, on one connection */
    struct azm_gzip *gzip;
    struct azm_pace pace;
    struct azm_buf body; /* as it goes onto the wire; empty: there is nothing to send */
    size_t points;       /* in it */
    bool in_flight;
    uint64_t sent_usec;  /* monotonic */
    uint64_t until_usec; /* monotonic: not longer; 0: nobody has told it to end */
    unsigned redirects;
    struct azm_secret *token;
    uint64_t token_number, refused_token; /* refused: the number of the first one since the last success; 0: none */

    /* Shared, under the mutex. */
    pthread_mutex_t mutex;
    uint64_t quit_usec;    /* see until_usec */
    struct azm_buf newest; /* empty: none came since the last one was taken */
    size_t newest_points;
    struct azm_metrics_exporter_status status;
};

static uint64_t now_usec(const struct azm_metrics_exporter *x)
{
    return azm_monotonic_usec(x->clock);
}

/* --- how it is --- */

static void set_failing(struct azm_metrics_exporter *x, enum azm_exporter_state state, const char *reason,
                        const char *remedy)
{
    char printed[AZM_REMEDY_MAX];
    bool changed;

    azm_remedy_print_for(remedy, AZM_METRICS, x->origin, x->tokens, printed);
    pthread_mutex_lock(&x->mutex);
    changed = x->status.state != state;
    if (x->status.state == AZM_EXPORTER_DELIVERING)
        x->status.failing_since_realtime_usec = azm_realtime_usec(x->clock);
    x->status.state = state;
    snprintf(x->status.reason, sizeof x->status.reason, "%s", reason);
    snprintf(x->status.remedy, sizeof x->status.remedy, "%s", printed);
    pthread_mutex_unlock(&x->mutex);
    if (changed)
        azm_log(state == AZM_EXPORTER_HELD ? AZM_LOG_ERROR : AZM_LOG_WARNING,
                "cannot send metrics to %s: %s; trying again, and logs do not wait for them%s%s", x->destination,
                reason, *printed ? "; " : "", printed);
}

static void set_well(struct azm_metrics_exporter *x)
{
    bool changed;

    pthread_mutex_lock(&x->mutex);
    changed = x->status.state != AZM_EXPORTER_DELIVERING;
    x->status.state = AZM_EXPORTER_DELIVERING;
    *x->status.reason = *x->status.remedy = '\0';
    x->status.failing_since_realtime_usec = 0;
    pthread_mutex_unlock(&x->mutex);
    if (changed)
        azm_log(AZM_LOG_NOTICE, "metrics go to %s again", x->destination);
}

static void count(struct azm_metrics_exporter *x, uint64_t *counter, uint64_t n)
{
    pthread_mutex_lock(&x->mutex);
    *counter += n;
    pthread_mutex_unlock(&x->mutex);
}

/* --- sending --- */

static int post(struct azm_metrics_exporter *x, const char *url, bool abroad)
{
    char id[AZM_GUID_MAX] = "";
    const struct azm_http_call call = {.url = url, .abroad = abroad, .token = x->token, .id = id};
    int r;

    if (x->profile != AZM_PROFILE_OTLP)
        azm_guid_make(id);
    x->sent_usec = now_usec(x);
    r = azm_http_post(x->request, &call, x->body.data, x->body.len);
    x->in_flight = r >= 0;
    if (r >= 0)
        count(x, &x->status.requests, 1);
    return r;
}

/* False if the destination wants a token and there is none. */
static bool take_token(struct azm_metrics_exporter *x)
{
    struct azm_tokens_status s;
    char reason[sizeof s.failure.reason + 32];

    x->token = azm_secret_unref(x->token);
    if (!x->tokens || azm_tokens_get(x->tokens, &x->token, &x->token_number) > 0)
        return true;
    azm_tokens_get_status(x->tokens, &s);
    snprintf(reason, sizeof reason, "no token: %s", s.failure.reason);
    if (s.state == AZM_TOKENS_RETRYING || s.state == AZM_TOKENS_HELD) /* else it is on its way */
        set_failing(x, s.state == AZM_TOKENS_HELD ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING, reason,
                    s.failure.remedy);
    return false;
}

/* Sends what there is, if it may go. Returns how long there is nothing else to do, or -errno. */
static int64_t work(struct azm_metrics_exporter *x)
{
    uint64_t wait;
    int r;

    if (x->in_flight || x->body.len == 0)
        return (int64_t)SLEEP_MAX_USEC; /* an answer or the owner will wake us */
    wait = azm_pace_wait_usec(&x->pace, now_usec(x));
    if (wait > 0)
        return (int64_t)MIN(wait, SLEEP_MAX_USEC);
    if (!take_token(x))
        return (int64_t)SLEEP_MAX_USEC; /* news of the token will wake us */
    x->redirects = 0;
    r = post(x, NULL, false);
    return r < 0 ? r : (int64_t)SLEEP_MAX_USEC;
}

/* --- answers --- */

static void give_up(struct azm_metrics_exporter *x)
{
    azm_buf_clear(&x->body);
}

static void on_failed(struct azm_metrics_exporter *x, const struct azm_verdict *v)
{
    static const char refusal[] = "check <section> endpoint= and the proxy, and look into the server's own log";
    bool refused = azm_exporter_is_refusal(v), hold = v->decision != AZM_RETRY;

    azm_pace_failure(&x->pace, x->clock, x->sent_usec, now_usec(x), hold, v->retry_after_usec);
    count(x, &x->status.failures, 1);
    if (refused)
        give_up(x); /* the same would be refused again */
    set_failing(x, hold ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING, v->reason, refused ? refusal : v->remedy);
}

static void on_taken(struct azm_metrics_exporter *x, const struct azm_verdict *v)
{
    char reason[96];

    azm_pace_success(&x->pace, x->sent_usec, now_usec(x));
    x->refused_token = 0;
    give_up(x);
    pthread_mutex_lock(&x->mutex);
    x->status.taken_realtime_usec = azm_realtime_usec(x->clock);
    x->status.rejected += v->rejected;
    pthread_mutex_unlock(&x->mutex);
    if (v->decision == AZM_ACKNOWLEDGE) {
        set_well(x);
        return;
    }
    snprintf(reason, sizeof reason, "%zu of %zu data points are rejected", (size_t)v->rejected, x->points);
    set_failing(x, AZM_EXPORTER_HELD, reason, NULL);
}

static void on_redirected(struct azm_metrics_exporter *x, const struct azm_verdict *v, const char *redirect_url)
{
    _cleanup_free_ char *url = azm_answer_redirected(x->profile, x->origin, redirect_url);

    x->redirects++;
    if (!url || post(x, url, !v->keep_credentials) < 0)
        on_failed(x, v);
}

/* With another token it may be no failure at all. */
static bool has_other_token(struct azm_metrics_exporter *x)
{
    bool first = x->refused_token == 0, soon = x->tokens && azm_tokens_refused(x->tokens, x->token_number);

    if (first)
        x->refused_token = x->token_number;
    return first && soon;
}

static void on_answer(struct azm_metrics_exporter *x, const struct azm_answer *a)
{
    const struct azm_attempt attempt = {
        .profile = x->profile,
        .origin = x->origin,
        .trusted_suffix = x->trusted_suffix,
        .records = x->points,
        .redirects = x->redirects,
        .renewable = x->tokens != NULL,
        .token = x->token != NULL,
    };
    struct azm_verdict v;

    x->in_flight = false;
    azm_delivery_decide(a, &attempt, azm_realtime_usec(x->clock), &v);
    switch (v.decision) {
    case AZM_ACKNOWLEDGE:
    case AZM_ACKNOWLEDGE_PARTIAL:
        on_taken(x, &v);
        break;
    case AZM_FOLLOW:
        on_redirected(x, &v, a->redirect_url);
        break;
    case AZM_RENEW:
        if (!has_other_token(x))
            on_failed(x, &v);
        break;
    default:
        on_failed(x, &v);
    }
}

/* --- the loop --- */

static int take_newest(struct azm_metrics_exporter *x, struct azm_buf *newest)
{
    int r = 0;

    if (azm_http_request_gzip(x->request))
        r = azm_gzip_compress(x->gzip, newest->data, newest->len, &x->body);
    else {
        azm_buf_free(&x->body);
        x->body = azm_buf_take(newest);
    }
    if (r < 0)
        give_up(x);
    return r;
}

/* It was told to end: there is something that may still get there. */
static bool may_finish(const struct azm_metrics_exporter *x)
{
    return x->status.state == AZM_EXPORTER_DELIVERING && (x->in_flight || x->body.len > 0) &&
           now_usec(x) < x->until_usec;
}

/* Takes over what the owner has given, and says whether to go on. */
static bool take_inbox(struct azm_metrics_exporter *x)
{
    _cleanup_(azm_buf_free) struct azm_buf newest = {0};

    pthread_mutex_lock(&x->mutex);
    if (!x->in_flight && x->newest.len > 0) {
        newest = azm_buf_take(&x->newest);
        x->points = x->newest_points;
    }
    x->until_usec = x->quit_usec;
    pthread_mutex_unlock(&x->mutex);
    if (newest.len > 0 && take_newest(x, &newest) < 0)
        set_failing(x, AZM_EXPORTER_RETRYING, "out of memory", NULL);
    return x->until_usec == 0 || may_finish(x);
}

/* Sends, waits and moves the request on, once: 0 or -errno. */
static int turn(struct azm_metrics_exporter *x)
{
    int64_t sleep = work(x);
    uint64_t now = now_usec(x);
    int r;

    if (sleep < 0)
        return (int)sleep;
    if (x->until_usec > 0)
        sleep = x->until_usec > now ? MIN(sleep, (int64_t)(x->until_usec - now)) : 0;
    r = azm_http_run(x->http, x->wake_fd, (uint64_t)sleep);
    if (r == -ENOMEM) {
        azm_exporter_wait(x->wake_fd, SHORTAGE_RETRY_USEC);
        r = 0;
    }
    azm_exporter_drain(x->wake_fd);
    return r;
}

static void *metrics_exporter_main(void *userdata)
{
    struct azm_metrics_exporter *x = userdata;
    struct azm_answer answer;

    pthread_setname_np(pthread_self(), "azm-metrics-out");
    azm_log_as(x->log_name);
    while (take_inbox(x)) {
        int r = turn(x);

        if (r < 0) {
            set_failing(x, AZM_EXPORTER_HELD, strerror(-r), "restart azmonlog; until then no metrics are sent");
            break;
        }
        if (azm_http_next_done(x->http, &answer))
            on_answer(x, &answer);
    }
    return NULL;
}

/* --- the owner --- */

static int set_up(struct azm_metrics_exporter *x, const struct azm_exporter_options *o, struct azm_error *err)
{
    struct azm_http_options http = o->http;
    int r;

    http.content_type = azm_body_content_type(o->profile);
    http.connections = 1;
    x->destination = strdup(o->destination);
    x->origin = strdup(o->http.url);
    x->trusted_suffix = strdup(o->trusted_suffix ? o->trusted_suffix : "");
    if (!x->destination || !x->origin || !x->trusted_suffix || azm_gzip_new(&x->gzip) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    x->status.destination = x->destination;
    x->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->wake_fd < 0)
        return azm_error_set(err, errno, "cannot create an eventfd: %m");
    r = azm_http_settings_new(&http, &x->settings, err);
    if (r >= 0)
        r = azm_http_new(&x->http, err);
    if (r < 0)
        return r;
    azm_http_configure(x->http, x->settings);
    if (azm_http_request_new(x->http, x, &x->request) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    azm_pace_init(&x->pace, 1, o->retry_initial_delay_usec, o->retry_max_delay_usec, o->hold_max_delay_usec);
    if (x->tokens)
        azm_tokens_notify(x->tokens, x->wake_fd);
    r = azm_thread_start(&x->thread, 0, metrics_exporter_main, x);
    x->started = r >= 0;
    return r < 0 ? azm_error_set(err, r, "cannot start the thread for metrics: %m") : 0;
}

int azm_metrics_exporter_new(const struct azm_exporter_options *o, struct azm_metrics_exporter **ret,
                             struct azm_error *err)
{
    struct azm_metrics_exporter *x = calloc(1, sizeof *x);
    int r;

    if (!x)
        return azm_error_set(err, ENOMEM, "out of memory");
    x->clock = o->clock;
    x->profile = o->profile;
    x->tokens = o->tokens ? azm_tokens_ref(o->tokens) : NULL;
    x->wake_fd = -1;
    x->log_name = azm_log_name();
    pthread_mutex_init(&x->mutex, NULL);
    r = set_up(x, o, err);
    if (r < 0) {
        azm_metrics_exporter_free(x, 0);
        return r;
    }
    *ret = x;
    return 0;
}

struct azm_metrics_exporter *azm_metrics_exporter_free(struct azm_metrics_exporter *x, uint64_t patience_usec)
{
    if (!x)
        return NULL;
    if (x->started) {
        pthread_mutex_lock(&x->mutex);
        x->quit_usec = now_usec(x) + patience_usec;
        pthread_mutex_unlock(&x->mutex);
        azm_exporter_poke(x->wake_fd);
        pthread_join(x->thread, NULL);
    }
    if (x->tokens)
        azm_tokens_notify(x->tokens, -1);
    azm_http_request_free(x->request);
    if (x->http)
        azm_http_free(x->http);
    azm_http_settings_unref(x->settings);
    azm_gzip_free(x->gzip);
    azm_secret_unref(x->token);
    azm_tokens_unref(x->tokens);
    azm_buf_free(&x->body);
    azm_buf_free(&x->newest);
    azm_closep(&x->wake_fd);
    pthread_mutex_destroy(&x->mutex);
    free(x->trusted_suffix);
    free(x->origin);
    free(x->destination);
    free(x);
    return NULL;
}

void azm_metrics_exporter_give(struct azm_metrics_exporter *x, struct azm_buf *request, size_t points)
{
    struct azm_buf before;

    pthread_mutex_lock(&x->mutex);
    before = x->newest;
    x->newest = azm_buf_take(request);
    x->newest_points = points;
    pthread_mutex_unlock(&x->mutex);
    azm_buf_free(&before);
    azm_exporter_poke(x->wake_fd);
}

void azm_metrics_exporter_get_status(struct azm_metrics_exporter *x, struct azm_metrics_exporter_status *ret)
{
    pthread_mutex_lock(&x->mutex);
    *ret = x->status;
    pthread_mutex_unlock(&x->mutex);
}
