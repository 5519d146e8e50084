/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "core/thread.h"
#include "export/exporter_internal.h"

#define WINDOW_MIN ((size_t)2) /* batches, so that one that fails has another one to be compared with */

void azm_exporter_poke(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void azm_exporter_drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

void azm_exporter_wait(int fd, uint64_t timeout_usec)
{
    struct pollfd poked = {.fd = fd, .events = POLLIN};
    int timeout_ms = (int)(timeout_usec / AZM_USEC_PER_MSEC);

    if (poll(&poked, 1, timeout_ms) < 0 && errno == EINVAL) /* RLIMIT_NOFILE is 0 */
        poll(NULL, 0, timeout_ms);
}

void azm_exporter_forget_failure(struct azm_exporter_status *s)
{
    s->state = AZM_EXPORTER_DELIVERING;
    s->reason[0] = '\0';
    s->remedy[0] = '\0';
    s->failing_since_usec = s->failing_since_realtime_usec = 0;
    s->slowed_down = false;
}

/* --- routes --- */

struct azm_route *azm_route_free(struct azm_route *r)
{
    if (!r)
        return NULL;
    azm_transport_settings_unref(r->settings);
    azm_body_maker_free(&r->body);
    azm_tokens_unref(r->tokens);
    free(r->elsewhere);
    free(r->trusted_suffix);
    free(r->destination);
    free(r->origin);
    free(r);
    return NULL;
}

static int route_new(const struct azm_exporter_options *o, struct azm_route **ret, struct azm_error *err)
{
    struct azm_route *route = calloc(1, sizeof *route);
    struct azm_transport_options transport = {.http = o->http, .stream = o->stream, .gzip = o->http.gzip};
    int r;

    if (route) {
        route->destination = strdup(o->destination);
        route->origin = strdup(o->http.url);
        route->trusted_suffix = strdup(o->trusted_suffix ? o->trusted_suffix : "");
    }
    if (!route || !route->destination || !route->origin || !route->trusted_suffix ||
        azm_body_maker_init(&route->body, o->profile, o->ikey ? o->ikey : "") < 0) {
        azm_route_free(route);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    transport.http.content_type = azm_body_content_type(o->profile);
    r = azm_transport_settings_new(&transport, &route->settings, err);
    if (r < 0) {
        azm_route_free(route);
        return r;
    }
    route->max_body_bytes = o->max_body_bytes;
    route->renewable = o->renewable || o->tokens;
    route->tokens = o->tokens ? azm_tokens_ref(o->tokens) : NULL;
    azm_pace_init(&route->pace, o->http.connections, o->retry_initial_delay_usec, o->retry_max_delay_usec,
                  o->hold_max_delay_usec);
    azm_pace_init(&route->suspect_pace, 1, o->retry_initial_delay_usec, o->retry_max_delay_usec,
                  o->hold_max_delay_usec);
    *ret = route;
    return 0;
}

/* --- the owner --- */

int azm_exporter_new(const struct azm_exporter_options *o, struct azm_exporter **ret, struct azm_error *err)
{
    struct azm_exporter *x = calloc(1, sizeof *x);
    int r;

    if (!x)
        return azm_error_set(err, ENOMEM, "out of memory");
    x->clock = o->clock;
    x->quarantine = o->quarantine;
    x->rehearse = o->rehearse;
    x->rehearse_userdata = o->rehearse_userdata;
    x->window = o->http.connections;
    x->log_name = azm_log_name();
    pthread_mutex_init(&x->mutex, NULL);
    x->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    x->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->wake_fd < 0 || x->ack_fd < 0)
        r = azm_error_set(err, errno, "cannot create an eventfd: %m");
    else if (azm_gzip_new(&x->gzip) < 0)
        r = azm_error_set(err, ENOMEM, "out of memory");
    else
        r = azm_transport_new(x->wake_fd, &x->transport, err);
    if (r == 0)
        r = route_new(o, &x->route, err);
    if (r == 0) {
        r = azm_transport_configure(x->transport, x->route->settings);
        if (r < 0)
            azm_error_set(err, r, "cannot wait for events: %m");
    }
    if (r == 0) {
        if (x->route->tokens)
            azm_tokens_notify(x->route->tokens, x->wake_fd);
        azm_exporter_share(x);
        r = azm_thread_start(&x->thread, 0, azm_exporter_main, x);
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
        azm_exporter_poke(x->wake_fd);
        pthread_join(x->thread, NULL);
    }
    if (x->route && x->route->tokens)
        azm_tokens_notify(x->route->tokens, -1);
    azm_secret_unref(x->token);
    azm_transits_clear(&x->transits);
    azm_transits_clear(&x->inbox);
    azm_transits_clear(&x->finished);
    azm_route_free(x->next_route);
    azm_route_free(x->route);
    azm_transport_free(x->transport);
    azm_gzip_free(x->gzip);
    azm_buf_free(&x->raw);
    azm_closep(&x->wake_fd);
    azm_closep(&x->ack_fd);
    pthread_mutex_destroy(&x->mutex);
    free(x);
    return NULL;
}

int azm_exporter_configure(struct azm_exporter *x, const struct azm_exporter_options *o, struct azm_error *err)
{
    struct azm_route *next, *unused;
    int r = route_new(o, &next, err);

    if (r < 0)
        return r;
    x->window = o->http.connections;
    pthread_mutex_lock(&x->mutex);
    unused = x->next_route; /* the thread has not looked since the last call */
    x->next_route = next;
    azm_exporter_forget_failure(&x->status);
    pthread_mutex_unlock(&x->mutex);
    azm_route_free(unused);
    azm_exporter_poke(x->wake_fd);
    azm_exporter_poke(x->ack_fd);
    return 0;
}

bool azm_exporter_has_room(struct azm_exporter *x)
{
    size_t window = MAX(x->window, WINDOW_MIN);
    bool room;

    pthread_mutex_lock(&x->mutex);
    room = !x->kept_out && x->unfinished < window + MIN(x->suspects, window);
    pthread_mutex_unlock(&x->mutex);
    return room;
}

int azm_exporter_submit(struct azm_exporter *x, struct azm_batch *b)
{
    struct azm_transit *t = azm_transit_new(b);

    if (!t)
        return -ENOMEM;
    pthread_mutex_lock(&x->mutex);
    azm_transits_append(&x->inbox, t);
    x->unfinished++;
    x->status.outstanding++;
    pthread_mutex_unlock(&x->mutex);
    azm_exporter_poke(x->wake_fd);
    return 0;
}

int azm_exporter_fd(const struct azm_exporter *x)
{
    return x->ack_fd;
}

int azm_exporter_collect(struct azm_exporter *x, struct azm_batch **ret)
{
    struct azm_transit *t;
    int r;

    azm_exporter_drain(x->ack_fd);
    pthread_mutex_lock(&x->mutex);
    t = azm_transits_take(&x->finished);
    if (t)
        x->status.outstanding--;
    r = x->failed ? -EIO : 0;
    pthread_mutex_unlock(&x->mutex);
    if (!t)
        return r;
    *ret = azm_transit_free(t);
    return 1;
}

bool azm_exporter_wants_renewal(struct azm_exporter *x)
{
    bool wants;

    pthread_mutex_lock(&x->mutex);
    wants = x->renewal;
    x->renewal = false;
    pthread_mutex_unlock(&x->mutex);
    return wants;
}

uint64_t azm_exporter_batch_delay_usec(struct azm_exporter *x)
{
    uint64_t usec;

    pthread_mutex_lock(&x->mutex);
    usec = x->status.batch_delay_usec;
    pthread_mutex_unlock(&x->mutex);
    return usec;
}

enum azm_exporter_state azm_exporter_state(struct azm_exporter *x)
{
    enum azm_exporter_state state;

    pthread_mutex_lock(&x->mutex);
    state = x->status.state;
    pthread_mutex_unlock(&x->mutex);
    return state;
}

void azm_exporter_get_status(struct azm_exporter *x, struct azm_exporter_status *ret)
{
    pthread_mutex_lock(&x->mutex);
    *ret = x->status;
    pthread_mutex_unlock(&x->mutex);
}

void azm_exporter_get_answers(struct azm_exporter *x, struct azm_answers *ret)
{
    pthread_mutex_lock(&x->mutex);
    *ret = x->answers;
    pthread_mutex_unlock(&x->mutex);
}

bool azm_exporter_alive(struct azm_exporter *x)
{
    bool alive;

    pthread_mutex_lock(&x->mutex);
    alive = x->pong == x->ping;
    x->ping++;
    pthread_mutex_unlock(&x->mutex);
    azm_exporter_poke(x->wake_fd);
    return alive;
}
