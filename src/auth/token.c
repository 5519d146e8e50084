/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/token_internal.h"
#include "auth/token_schedule.h"
#include "core/log.h"
#include "core/thread.h"

#define STACK_BYTES ((size_t)256 * 1024)

struct azm_tokens {
    atomic_uint references;
    struct azm_credential *credential;
    const struct azm_clock *clock;
    pthread_t thread;
    const char *log_name; /* of azm_log_as */
    bool warned;          /* the thread's own: that refreshing fails */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* for the thread */
    bool quit;
    int event_fd;
    struct azm_secret *header; /* NULL: there is no token */
    uint64_t number;           /* of the last token */
    struct azm_token_schedule schedule;
    struct azm_tokens_status status; /* all but its state */
};

static uint64_t now_usec(const struct azm_tokens *t)
{
    return azm_monotonic_usec(t->clock);
}

/* --- under the mutex --- */

static void notify(const struct azm_tokens *t)
{
    uint64_t one = 1;

    while (t->event_fd >= 0 && write(t->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void forget(struct azm_tokens *t)
{
    t->header = azm_secret_unref(t->header);
    t->status.expires_realtime_usec = 0;
    notify(t);
}

static bool is_valid(const struct azm_tokens *t)
{
    return t->header && azm_token_schedule_valid(&t->schedule, now_usec(t));
}

static void keep_token(struct azm_tokens *t, struct azm_token *token)
{
    azm_secret_unref(t->header);
    t->header = azm_secret_ref(token->header);
    t->number++;
    t->status.acquired++;
    memset(&t->status.failure, 0, sizeof t->status.failure);
    t->status.expires_realtime_usec = token->expires_realtime_usec;
    memcpy(t->status.object_id, token->object_id, sizeof t->status.object_id);
    memcpy(t->status.app_id, token->app_id, sizeof t->status.app_id);
    azm_token_schedule_success(&t->schedule, token->expires_in_usec, token->refresh_in_usec);
    notify(t);
}

static void keep_failure(struct azm_tokens *t, const struct azm_token_failure *f)
{
    t->status.failure = *f;
    azm_token_schedule_failure(&t->schedule, t->clock, f->permanent, f->retry_after_usec);
    notify(t);
}

/* Waits for the time of the next attempt: false if it is to end instead. */
static bool wait_for_attempt(struct azm_tokens *t)
{
    while (!t->quit) {
        uint64_t now = now_usec(t), wait;
        struct timespec until;

        if (t->header && !azm_token_schedule_valid(&t->schedule, now))
            forget(t);
        if (now >= t->schedule.next_usec)
            return true;
        /* The clock may be a test's own; the span counts from now on the system's. */
        wait = azm_token_schedule_wait_usec(&t->schedule, now);
        clock_gettime(CLOCK_MONOTONIC, &until);
        wait += (uint64_t)until.tv_nsec / AZM_NSEC_PER_USEC;
        until.tv_sec += (time_t)(wait / AZM_USEC_PER_SEC);
        until.tv_nsec = (long)(wait % AZM_USEC_PER_SEC * AZM_NSEC_PER_USEC);
        pthread_cond_timedwait(&t->changed, &t->mutex, &until);
    }
    return false;
}

/* --- the thread --- */

/* Failures without a token are told by who cannot send. */
static void tell(struct azm_tokens *t, const struct azm_token *token, const struct azm_token_failure *f, bool first,
                 bool valid)
{
    const char *name = azm_credential_name(t->credential);

    if (token->header) {
        uint64_t minutes = token->expires_in_usec / (60 * AZM_USEC_PER_SEC);

        if (first)
            azm_log(AZM_LOG_INFO, "the first token has come by %s; it is valid for %" PRIu64 " h %" PRIu64 " min", name,
                    minutes / 60, minutes % 60);
        else if (t->warned)
            azm_log(AZM_LOG_NOTICE, "refreshing the token by %s works again", name);
        t->warned = false;
    } else if (valid && !t->warned) {
        azm_log(AZM_LOG_WARNING, "cannot refresh the token by %s, and goes on with the one there is: %s%s%s", name,
                f->reason, *f->remedy ? "; " : "", f->remedy);
        t->warned = true;
    }
}

static void *tokens_main(void *userdata)
{
    struct azm_tokens *t = userdata;

    pthread_setname_np(pthread_self(), "azm-token");
    azm_log_as(t->log_name);
    pthread_mutex_lock(&t->mutex);
    while (wait_for_attempt(t)) {
        struct azm_token_failure failure;
        bool first = t->status.acquired == 0, valid, quit;
        struct azm_token token;
        int r;

        azm_token_schedule_asked(&t->schedule, now_usec(t));
        pthread_mutex_unlock(&t->mutex);
        r = azm_credential_acquire(t->credential, &token, &failure);
        pthread_mutex_lock(&t->mutex);
        quit = t->quit;
        if (r == 0)
            keep_token(t, &token);
        else
            keep_failure(t, &failure);
        valid = is_valid(t);
        pthread_mutex_unlock(&t->mutex);
        if (!quit)
            tell(t, &token, &failure, first, valid);
        azm_token_free(&token);
        pthread_mutex_lock(&t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* --- the owners --- */

static void free_tokens(struct azm_tokens *t)
{
    azm_secret_unref(t->header);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

int azm_tokens_new(struct azm_credential *c, const struct azm_clock *clock, struct azm_tokens **ret,
                   struct azm_error *err)
{
    struct azm_tokens *t = calloc(1, sizeof *t);
    pthread_condattr_t attr;
    int r;

    if (!t)
        return azm_error_set(err, ENOMEM, "out of memory");
    atomic_init(&t->references, 1);
    t->credential = c;
    t->clock = clock;
    t->event_fd = -1;
    t->log_name = azm_log_name();
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
    r = azm_thread_start(&t->thread, STACK_BYTES, tokens_main, t);
    if (r < 0) {
        free_tokens(t);
        return azm_error_set(err, r, "cannot start the thread for tokens: %m");
    }
    *ret = t;
    return 0;
}

struct azm_tokens *azm_tokens_ref(struct azm_tokens *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

struct azm_tokens *azm_tokens_unref(struct azm_tokens *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) > 1)
        return NULL;
    pthread_mutex_lock(&t->mutex);
    t->quit = true;
    t->event_fd = -1;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    azm_credential_cancel(t->credential);
    pthread_join(t->thread, NULL);
    azm_credential_free(t->credential);
    free_tokens(t);
    return NULL;
}

const char *azm_tokens_credential_name(const struct azm_tokens *t)
{
    return azm_credential_name(t->credential);
}

void azm_tokens_notify(struct azm_tokens *t, int event_fd)
{
    pthread_mutex_lock(&t->mutex);
    t->event_fd = event_fd;
    notify(t); /* of what has changed before */
    pthread_mutex_unlock(&t->mutex);
}

int azm_tokens_get(struct azm_tokens *t, struct azm_secret **ret_header, uint64_t *ret_number)
{
    bool valid;

    pthread_mutex_lock(&t->mutex);
    valid = is_valid(t);
    if (valid) {
        *ret_header = azm_secret_ref(t->header);
        *ret_number = t->number;
    }
    pthread_mutex_unlock(&t->mutex);
    return valid;
}

bool azm_tokens_refused(struct azm_tokens *t, uint64_t number)
{
    bool soon;

    pthread_mutex_lock(&t->mutex);
    if (t->header && t->number == number) {
        azm_token_schedule_refused(&t->schedule, now_usec(t));
        forget(t);
        pthread_cond_signal(&t->changed);
    }
    soon = t->number != number || t->schedule.next_usec <= now_usec(t);
    pthread_mutex_unlock(&t->mutex);
    return soon;
}

void azm_tokens_mended(struct azm_tokens *t)
{
    pthread_mutex_lock(&t->mutex);
    if (*t->status.failure.reason || !is_valid(t)) {
        azm_token_schedule_mended(&t->schedule, now_usec(t));
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->mutex);
}

void azm_tokens_get_status(struct azm_tokens *t, struct azm_tokens_status *ret)
{
    bool valid;

    pthread_mutex_lock(&t->mutex);
    *ret = t->status;
    valid = is_valid(t);
    pthread_mutex_unlock(&t->mutex);
    if (!valid)
        ret->expires_realtime_usec = 0;
    if (valid)
        ret->state = *ret->failure.reason ? AZM_TOKENS_AGEING : AZM_TOKENS_VALID;
    else if (!*ret->failure.reason)
        ret->state = AZM_TOKENS_FETCHING;
    else
        ret->state = ret->failure.permanent ? AZM_TOKENS_HELD : AZM_TOKENS_RETRYING;
}

void azm_tokens_look_again(struct azm_tokens *t)
{
    pthread_mutex_lock(&t->mutex);
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}
