/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/clock.h"
#include "core/log.h"
#include "process/limit.h"
#include "process/rules.h"

#define NAME_MAX_BYTES 255 /* no source gives a longer one */
#define SERVICES_MAX 1024  /* what a program invents beyond that shares one bucket */
#define SLOTS 2048         /* twice as many, a power of two */
#define OTHERS "(other services)"

struct service {
    char name[NAME_MAX_BYTES + 1];
    size_t len;
    /* The bucket, as the generic cell rate algorithm keeps it: when it will be full again. */
    uint64_t full_nsec;
    struct azm_held_back held;  /* in the interval that runs */
    struct azm_held_back ended; /* in one that waits to be taken */
};

struct azm_limiter {
    struct azm_rule rule;
    pthread_mutex_t mutex;
    uint64_t rate;       /* records a second; 0: there is no limit any more */
    uint64_t step_nsec;  /* to fill the bucket by one record */
    uint64_t depth_nsec; /* ... by all that it holds */
    uint64_t interval_nsec;
    int exempt; /* this severity and worse ones; -1: none */

    struct service *services;
    size_t n, cap;
    uint16_t slots[SLOTS]; /* number of a service by its name's hash, from 1; 0: free */
    size_t last;           /* the one found last */
    uint64_t now_nsec;     /* of the record seen last */
    uint64_t first_nsec;   /* the earliest beginning of an interval; UINT64_MAX: none runs */
    size_t n_ended;
};

/* --- services --- */

static size_t slot_of(const struct azm_limiter *l, struct azm_text name)
{
    size_t i = XXH3_64bits(name.s, name.len) % SLOTS;

    for (; l->slots[i] > 0; i = (i + 1) % SLOTS) {
        const struct service *s = &l->services[l->slots[i] - 1];

        if (azm_text_equal((struct azm_text){s->name, s->len}, name))
            break;
    }
    return i;
}

static bool is_idle(const struct azm_limiter *l, const struct service *s)
{
    return s->full_nsec <= l->now_nsec && s->held.records == 0 && s->ended.records == 0;
}

/* Forgets those of which there is nothing to know. */
static void sweep(struct azm_limiter *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        if (!is_idle(l, &l->services[i]))
            l->services[n++] = l->services[i];
    l->n = n;
    l->last = 0;
    memset(l->slots, 0, sizeof l->slots);
    for (size_t i = 0; i < n; i++)
        l->slots[slot_of(l, (struct azm_text){l->services[i].name, l->services[i].len})] = (uint16_t)(i + 1);
}

static int add_service(struct azm_limiter *l, struct azm_text name, struct service **ret)
{
    struct service *s;

    if (l->n == l->cap) {
        size_t cap = MAX(l->cap * 2, (size_t)8);

        s = reallocarray(l->services, cap, sizeof *s);
        if (!s)
            return -ENOMEM;
        l->services = s;
        l->cap = cap;
    }
    s = &l->services[l->n++];
    *s = (struct service){.len = name.len};
    memcpy(s->name, name.s, name.len);
    l->slots[slot_of(l, name)] = (uint16_t)l->n;
    l->last = l->n - 1;
    *ret = s;
    return 0;
}

static int find_service(struct azm_limiter *l, struct azm_text name, struct service **ret)
{
    size_t slot;

    name.s = name.s ? name.s : "";
    name.len = MIN(name.len, (size_t)NAME_MAX_BYTES);
    if (l->n > 0) {
        *ret = &l->services[l->last];
        if (azm_text_equal((struct azm_text){(*ret)->name, (*ret)->len}, name))
            return 0;
    }
    slot = slot_of(l, name);
    if (l->slots[slot] == 0 && l->n >= SERVICES_MAX)
        sweep(l);
    if (l->slots[slot] == 0 && l->n >= SERVICES_MAX)
        name = AZM_TEXT(OTHERS);
    slot = slot_of(l, name);
    if (l->slots[slot] == 0)
        return add_service(l, name, ret);
    l->last = l->slots[slot] - 1U;
    *ret = &l->services[l->last];
    return 0;
}

/* --- intervals --- */

/* Over, at this time? A clock that was set back by more than an interval ends it, too. */
static bool is_over(const struct azm_limiter *l, uint64_t from_nsec, uint64_t now_nsec)
{
    return now_nsec >= from_nsec ? now_nsec - from_nsec >= l->interval_nsec : from_nsec - now_nsec > l->interval_nsec;
}

static void end_interval(struct azm_limiter *l, struct service *s)
{
    l->n_ended += s->ended.records == 0;
    azm_held_back_add(&s->ended, &s->held);
    s->held = (struct azm_held_back){0};
}

static void end_intervals(struct azm_limiter *l, uint64_t now_nsec)
{
    l->first_nsec = UINT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        struct service *s = &l->services[i];

        if (s->held.records == 0)
            continue;
        if (is_over(l, s->held.from_nsec, now_nsec))
            end_interval(l, s);
        else
            l->first_nsec = MIN(l->first_nsec, s->held.from_nsec);
    }
}

