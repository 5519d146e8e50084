/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "encode/gzip.h"
#include "export/exporter.h"
#include "export/pace.h"

/* A batch on its way through the thread. */
enum slot_state {
    SLOT_READY,   /* to be sent as soon as the pace allows */
    SLOT_SENDING, /* the request runs */
    SLOT_DONE,    /* acknowledged; waits for the ones before it */
};

struct slot {
    struct slot *next; /* younger */
    enum slot_state state;
    struct azm_batch *batch;
    uint64_t sent_usec; /* start of the last attempt */
    struct azm_http_request *request;
    struct azm_buf body; /* as it goes onto the wire: made for this request, which says whether it is compressed */
};

/* What azm_exporter_configure replaces. The owner makes it, then it is the thread's. */
struct route {
    struct azm_http_settings *http;
    char *destination;
    struct azm_pace pace;
};

struct azm_exporter {
    /* Set before the thread starts, then read only. */
    const struct azm_clock *clock;
    int wake_fd; /* owner -> thread */
    int ack_fd;  /* thread -> owner */
    pthread_t thread;
    bool started;

    /* The owner's own. */
    size_t window;

    /* The thread's own. */
    struct azm_http *http;
    struct azm_gzip *gzip;
    struct azm_buf raw; /* a request before compression */
    struct route *route;
    struct slot *oldest, *youngest;
    unsigned in_flight;

    /* Shared, under the mutex. */
    pthread_mutex_t mutex;
    bool quit, failed;
    struct route *next_route; /* NULL: no new one */
    struct slot *inbox, **inbox_end;
    struct azm_buf acked_position;
    int64_t acked_records; /* since the last collect */
    size_t acked_batches;
    uint64_t ping, pong;
    struct azm_exporter_status status;
};

