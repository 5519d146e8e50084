/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/pattern.h"
#include "process/effect.h"
#include "process/rule.h"

/* Redaction: what patterns match in the texts of a record is replaced by a marker that names the rule,
 * `[redacted:card]`. A text is looked at as it would leave: bytes that are no UTF-8 are U+FFFD by then. All rules see
 * the text as it was, so that their order matters only for the name of a place that two of them match.
 *
 * Looked at are the body, the event name, the names of attributes and their values (each one of several; numbers as
 * their digits). An attribute whose name says that its value is secret loses that as a
 * whole. Where it would take too much to say what there is in a text, the text as a whole is replaced. */

struct azm_redaction;

/* The rules: do not change once they are made, but for their counts. All zero is none. */
struct azm_redactions {
    struct azm_redaction *items;
    size_t n;
    bool wants_digits; /* one of them needs AZM_LETTERS_MANY_DIGITS */
};

/* 0 or -errno. */
int azm_redactions_new(const struct azm_config *c, struct azm_redactions *ret, struct azm_error *err);
void azm_redactions_free(struct azm_redactions *r);

struct azm_rule *azm_redactions_rule(const struct azm_redactions *r, size_t i);

/* A place in a text. */
struct azm_span {
    size_t start, end;
    size_t rule;
};

/* What a thread needs to redact. */
struct azm_redactor {
    const struct azm_redactions *redactions;
    struct azm_matcher *matcher;
    struct azm_listener listener;
    struct azm_arena arena; /* of the record in hand */
    struct azm_buf clean;   /* the text in hand, if it had to be made valid */
    struct azm_span *spans; /* what was found in it */
    size_t n_spans, cap_spans;
    size_t *times; /* of each rule in it */
};

/* Both stay the caller's. 0 or -ENOMEM. */
int azm_redactor_init(struct azm_redactor *x, const struct azm_redactions *redactions, struct azm_matcher *matcher);
void azm_redactor_free(struct azm_redactor *x);

/* 0 or -ENOMEM. What is new in the record is the redactor's until the next call. */
int azm_redactor_run(struct azm_redactor *x, struct azm_record *rec);
