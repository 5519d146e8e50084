/* SPDX-License-Identifier: MIT */
#pragma once

#include <librdkafka/rdkafka.h>

#include "config/stream_url.h"
#include "stream/kafka.h"

/* A client of librdkafka's, which comes and goes: opened when there is something to do, with TLS and user as the URL
 * says. librdkafka has threads of its own, which connect and repeat by themselves; what it has to say comes as events
 * in one queue. When it is closed and opened again the password is read anew. */

struct kafka_client {
    struct azm_stream_url url;
    char *password_file, *sasl_mechanism, *tls_ca_file, *tls_cert_file, *tls_key_file;
    uint64_t timeout_usec;
    const struct azm_clock *clock;
    int fd;                   /* readable when a queue is not empty any more */
    rd_kafka_t *rk;           /* NULL: closed */
    rd_kafka_queue_t *events; /* all but messages */
    rd_kafka_event_t *event;  /* the last one that was given */
};

#define KAFKA_SOCKET_MAX_USEC (300 * AZM_USEC_PER_SEC) /* socket.timeout.ms may not be more */

/* A setting of librdkafka's. Those that only newer versions know are `optional`. */
struct kafka_setting {
    const char *name, *value;
    bool optional;
};

/* 0, -ENOMEM, or -EINVAL. The options are copied as far as they are about connecting. `c` is all zero before. */
int kafka_client_init(struct kafka_client *c, const struct azm_stream_options *o, struct azm_error *err);
void kafka_client_free(struct kafka_client *c);

/* Opens it, for a list of settings that ends with a NULL: 0, or -1 and why. A consumer's queue has all its events. */
int kafka_client_open(struct kafka_client *c, rd_kafka_type_t type, int events, const struct kafka_setting *settings,
                      struct azm_stream_answer *why);

/* Closes it; a consumer leaves its group in order, which may take some seconds, or without a word. */
void kafka_client_close(struct kafka_client *c, bool in_order);

/* Has `queue` make the descriptor readable. */
void kafka_client_watch(struct kafka_client *c, rd_kafka_queue_t *queue);

/* The next event, or NULL: then the descriptor is not readable until there is one. It is there until the next call. */
rd_kafka_event_t *kafka_client_next_event(struct kafka_client *c);

/* What an event RD_KAFKA_EVENT_ERROR says; true: this client will not be of use any more, and has to be closed. */
bool kafka_client_understand(struct kafka_client *c, rd_kafka_event_t *event, rd_kafka_resp_err_t *ret_code,
                             struct azm_stream_answer *ret);

/* For a setting that is a time. */
const char *kafka_print_msec(uint64_t usec, char ret[static 24]);
