/* SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <zlib.h>

#include "tests/unit/otlp_help.h"

/* A server in the test's own process that keeps requests waiting until they may be answered, and says what it saw. A
 * record is known by its time in OTLP, by its message in lines for Application Insights. */

#define SEEN_RECORDS_MAX 16

struct seen {
    unsigned number; /* of the first record; 0: the body is not what its headers say */
    unsigned numbers[SEEN_RECORDS_MAX];
    size_t n;     /* records */
    size_t bytes; /* of the body before compression */
    bool dated;   /* one has azmonlog.original_time */
    bool gzip;
    char key[32];                              /* header X-Key */
    char token[64], id[48], type[40], url[64]; /* Authorization, x-ms-client-request-id, Content-Type, the path */
    size_t connection;
};

/* 0 and NULL: nothing of that. */
struct reply {
    unsigned status; /* 0: the server's */
    const char *location, *type, *retry_after, *request_id;
    const void *body; /* copied */
    size_t len;
};

struct server;
typedef void (*server_answer_t)(struct server *s, const struct seen *seen, struct reply *ret);

struct server {
    struct MHD_Daemon *daemon;
    char url[64];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t held;          /* bit n: number n is not answered yet */
    unsigned status;        /* of the answers; 0: 200 */
    server_answer_t answer; /* NULL: only the status; called outside the mutex */
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

static inline void server_see_number(struct seen *seen, unsigned number)
{
    if (seen->n < SEEN_RECORDS_MAX)
        seen->numbers[seen->n] = number;
    seen->n++;
}

static inline void server_see_otlp(struct seen *seen, const struct azm_buf *body)
{
    _cleanup_(otlp_free_request) Otlp__ExportLogsServiceRequest *r =
        otlp__export_logs_service_request__unpack(NULL, body->len, body->data);

    for (size_t i = 0; r && i < r->n_resource_logs; i++)
        for (size_t k = 0; k < r->resource_logs[i]->scope_logs[0]->n_log_records; k++) {
            const Otlp__LogRecord *l = r->resource_logs[i]->scope_logs[0]->log_records[k];

            server_see_number(seen, (unsigned)l->time_unix_nano);
            seen->dated |= otlp_find(l->attributes, l->n_attributes, "azmonlog.original_time") != NULL;
        }
}

static inline void server_see_lines(struct seen *seen, const struct azm_buf *body)
{
    const char *line = (const char *)body->data, *end = line + body->len, *next;

    for (; line < end && (next = memchr(line, '\n', (size_t)(end - line))); line = next + 1) {
        json_t *j = json_loadb(line, (size_t)(next - line), 0, NULL);
        const char *message =
            json_string_value(json_object_get(json_object_get(json_object_get(j, "data"), "baseData"), "message"));

        server_see_number(seen, message ? (unsigned)strtoul(message, NULL, 10) : 0);
        json_decref(j);
    }
}

static inline void server_see_body(struct seen *seen, const struct azm_buf *body)
{
    _cleanup_(azm_buf_free) struct azm_buf plain = {0};

    if (seen->gzip && !server_gunzip(body, &plain))
        return;
    if (seen->gzip)
        body = &plain;
    seen->bytes = body->len;
    if (strcmp(seen->type, "application/x-json-stream") == 0)
        server_see_lines(seen, body);
    else
        server_see_otlp(seen, body);
    seen->number = seen->numbers[0];
}

static inline void server_see_header(struct MHD_Connection *c, const char *name, char *text, size_t size)
{
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

    snprintf(text, size, "%s", value ? value : "");
}

static inline struct MHD_Response *server_make_response(const struct reply *reply)
{
    const struct {
        const char *name, *value;
    } headers[] = {{"Location", reply->location},
                   {"Content-Type", reply->type},
                   {"Retry-After", reply->retry_after},
                   {"x-ms-request-id", reply->request_id}};
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->len, reply->len ? (void *)reply->body : (void *)"",
                                        reply->len ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);

    for (size_t i = 0; i < ELEMENTSOF(headers); i++)
        if (headers[i].value)
            MHD_add_response_header(response, headers[i].name, headers[i].value);
    return response;
}

static inline enum MHD_Result server_answer(struct server *s, struct MHD_Connection *c, const char *url,
                                            const struct azm_buf *body)
{
    const char *encoding = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Encoding");
    struct seen seen = {.gzip = encoding && strcmp(encoding, "gzip") == 0};
    struct MHD_Response *response;
    struct reply reply = {0};
    enum MHD_Result r;

    server_see_header(c, "X-Key", seen.key, sizeof seen.key);
    server_see_header(c, "Authorization", seen.token, sizeof seen.token);
    server_see_header(c, "x-ms-client-request-id", seen.id, sizeof seen.id);
    server_see_header(c, "Content-Type", seen.type, sizeof seen.type);
    snprintf(seen.url, sizeof seen.url, "%s", url);
    server_see_body(&seen, body);
    seen.connection = *(size_t *)MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    LOCKED(s, s->seen[s->n_seen++ % ELEMENTSOF(s->seen)] = seen); /* more are only counted */
    WAIT_UNTIL(s, seen.number >= 64 || !(s->held >> seen.number & 1));
    if (s->answer)
        s->answer(s, &seen, &reply);
    if (!reply.status)
        reply.status = GET(s, status) ? GET(s, status) : 200;
    response = server_make_response(&reply);
    r = MHD_queue_response(c, reply.status, response);
    MHD_destroy_response(response);
    return r;
}

static inline enum MHD_Result server_on_request(void *cls, struct MHD_Connection *c, const char *path,
                                                const char *method, const char *version, const char *piece,
                                                size_t *length, void **state)
{
    struct azm_buf *body = *state;

    (void)method, (void)version;
    if (!body) {
        *state = calloc(1, sizeof *body);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*length == 0)
        return server_answer(cls, c, path, body);
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
