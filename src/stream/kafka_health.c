/* SPDX-License-Identifier: MIT */
#include "stream/kafka_health.h"

#include <jansson.h>
#include <string.h>

void kafka_health_set_failing(struct kafka_health *h, const struct azm_stream_answer *why)
{
    h->failing = true;
    h->failure = *why;
    h->failed_usec = azm_monotonic_usec(h->clock);
}

void kafka_health_set_well(struct kafka_health *h, bool messages)
{
    if (h->firm && !messages)
        return;
    h->failing = h->firm = h->troubled = false;
    h->dropped = 0;
}

void kafka_health_on_error(struct kafka_health *h, rd_kafka_resp_err_t code, const struct azm_stream_answer *why)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        h->troubled = true;
        h->trouble = *why;
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        kafka_health_set_failing(h, h->troubled ? &h->trouble : why); /* that none is left says less than why */
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: /* the machine slept: it joins again by itself */
        break;
    default:
        h->firm = why->meaning == AZM_MISCONFIGURED;
        kafka_health_set_failing(h, why);
    }
}

/* Is it in its group, and did nothing fail of late? */
void kafka_health_on_stats(struct kafka_health *h, const char *text)
{
    json_t *stats = json_loads(text, 0, NULL);
    const json_t *group = json_object_get(stats, "cgrp");
    const char *state = json_string_value(json_object_get(group, "state"));
    const char *join_state = json_string_value(json_object_get(group, "join_state"));

    if (h->failing && state && join_state && strcmp(state, "up") == 0 && strcmp(join_state, "steady") == 0 &&
        azm_monotonic_usec(h->clock) > h->failed_usec + 2 * KAFKA_STATS_USEC)
        kafka_health_set_well(h, false);
    json_decref(stats);
}