static void poke(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static struct slot *slot_free(struct slot *s)
{
    azm_http_request_free(s->request);
    azm_batch_free(s->batch);
    azm_buf_free(&s->body);
    free(s);
    return NULL;
}

static struct route *route_free(struct route *r)
{
    if (!r)
        return NULL;
    azm_http_settings_unref(r->http);
    free(r->destination);
    free(r);
    return NULL;
}

static int route_new(const struct azm_exporter_options *o, struct route **ret, struct azm_error *err)
{
    struct route *route = calloc(1, sizeof *route);
    int r;

    if (route)
        route->destination = strdup(o->destination);
    if (!route || !route->destination)
        r = azm_error_set(err, ENOMEM, "out of memory");
    else
        r = azm_http_settings_new(&o->http, &route->http, err);
    if (r < 0) {
        route_free(route);
        return r;
    }
    azm_pace_init(&route->pace, o->http.connections, o->retry_initial_delay_usec, o->retry_max_delay_usec,
                  o->hold_max_delay_usec);
    *ret = route;
    return 0;
}

static void set_route(struct azm_exporter *x, struct route *route)
{
    route_free(x->route);
    x->route = route;
    azm_http_configure(x->http, route->http);
}

/* Under the mutex. */
static void forget_failure(struct azm_exporter_status *s)
{
    s->state = AZM_EXPORTER_DELIVERING;
    s->reason[0] = '\0';
    s->remedy = NULL;
    s->failing_since_usec = s->failing_since_realtime_usec = 0;
}

/* --- the thread --- */

/* Takes over what was submitted and configured, and says whether to go on. */
static bool take_inbox(struct azm_exporter *x)
{
    struct route *next;
    bool go_on;

    pthread_mutex_lock(&x->mutex);
    next = x->next_route;
    x->next_route = NULL;
    if (x->inbox) {
        if (x->youngest)
            x->youngest->next = x->inbox;
        else
            x->oldest = x->inbox;
        for (x->youngest = x->inbox; x->youngest->next; x->youngest = x->youngest->next)
            ;
        x->inbox = NULL;
        x->inbox_end = &x->inbox;
    }
    x->pong = x->ping;
    go_on = !x->quit;
    pthread_mutex_unlock(&x->mutex);
    if (next)
        set_route(x, next);
    return go_on;
}

static int make_body(struct azm_exporter *x, struct slot *s)
{
    bool gzip = azm_http_request_gzip(s->request);
    struct azm_buf *out = gzip ? &x->raw : &s->body;
    int r;

    r = azm_batch_serialize(s->batch, 0, azm_batch_records(s->batch), out);
    if (r < 0 || !gzip)
        return r;
    return azm_gzip_compress(x->gzip, x->raw.data, x->raw.len, &s->body);
}

static int send_slot(struct azm_exporter *x, struct slot *s)
{
    int r;

    if (s->request && !azm_http_request_is_current(s->request))
        s->request = azm_http_request_free(s->request);
    if (!s->request) {
        r = azm_http_request_new(x->http, s, &s->request);
        if (r < 0)
            return r;
        r = make_body(x, s);
        if (r < 0) {
            s->request = azm_http_request_free(s->request); /* half a body must never go out */
            return r;
        }
    }
    r = azm_http_post(s->request, s->body.data, s->body.len);
    if (r < 0)
        return r;
    s->state = SLOT_SENDING;
    s->sent_usec = azm_monotonic_usec(x->clock);
    x->in_flight++;
    pthread_mutex_lock(&x->mutex);
    x->status.requests++;
    x->status.bytes += s->body.len;
    pthread_mutex_unlock(&x->mutex);
    return 0;
}

/* Sends what the pace allows, oldest first. Returns how long the thread may sleep, or -errno. */
static int64_t send_ready(struct azm_exporter *x)
{
    for (struct slot *s = x->oldest; s; s = s->next) {
        uint64_t wait;
        int r;

        if (s->state != SLOT_READY)
            continue;
        if (x->in_flight >= x->route->pace.window)
            break; /* an answer will wake us */
        wait = azm_pace_wait_usec(&x->route->pace, azm_monotonic_usec(x->clock));
        if (wait > 0)
            return (int64_t)MIN(wait, 60 * AZM_USEC_PER_SEC);
        r = send_slot(x, s);
        if (r < 0)
            return r;
    }
    return (int64_t)(60 * AZM_USEC_PER_SEC);
}

/* Gives every batch of the unbroken acknowledged run at the old end back to the owner. */
static void retire(struct azm_exporter *x)
{
    bool any = false;

    while (x->oldest && x->oldest->state == SLOT_DONE) {
        struct slot *s = x->oldest;
        struct azm_buf *position = azm_batch_position(s->batch);

        x->oldest = s->next;
        if (!x->oldest)
            x->youngest = NULL;
        pthread_mutex_lock(&x->mutex);
        if (position->len > 0) {
            azm_buf_free(&x->acked_position);
            x->acked_position = azm_buf_take(position);
        }
        x->acked_records += (int64_t)azm_batch_records(s->batch);
        x->acked_batches++;
        x->status.records += azm_batch_records(s->batch);
        pthread_mutex_unlock(&x->mutex);
        slot_free(s);
        any = true;
    }
    if (any)
        poke(x->ack_fd);
}

static void on_acknowledged(struct azm_exporter *x, struct slot *s)
{
    uint64_t since = 0;

    s->state = SLOT_DONE;
    azm_log(AZM_LOG_DEBUG, "%zu records acknowledged in %.3f s, %zu bytes on the wire", azm_batch_records(s->batch),
            (double)(azm_monotonic_usec(x->clock) - s->sent_usec) / (double)AZM_USEC_PER_SEC, s->body.len);
    s->request = azm_http_request_free(s->request); /* the connection stays alive in libcurl's pool */
    azm_pace_success(&x->route->pace, s->sent_usec);
    if (x->route->pace.failures == 0) {
        pthread_mutex_lock(&x->mutex);
        since = x->status.failing_since_usec;
        forget_failure(&x->status);
        pthread_mutex_unlock(&x->mutex);
    }
    if (since)
        azm_log(AZM_LOG_NOTICE, "delivery to %s works again after %.1f s", x->route->destination,
                (double)(azm_monotonic_usec(x->clock) - since) / (double)AZM_USEC_PER_SEC);
    retire(x);
}

static void log_failure(const struct azm_exporter *x, const struct azm_verdict *v)
{
    bool held = v->decision == AZM_HOLD;

    azm_log(held ? AZM_LOG_ERROR : AZM_LOG_WARNING, "%s %s: %s; nothing is lost, trying again%s%s%s",
            held ? "delivery is held by" : "cannot deliver to", x->route->destination, v->reason,
            held ? " more and more slowly" : "", v->remedy ? "; " : "", v->remedy ? v->remedy : "");
}

static void on_failed(struct azm_exporter *x, struct slot *s, const struct azm_verdict *v)
{
    enum azm_exporter_state state = v->decision == AZM_HOLD ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING;
    uint64_t now = azm_monotonic_usec(x->clock);
    bool current = azm_http_request_is_current(s->request), changed = false;

    s->state = SLOT_READY;
    if (current) /* else it says nothing about the way that the next request takes */
        azm_pace_failure(&x->route->pace, x->clock, s->sent_usec, now, v->decision == AZM_HOLD, v->retry_after_usec);
    azm_log(AZM_LOG_DEBUG, "%zu records: %s; next try in %.3f s", azm_batch_records(s->batch), v->reason,
            (double)azm_pace_wait_usec(&x->route->pace, now) / (double)AZM_USEC_PER_SEC);
    pthread_mutex_lock(&x->mutex);
    x->status.failures++;
    if (current && !x->next_route) {
        /* A change of state is worth a line; the hundredth failure of one outage is not. */
        changed = x->status.state != state;
        x->status.state = state;
        if (!x->status.failing_since_usec) {
            x->status.failing_since_usec = now;
            x->status.failing_since_realtime_usec = azm_realtime_usec(x->clock);
        }
        snprintf(x->status.reason, sizeof x->status.reason, "%s", v->reason);
        x->status.remedy = v->remedy;
    }
    pthread_mutex_unlock(&x->mutex);
    if (changed) {
        log_failure(x, v);
        poke(x->ack_fd); /* the owner shows the state */
    }
}

static void collect_answers(struct azm_exporter *x)
{
    struct azm_http_request *request;
    struct azm_answer answer;

    while ((request = azm_http_next_done(x->http, &answer))) {
        struct slot *s = azm_http_request_userdata(request);
        struct azm_verdict verdict;

        x->in_flight--;
        azm_delivery_decide(&answer, azm_realtime_usec(x->clock), &verdict);
        if (verdict.decision == AZM_ACKNOWLEDGE)
            on_acknowledged(x, s);
        else
            on_failed(x, s, &verdict);
    }
}

static void *exporter_main(void *userdata)
{
    struct azm_exporter *x = userdata;

    pthread_setname_np(pthread_self(), "azm-export");
    while (take_inbox(x)) {
        int64_t sleep_usec = send_ready(x);
        int r;

        if (sleep_usec == -ENOMEM) {
            azm_log(AZM_LOG_ERROR, "out of memory while sending; trying again in 1 s");
            sleep_usec = (int64_t)AZM_USEC_PER_SEC;
        }
        r = sleep_usec < 0 ? (int)sleep_usec : azm_http_run(x->http, x->wake_fd, (uint64_t)sleep_usec);
        if (r < 0) {
            azm_log(AZM_LOG_ERROR, "libcurl has failed for good; restart azmonlog (nothing is lost)");
            pthread_mutex_lock(&x->mutex);
            x->failed = true;
            pthread_mutex_unlock(&x->mutex);
            poke(x->ack_fd);
            break;
        }
        drain(x->wake_fd);
        collect_answers(x);
    }
    while (x->oldest) {
        struct slot *s = x->oldest;

        x->oldest = s->next;
        slot_free(s);
    }
    return NULL;
}

/* --- the owner --- */

static int start_thread(struct azm_exporter *x)
{
    sigset_t all, before;
    int r;

    /* Signals are the owner's: a thread inherits the mask it is created under. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&x->thread, NULL, exporter_main, x);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

int azm_exporter_new(const struct azm_exporter_options *o, struct azm_exporter **ret, struct azm_error *err)
{
    struct azm_exporter *x = calloc(1, sizeof *x);
    struct route *route;
    int r;

    if (!x)
        return azm_error_set(err, ENOMEM, "out of memory");
    x->clock = o->clock;
    x->window = o->http.connections;
    x->inbox_end = &x->inbox;
    pthread_mutex_init(&x->mutex, NULL);
    x->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    x->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->wake_fd < 0 || x->ack_fd < 0)
        r = azm_error_set(err, errno, "cannot create an eventfd: %m");
    else if (azm_gzip_new(&x->gzip) < 0)
        r = azm_error_set(err, ENOMEM, "out of memory");
    else
        r = azm_http_new(&x->http, err);
    if (r == 0)
        r = route_new(o, &route, err);
    if (r == 0) {
        set_route(x, route);
        r = start_thread(x);
        if (r < 0)
            azm_error_set(err, r, "cannot start the exporter thread: %m");
        x->started = r == 0;
    }
    if (r < 0) {
        azm_exporter_free(x);
        return r;
    }
    *ret = x;
    return 0;
}

struct azm_exporter *azm_exporter_free(struct azm_exporter *x)
{
    if (!x)
        return NULL;
    if (x->started) {
        pthread_mutex_lock(&x->mutex);
        x->quit = true;
        pthread_mutex_unlock(&x->mutex);
        poke(x->wake_fd);
        pthread_join(x->thread, NULL);
    }
    while (x->inbox) {
        struct slot *s = x->inbox;

        x->inbox = s->next;
        slot_free(s);
    }
    route_free(x->next_route);
    route_free(x->route);
    azm_http_free(x->http);
    azm_gzip_free(x->gzip);
    azm_buf_free(&x->raw);
    azm_buf_free(&x->acked_position);
    azm_closep(&x->wake_fd);
    azm_closep(&x->ack_fd);
    pthread_mutex_destroy(&x->mutex);
    free(x);
    return NULL;
}

int azm_exporter_configure(struct azm_exporter *x, const struct azm_exporter_options *o, struct azm_error *err)
{
    struct route *next, *unused;
    int r = route_new(o, &next, err);

    if (r < 0)
        return r;
    x->window = o->http.connections;
    pthread_mutex_lock(&x->mutex);
    unused = x->next_route; /* the thread has not looked since the last call */
    x->next_route = next;
    forget_failure(&x->status);
    pthread_mutex_unlock(&x->mutex);
    route_free(unused);
    poke(x->wake_fd);
    poke(x->ack_fd);
    return 0;
}

bool azm_exporter_has_room(struct azm_exporter *x)
{
    return azm_exporter_outstanding(x) < x->window;
}

int azm_exporter_submit(struct azm_exporter *x, struct azm_batch *b)
{
    struct slot *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->batch = b;
    pthread_mutex_lock(&x->mutex);
    *x->inbox_end = s;
    x->inbox_end = &s->next;
    x->status.outstanding++;
    pthread_mutex_unlock(&x->mutex);
    poke(x->wake_fd);
    return 0;
}

int azm_exporter_fd(const struct azm_exporter *x)
{
    return x->ack_fd;
}

int64_t azm_exporter_collect(struct azm_exporter *x, struct azm_buf *position)
{
    int64_t records;

    drain(x->ack_fd);
    pthread_mutex_lock(&x->mutex);
    records = x->failed ? -EIO : x->acked_records;
    x->acked_records = 0;
    x->status.outstanding -= x->acked_batches;
    x->acked_batches = 0;
    if (x->acked_position.len > 0) {
        azm_buf_free(position);
        *position = azm_buf_take(&x->acked_position);
    }
    pthread_mutex_unlock(&x->mutex);
    return records;
}

size_t azm_exporter_outstanding(struct azm_exporter *x)
{
    size_t n;

    pthread_mutex_lock(&x->mutex);
    n = x->status.outstanding;
    pthread_mutex_unlock(&x->mutex);
    return n;
}

void azm_exporter_get_status(struct azm_exporter *x, struct azm_exporter_status *ret)
{
    pthread_mutex_lock(&x->mutex);
    *ret = x->status;
    pthread_mutex_unlock(&x->mutex);
}

bool azm_exporter_alive(struct azm_exporter *x)
{
    bool alive;

    pthread_mutex_lock(&x->mutex);
    alive = x->pong == x->ping;
    x->ping++;
    pthread_mutex_unlock(&x->mutex);
    poke(x->wake_fd);
    return alive;
}
