/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/sender.h"
#include "core/clock.h"
#include "encode/gzip.h"
#include "export/answer_body.h"
#include "export/request_body.h"
#include "export/transport.h"

struct cli_sender {
    int signal_fd;
    const struct azm_destination *destination;
    struct azm_tokens *tokens; /* NULL: it needs none */
    int token_fd;              /* readable when there is news of the token */
    struct azm_body_maker maker;
    struct azm_transport *transport;
    struct azm_transport_settings *settings;
    struct azm_request *request; /* the same for all, on one connection */
    struct azm_gzip *gzip;
    struct azm_buf raw, compressed;
};

static int make_settings(struct cli_sender *s, const struct azm_destination *destination, struct azm_error *err)
{
    struct azm_transport_options o = {
        .http = destination->http, .stream = destination->stream, .gzip = destination->http.gzip};

    o.http.content_type = azm_body_content_type(destination->profile);
    return azm_transport_settings_new(&o, &s->settings, err);
}

int cli_sender_new(const struct azm_destination *destination, struct cli_sender **ret, struct azm_error *err)
{
    struct cli_sender *s = calloc(1, sizeof *s);
    sigset_t mask;
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    s->destination = destination;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    s->token_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0 || s->token_fd < 0)
        r = azm_error_set(err, errno, "cannot create a file descriptor for events: %m");
    else
        r = azm_http_global_init(err);
    if (r == 0)
        r = make_settings(s, destination, err);
    if (r == 0)
        r = azm_transport_new(s->signal_fd, &s->transport, err);
    if (r == 0) {
        if (azm_transport_configure(s->transport, s->settings) < 0 ||
            azm_request_new(s->transport, s, &s->request) < 0 || azm_gzip_new(&s->gzip) < 0 ||
            azm_body_maker_init(&s->maker, destination->profile, destination->ikey ? destination->ikey : "") < 0)
            r = azm_error_set(err, ENOMEM, "out of memory");
    }
    if (r == 0)
        r = azm_destination_tokens(destination, &s->tokens, err);
    if (r == 0 && s->tokens)
        azm_tokens_notify(s->tokens, s->token_fd);
    if (r < 0) {
        cli_sender_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct cli_sender *cli_sender_free(struct cli_sender *s)
{
    if (!s)
        return NULL;
    if (s->tokens)
        azm_tokens_notify(s->tokens, -1);
    azm_tokens_unref(s->tokens);
    azm_closep(&s->token_fd);
    azm_body_maker_free(&s->maker);
    azm_request_free(s->request);
    azm_transport_settings_unref(s->settings);
    azm_transport_free(s->transport);
    azm_gzip_free(s->gzip);
    azm_buf_free(&s->raw);
    azm_buf_free(&s->compressed);
    azm_closep(&s->signal_fd);
    free(s);
    return NULL;
}

/* A command knows no "later": what is neither taken nor refused stops it. */
static void describe(const struct cli_sender *s, const struct azm_answer *a, const struct azm_verdict *v,
                     size_t records, struct cli_answer *ret)
{
    *ret = (struct cli_answer){
        .outcome = CLI_STOPPED, .status = a->status, .stream = a->stream != NULL, .page = azm_delivery_is_page(a)};
    azm_remedy_print_for(v->remedy, s->destination->signal, s->destination->http.url, s->tokens, ret->remedy);
    snprintf(ret->reason, sizeof ret->reason, "%s", v->reason);
    snprintf(ret->client_request_id, sizeof ret->client_request_id, "%s", azm_request_id(s->request));
    snprintf(ret->code, sizeof ret->code, "%s", v->code);
    snprintf(ret->request_id, sizeof ret->request_id, "%s", a->request_id);
    azm_delivery_words(a, ret->words);
    ret->note = (struct azm_quarantine_note){
        .reason = v->meaning == AZM_TOO_LARGE ? AZM_QUARANTINE_TOO_LARGE : AZM_QUARANTINE_REFUSED,
        .status = a->status,
        .code = ret->code,
        .message = azm_text_of(ret->words),
        .request_id = ret->request_id,
        .rejected = v->rejected,
        .of = records,
    };
    if (v->decision == AZM_ACKNOWLEDGE)
        ret->outcome = CLI_TAKEN;
    else if (v->decision == AZM_SPLIT || v->decision == AZM_QUARANTINE || v->decision == AZM_SORT ||
             (v->decision == AZM_ACKNOWLEDGE_PARTIAL && records == 1)) /* then it is known which one */
        ret->outcome = CLI_REFUSED;
    else if (v->decision == AZM_ACKNOWLEDGE_PARTIAL) {
        ret->note.reason = AZM_QUARANTINE_PARTIAL;
        ret->outcome = CLI_TAKEN_PARTLY;
    }
}

/* Was there SIGINT or SIGTERM? */
static bool interrupted(struct cli_sender *s)
{
    struct signalfd_siginfo si;

    return read(s->signal_fd, &si, sizeof si) == (ssize_t)sizeof si;
}

/* Waits for a token: 1; 0 if there will be none soon, or a signal has come: `ret` says so. */
static int take_token(struct cli_sender *s, struct azm_secret **token, struct cli_answer *ret)
{
    struct azm_tokens_status status;
    uint64_t number;

    *ret = (struct cli_answer){.outcome = CLI_STOPPED};
    while (azm_tokens_get(s->tokens, token, &number) == 0) {
        struct pollfd fds[] = {{.fd = s->token_fd, .events = POLLIN}, {.fd = s->signal_fd, .events = POLLIN}};
        uint64_t count;

        azm_tokens_get_status(s->tokens, &status);
        if (status.state == AZM_TOKENS_RETRYING || status.state == AZM_TOKENS_HELD) {
            snprintf(ret->reason, sizeof ret->reason, "no token: %s", status.failure.reason);
            snprintf(ret->remedy, sizeof ret->remedy, "%s", status.failure.remedy);
            return 0;
        }
        if (interrupted(s)) {
            snprintf(ret->reason, sizeof ret->reason, "interrupted");
            return 0;
        }
        poll(fds, ELEMENTSOF(fds), -1);
        while (read(s->token_fd, &count, sizeof count) < 0 && errno == EINTR)
            ;
    }
    return 1;
}

/* Sends the body that is made: 1 and the answer; 0 if a signal has come; -errno. */
static int send_once(struct cli_sender *s, const struct azm_http_call *call, size_t records, struct azm_answer *ret)
{
    const struct azm_buf *body = azm_request_gzip(s->request) ? &s->compressed : &s->raw;
    int r = azm_request_post(s->request, call, body->data, body->len, records);

    while (r == 0 && !azm_transport_next_done(s->transport, ret)) {
        if (interrupted(s))
            return 0;
        r = azm_transport_run(s->transport, AZM_USEC_PER_SEC);
    }
    return r < 0 ? r : 1;
}

/* Sends until there is an answer that is no redirect; as send_once. */
static int send_along(struct cli_sender *s, struct azm_secret *token, struct azm_attempt *attempt,
                      struct azm_answer *answer, struct azm_verdict *v)
{
    _cleanup_free_ char *place = NULL;
    char id[AZM_GUID_MAX];
    struct azm_http_call call = {.token = token};

    for (;;) {
        int r;

        if (s->destination->profile != AZM_PROFILE_OTLP) {
            azm_guid_make(id);
            call.id = id;
        }
        r = send_once(s, &call, attempt->records, answer);
        if (r <= 0)
            return r;
        azm_delivery_decide(answer, attempt, azm_realtime_usec(&azm_system_clock), v);
        if (v->decision != AZM_FOLLOW)
            return 1;
        free(place);
        place = azm_answer_redirected(s->destination->profile, s->destination->http.url, answer->redirect_url);
        if (!place)
            return -ENOMEM;
        call.url = place;
        call.abroad = !v->keep_credentials;
        attempt->redirects++;
    }
}

static int make_body(struct cli_sender *s, const struct azm_batch *batch, size_t first, size_t n)
{
    int r = azm_body_make(&s->maker, batch, first, n, azm_realtime_usec(&azm_system_clock), &s->raw);

    if (r < 0 || !azm_request_gzip(s->request))
        return r;
    return azm_gzip_compress(s->gzip, s->raw.data, s->raw.len, &s->compressed);
}

int cli_send(struct cli_sender *s, const struct azm_batch *batch, size_t first, size_t n, struct cli_answer *ret,
             struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *token = NULL;
    /* Somebody has asked for it, and what is refused goes back to where it was: nothing has to be proven. */
    struct azm_attempt attempt = {
        .profile = s->destination->profile,
        .origin = s->destination->http.url,
        .trusted_suffix = s->destination->trusted_suffix,
        .records = n,
        .proven = true,
        .truncated = true,
        .token = s->tokens != NULL,
    };
    struct azm_answer answer;
    struct azm_verdict v;
    int r;

    if (s->tokens && take_token(s, &token, ret) == 0)
        return 0;
    r = make_body(s, batch, first, n);
    if (r >= 0)
        r = send_along(s, token, &attempt, &answer, &v);
    if (r < 0)
        return azm_error_set(err, r, "cannot send: %m");
    if (r == 0) /* the records may be at the destination, too */
        *ret = (struct cli_answer){.outcome = CLI_STOPPED, .reason = "interrupted"};
    else
        describe(s, &answer, &v, n, ret);
    return 0;
}
