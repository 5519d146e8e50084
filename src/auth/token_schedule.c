/* SPDX-License-Identifier: MIT */
#include "auth/token_schedule.h"
#include "core/cleanup.h"

#define SECONDS(n) ((n)*AZM_USEC_PER_SEC)
#define HALF_LIFE_FROM_USEC SECONDS(7200) /* refreshed at half its life if it lives so long */
#define MARGIN_USEC SECONDS(300)          /* refreshed so long before its end, at the latest */
#define FIRST_RETRY_USEC SECONDS(2)
#define RETRY_MAX_USEC SECONDS(60)
#define DOUBLINGS 5                   /* 2 to 32 seconds */
#define VALID_RETRY_USEC SECONDS(30)  /* between attempts while there is a token */
#define PERSON_RETRY_USEC SECONDS(60) /* if only a person can mend it */
#define PERSON_DOUBLINGS 3
#define PERSON_RETRY_MAX_USEC SECONDS(300)
#define REFUSED_USEC SECONDS(30) /* between attempts if tokens are refused */

void azm_token_schedule_asked(struct azm_token_schedule *s, uint64_t now_usec)
{
    s->asked_usec = now_usec;
}

void azm_token_schedule_success(struct azm_token_schedule *s, uint64_t expires_in_usec, uint64_t refresh_in_usec)
{
    uint64_t latest = expires_in_usec < 2 * MARGIN_USEC ? expires_in_usec / 2 : expires_in_usec - MARGIN_USEC;
    uint64_t refresh = latest;

    if (refresh_in_usec > 0)
        refresh = MIN(refresh_in_usec, latest);
    else if (expires_in_usec >= HALF_LIFE_FROM_USEC)
        refresh = MIN(expires_in_usec / 2, latest);
    s->expires_usec = s->asked_usec + expires_in_usec;
    s->next_usec = s->asked_usec + MAX(refresh, AZM_USEC_PER_SEC); /* whatever the endpoint says */
    s->not_before_usec = 0;
    s->failures = 0;
}

static uint64_t backoff(const struct azm_token_schedule *s, bool valid)
{
    if (s->permanent)
        return s->failures < PERSON_DOUBLINGS ? PERSON_RETRY_USEC << s->failures : PERSON_RETRY_MAX_USEC;
    if (valid)
        return s->failures == 0 ? VALID_RETRY_USEC : RETRY_MAX_USEC;
    return s->failures < DOUBLINGS ? FIRST_RETRY_USEC << s->failures : RETRY_MAX_USEC;
}

void azm_token_schedule_failure(struct azm_token_schedule *s, const struct azm_clock *clock, bool permanent,
                                uint64_t retry_after_usec)
{
    uint64_t now = azm_monotonic_usec(clock), delay;
    bool valid = azm_token_schedule_valid(s, now);

    if (permanent != s->permanent)
        s->failures = 0;
    s->permanent = permanent;
    delay = backoff(s, valid);
    s->failures++;
    s->next_usec = now + delay + azm_random_up_to(clock, delay / 4);
    if (valid && !permanent && s->next_usec > s->expires_usec)
        s->next_usec = MAX(s->expires_usec, now + FIRST_RETRY_USEC);
    s->not_before_usec = now + retry_after_usec;
    s->next_usec = MAX(s->next_usec, s->not_before_usec);
}

void azm_token_schedule_refused(struct azm_token_schedule *s, uint64_t now_usec)
{
    s->expires_usec = 0;
    s->next_usec = MAX(now_usec, s->renewal_usec > 0 ? s->renewal_usec + REFUSED_USEC : 0);
    s->next_usec = MAX(s->next_usec, s->not_before_usec);
    s->renewal_usec = s->next_usec;
}

void azm_token_schedule_mended(struct azm_token_schedule *s, uint64_t now_usec)
{
    s->failures = 0;
    s->next_usec = MAX(now_usec, s->not_before_usec);
}

uint64_t azm_token_schedule_wait_usec(const struct azm_token_schedule *s, uint64_t now_usec)
{
    uint64_t until = s->next_usec;

    if (azm_token_schedule_valid(s, now_usec))
        until = MIN(until, s->expires_usec);
    return until > now_usec ? until - now_usec : 0;
}
