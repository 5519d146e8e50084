/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "config/stream_url.h"
#include "core/log.h"
#include "encode/gzip.h"
#include "export/delivery.h"
#include "export/remedy.h"
#include "source/requests.h"
#include "source/stream_source.h"

#define TELL_USEC (60 * AZM_USEC_PER_SEC) /* messages that are lost are told at most so often */
#define END_USEC (2 * AZM_USEC_PER_SEC)   /* the last acknowledgements have so much time to arrive */

/* Why what was in a message is lost. */
enum lost { NOT_OURS, DAMAGED, TOO_LARGE, NOT_COMPLETE, GONE, LOST_N };

struct stream_source {
    struct azm_source source;
    struct azm_stream_reader *reader;
    char *name;
    const struct azm_clock *clock;
    bool once;
    struct azm_buf raw; /* what a compressed message holds */
    struct azm_requests requests;
    uint64_t marked; /* for a flush */
    bool asked;      /* `next` has found nothing, and wants to know */
    bool failing;    /* that was said */
    uint64_t failing_usec;
    uint64_t gone; /* that were counted */
    struct {
        uint64_t n; /* not told yet */
        uint64_t told_usec;
    } lost[LOST_N];
    struct azm_losses losses;
};

static struct stream_source *upcast(struct azm_source *s)
{
    return (struct stream_source *)s;
}

/* --- messages --- */

/* One line at first, then one a minute: who writes to the wrong stream writes much. */
static void tell_lost(struct stream_source *s, bool end)
{
    static const char *const words[] = {
        [NOT_OURS] = "none of azmonlog's, or was deleted before it was delivered",
        [DAMAGED] = "damaged",
        [TOO_LARGE] = "larger than any of azmonlog's (64 MiB unpacked)",
        [NOT_COMPLETE] = "not complete",
        [GONE] = "gone: deleted before they were delivered",
    };
    uint64_t now = azm_monotonic_usec(s->clock);

    for (size_t i = 0; i < LOST_N; i++) {
        uint64_t n = s->lost[i].n;

        if (n == 0 || (!end && s->lost[i].told_usec > 0 && now < s->lost[i].told_usec + TELL_USEC))
            continue;
        azm_log(AZM_LOG_ERROR, "%" PRIu64 " message%s in %s %s %s; what was in there is lost", n, n == 1 ? "" : "s",
                s->name, n == 1 ? "is" : "are", words[i]);
        s->lost[i].n = 0;
        s->lost[i].told_usec = now;
    }
}

static void count_lost(struct stream_source *s, uint64_t n, enum lost why)
{
    s->losses.unreadable += n;
    s->lost[why].n += n;
    tell_lost(s, false);
}

/* Who may write to the stream may write anything: a message that is small may unpack to what no memory holds. 0;
 * -EBADMSG, -E2BIG, -ENOMEM. */
static int unpack(struct stream_source *s, const struct azm_stream_message *m, struct azm_text *ret)
{
    int r;

    *ret = (struct azm_text){m->body, m->len};
    if (!m->gzip)
        return m->len > AZM_REQUEST_BYTES_MAX ? -E2BIG : 0;
    r = azm_gunzip(m->body, m->len, AZM_REQUEST_BYTES_MAX, &s->raw);
    if (r < 0)
        azm_buf_free(&s->raw);
    else
        *ret = azm_buf_text(&s->raw);
    return r;
}

/* Opens a message: 0, and it may have no records; -ENOMEM. */
static int open_message(struct stream_source *s, uint64_t number, const struct azm_stream_message *m)
{
    struct azm_text body;
    ssize_t n;
    int r;

    azm_requests_open(&s->requests, number, AZM_TEXT(""));
    if (!m->body) {
        count_lost(s, 1, NOT_OURS);
        return 0;
    }
    r = unpack(s, m, &body);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        count_lost(s, 1, r == -E2BIG ? TOO_LARGE : DAMAGED);
        return 0;
    }
    n = azm_requests_open(&s->requests, number, body);
    if (n < 0 || (size_t)n != m->records)
        count_lost(s, 1, n < 0 ? DAMAGED : NOT_COMPLETE);
    return 0;
}

/* Takes the next message: 1, 0 if there is none now, -errno. */
static int take_message(struct stream_source *s, struct azm_error *err)
{
    struct azm_stream_entry entry;
    int r = s->reader->ops->next(s->reader, &entry);

    s->asked = r == 0;
    if (r > 0 && open_message(s, entry.number, &entry.message) < 0)
        r = -ENOMEM;
    return r < 0 ? azm_error_set(err, r, "out of memory") : r;
}

