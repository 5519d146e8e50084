/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cli/metrics_server.h"

#if !HAVE_MICROHTTPD

int azm_metrics_server_new(sd_event *event, const char *listen_at, struct azm_service *service,
                           struct azm_metrics_server **ret, struct azm_error *err)
{
    (void)event;
    (void)listen_at;
    (void)service;
    (void)ret;
    return azm_error_set(err, ENOTSUP, "[metrics] listen=: this azmonlog was built without libmicrohttpd");
}

struct azm_metrics_server *azm_metrics_server_free(struct azm_metrics_server *s)
{
    (void)s;
    return NULL;
}

#else

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "config/listen_address.h"
#include "core/log.h"
#include "pipeline/metrics.h"

#define CONNECTIONS_MAX 16
#define CONNECTION_BYTES ((size_t)16 * 1024)
#define IDLE_SECONDS 10 /* then a client is dropped */
#define FRESH_USEC AZM_USEC_PER_SEC
#define PATIENCE_USEC (5 * AZM_USEC_PER_SEC) /* with the event loop */

static const char text_type[] = "text/plain; charset=utf-8";

/* What can be asked for. */
struct page {
    uint64_t made_usec;               /* monotonic; 0: never */
    struct azm_buf text, openmetrics; /* empty: memory was out */
    bool ready;
    const char *word; /* how it is */
};

struct azm_metrics_server {
    struct azm_service *service;
    struct MHD_Daemon *daemon;
    int asked_fd; /* the server's thread -> event loop */
    sd_event_source *asked;
    pthread_mutex_t mutex; /* around all below */
    pthread_cond_t made;
    bool closing;
    struct page page;
};

/* --- in the event loop --- */

