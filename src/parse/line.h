/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "parse/json_attributes.h"

/* A line that a program has written as JSON or logfmt, taken apart: the record gets its message as its body, and its
 * severity, time, trace context and attributes. docs/mapping.md has the names, which many logging libraries use. */

/* One for each thread, kept from record to record. All zero is a valid one. */
struct azm_line_parser {
    struct azm_json_attributes json;
    struct azm_attributes sent;
    struct azm_attribute *attributes; /* the record's own, and behind them those of the line */
    size_t cap_attributes;
};

void azm_line_parser_free(struct azm_line_parser *p);

/* Takes the body of a record apart: 1; 0, and the record is as it was, if it is no such line, or has no message: nobody
 * could read that record; -ENOMEM. What the record has before wins over what the line says, but for severity and time.
 * The record borrows from `p` and from the old body until the next call. */
int azm_line_parse(struct azm_line_parser *p, enum azm_line_format format, struct azm_record *r);