static int next(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    struct stream_source *s = upcast(source);

    while (!azm_requests_next(&s->requests, rec)) {
        int r = take_message(s, err);

        if (r <= 0)
            return r;
    }
    return 1;
}

static int position(struct azm_source *source, struct azm_buf *out, struct azm_error *err)
{
    return azm_requests_position(&upcast(source)->requests, out, err);
}

static int next_notice(struct azm_source *source, struct azm_record *rec, struct azm_error *err)
{
    (void)source;
    (void)rec;
    (void)err;
    return 0;
}

static int acknowledge(struct azm_source *source, const struct azm_buf *p, struct azm_error *err)
{
    struct stream_source *s = upcast(source);
    int r = s->reader->ops->acknowledge(s->reader, azm_requests_number(p));

    return r < 0 ? azm_error_set(err, r, "out of memory") : 0;
}

/* --- how it is --- */

/* Why it does not work, in one line, and what to do. True if it needs a person. */
static bool describe(const struct azm_stream_answer *failure, char reason[static 256],
                     char remedy[static AZM_REMEDY_MAX])
{
    const struct azm_answer a = {.curl_code = failure->curl_code,
                                 .curl_words = failure->words,
                                 .content_type = "",
                                 .retry_after = "",
                                 .error_code = "",
                                 .request_id = "",
                                 .redirect_url = "",
                                 .stream = failure};
    const struct azm_attempt attempt = {.origin = ""};
    struct azm_verdict v;

    azm_delivery_decide(&a, &attempt, 0, &v);
    snprintf(reason, 256, "%s", v.reason);
    azm_remedy_print(v.remedy, &(struct azm_remedy_facts){.principal = "", .rule = "", .section = "[relay]"}, remedy);
    return v.decision == AZM_HOLD;
}

static void tell_changes(struct stream_source *s)
{
    struct azm_stream_status status;
    char reason[256], remedy[AZM_REMEDY_MAX];

    s->reader->ops->get_status(s->reader, &status);
    if (status.gone > s->gone)
        count_lost(s, status.gone - s->gone, GONE);
    s->gone = status.gone;
    tell_lost(s, false);
    if (status.failing == s->failing)
        return;
    s->failing = status.failing;
    if (s->failing) {
        s->failing_usec = azm_monotonic_usec(s->clock);
        describe(&status.failure, reason, remedy);
        azm_log(AZM_LOG_ERROR, "cannot read from %s: %s; nothing is lost, trying again%s%s", s->name, reason,
                *remedy ? "; " : "", remedy);
    } else
        azm_log(AZM_LOG_NOTICE, "%s can be read again after %.1f s", s->name,
                (double)(azm_monotonic_usec(s->clock) - s->failing_usec) / (double)AZM_USEC_PER_SEC);
}

/* --- waiting --- */

static int poll_stream(struct azm_source *source, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                       struct azm_error *err)
{
    const struct stream_source *s = upcast(source);

    (void)err;
    *ret_fd = s->reader->fd;
    *ret_events = POLLIN;
    *ret_timeout_usec = s->reader->ops->wake_usec(s->reader);
    return 0;
}

static void wait_for_reader(struct stream_source *s)
{
    struct pollfd p = {.fd = s->reader->fd, .events = POLLIN};
    uint64_t now = azm_monotonic_usec(s->clock), wake = s->reader->ops->wake_usec(s->reader);
    uint64_t usec = MIN(wake > now ? wake - now : 0, AZM_USEC_PER_SEC);

    poll(&p, 1, (int)((usec + AZM_USEC_PER_MSEC - 1) / AZM_USEC_PER_MSEC));
}

static int process(struct azm_source *source, struct azm_error *err)
{
    struct stream_source *s = upcast(source);

    for (;;) {
        int r = s->reader->ops->process(s->reader);

        if (r < 0)
            return azm_error_set(err, r, "out of memory");
        tell_changes(s);
        if (s->reader->ops->ready(s->reader))
            return 1;
        if (!s->once || !s->asked || s->reader->ops->drained(s->reader))
            return 0;
        if (s->failing)
            return azm_error_set(err, EIO, "%s cannot be read", s->name);
        wait_for_reader(s);
    }
}

