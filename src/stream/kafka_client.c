/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "auth/secret_file.h"
#include "core/clock.h"
#include "core/log.h"
#include "stream/kafka_client.h"

#define PASSWORD_MAX 4096 /* a connection string of Event Hubs is long */

const char *kafka_print_msec(uint64_t usec, char ret[static 24])
{
    snprintf(ret, 24, "%" PRIu64, MIN(usec / AZM_USEC_PER_MSEC, (uint64_t)INT_MAX));
    return ret;
}

/* --- opening --- */

static int set(rd_kafka_conf_t *conf, const struct kafka_setting *s, struct azm_error *err)
{
    char words[256];
    rd_kafka_conf_res_t r = rd_kafka_conf_set(conf, s->name, s->value, words, sizeof words);

    if (r == RD_KAFKA_CONF_OK || (r == RD_KAFKA_CONF_UNKNOWN && s->optional))
        return 0;
    return azm_error_set(err, EINVAL, "librdkafka does not take %s: %s", s->name, words);
}

static int set_all(rd_kafka_conf_t *conf, const struct kafka_setting *s, struct azm_error *err)
{
    int r = 0;

    for (; s->name && r >= 0; s++)
        r = set(conf, s, err);
    return r;
}

static int set_connecting(const struct kafka_client *c, rd_kafka_conf_t *conf, struct azm_error *err)
{
    const struct kafka_setting settings[] = {
        {"bootstrap.servers", c->url.host, false},
        {"client.id", "azmonlog", false},
        {"socket.keepalive.enable", "true", false},
        {"reconnect.backoff.max.ms", "2000", false},
        {"connections.max.idle.ms", "180000", true}, /* Azure's load balancers drop what is idle for 4 minutes */
        {"log.queue", "true", false},
        {"enable.random.seed", "false", true}, /* srand() is the program's affair, which may be rsyslogd */
        {NULL, NULL, false},
    };

    return set_all(conf, settings, err);
}

static int set_tls(const struct kafka_client *c, rd_kafka_conf_t *conf, struct azm_error *err)
{
    const struct kafka_setting settings[] = {
        {"ssl.ca.location", c->tls_ca_file, false},
        {"ssl.certificate.location", c->tls_cert_file, false},
        {"ssl.key.location", c->tls_key_file, false},
    };
    const struct kafka_setting check = {"ssl.endpoint.identification.algorithm", "https", false};
    int r = c->url.tls ? set(conf, &check, err) : 0;

    for (size_t i = 0; i < ELEMENTSOF(settings) && r >= 0; i++)
        if (*settings[i].value)
            r = set(conf, &settings[i], err);
    return r;
}

/* Who this is. The password is read anew each time, so that it may change. */
static int set_user(const struct kafka_client *c, rd_kafka_conf_t *conf, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *read = NULL;
    const struct azm_secret *password = c->url.password;
    bool sasl = *c->url.user || *c->password_file;
    const struct kafka_setting protocol = {
        "security.protocol", c->url.tls ? (sasl ? "sasl_ssl" : "ssl") : (sasl ? "sasl_plaintext" : "plaintext"), false};
    int r = set(conf, &protocol, err);

    if (!sasl || r < 0)
        return r;
    if (*c->password_file) {
        r = azm_secret_file_read(c->password_file, PASSWORD_MAX, false, &read, err);
        if (r < 0)
            return r;
        password = read;
    }
    const struct kafka_setting settings[] = {
        {"sasl.mechanism", c->sasl_mechanism, false},
        {"sasl.username", c->url.user, false},
        {"sasl.password", password ? azm_secret_text(password) : "", false},
        {NULL, NULL, false},
    };
    return set_all(conf, settings, err);
}

