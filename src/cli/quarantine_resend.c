/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/quarantine.h"
#include "cli/sender.h"
#include "core/clock.h"
#include "core/log.h"
#include "encode/otlp_json_parse.h"
#include "export/quarantine_note.h"

/* The lines stay in the quarantine while they are sent; at the end one commit takes the delivered ones out and gives
 * the refused ones their new note. Whatever ends the process before that only makes duplicates, whose uid is the same.
 */

struct resend {
    struct azm_quarantine_lines lines;
    int lock_fd;
    bool *chosen;
    size_t n_chosen, delivered, refused, partial, unreadable;
    struct azm_destination destination;
    struct cli_sender *sender;
    struct azm_batch_limits limits;
    struct azm_batch *batch;
    struct azm_quarantine_line **members; /* of the batch, in its order */
    struct azm_buf resource, record;      /* scratch */
    bool stopped;
    struct cli_answer answer; /* the last one: with `stopped` it is why */
};

static void resend_free(struct resend *r)
{
    azm_quarantine_lines_free(&r->lines);
    azm_closep(&r->lock_fd);
    free(r->chosen);
    cli_sender_free(r->sender);
    azm_destination_free(&r->destination);
    azm_batch_free(r->batch);
    free(r->members);
    azm_buf_free(&r->resource);
    azm_buf_free(&r->record);
}

/* Gives lines of the batch the note of the last answer. */
static int annotate(struct resend *r, size_t first, size_t n, struct azm_error *err)
{
    for (size_t i = first; i < first + n; i++)
        if (azm_quarantine_line_annotate(r->members[i], &r->answer.note, &azm_system_clock) < 0)
            return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

/* Sends these records of the batch; refused together, each is sent alone. 0 or -errno. */
static int send_members(struct resend *r, size_t first, size_t n, struct azm_error *err)
{
    int k = cli_send(r->sender, r->batch, first, n, &r->answer, err);

    if (k < 0)
        return k;
    switch (r->answer.outcome) {
    case CLI_TAKEN:
        for (size_t i = first; i < first + n; i++)
            r->members[i]->remove = true;
        r->delivered += n;
        return 0;
    case CLI_TAKEN_PARTLY:
        r->partial += n;
        return annotate(r, first, n, err);
    case CLI_REFUSED:
        if (n == 1) {
            r->refused++;
            return annotate(r, first, 1, err);
        }
        for (size_t i = first; i < first + n && k == 0 && !r->stopped; i++)
            k = send_members(r, i, 1, err);
        return k;
    case CLI_STOPPED:
        r->stopped = true;
    }
    return 0;
}

static int send_batch(struct resend *r, struct azm_error *err)
{
    size_t n = azm_batch_records(r->batch);
    int k = n > 0 ? send_members(r, 0, n, err) : 0;

    r->batch = azm_batch_free(r->batch);
    if (k == 0 && azm_batch_new(&r->limits, &r->batch) < 0)
        k = azm_error_set(err, ENOMEM, "out of memory");
    return k;
}

/* Puts the line into the batch, which is sent first if it is full. */
static int add_line(struct resend *r, struct azm_quarantine_line *line, struct azm_error *err)
{
    const struct azm_text resource = azm_buf_text(&r->resource);
    int k = azm_batch_add(r->batch, resource, azm_buf_text(&r->record));

    if (k == 0) {
        k = send_batch(r, err);
        if (k < 0 || r->stopped)
            return k;
        k = azm_batch_add(r->batch, resource, azm_buf_text(&r->record));
    }
    if (k < 0)
        return azm_error_set(err, k, "cannot put a batch together: %m");
    r->members[azm_batch_records(r->batch) - 1] = line;
    return 0;
}

static bool is_suspect(const struct azm_quarantine_line *l)
{
    return strcmp(l->reason, azm_quarantine_reason_name(AZM_QUARANTINE_SUSPECT)) == 0;
}

/* Suspects fail whatever is sent with them, and look like a server that is down: they go alone. */
static int send_lines(struct resend *r, bool suspects, struct azm_error *err)
{
    int k = 0;

    for (size_t i = 0; i < r->lines.n && k == 0 && !r->stopped; i++) {
        struct azm_quarantine_line *l = &r->lines.items[i];

        if (!r->chosen[i] || l->damaged || is_suspect(l) != suspects)
            continue;
        k = azm_otlp_json_parse_line(l->text, &r->resource, &r->record);
        if (k == -EBADMSG) {
            r->unreadable++;
            k = 0;
            continue;
        }
        if (k < 0)
            return azm_error_set(err, k, "cannot read a record: %m");
        k = add_line(r, l, err);
        if (k == 0 && suspects && !r->stopped)
            k = send_batch(r, err);
    }
    return k == 0 && !r->stopped ? send_batch(r, err) : k;
}

/* Most of the records of a request that was taken but for some are at the destination already. */
static size_t leave_partial_ones(struct resend *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->lines.n; i++) {
        const struct azm_quarantine_line *l = &r->lines.items[i];

        if (!r->chosen[i] || l->damaged || strcmp(l->reason, azm_quarantine_reason_name(AZM_QUARANTINE_PARTIAL)) != 0)
            continue;
        r->chosen[i] = false;
        r->n_chosen--;
        n++;
    }
    return n;
}