/* A flush is about what this relay has taken: what is still in the stream may be another one's. */
static int mark(struct azm_source *source, const char *message, unsigned n, struct azm_error *err)
{
    struct stream_source *s = upcast(source);

    (void)message;
    (void)n;
    (void)err;
    s->marked = s->requests.given;
    return 1;
}

static bool passed(struct azm_source *source)
{
    const struct stream_source *s = upcast(source);

    return azm_requests_passed(&s->requests, s->marked);
}

static int get_status(struct azm_source *source, struct azm_source_status *ret, struct azm_error *err)
{
    struct stream_source *s = upcast(source);
    struct azm_stream_status status;
    uint64_t now = azm_realtime_usec(s->clock);

    (void)err;
    s->reader->ops->get_status(s->reader, &status);
    *ret = (struct azm_source_status){.losses = s->losses, .is_stream = true, .stream = status};
    snprintf(ret->name, sizeof ret->name, "%s", s->name);
    snprintf(ret->cursor, sizeof ret->cursor, "%s", status.position);
    ret->acknowledged_usec = status.position_usec;
    if (status.oldest_usec > 0 && status.oldest_usec < now)
        ret->lag_usec = now - status.oldest_usec;
    if (status.failing || (status.cannot_look && !status.known))
        ret->held = describe(&status.failure, ret->reason, ret->remedy);
    return 0;
}

static int configure(struct azm_source *source, const struct azm_config *config, struct azm_error *err)
{
    (void)source;
    (void)config;
    (void)err;
    return 0;
}

/* --- life --- */

/* The last acknowledgements go out, if Redis takes them: else somebody else delivers these records once more. */
static void say_goodbye(struct stream_source *s)
{
    uint64_t end = azm_monotonic_usec(s->clock) + END_USEC;

    while (!s->reader->ops->settled(s->reader) && azm_monotonic_usec(s->clock) < end) {
        if (s->reader->ops->process(s->reader) < 0)
            return;
        if (!s->reader->ops->settled(s->reader))
            wait_for_reader(s);
    }
}

static struct azm_source *source_free(struct azm_source *source)
{
    struct stream_source *s = upcast(source);

    if (s->reader)
        say_goodbye(s);
    tell_lost(s, true);
    azm_stream_reader_free(s->reader);
    azm_buf_free(&s->raw);
    free(s->name);
    free(s);
    return NULL;
}

/* Who this is, also after a restart: a host, and on it one state directory for each relay. */
static char *make_consumer(const struct azm_config *config)
{
    struct utsname host;
    char *name = NULL;

    if (uname(&host) < 0)
        return NULL;
    return asprintf(&name, "%s:%s", host.nodename, config->state_directory) < 0 ? NULL : name;
}

int azm_stream_source_open(const struct azm_config *config, enum azm_stream_use use, const struct azm_clock *clock,
                           struct azm_source **ret, struct azm_error *err)
{
    static const struct azm_source_ops ops = {
        .next = next,
        .position = position,
        .next_notice = next_notice,
        .acknowledge = acknowledge,
        .poll = poll_stream,
        .process = process,
        .mark = mark,
        .passed = passed,
        .get_status = get_status,
        .configure = configure,
        .free = source_free,
    };
    _cleanup_free_ char *consumer = make_consumer(config);
    const struct azm_stream_options o = {
        .url = config->relay_from,
        .password_file = config->relay_password_file,
        .sasl_mechanism = config->relay_sasl_mechanism,
        .tls_ca_file = config->relay_tls_ca_file,
        .tls_cert_file = config->relay_tls_cert_file,
        .tls_key_file = config->relay_tls_key_file,
        .timeout_usec = config->timeout_usec,
        .clock = clock,
        .group = config->relay_group,
        .consumer = consumer,
        .claim_after_usec = config->relay_claim_after_usec,
        .trim = config->relay_trim && use != AZM_STREAM_LOOK,
        .follow = use == AZM_STREAM_FOLLOW,
        .look = use == AZM_STREAM_LOOK,
        .fetch_bytes = config->max_request_bytes,
    };
    struct stream_source *s = calloc(1, sizeof *s);
    int r;

    if (s)
        s->name = azm_stream_url_name(config->relay_from);
    if (!s || !s->name || !consumer) {
        free(s);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    s->source.ops = &ops;
    s->clock = clock;
    s->once = use == AZM_STREAM_ONCE;
    r = azm_stream_reader_new(&o, &s->reader, err);
    if (r < 0) {
        source_free(&s->source);
        return r;
    }
    *ret = &s->source;
    return 0;
}