static int open_client(struct kafka_client *c, rd_kafka_type_t type, int events, const struct kafka_setting *settings,
                       struct azm_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[256];
    int r = set_connecting(c, conf, err);

    if (r >= 0)
        r = set_tls(c, conf, err);
    if (r >= 0)
        r = set_user(c, conf, err);
    if (r >= 0)
        r = set_all(conf, settings, err);
    if (r >= 0) {
        rd_kafka_conf_set_events(conf, events | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
        c->rk = rd_kafka_new(type, conf, words, sizeof words);
        if (!c->rk)
            r = azm_error_set(err, EINVAL, "%s", words);
    }
    if (r < 0)
        rd_kafka_conf_destroy(conf);
    return r;
}

int kafka_client_open(struct kafka_client *c, rd_kafka_type_t type, int events, const struct kafka_setting *settings,
                      struct azm_stream_answer *why)
{
    struct azm_error err;

    if (open_client(c, type, events, settings, &err) < 0) {
        *why = (struct azm_stream_answer){.meaning = AZM_MISCONFIGURED};
        snprintf(why->words, sizeof why->words, "%.180s", err.words);
        return -1;
    }
    if (type == RD_KAFKA_CONSUMER)
        rd_kafka_poll_set_consumer(c->rk);
    c->events = type == RD_KAFKA_CONSUMER ? rd_kafka_queue_get_consumer(c->rk) : rd_kafka_queue_get_main(c->rk);
    rd_kafka_set_log_queue(c->rk, NULL);
    kafka_client_watch(c, c->events);
    return 0;
}

void kafka_client_watch(struct kafka_client *c, rd_kafka_queue_t *queue)
{
    static const uint64_t one = 1;

    rd_kafka_queue_io_event_enable(queue, c->fd, &one, sizeof one);
}

void kafka_client_close(struct kafka_client *c, bool in_order)
{
    if (!c->rk)
        return;
    if (c->event)
        rd_kafka_event_destroy(c->event);
    c->event = NULL;
    rd_kafka_queue_io_event_enable(c->events, -1, NULL, 0);
    rd_kafka_queue_destroy(c->events);
    rd_kafka_destroy_flags(c->rk, in_order ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    c->rk = NULL;
    c->events = NULL;
}

/* --- events --- */

static void say(rd_kafka_event_t *event)
{
    const char *facility, *words;
    int level;

    if (rd_kafka_event_log(event, &facility, &words, &level) == 0)
        azm_log(AZM_LOG_DEBUG, "librdkafka: %s: %s", facility, words);
}

rd_kafka_event_t *kafka_client_next_event(struct kafka_client *c)
{
    uint64_t n;

    /* First, so that what comes meanwhile makes it readable again. */
    if (!c->event && read(c->fd, &n, sizeof n) < 0 && !c->rk)
        return NULL;
    do {
        if (c->event)
            rd_kafka_event_destroy(c->event);
        c->event = c->rk ? rd_kafka_queue_poll(c->events, 0) : NULL;
        if (c->event && rd_kafka_event_type(c->event) == RD_KAFKA_EVENT_LOG)
            say(c->event);
    } while (c->event && rd_kafka_event_type(c->event) == RD_KAFKA_EVENT_LOG);
    return c->event;
}

bool kafka_client_understand(struct kafka_client *c, rd_kafka_event_t *event, rd_kafka_resp_err_t *ret_code,
                             struct azm_stream_answer *ret)
{
    char words[512];

    snprintf(words, sizeof words, "%s", rd_kafka_event_error_string(event));
    *ret_code = rd_kafka_event_error(event);
    if (*ret_code == RD_KAFKA_RESP_ERR__FATAL)
        *ret_code = rd_kafka_fatal_error(c->rk, words, sizeof words);
    azm_kafka_understand(*ret_code, words, ret);
    return rd_kafka_fatal_error(c->rk, NULL, 0) || ret->meaning == AZM_UNAUTHORIZED ||
           (*ret_code == RD_KAFKA_RESP_ERR__SSL && ret->meaning == AZM_MISCONFIGURED);
}

/* --- life --- */

int kafka_client_init(struct kafka_client *c, const struct azm_stream_options *o, struct azm_error *err)
{
    int r;

    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = c->fd < 0 ? azm_error_set(err, errno, "cannot wait for events: %m")
                  : azm_stream_url_parse(o->url, &c->url, err);
    if (r < 0)
        return r;
    c->timeout_usec = o->timeout_usec;
    c->clock = o->clock;
    c->password_file = strdup(o->password_file);
    c->sasl_mechanism = strdup(o->sasl_mechanism);
    c->tls_ca_file = strdup(o->tls_ca_file);
    c->tls_cert_file = strdup(o->tls_cert_file);
    c->tls_key_file = strdup(o->tls_key_file);
    if (!c->password_file || !c->sasl_mechanism || !c->tls_ca_file || !c->tls_cert_file || !c->tls_key_file)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

void kafka_client_free(struct kafka_client *c)
{
    azm_closep(&c->fd);
    azm_stream_url_free(&c->url);
    free(c->password_file);
    free(c->sasl_mechanism);
    free(c->tls_ca_file);
    free(c->tls_cert_file);
    free(c->tls_key_file);
}
