/* SPDX-License-Identifier: MIT */
#pragma once

#include <curl/curl.h>
#include <stdatomic.h>

#include "auth/credential_internal.h"
#include "auth/token_internal.h"
#include "tests/unit/exporter_help.h"

/* The exporter with Azure's profiles, with tokens from an identity that the test plays, and with a clock that it moves.
 * Two servers, a and b. */

/* --- the clock --- */

static atomic_uint_fast64_t clock_offset_usec;

static inline uint64_t moved_monotonic(void *userdata)
{
    return azm_system_clock.monotonic_usec(userdata) + atomic_load(&clock_offset_usec);
}

static inline uint64_t moved_realtime(void *userdata)
{
    return azm_system_clock.realtime_usec(userdata) + atomic_load(&clock_offset_usec);
}

/* A backoff of up to an hour takes an hour. */
static inline uint64_t longest(void *userdata)
{
    (void)userdata;
    return HOUR;
}

static const struct azm_clock test_clock = {
    .monotonic_usec = moved_monotonic, .realtime_usec = moved_realtime, .random = longest};

static struct azm_tokens *all_tokens[4];

static inline void forward(uint64_t usec)
{
    atomic_fetch_add(&clock_offset_usec, usec);
    for (size_t i = 0; i < ELEMENTSOF(all_tokens); i++)
        if (all_tokens[i])
            azm_tokens_look_again(all_tokens[i]);
    if (x)
        azm_exporter_alive(x);
}

/* --- the identity --- */

struct identity {
    const char *name; /* its tokens are NAME-1, NAME-2, ... */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool held; /* it does not answer yet */
    const char *failure;
    bool permanent;
    unsigned asked, issued;
};

#define IDENTITY(text)                                                                                                 \
    {                                                                                                                  \
        .name = text, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                          \
    }

struct fake_credential {
    struct azm_credential base;
    struct identity *identity;
};

static inline int fake_acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    struct identity *i = ((struct fake_credential *)c)->identity;
    const char *failure;
    unsigned number = 0;
    bool permanent;

    LOCKED(i, i->asked++);
    WAIT_UNTIL(i, !i->held);
    LOCKED(i, (failure = i->failure, permanent = i->permanent, number = failure ? 0 : ++i->issued));
    if (failure)
        return azm_token_fail(f, permanent, "mend it", "%s", failure);
    if (azm_secret_new(64, &ret->header) < 0 ||
        azm_secret_printf(ret->header, "Authorization: Bearer %s-%u", i->name, number) < 0)
        return -ENOMEM;
    ret->expires_in_usec = 24 * HOUR;
    snprintf(ret->object_id, sizeof ret->object_id, "object-of-%s", i->name);
    return 0;
}

static const struct azm_credential_kind fake_kind = {.name = "fake identity", .acquire = fake_acquire};

static inline struct azm_tokens *tokens_of(struct identity *i)
{
    struct fake_credential *c = calloc(1, sizeof *c);
    struct azm_tokens *t = NULL;
    struct azm_error err;
    size_t slot = 0;

    c->base.kind = &fake_kind;
    c->identity = i;
    ck_assert_int_eq(azm_identity_http_new("", 0, &c->base.http), 0);
    ck_assert_int_eq(azm_tokens_new(&c->base, &test_clock, &t, &err), 0);
    while (all_tokens[slot])
        slot++;
    return all_tokens[slot] = t;
}

/* --- the exporter --- */

static struct server a, b;

#define RULE "dcr-0123456789abcdef0123456789abcdef"

struct wish {
    const struct server *to;
    enum azm_profile profile;
    struct azm_tokens *tokens;
    const char *ca_file, *trusted_suffix, *key; /* NULL: none; header X-Key */
    struct azm_quarantine *quarantine;
    size_t max_body_bytes;
    uint64_t delay_max_usec; /* 0: an hour */
    unsigned connections;    /* 0: 4 */
};

static inline void wish(struct wish w)
{
    static const char *const paths[] = {
        [AZM_PROFILE_OTLP] = "/v1/logs",
        [AZM_PROFILE_AZURE] = "/dataCollectionRules/" RULE "/streams/Microsoft-OTLP-Logs/otlp/v1/logs",
        [AZM_PROFILE_APPINSIGHTS] = "/v2.1/track",
    };
    _cleanup_free_ char *url = NULL, *header = NULL;
    uint64_t delay = w.delay_max_usec ? w.delay_max_usec : HOUR;
    const char *headers[] = {NULL, NULL};
    struct azm_error err = {""};

    ck_assert_int_gt(
        asprintf(&url, "%.*s%s", (int)(strlen(w.to->url) - strlen("/v1/logs")), w.to->url, paths[w.profile]), 0);
    ck_assert_int_gt(asprintf(&header, "X-Key: %s", w.key ? w.key : ""), 0);
    if (w.key)
        headers[0] = header;
    const struct azm_exporter_options o = {
        .http = {.url = url,
                 .headers = headers,
                 .tls_ca_file = w.ca_file ? w.ca_file : "",
                 .tls_cert_file = "",
                 .tls_key_file = "",
                 .connections = w.connections ? w.connections : 4,
                 .timeout_usec = HOUR},
        .profile = w.profile,
        .ikey = "0123abcd-4567-89ef-0123-456789abcdef",
        .trusted_suffix = w.trusted_suffix,
        .tokens = w.tokens,
        .max_body_bytes = w.max_body_bytes,
        .destination = "Azure",
        .clock = &test_clock,
        .quarantine = w.quarantine,
        .retry_initial_delay_usec = delay,
        .retry_max_delay_usec = delay,
        .hold_max_delay_usec = delay,
    };
    ck_assert_msg((x ? azm_exporter_configure(x, &o, &err) : azm_exporter_new(&o, &x, &err)) == 0, "%s", err.words);
}

/* With `pem` both servers speak TLS. */
static inline void begin_servers(const char *pem)
{
    ck_assert_int_eq(azm_http_global_init(NULL), 0);
    server_begin(&a, pem);
    server_begin(&b, pem);
    exporter_forget();
}

static inline void end(void)
{
    x = azm_exporter_free(x);
    for (size_t i = 0; i < ELEMENTSOF(all_tokens); i++)
        all_tokens[i] = azm_tokens_unref(all_tokens[i]);
    server_end(&a);
    server_end(&b);
}

static inline struct seen seen_at(struct server *s, size_t i)
{
    return GET(s, seen[i]);
}

/* The numbers of the records in a request, "1 2 3". */
static inline const char *numbers_at(struct server *s, size_t i)
{
    static char text[SEEN_RECORDS_MAX * 8];
    const struct seen seen = seen_at(s, i);

    *text = '\0';
    for (size_t k = 0; k < MIN(seen.n, (size_t)SEEN_RECORDS_MAX); k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", k > 0 ? " " : "", seen.numbers[k]);
    return text;
}

/* A random GUID of RFC 9562, version 4, in lower case. */
static inline void assert_guid(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

    ck_assert_uint_eq(strlen(s), sizeof form - 1);
    for (size_t i = 0; i < sizeof form - 1; i++)
        ck_assert_msg(form[i] == 'x'   ? strchr("0123456789abcdef", s[i]) != NULL
                      : form[i] == 'y' ? strchr("89ab", s[i]) != NULL
                                       : s[i] == form[i],
                      "%s", s);
}
