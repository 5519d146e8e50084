/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "limit.h"
#include "numbers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct emu_limit {
    pthread_mutex_t lock; /* for everything below */
    struct emu_rate rate;
    uint64_t passed;         /* in the present window */
    int64_t window_end_msec; /* the next request behind it opens a new one */
};

bool emu_parse_rate(const char *text, struct emu_rate *ret)
{
    struct emu_rate rate = {0};
    bool good = strcmp(text, "none") == 0;

    if (!good)
        good = emu_read_number(&text, UINT64_MAX, &rate.requests) && *text++ == '/' &&
               emu_parse_duration(text, &rate.window_msec) && rate.window_msec > 0;
    if (good)
        *ret = rate;
    return good;
}

int emu_limit_new(struct emu_limit **ret)
{
    struct emu_limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return -ENOMEM;
    pthread_mutex_init(&limit->lock, NULL); /* cannot fail with default attributes */
    *ret = limit;
    return 0;
}

void emu_limit_set(struct emu_limit *limit, struct emu_rate rate)
{
    pthread_mutex_lock(&limit->lock);
    limit->rate = rate;
    limit->window_end_msec = 0;
    pthread_mutex_unlock(&limit->lock);
}

void emu_limit_restart(struct emu_limit *limit)
{
    pthread_mutex_lock(&limit->lock);
    limit->window_end_msec = 0;
    pthread_mutex_unlock(&limit->lock);
}

unsigned emu_limit_take(struct emu_limit *limit, int64_t now_msec)
{
    unsigned left = 0;

    pthread_mutex_lock(&limit->lock);
    if (now_msec >= limit->window_end_msec) {
        limit->passed = 0;
        limit->window_end_msec = now_msec + limit->rate.window_msec;
    }
    if (limit->rate.window_msec > 0 && limit->passed++ >= limit->rate.requests)
        left = (unsigned)(limit->window_end_msec - now_msec);
    pthread_mutex_unlock(&limit->lock);
    return left;
}

void emu_limit_free(struct emu_limit *limit)
{
    if (!limit)
        return;
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}
