/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/clock.h"
#include "export/destination.h"

/* azmonlog check: steps that are tried one after the other, each with a line. */

/* In this order; the exit code of a check is that of the first step that failed. */
enum check_id {
    CHECK_CONFIGURATION,
    CHECK_JOURNAL,
    CHECK_POSITION,
    CHECK_DNS,
    CHECK_PROXY,
    CHECK_TCP,
    CHECK_TLS,
    CHECK_CREDENTIAL,
    CHECK_TOKEN,
    CHECK_PERMISSION,
    CHECK_SEND,
    CHECK_METRICS,
    CHECK_RSYSLOG, /* told behind CHECK_POSITION, and never a failure */
};

struct check {
    bool json;
    bool utf8; /* ticks and crosses can be printed */
    int exit_code;
    json_t *steps;     /* with `json` */
    const char *place; /* which other destination than this host's own the steps are about; NULL: none */
    uint64_t begun_usec;
};

/* A step begins: its time is taken from now. */
static inline void check_begin(struct check *c)
{
    c->begun_usec = azm_monotonic_usec(&azm_system_clock);
}

/* How it went. `usec`: how long it took; AZM_USEC_INFINITY: since check_begin. The words may have several lines. */
void check_ok(struct check *c, enum check_id id, uint64_t usec, const char *format, ...) _printf_(4, 5);
void check_failed(struct check *c, enum check_id id, uint64_t usec, const char *reason, const char *remedy);
/* It is well, but somebody has to know what nobody can see from here. */
void check_ok_if(struct check *c, enum check_id id, const char *words, const char *condition);
void check_skipped(struct check *c, enum check_id id, const char *reason);

/* check_journal.c: the journal that is read, where reading stands, and who else may export it. */
void check_journal(struct check *c, const struct azm_config *config);

/* check_connection.c: from the name to TLS. True if it can be sent there. */
bool check_connection(struct check *c, const struct azm_destination *d);

/* check_identity.c: the credential and a token. True if there is one, or none is needed. */
bool check_identity(struct check *c, const struct azm_destination *d);

/* check_send.c: whether the destination lets us in; with `send` also a record that can be found by its uid. Then
 * `ret_query` is the query that finds it, to be freed; NULL if there is none. */
void check_send(struct check *c, const struct azm_destination *d, const struct azm_config *config, bool send,
                char **ret_query);

/* check_send.c: whether metrics are let in where they are sent to. Nothing, if they are not sent. */
void check_metrics(struct check *c, const struct azm_config *config);
