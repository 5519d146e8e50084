/* SPDX-License-Identifier: MIT */
/* What is remembered of requests for tokens: a log, and counters. All functions may be called from any thread. */
#pragma once

#include "token_call.h"

#include <jansson.h>
#include <stdint.h>
#include <time.h>

struct emu_identity_log;

/* NULL = no file. 0; -errno with an error printed. */
int emu_identity_log_open(const char *path, struct emu_identity_log **ret);

struct emu_identity_receipt {
    const struct emu_token_call *call;
    struct timespec received; /* CLOCK_REALTIME */
    unsigned status;          /* 0 = no answer */
    const char *fault;        /* the rule's label; NULL = no rule */
    const char *user_agent;   /* NULL = none */
};

/* Counts and logs the request, before its answer goes out. Secrets and tokens are not in the log. */
void emu_identity_log_add(struct emu_identity_log *log, const struct emu_identity_receipt *receipt);

/* Adds the counters to the object. */
void emu_identity_log_stats(struct emu_identity_log *log, json_t *stats);

/* Empties the file and counts from 1 again. 0 or -errno. */
int emu_identity_log_reset(struct emu_identity_log *log);

/* NULL is allowed. */
void emu_identity_log_close(struct emu_identity_log *log);
