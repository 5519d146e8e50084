/* SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <zlib.h>

#include "tests/unit/otlp_help.h"

/* A server in the test's own process that keeps requests waiting until they may be answered, and says what it saw. A
 * request carries one record, which is known by its time. */

struct seen {
    unsigned number; /* 0: the body is not what its headers say */
    bool gzip;
    char key[32]; /* header X-Key */
    size_t connection;
};

struct server {
    struct MHD_Daemon *daemon;
    char url[64];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t held;   /* bit n: number n is not answered yet */
    unsigned status; /* of the answers; 0: 200 */
    size_t n_seen, n_answered, n_opened, n_closed;
    struct seen seen[1024];
};

/* `what` happens under the mutex, and those who wait look again. */
#define LOCKED(s, what)                                                                                                \
    do {                                                                                                               \
        pthread_mutex_lock(&(s)->mutex);                                                                               \
        what;                                                                                                          \
        pthread_cond_broadcast(&(s)->changed);                                                                         \
        pthread_mutex_unlock(&(s)->mutex);                                                                             \
    } while (0)

#define GET(s, field)                                                                                                  \
    ({                                                                                                                 \
        __typeof__((s)->field) value_;                                                                                 \
                                                                                                                       \
        LOCKED(s, value_ = (s)->field);                                                                                \
        value_;                                                                                                        \
    })

/* Check's limit ends it if it never comes to pass. */
#define WAIT_UNTIL(s, condition)                                                                                       \
    do {                                                                                                               \
        pthread_mutex_lock(&(s)->mutex);                                                                               \
        while (!(condition))                                                                                           \
            pthread_cond_wait(&(s)->changed, &(s)->mutex);                                                             \
        pthread_mutex_unlock(&(s)->mutex);                                                                             \
    } while (0)

static inline bool server_gunzip(const struct azm_buf *in, struct azm_buf *out)
{
    z_stream z = {.next_in = in->data, .avail_in = (uInt)in->len};
    int r;

    if (azm_buf_reserve(out, 4096) < 0 || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return false;
    z.next_out = out->data;
    z.avail_out = (uInt)out->cap;
    r = inflate(&z, Z_FINISH);
    out->len = z.total_out;
    inflateEnd(&z);
    return r == Z_STREAM_END;
}

static inline unsigned server_number_of(const struct azm_buf *body, bool gzip)
{
    _cleanup_(azm_buf_free) struct azm_buf plain = {0};
    _cleanup_(otlp_free_request) Otlp__ExportLogsServiceRequest *r = NULL;

    if (gzip && !server_gunzip(body, &plain))
        return 0;
    if (gzip)
        body = &plain;
    r = otlp__export_logs_service_request__unpack(NULL, body->len, body->data);
    return r && r->n_resource_logs == 1 ? (unsigned)r->resource_logs[0]->scope_logs[0]->log_records[0]->time_unix_nano
                                        : 0;
}

static inline enum MHD_Result server_answer(struct server *s, struct MHD_Connection *c, const struct azm_buf *body)
{
    const char *encoding = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Encoding");
    const char *key = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Key");
    struct seen seen = {.gzip = encoding && strcmp(encoding, "gzip") == 0};
    struct MHD_Response *response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result r;
    unsigned status;

    seen.number = server_number_of(body, seen.gzip);
    snprintf(seen.key, sizeof seen.key, "%s", key ? key : "");
    seen.connection = *(size_t *)MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    LOCKED(s, s->seen[s->n_seen++ % ELEMENTSOF(s->seen)] = seen); /* more are only counted */
    WAIT_UNTIL(s, seen.number >= 64 || !(s->held >> seen.number & 1));
    status = GET(s, status) ? GET(s, status) : 200;
    r = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return r;
}

static inline enum MHD_Result server_on_request(void *cls, struct MHD_Connection *c, const char *path,
                                                const char *method, const char *version, const char *piece,
                                                size_t *length, void **state)
{
    struct azm_buf *body = *state;

    (void)path, (void)method, (void)version;
    if (!body) {
        *state = calloc(1, sizeof *body);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*length == 0)
        return server_answer(cls, c, body);
    if (azm_buf_append(body, piece, *length) < 0)
        return MHD_NO;
    *length = 0;
    return MHD_YES;
}

static inline void server_on_completed(void *cls, struct MHD_Connection *c, void **state,
                                       enum MHD_RequestTerminationCode how)
{
    struct server *s = cls;

    (void)c;
    if (*state)
        azm_buf_free(*state);
    free(*state);
    *state = NULL;
    LOCKED(s, s->n_answered += how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

static inline void server_on_connection(void *cls, struct MHD_Connection *c, void **context,
                                        enum MHD_ConnectionNotificationCode what)
{
    struct server *s = cls;
    size_t *number;

    (void)c;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        number = malloc(sizeof *number);
        LOCKED(s, *number = ++s->n_opened);
        *context = number;
    } else {
        free(*context);
        LOCKED(s, s->n_closed++);
    }
}

/* With `pem`, certificate and key, it speaks TLS. */
static inline void server_begin(struct server *s, const char *pem)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned flags =
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | (pem ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {pem ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)pem},
        {MHD_OPTION_END, 0, NULL},
    };

    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, server_on_request, s, MHD_OPTION_SOCK_ADDR, &address,
                                 MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
                                 server_on_connection, s, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    ck_assert_ptr_nonnull(s->daemon);
    snprintf(s->url, sizeof s->url, "http%s://127.0.0.1:%u/v1/logs", pem ? "s" : "",
             MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

static inline void server_end(struct server *s)
{
    LOCKED(s, s->held = 0);
    MHD_stop_daemon(s->daemon);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    memset(s, 0, sizeof *s);
}

static inline size_t times_seen(struct server *s, unsigned number)
{
    size_t n = 0;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < MIN(s->n_seen, ELEMENTSOF(s->seen)); i++)
        n += s->seen[i].number == number;
    pthread_mutex_unlock(&s->mutex);
    return n;
}

static inline size_t requests_at(struct server *s)
{
    return GET(s, n_seen);
}

static inline struct seen last_seen(struct server *s)
{
    return GET(s, seen[s->n_seen - 1]);
}
