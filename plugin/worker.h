/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/error.h"
#include "core/record.h"
#include "process/rules.h"
#include "store/spool.h"

/* One worker of rsyslog: turns its messages into a row for the spool. One thread at a time. */
struct worker;

/* `config` must outlive it; `rules` may be NULL. 0 or -ENOMEM. */
int worker_new(const struct azm_config *config, struct azm_rules *rules, struct worker **ret);
struct worker *worker_free(struct worker *w);

/* A message as rsyslog has rendered it; len 0: no such template. */
struct worker_message {
    struct azm_text line, body, meta, attributes;
    bool has_body; /* `body` takes the place of the message's own */
};

/* Adds a message to the row, unless it is to be left out: 0 or -ENOMEM. */
int worker_add(struct worker *w, const struct worker_message *m);

/* What a rate limit has held back in intervals that are over by now is to be told. */
void worker_rest(struct worker *w, uint64_t realtime_usec);

/* Adds a record of our own about messages that a rate limit has left out: 1; 0: there is nothing to tell; -ENOMEM. The
 * row could not be kept: then it is given back, and comes again. `resource` as azm_own_resource has it. */
int worker_add_own(struct worker *w, const struct azm_buf *resource);
void worker_give_back_own(struct worker *w);

/* The row with what was added since worker_begin; it belongs to the worker. 0 or -ENOMEM. */
int worker_begin(struct worker *w);
int worker_row(struct worker *w, struct azm_spool_row **ret);
