/* SPDX-License-Identifier: MIT */
#pragma once

#include "batch/batch.h"
#include "cli/destination.h"
#include "export/quarantine.h"

/* Sends one request after the other, and says what the answer to each means for the records in it. */

enum quarantine_outcome {
    QUARANTINE_TAKEN,
    QUARANTINE_TAKEN_PARTLY, /* all but `note.rejected` of them, and the server does not say which */
    QUARANTINE_REFUSED,      /* the server does not want these records, or one of them */
    QUARANTINE_STOPPED,      /* it took none and refused none: no connection, 401, 403, 429, 5xx, a signal */
};

struct quarantine_answer {
    enum quarantine_outcome outcome;
    struct azm_quarantine_note note; /* with TAKEN_PARTLY and REFUSED; its strings are below */
    char reason[256];                /* for people, one line; never contents or secrets */
    char remedy[AZM_REMEDY_MAX];     /* what to do, or "" */
    char code[72], words[1024], request_id[128];
};

struct quarantine_sender;

/* `destination` must outlive it. SIGINT and SIGTERM no longer end the process but stop the sending. 0 or -errno. */
int quarantine_sender_new(const struct cli_destination *destination, struct quarantine_sender **ret,
                          struct azm_error *err);
struct quarantine_sender *quarantine_sender_free(struct quarantine_sender *s);

/* Posts the records first .. first + n - 1 of the batch and waits for the answer: 0 or -errno. */
int quarantine_send(struct quarantine_sender *s, const struct azm_batch *batch, size_t first, size_t n,
                    struct quarantine_answer *ret, struct azm_error *err);