static int on_asked(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct azm_metrics_server *s = userdata;
    struct azm_figures figures;
    struct azm_metrics metrics;
    uint64_t value;

    (void)source;
    (void)events;
    while (read(fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
    azm_service_measure(s->service, &figures);
    azm_metrics_collect(&figures, &metrics);
    pthread_mutex_lock(&s->mutex);
    if (azm_metrics_print(&metrics, false, &s->page.text) < 0 ||
        azm_metrics_print(&metrics, true, &s->page.openmetrics) < 0) {
        azm_buf_clear(&s->page.text);
        azm_buf_clear(&s->page.openmetrics);
    }
    s->page.ready = !figures.stopping && figures.health.condition == AZM_IS_WELL;
    s->page.word = figures.stopping ? "stopping" : azm_condition_name(figures.health.condition);
    s->page.made_usec = figures.now_monotonic_usec;
    pthread_cond_signal(&s->made);
    pthread_mutex_unlock(&s->mutex);
    return 0;
}

/* --- in the server's thread --- */

/* Waits until the page is fresh: true; false if the event loop does not make one. With the mutex held. */
static bool freshen(struct azm_metrics_server *s)
{
    uint64_t now = azm_monotonic_usec(&azm_system_clock), limit = now + PATIENCE_USEC, before = s->page.made_usec;
    const struct timespec until = {.tv_sec = (time_t)(limit / AZM_USEC_PER_SEC),
                                   .tv_nsec = (long)(limit % AZM_USEC_PER_SEC * AZM_NSEC_PER_USEC)};
    const uint64_t one = 1;
    int r = 0;

    if (before > 0 && now < before + FRESH_USEC)
        return true;
    while (write(s->asked_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    while (s->page.made_usec == before && !s->closing && r == 0)
        r = pthread_cond_timedwait(&s->made, &s->mutex, &until);
    return s->page.made_usec != before;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, const void *data, size_t len)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result r = MHD_NO;

    if (!response)
        return MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        r = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result answer_word(struct MHD_Connection *c, unsigned status, const char *word)
{
    char line[64];

    return answer(c, status, text_type, line, (size_t)snprintf(line, sizeof line, "%s\n", word));
}

/* Prometheus asks for OpenMetrics first; whoever does not ask for it gets what everything reads. */
static enum MHD_Result answer_metrics(struct MHD_Connection *c, const struct page *page)
{
    const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

    if (page->text.len == 0)
        return answer_word(c, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    if (accept && strstr(accept, "application/openmetrics-text"))
        return answer(c, MHD_HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8",
                      page->openmetrics.data, page->openmetrics.len);
    return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", page->text.data, page->text.len);
}

static enum MHD_Result answer_path(struct azm_metrics_server *s, struct MHD_Connection *c, const char *path)
{
    bool metrics = strcmp(path, "/metrics") == 0, alive = strcmp(path, "/healthz") == 0;

    if (!metrics && !alive && strcmp(path, "/readyz") != 0)
        return answer_word(c, MHD_HTTP_NOT_FOUND, "not found: there are /metrics, /healthz, /readyz");
    if (!freshen(s))
        return answer_word(c, MHD_HTTP_SERVICE_UNAVAILABLE, "stuck");
    if (metrics)
        return answer_metrics(c, &s->page);
    if (alive)
        return answer_word(c, MHD_HTTP_OK, "alive");
    return answer_word(c, s->page.ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, s->page.word);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **state)
{
    struct azm_metrics_server *s = cls;
    enum MHD_Result r;

    (void)version;
    (void)upload;
    if (!*state) { /* only the headers are there; what follows decides whether the connection can be kept */
        *state = s;
        return MHD_YES;
    }
    if (*upload_len > 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_word(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    pthread_mutex_lock(&s->mutex);
    r = answer_path(s, c, path);
    pthread_mutex_unlock(&s->mutex);
    return r;
}

/* --- life --- */

static int open_socket(const char *listen_at, struct azm_error *err)
{
    struct sockaddr_storage address;
    socklen_t len;
    int fd, on = 1, r = azm_listen_address(listen_at, &address, &len, err);

    if (r < 0)
        return r;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, CONNECTIONS_MAX) < 0) {
        r = azm_error_set(err, errno, "[metrics] listen=: cannot listen on %s: %m", listen_at);
        azm_closep(&fd);
        return r;
    }
    return fd;
}

static int start(struct azm_metrics_server *s, sd_event *event, const char *listen_at, struct azm_error *err)
{
    int fd, r;

    s->asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->asked_fd < 0)
        return azm_error_set(err, errno, "cannot create an eventfd: %m");
    r = sd_event_add_io(event, &s->asked, s->asked_fd, EPOLLIN, on_asked, s);
    if (r < 0)
        return azm_error_set(err, r, "cannot set up the event loop: %m");
    fd = open_socket(listen_at, err);
    if (fd < 0)
        return fd;
    s->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_END);
    if (!s->daemon) {
        azm_closep(&fd);
        return azm_error_set(err, EIO, "[metrics] listen=: the server cannot be started");
    }
    return 0;
}

int azm_metrics_server_new(sd_event *event, const char *listen_at, struct azm_service *service,
                           struct azm_metrics_server **ret, struct azm_error *err)
{
    struct azm_metrics_server *s = calloc(1, sizeof *s);
    pthread_condattr_t monotonic;
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->service = service;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->made, &monotonic);
    pthread_condattr_destroy(&monotonic);
    r = start(s, event, listen_at, err);
    if (r < 0) {
        azm_metrics_server_free(s);
        return r;
    }
    azm_log(AZM_LOG_INFO, "metrics at http://%s/metrics", listen_at);
    *ret = s;
    return 0;
}

struct azm_metrics_server *azm_metrics_server_free(struct azm_metrics_server *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->mutex);
    s->closing = true;
    pthread_cond_signal(&s->made);
    pthread_mutex_unlock(&s->mutex);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    sd_event_source_disable_unref(s->asked);
    azm_closep(&s->asked_fd);
    pthread_cond_destroy(&s->made);
    pthread_mutex_destroy(&s->mutex);
    azm_buf_free(&s->page.text);
    azm_buf_free(&s->page.openmetrics);
    free(s);
    return NULL;
}

#endif