uint64_t azm_limiter_end_intervals(struct azm_limiter *l, uint64_t realtime_usec)
{
    uint64_t now = realtime_usec > UINT64_MAX / AZM_NSEC_PER_USEC ? UINT64_MAX : realtime_usec * AZM_NSEC_PER_USEC;
    uint64_t first;

    pthread_mutex_lock(&l->mutex);
    if (l->first_nsec < UINT64_MAX && now >= l->first_nsec && is_over(l, l->first_nsec, now))
        end_intervals(l, now);
    first = l->first_nsec;
    pthread_mutex_unlock(&l->mutex);
    return first == UINT64_MAX ? UINT64_MAX : (first + l->interval_nsec) / AZM_NSEC_PER_USEC + 1;
}

/* --- records --- */

static void hold_back(struct azm_limiter *l, struct service *s, const struct azm_record *rec, uint64_t now)
{
    struct azm_held_back one = {.records = 1, .from_nsec = now, .to_nsec = now};

    one.severities[rec->severity + 1] = 1;
    memcpy(one.first_uid, rec->uid, sizeof one.first_uid);
    azm_held_back_add(&s->held, &one);
    l->first_nsec = MIN(l->first_nsec, s->held.from_nsec);
    azm_rule_count(&l->rule.times, 1);
}

static int admits(struct azm_limiter *l, const struct azm_record *rec)
{
    uint64_t now = rec->observed_time_unix_nano;
    struct service *s;
    int r;

    l->now_nsec = now;
    if (l->first_nsec < UINT64_MAX && is_over(l, l->first_nsec, now))
        end_intervals(l, now);
    if (rec->severity >= 0 && rec->severity <= l->exempt)
        return 1;
    r = find_service(l, rec->service, &s);
    if (r < 0)
        return r;
    /* Emptier than empty: then the clock was set back. */
    s->full_nsec = MIN(MAX(s->full_nsec, now), now + l->depth_nsec);
    if (s->full_nsec + l->step_nsec > now + l->depth_nsec) {
        hold_back(l, s, rec, now);
        return 0;
    }
    s->full_nsec += l->step_nsec;
    return 1;
}

int azm_limiter_admits(struct azm_limiter *l, const struct azm_record *rec)
{
    int r;

    if (l->rate == 0)
        return 1;
    pthread_mutex_lock(&l->mutex);
    r = admits(l, rec);
    pthread_mutex_unlock(&l->mutex);
    return r;
}

static int take(struct azm_limiter *l, struct azm_limit_interval *ret)
{
    for (size_t i = 0; i < l->n && l->n_ended > 0; i++) {
        struct service *s = &l->services[i];

        if (s->ended.records == 0)
            continue;
        *ret = (struct azm_limit_interval){.len = s->len, .held_back = s->ended};
        memcpy(ret->service, s->name, s->len);
        s->ended = (struct azm_held_back){0};
        l->n_ended--;
        return 1;
    }
    return 0;
}

int azm_limiter_take(struct azm_limiter *l, struct azm_limit_interval *ret)
{
    int r;

    pthread_mutex_lock(&l->mutex);
    r = take(l, ret);
    pthread_mutex_unlock(&l->mutex);
    return r;
}

void azm_limiter_give_back(struct azm_limiter *l, const struct azm_limit_interval *interval)
{
    struct service *s;

    pthread_mutex_lock(&l->mutex);
    if (find_service(l, (struct azm_text){interval->service, interval->len}, &s) >= 0) {
        l->n_ended += s->ended.records == 0;
        azm_held_back_add(&s->ended, &interval->held_back);
    }
    pthread_mutex_unlock(&l->mutex);
}

uint64_t azm_limiter_rate(const struct azm_limiter *l)
{
    return l->rate;
}

/* --- the checkpoint --- */

/* In one line, whatever is in it. */
static int print_name(const struct service *s, struct azm_buf *out)
{
    int r = azm_buf_append(out, " ", 1);

    for (size_t i = 0; i < s->len && r >= 0; i++) {
        unsigned char c = (unsigned char)s->name[i];

        r = c > ' ' && c < 0x7f && c != '%' ? azm_buf_append(out, &c, 1) : azm_buf_printf(out, "%%%02x", c);
    }
    return r < 0 ? r : azm_buf_append(out, "\n", 1);
}

static int print_held_back(const char *key, const struct azm_held_back *h, const struct service *s, struct azm_buf *out)
{
    int r;

    if (h->records == 0)
        return 0;
    r = azm_buf_printf(out, "%s=", key);
    if (r >= 0)
        r = azm_held_back_print(h, out);
    return r < 0 ? r : print_name(s, out);
}

