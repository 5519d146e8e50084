/* SPDX-License-Identifier: MIT */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/clock.h"
#include "stream/stream.h"

/* Does a reader work? librdkafka says when something fails, and repeats it by itself, but not when it is over: that is
 * seen from messages, from commits that are taken, and from its statistics. */

#define KAFKA_STATS_USEC (2 * AZM_USEC_PER_SEC) /* statistics are wanted so often */

/* All zero but for the clock: it does. */
struct kafka_health {
    const struct azm_clock *clock;
    bool failing;
    struct azm_stream_answer failure; /* the last one */
    bool firm;                        /* it goes only when messages come again */
    bool troubled;                    /* a broker was lost, and there may be others */
    struct azm_stream_answer trouble;
    uint64_t failed_usec;
    unsigned dropped; /* clients in a row that were of no use */
};

void kafka_health_set_failing(struct kafka_health *h, const struct azm_stream_answer *why);

/* As far as a refusal that needs a person does not still hold; when there are messages, it does not. */
void kafka_health_set_well(struct kafka_health *h, bool messages);

/* What librdkafka says by itself, or of a partition. */
void kafka_health_on_error(struct kafka_health *h, rd_kafka_resp_err_t code, const struct azm_stream_answer *why);

/* Its statistics, in JSON. */
void kafka_health_on_stats(struct kafka_health *h, const char *text);
