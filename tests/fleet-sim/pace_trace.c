/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "export/pace.h"

/* src/export/pace.c by itself: reads one call a line, with its times and the next random number, and prints the state
 * after each. tests/fleet-sim/test_pace_model.py compares pace.py with it. */

static uint64_t dice;

static uint64_t throw(void *userdata)
{
    (void)userdata;
    return dice;
}

static void print(const struct azm_pace *p, uint64_t wait_usec)
{
    printf("%" PRIu64 " %u %u %" PRIu64 " %" PRIu64 " %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
           " %" PRIu64,
           wait_usec, p->window, p->failures, p->not_before_usec, p->failed_usec, p->window_limit, p->interval_usec,
           p->passed_per_min, p->batch_delay_usec, p->slowed_usec, p->ease_usec, p->sent_usec);
    for (unsigned i = 0; i < AZM_PACE_BUCKETS; i++)
        printf(" %" PRIu64, p->passed[i]);
    printf(" %" PRIu64 "\n", p->bucket);
}

int main(void)
{
    const struct azm_clock clock = {.random = throw};
    uint64_t sent, now, extra, initial, retry_max, hold_max;
    struct azm_pace p;
    unsigned window;
    char call;

    if (scanf("%u %" SCNu64 " %" SCNu64 " %" SCNu64, &window, &initial, &retry_max, &hold_max) != 4)
        return 1;
    azm_pace_init(&p, window, initial, retry_max, hold_max);
    while (scanf(" %c %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &call, &sent, &now, &extra, &dice) == 5) {
        switch (call) {
        case 's':
            azm_pace_sent(&p, now);
            break;
        case 'o':
            azm_pace_success(&p, sent, now);
            break;
        case 'f':
            azm_pace_failure(&p, &clock, sent, now, false, extra);
            break;
        case 'h':
            azm_pace_failure(&p, &clock, sent, now, true, extra);
            break;
        case 't':
            azm_pace_throttled(&p, &clock, sent, now, extra);
            break;
        default:
            return 1;
        }
        print(&p, azm_pace_wait_usec(&p, now));
    }
    return 0;
}