static int prepare(struct resend *r, const struct azm_config *c, struct azm_error *err)
{
    int k;

    for (size_t i = 0; i < r->lines.n; i++)
        r->unreadable += r->chosen[i] && r->lines.items[i].damaged;
    r->limits = (struct azm_batch_limits){.records = c->max_export_batch_size, .bytes = c->max_request_bytes};
    r->members = calloc(r->lines.n + 1, sizeof(struct azm_quarantine_line *));
    if (!r->members || azm_batch_new(&r->limits, &r->batch) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    k = azm_destination_init(&r->destination, c, AZM_LOGS, err);
    if (k < 0)
        return k;
    return cli_sender_new(&r->destination, &r->sender, err);
}

/* Says how it went: an exit code. */
static int report(const struct resend *r, size_t left_out)
{
    const size_t failed = r->refused + r->partial + r->unreadable;

    printf("%zu of %zu record%s delivered\n", r->delivered, r->n_chosen, r->n_chosen == 1 ? "" : "s");
    fflush(stdout);
    if (left_out > 0)
        azm_log(AZM_LOG_INFO,
                "left out: %zu with reason partial, most of which the destination has already; add --reason partial to "
                "send them all the same",
                left_out);
    if (r->refused > 0)
        azm_log(AZM_LOG_ERROR, "%zu refused by %s; azmonlog quarantine list shows why", r->refused,
                r->destination.name);
    if (r->partial > 0)
        azm_log(AZM_LOG_ERROR, "%zu in requests of which the destination rejected some; they stay with reason partial",
                r->partial);
    if (r->unreadable > 0)
        azm_log(AZM_LOG_ERROR, "%zu no longer OTLP/JSON, as after editing by hand; they stay as they are",
                r->unreadable);
    if (r->stopped) {
        azm_log(AZM_LOG_ERROR, "stopped by %s: %s; the other %zu stay in the quarantine%s%s", r->destination.name,
                r->answer.reason, r->n_chosen - r->delivered - failed, *r->answer.remedy ? "; " : "", r->answer.remedy);
        return AZM_EXIT_UNDELIVERED;
    }
    return failed > 0 ? AZM_EXIT_FAILURE : AZM_EXIT_OK;
}

int quarantine_resend(const struct quarantine_call *call)
{
    _cleanup_(resend_free) struct resend r = {.lock_fd = -1};
    struct azm_error err = {0}, commit_err = {0};
    size_t left_out = 0;
    int k, committed;

    k = azm_quarantine_edit(call->dir_fd, &r.lock_fd, &r.lines, &err);
    if (k < 0)
        return cli_fail(k, &err);
    k = quarantine_choose(call, &r.lines, &r.chosen, &r.n_chosen);
    if (k != AZM_EXIT_OK)
        return k;
    if (r.lines.n == 0) {
        printf("the quarantine is empty\n");
        return quarantine_flush_output();
    }
    if (call->n_uids == 0 && !call->reason)
        left_out = leave_partial_ones(&r);
    k = prepare(&r, call->config, &err);
    if (k == 0)
        k = send_lines(&r, false, &err);
    if (k == 0 && !r.stopped)
        k = send_lines(&r, true, &err);
    committed = azm_quarantine_commit(call->dir_fd, r.lock_fd, &r.lines, &commit_err);
    if (k < 0)
        azm_log(AZM_LOG_ERROR, "%s", err.words);
    if (committed < 0) {
        azm_log(AZM_LOG_ERROR, "%zu records were delivered, but stay in the quarantine", r.delivered);
        return cli_fail(committed, &commit_err);
    }
    if (k < 0)
        r.stopped = false;
    committed = report(&r, left_out);
    return k < 0 ? AZM_EXIT_FAILURE : committed;
}