static int print(const struct azm_limiter *l, struct azm_buf *out)
{
    int r = 0;

    for (size_t i = 0; i < l->n && r >= 0; i++) {
        const struct service *s = &l->services[i];

        if (s->full_nsec > l->now_nsec) {
            r = azm_buf_printf(out, "limit_bucket=%" PRIu64, s->full_nsec);
            if (r >= 0)
                r = print_name(s, out);
        }
        if (r >= 0)
            r = print_held_back("limit_held", &s->held, s, out);
        if (r >= 0)
            r = print_held_back("limit_ended", &s->ended, s, out);
    }
    return r;
}

int azm_limiter_print(struct azm_limiter *l, struct azm_buf *out)
{
    int r;

    pthread_mutex_lock(&l->mutex);
    r = print(l, out);
    pthread_mutex_unlock(&l->mutex);
    return r;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_name(const char *value, struct azm_limiter *l, struct service **ret)
{
    char name[NAME_MAX_BYTES];
    size_t n = 0;

    if (*value++ != ' ')
        return -EBADMSG;
    for (; *value; value++) {
        int c = (unsigned char)*value;

        if (c == '%') {
            int high = hex_digit(value[1]), low = high < 0 ? -1 : hex_digit(value[2]);

            if (low < 0)
                return -EBADMSG;
            c = high << 4 | low;
            value += 2;
        }
        if (n == sizeof name)
            return -EBADMSG;
        name[n++] = (char)c;
    }
    return find_service(l, (struct azm_text){name, n}, ret);
}

static int parse_bucket(struct azm_limiter *l, const char *value)
{
    struct service *s;
    uint64_t full;
    int end = 0, r;

    if (sscanf(value, "%" SCNu64 "%n", &full, &end) != 1)
        return -EBADMSG;
    r = parse_name(value + end, l, &s);
    if (r < 0)
        return r;
    s->full_nsec = full;
    return 1;
}

static int parse_held_back(struct azm_limiter *l, const char *value, bool ended)
{
    struct azm_held_back h;
    struct service *s;
    int end = azm_held_back_parse(&h, value), r;

    if (end < 0)
        return end;
    r = parse_name(value + end, l, &s);
    if (r < 0)
        return r;
    if (ended || l->rate == 0) {
        l->n_ended += s->ended.records == 0;
        azm_held_back_add(&s->ended, &h);
    } else {
        azm_held_back_add(&s->held, &h);
        l->first_nsec = MIN(l->first_nsec, s->held.from_nsec);
    }
    return 1;
}

static int parse(struct azm_limiter *l, const char *key, const char *value)
{
    if (strcmp(key, "limit_bucket") == 0)
        return parse_bucket(l, value);
    if (strcmp(key, "limit_held") == 0)
        return parse_held_back(l, value, false);
    if (strcmp(key, "limit_ended") == 0)
        return parse_held_back(l, value, true);
    return 0;
}

/* --- life --- */

int azm_limiter_go_on(struct azm_limiter *l, const struct azm_buf *state)
{
    _cleanup_free_ char *lines = strndup((const char *)state->data, state->len);
    char *save = NULL;

    if (!lines)
        return -ENOMEM;
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, '=');
        int r;

        if (!value)
            continue;
        *value++ = '\0';
        pthread_mutex_lock(&l->mutex);
        r = parse(l, line, value);
        pthread_mutex_unlock(&l->mutex);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            azm_log(AZM_LOG_WARNING, "the value of %s in the checkpoint makes no sense; it does not count", line);
    }
    return 0;
}

int azm_limiter_new(const struct azm_config *c, const struct azm_buf *state, struct azm_limiter **ret)
{
    struct azm_limiter *l;
    uint64_t burst = c->rate_burst > 0 ? c->rate_burst : 10 * c->rate_limit;
    int r;

    *ret = NULL;
    if (c->rate_limit == 0 && (!state || state->len == 0))
        return 0;
    l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    pthread_mutex_init(&l->mutex, NULL);
    l->rate = c->rate_limit;
    if (l->rate > 0) {
        l->step_nsec = AZM_USEC_PER_SEC * AZM_NSEC_PER_USEC / l->rate;
        l->depth_nsec = burst * l->step_nsec;
    }
    l->interval_nsec = c->rate_interval_usec * AZM_NSEC_PER_USEC;
    l->exempt = c->rate_exempt;
    l->first_nsec = UINT64_MAX;
    l->rule.kind = AZM_RATE_LIMIT;
    r = asprintf(&l->rule.name, "%" PRIu64, l->rate);
    if (r < 0) {
        l->rule.name = NULL;
        r = -ENOMEM;
    }
    if (r >= 0 && state && state->len > 0)
        r = azm_limiter_go_on(l, state);
    if (r < 0 || (l->rate == 0 && l->n_ended == 0)) {
        azm_limiter_free(l);
        return MIN(r, 0);
    }
    *ret = l;
    return 0;
}

struct azm_limiter *azm_limiter_free(struct azm_limiter *l)
{
    if (!l)
        return NULL;
    pthread_mutex_destroy(&l->mutex);
    free(l->rule.name);
    free(l->services);
    free(l);
    return NULL;
}

struct azm_rule *azm_limiter_rule(struct azm_limiter *l)
{
    return &l->rule;
}
