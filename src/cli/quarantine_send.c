/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/quarantine_send.h"
#include "core/clock.h"
#include "encode/gzip.h"
#include "export/http.h"
#include "proto/otlp_logs.pb-c.h"

struct quarantine_sender {
    int signal_fd;
    struct azm_http *http;
    struct azm_http_settings *settings;
    struct azm_http_request *request; /* the same for all, on one connection */
    struct azm_gzip *gzip;
    struct azm_buf raw, compressed;
};

int quarantine_sender_new(const struct cli_destination *destination, struct quarantine_sender **ret,
                          struct azm_error *err)
{
    struct quarantine_sender *s = calloc(1, sizeof *s);
    sigset_t mask;
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0)
        r = azm_error_set(err, errno, "cannot create a signalfd: %m");
    else
        r = azm_http_global_init(err);
    if (r == 0)
        r = azm_http_settings_new(&destination->http, &s->settings, err);
    if (r == 0)
        r = azm_http_new(&s->http, err);
    if (r == 0) {
        azm_http_configure(s->http, s->settings);
        if (azm_http_request_new(s->http, s, &s->request) < 0 || azm_gzip_new(&s->gzip) < 0)
            r = azm_error_set(err, ENOMEM, "out of memory");
    }
    if (r < 0) {
        quarantine_sender_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct quarantine_sender *quarantine_sender_free(struct quarantine_sender *s)
{
    if (!s)
        return NULL;
    azm_http_request_free(s->request);
    if (s->http)
        azm_http_free(s->http);
    azm_http_settings_unref(s->settings);
    azm_gzip_free(s->gzip);
    azm_buf_free(&s->raw);
    azm_buf_free(&s->compressed);
    azm_closep(&s->signal_fd);
    free(s);
    return NULL;
}

/* The number of records that a 2xx answer rejects. */
static uint64_t rejected_records(const struct azm_answer *a)
{
    Otlp__ExportLogsServiceResponse *r;
    int64_t rejected = 0;

    if (a->body_len == 0 || strncasecmp(a->content_type, "application/x-protobuf", 22) != 0)
        return 0;
    r = otlp__export_logs_service_response__unpack(NULL, a->body_len, a->body);
    if (r && r->partial_success)
        rejected = r->partial_success->rejected_log_records;
    if (r)
        otlp__export_logs_service_response__free_unpacked(r, NULL);
    return rejected > 0 ? (uint64_t)rejected : 0;
}

/* The only place that knows how export/delivery.h decides. A resend knows no "later": what is neither taken nor refused
 * stops it. */
static void judge(const struct azm_answer *a, size_t records, struct quarantine_answer *ret)
{
    const bool success = a->status >= 200 && a->status <= 299;
    struct azm_verdict v;

    azm_delivery_decide(a, azm_realtime_usec(&azm_system_clock), &v);
    *ret = (struct quarantine_answer){.outcome = QUARANTINE_STOPPED, .remedy = v.remedy};
    snprintf(ret->reason, sizeof ret->reason, "%s", v.reason);
    snprintf(ret->code, sizeof ret->code, "%s", a->error_code);
    snprintf(ret->words, sizeof ret->words, "%s", v.reason);
    ret->note = (struct azm_quarantine_note){
        .status = a->status, .code = ret->code, .message = azm_text_of(ret->words), .request_id = "", .of = records};
    if (v.decision == AZM_ACKNOWLEDGE)
        ret->outcome = QUARANTINE_TAKEN;
    else if (v.decision == AZM_HOLD && success && rejected_records(a) > 0) {
        ret->note.rejected = rejected_records(a);
        ret->note.reason = AZM_QUARANTINE_PARTIAL;
        ret->outcome = QUARANTINE_TAKEN_PARTLY;
    } else if (v.decision == AZM_HOLD && (a->status == 400 || a->status == 413 || a->status == 422)) {
        ret->note.reason = a->status == 413 ? AZM_QUARANTINE_TOO_LARGE : AZM_QUARANTINE_REFUSED;
        ret->outcome = QUARANTINE_REFUSED;
    }
    if (ret->outcome == QUARANTINE_TAKEN_PARTLY && records == 1) { /* then it is known which one */
        ret->note.reason = AZM_QUARANTINE_REFUSED;
        ret->outcome = QUARANTINE_REFUSED;
    }
}

/* Was there SIGINT or SIGTERM? */
static bool interrupted(struct quarantine_sender *s)
{
    struct signalfd_siginfo si;

    return read(s->signal_fd, &si, sizeof si) == (ssize_t)sizeof si;
}

int quarantine_send(struct quarantine_sender *s, const struct azm_batch *batch, size_t first, size_t n,
                    struct quarantine_answer *ret, struct azm_error *err)
{
    bool gzip = azm_http_request_gzip(s->request);
    const struct azm_buf *body = gzip ? &s->compressed : &s->raw;
    struct azm_answer answer;
    int r;

    r = azm_batch_serialize(batch, first, n, &s->raw);
    if (r == 0 && gzip)
        r = azm_gzip_compress(s->gzip, s->raw.data, s->raw.len, &s->compressed);
    if (r == 0)
        r = azm_http_post(s->request, body->data, body->len);
    while (r == 0 && !azm_http_next_done(s->http, &answer)) {
        if (interrupted(s)) { /* the records are still in the quarantine, and may be at the destination, too */
            *ret = (struct quarantine_answer){.outcome = QUARANTINE_STOPPED, .reason = "interrupted"};
            return 0;
        }
        r = azm_http_run(s->http, s->signal_fd, AZM_USEC_PER_SEC);
    }
    if (r < 0)
        return azm_error_set(err, r, "cannot send: %m");
    judge(&answer, n, ret);
    return 0;
}
