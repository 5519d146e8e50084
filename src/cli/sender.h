/* SPDX-License-Identifier: MIT */
#pragma once

#include "batch/batch.h"
#include "export/destination.h"
#include "export/quarantine.h"
#include "export/remedy.h"

/* For commands that send: one request after the other. Follows redirects, keeps a token, and says what the answer to
 * each means for the records in it. */

enum cli_outcome {
    CLI_TAKEN,
    CLI_TAKEN_PARTLY, /* all but `note.rejected` of them, and the server does not say which */
    CLI_REFUSED,      /* the server does not want these records, or one of them */
    CLI_STOPPED,      /* it took none and refused none: no connection, 401, 403, 429, 5xx, a signal */
};

struct cli_answer {
    enum cli_outcome outcome;
    long status;                                 /* HTTP status; 0: none came */
    bool stream;                                 /* an engine has answered, which has no status */
    bool page;                                   /* a web page came, which no receiver sends */
    struct azm_quarantine_note note;             /* with TAKEN_PARTLY and REFUSED; its strings are below */
    char reason[256];                            /* for people, one line; never contents or secrets */
    char remedy[AZM_REMEDY_MAX];                 /* what to do, or "" */
    char code[72], words[1024], request_id[128]; /* the server's */
    char client_request_id[AZM_GUID_MAX];        /* of the request; "": it had none */
};

struct cli_sender;

/* `destination` must outlive it. SIGINT and SIGTERM no longer end the process but stop the sending. 0 or -errno. */
int cli_sender_new(const struct azm_destination *destination, struct cli_sender **ret, struct azm_error *err);
struct cli_sender *cli_sender_free(struct cli_sender *s);

/* Posts the records first .. first + n - 1 of the batch and waits for the answer: 0 or -errno. */
int cli_send(struct cli_sender *s, const struct azm_batch *batch, size_t first, size_t n, struct cli_answer *ret,
             struct azm_error *err);
