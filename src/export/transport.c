/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/clock.h"
#include "export/transport.h"

struct azm_transport_settings {
    unsigned references;
    bool gzip;
    struct azm_http_settings *http;   /* or */
    struct azm_stream_writer *writer; /* one of the two */

    /* Of a writer that is in use. */
    struct azm_transport *transport;
    struct azm_transport_settings *next;
};

struct azm_transport {
    int events_fd; /* wake_fd, and the descriptors of the writers */
    struct azm_http *http;
    struct azm_transport_settings *settings; /* of the requests to come */
    struct azm_transport_settings *writers;  /* in use: those of the requests to come and of older ones */
    struct azm_stream_answer answer;         /* the last one that was given */
};

struct azm_request {
    struct azm_transport *transport;
    struct azm_transport_settings *settings;
    void *userdata;
    struct azm_http_request *http; /* or */
    struct azm_stream_send *send;  /* one of the two */
};

/* --- settings --- */

int azm_transport_settings_new(const struct azm_transport_options *o, struct azm_transport_settings **ret,
                               struct azm_error *err)
{
    struct azm_transport_settings *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->references = 1;
    s->gzip = o->gzip;
    r = o->stream.url ? azm_stream_writer_new(&o->stream, &s->writer, err)
                      : azm_http_settings_new(&o->http, &s->http, err);
    if (r < 0)
        free(s);
    else
        *ret = s;
    return r;
}

static struct azm_transport_settings *settings_ref(struct azm_transport_settings *s)
{
    s->references++;
    return s;
}

static void forget_writer(struct azm_transport_settings *s)
{
    struct azm_transport_settings **p = &s->transport->writers;

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    epoll_ctl(s->transport->events_fd, EPOLL_CTL_DEL, s->writer->fd, NULL);
}

struct azm_transport_settings *azm_transport_settings_unref(struct azm_transport_settings *s)
{
    if (!s || --s->references > 0)
        return NULL;
    if (s->transport)
        forget_writer(s);
    azm_stream_writer_free(s->writer);
    azm_http_settings_unref(s->http);
    free(s);
    return NULL;
}

/* --- the transport --- */

static int watch(const struct azm_transport *t, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    return epoll_ctl(t->events_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int azm_transport_new(int wake_fd, struct azm_transport **ret, struct azm_error *err)
{
    struct azm_transport *t = calloc(1, sizeof *t);
    int r;

    if (!t)
        return azm_error_set(err, ENOMEM, "out of memory");
    t->events_fd = epoll_create1(EPOLL_CLOEXEC);
    r = t->events_fd < 0 ? -errno : watch(t, wake_fd);
    r = r < 0 ? azm_error_set(err, r, "cannot wait for events: %m") : azm_http_new(&t->http, err);
    if (r < 0)
        azm_transport_free(t);
    else
        *ret = t;
    return r;
}

struct azm_transport *azm_transport_free(struct azm_transport *t)
{
    if (!t)
        return NULL;
    azm_transport_settings_unref(t->settings);
    azm_http_free(t->http);
    azm_closep(&t->events_fd);
    free(t);
    return NULL;
}

int azm_transport_configure(struct azm_transport *t, struct azm_transport_settings *s)
{
    if (s->writer && !s->transport) {
        int r = watch(t, s->writer->fd);

        if (r < 0)
            return r;
        s->transport = t;
        s->next = t->writers;
        t->writers = s;
    }
    if (s->http)
        azm_http_configure(t->http, s->http);
    settings_ref(s);
    azm_transport_settings_unref(t->settings);
    t->settings = s;
    return 0;
}

/* --- requests --- */

int azm_request_new(struct azm_transport *t, void *userdata, struct azm_request **ret)
{
    struct azm_request *r = calloc(1, sizeof *r);
    int k = -ENOMEM;

    if (!r)
        return -ENOMEM;
    r->transport = t;
    r->settings = settings_ref(t->settings);
    r->userdata = userdata;
    if (t->settings->writer) {
        r->send = t->settings->writer->ops->send_new(t->settings->writer, r);
        k = r->send ? 0 : -ENOMEM;
    } else
        k = azm_http_request_new(t->http, r, &r->http);
    if (k < 0)
        azm_request_free(r);
    else
        *ret = r;
    return k;
}

struct azm_request *azm_request_free(struct azm_request *r)
{
    if (!r)
        return NULL;
    if (r->send)
        r->settings->writer->ops->send_free(r->send);
    azm_http_request_free(r->http);
    azm_transport_settings_unref(r->settings);
    free(r);
    return NULL;
}

void *azm_request_userdata(const struct azm_request *r)
{
    return r->userdata;
}

bool azm_request_is_current(const struct azm_request *r)
{
    return r->settings == r->transport->settings;
}

bool azm_request_gzip(const struct azm_request *r)
{
    return r->settings->gzip;
}

const char *azm_request_id(const struct azm_request *r)
{
    return r->http ? azm_http_request_id(r->http) : "";
}

int azm_request_post(struct azm_request *r, const struct azm_http_call *call, const void *body, size_t len,
                     size_t records)
{
    const struct azm_stream_message m = {.body = body, .len = len, .gzip = r->settings->gzip, .records = records};

    return r->send ? r->settings->writer->ops->post(r->send, &m) : azm_http_post(r->http, call, body, len);
}

/* --- the loop --- */

int azm_transport_run(struct azm_transport *t, uint64_t timeout_usec)
{
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    int r;

    for (struct azm_transport_settings *s = t->writers; s; s = s->next) {
        uint64_t wake = s->writer->ops->wake_usec(s->writer);

        timeout_usec = MIN(timeout_usec, wake > now ? wake - now : 0);
    }
    r = azm_http_run(t->http, t->events_fd, timeout_usec);
    for (struct azm_transport_settings *s = t->writers; s && r >= 0; s = s->next)
        r = s->writer->ops->process(s->writer);
    return r;
}

static struct azm_request *next_stored(struct azm_transport *t, struct azm_answer *ret_answer)
{
    struct azm_stream_send *send = NULL;

    for (struct azm_transport_settings *s = t->writers; s && !send; s = s->next)
        send = s->writer->ops->next_done(s->writer, &t->answer);
    if (!send)
        return NULL;
    *ret_answer = (struct azm_answer){
        .curl_code = t->answer.curl_code,
        .curl_words = t->answer.words,
        .content_type = "",
        .retry_after = "",
        .error_code = "",
        .request_id = "",
        .redirect_url = "",
        .stream = &t->answer,
    };
    return send->userdata;
}

struct azm_request *azm_transport_next_done(struct azm_transport *t, struct azm_answer *ret_answer)
{
    struct azm_http_request *request = azm_http_next_done(t->http, ret_answer);

    return request ? azm_http_request_userdata(request) : next_stored(t, ret_answer);
}
