/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* Turns what rsyslog's templates render for one message into a record. docs/mapping.md has the table for users.
 *
 * The line is that of RSYSLOG_SyslogProtocol23Format, which is RFC 5424 with a newline behind it:
 *
 *     <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG\n
 *
 * whatever the message came in as. What rsyslog 8.2302 really writes there: PRI is `invld` if the sender's was not 0 to
 * 191; MSG has the blank behind the tag of an RFC 3164 message in front, APP-NAME may be empty; of a time with more
 * than six fractional digits one digit becomes a byte of any value. */

struct azm_syslog_reader;

int azm_syslog_reader_new(struct azm_syslog_reader **ret); /* 0 or -ENOMEM */
struct azm_syslog_reader *azm_syslog_reader_free(struct azm_syslog_reader *s);

/* For one message. May hold anything, also NUL. */
struct azm_syslog_input {
    struct azm_text line;
    struct azm_text meta;       /* plugin/syslog_meta.h; len 0: no such template */
    struct azm_text attributes; /* parse/json_attributes.h; len 0: no such template */
    uint64_t now_unix_nano;     /* when it was received, if meta does not say */
};

struct azm_syslog_message {
    struct azm_record record;  /* `resource` and `uid` are left to the caller */
    struct azm_text host, app; /* for the resource (plugin/syslog_resource.h); len 0: none */
};

/* Never refuses: 0 or -ENOMEM. The message borrows from the input and the reader until the next call.
 *
 * What is no such line becomes the body as a whole, and so does everything from structured data on that is none; the
 * attribute `syslog.malformed` says so. What the sender has too much of is counted in `syslog.dropped_attributes`
 * (parse/attributes.h has the bounds). */
int azm_syslog_read(struct azm_syslog_reader *s, const struct azm_syslog_input *in, struct azm_syslog_message *ret);
