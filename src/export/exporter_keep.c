/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "export/exporter_internal.h"

#define TELL_USEC (60 * AZM_USEC_PER_SEC) /* records in quarantine are told at most so often */

/* What is to be written into the quarantine; kept with the part while there is no room for it. */
struct azm_part_note {
    struct azm_quarantine_note note; /* its strings are the ones below */
    char code[sizeof(((struct azm_verdict *)NULL)->code)], request_id[128], words[AZM_WORDS_MAX];
};

static const char *reason_words(enum azm_quarantine_reason reason)
{
    switch (reason) {
    case AZM_QUARANTINE_REFUSED:
        return "refused by the server";
    case AZM_QUARANTINE_SUSPECT:
        return "in every request that failed, while others were taken";
    case AZM_QUARANTINE_TOO_LARGE:
        return "too large for the server even when cut";
    case AZM_QUARANTINE_PARTIAL:
        return "in requests of which the server rejected some";
    }
    return "";
}

/* One line at first, then one a minute. */
static void tell(struct azm_exporter *x, uint64_t n, const struct azm_quarantine_note *note)
{
    uint64_t now = azm_exporter_now(x);
    char http[32] = "";

    x->untold += n;
    if (x->told_usec > 0 && now < x->told_usec + TELL_USEC)
        return;
    if (note->status > 0) /* an engine has none */
        snprintf(http, sizeof http, " (HTTP %ld%s", note->status, *note->code ? " " : ")");
    azm_log(AZM_LOG_WARNING, "%" PRIu64 " record%s %s went into quarantine%s%s%s; %s shows %s", x->untold,
            x->untold == 1 ? "" : "s", reason_words(note->reason), http, note->code, *note->code ? ")" : "",
            azm_quarantine_list_command(x->quarantine), x->untold == 1 ? "it" : "them");
    x->told_usec = now;
    x->untold = 0;
}

static int write_quarantine(struct azm_exporter *x, const struct azm_part *p, const struct azm_quarantine_note *note,
                            struct azm_error *err)
{
    _cleanup_free_ struct azm_quarantine_record *records = NULL;

    if (!x->quarantine)
        return azm_error_set(err, ENOTSUP, "there is no quarantine");
    records = calloc(p->n, sizeof *records);
    if (!records)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < p->n; i++)
        azm_batch_get(p->batch, p->first + i, &records[i].resource, &records[i].record);
    return azm_quarantine_append(x->quarantine, records, p->n, note, err);
}

/* Puts the part into quarantine, if there is room; else everything waits until there is. True if it is through. */
static bool keep_part(struct azm_exporter *x, struct azm_part *p)
{
    const struct azm_quarantine_note *note = &p->note->note;
    struct azm_error err;
    char remedy[AZM_REMEDY_MAX];
    uint64_t n = p->n;
    bool partial = note->reason == AZM_QUARANTINE_PARTIAL;

    if (write_quarantine(x, p, note, &err) < 0) {
        x->keep_usec = azm_exporter_now(x) + AZM_KEEP_RETRY_USEC;
        pthread_mutex_lock(&x->mutex);
        x->kept_out = true;
        pthread_mutex_unlock(&x->mutex);
        snprintf(remedy, sizeof remedy, "look at %s, then use resend or purge; or raise [state] quarantine_max_bytes=",
                 azm_quarantine_list_command(x->quarantine));
        azm_exporter_set_failing(x, AZM_EXPORTER_HELD, err.words, remedy, "");
        return false;
    }
    tell(x, n, note);
    azm_exporter_count(x, partial ? &x->status.rejected : &x->status.quarantined, partial ? note->rejected : n);
    if (partial)
        azm_exporter_count(x, &x->status.records, n - note->rejected);
    azm_exporter_part_done(x, p);
    return true;
}

void azm_exporter_keep_waiting(struct azm_exporter *x)
{
    struct azm_part *p, *next;

    if (x->keeping == 0 || azm_exporter_now(x) < x->keep_usec)
        return;
    for (struct azm_transit *t = x->transits.oldest, *younger; t; t = younger) {
        younger = t->next; /* `t` is gone with its last part */
        for (p = t->parts; p; p = next) {
            next = p->next;
            if (p->state != AZM_PART_KEEPING)
                continue;
            if (!keep_part(x, p))
                return;
            x->keeping--;
        }
    }
    pthread_mutex_lock(&x->mutex);
    x->kept_out = false;
    azm_exporter_forget_failure(&x->status);
    pthread_mutex_unlock(&x->mutex);
    azm_log(AZM_LOG_NOTICE, "the quarantine has room again; delivery to %s goes on", x->route->destination);
    azm_exporter_poke(x->ack_fd);
}

static enum azm_quarantine_reason quarantine_reason(const struct azm_verdict *v)
{
    if (v->decision == AZM_ACKNOWLEDGE_PARTIAL)
        return AZM_QUARANTINE_PARTIAL;
    if (v->suspect)
        return AZM_QUARANTINE_SUSPECT;
    return v->meaning == AZM_TOO_LARGE ? AZM_QUARANTINE_TOO_LARGE : AZM_QUARANTINE_REFUSED;
}

void azm_exporter_on_quarantined(struct azm_exporter *x, struct azm_part *p, const struct azm_verdict *v,
                                 const struct azm_answer *a)
{
    struct azm_part_note *n = calloc(1, sizeof *n);

    if (!n) { /* then it is decided once more, for a partial success at the price of duplicates */
        azm_exporter_on_failed(x, p, v);
        return;
    }
    snprintf(n->code, sizeof n->code, "%s", v->code);
    snprintf(n->request_id, sizeof n->request_id, "%s", a->request_id);
    azm_delivery_words(a, n->words);
    n->note = (struct azm_quarantine_note){
        .reason = quarantine_reason(v),
        .status = a->status,
        .code = n->code,
        .message = azm_text_of(n->words),
        .request_id = n->request_id,
        .rejected = v->rejected,
        .of = p->n,
    };
    if (v->decision == AZM_ACKNOWLEDGE_PARTIAL)
        azm_exporter_on_passed(x, p);
    azm_part_reset(p);
    p->note = n;
    p->state = AZM_PART_KEEPING;
    if (!keep_part(x, p))
        x->keeping++;
}
