/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/record.h"

/* Records that the destination does not take, kept for a person: a file of lines, each an ExportLogsServiceRequest of
 * one record in OTLP/JSON (as `azmonlog cat` prints it and the Collector's otlpjsonfile receiver reads it), with one
 * member more:
 *
 *     {"resourceLogs":[...],"azmonlog":{"time":"...Z","uid":"...","reason":"refused","status":400,
 *      "code":"InvalidRecord","message":"the server's words","request_id":"..."}}
 *
 * Members that have nothing to say are left out; with reason "partial" there are "rejected" and "of" as well.
 *
 * The file is quarantine.jsonl in the state directory, mode 0640. Bounded: what would make it larger is not taken, and
 * the exporter then holds. Appending and editing (export/quarantine_edit.h: `azmonlog quarantine`) hold a lock for the
 * short time that they need, so they do not get in each other's way. */

enum azm_quarantine_reason {
    AZM_QUARANTINE_REFUSED,   /* the server refuses this record */
    AZM_QUARANTINE_SUSPECT,   /* every request with it fails, while others are taken */
    AZM_QUARANTINE_TOO_LARGE, /* also when truncated */
    AZM_QUARANTINE_PARTIAL,   /* the server has taken the request but for some records, and did not say which */
};

/* Why a record is in there. Strings may be "" and hold anything, invalid UTF-8 too. */
struct azm_quarantine_note {
    enum azm_quarantine_reason reason;
    long status;             /* HTTP status; 0: none came */
    const char *code;        /* the server's error code */
    struct azm_text message; /* the server's own words, or libcurl's; cut at 1 KiB */
    const char *request_id;  /* the server's, from its answer */
    uint64_t rejected, of;   /* with AZM_QUARANTINE_PARTIAL: "n of m rejected" */
};

struct azm_quarantine_options {
    int dir_fd;            /* of the state directory; stays the caller's */
    const char *directory; /* the same, where azmonlog quarantine has to be told; NULL: it is the configured one */
    uint64_t max_bytes;
    const struct azm_clock *clock; /* must outlive the quarantine */
};

struct azm_quarantine;

/* 0 or -errno. The file is made when the first record comes. A last line that was cut by a crash is cut off, here and
 * before anything is appended. */
int azm_quarantine_open(const struct azm_quarantine_options *o, struct azm_quarantine **ret, struct azm_error *err);
struct azm_quarantine *azm_quarantine_free(struct azm_quarantine *q);

/* For messages: the command that lists it. NULL: of the configured one. */
const char *azm_quarantine_list_command(const struct azm_quarantine *q);

/* One record on its way into the quarantine, encoded. */
struct azm_quarantine_record {
    struct azm_text resource, record;
};

/* Appends them all, or none: 0 when they are on disk; -EDQUOT if the file would grow beyond max_bytes; -EBUSY if
 * somebody keeps the lock for more than 10 s; -EBADMSG if a record is no OTLP; another -errno. (Of an append that a
 * crash interrupts, whole lines may be there: the same records come again then.) One thread at a time. */
int azm_quarantine_append(struct azm_quarantine *q, const struct azm_quarantine_record *records, size_t n,
                          const struct azm_quarantine_note *note, struct azm_error *err);

struct azm_quarantine_status {
    uint64_t records, bytes, max_bytes;
};

/* 0 or -errno. Counts lines, so not for every turn of a loop. */
int azm_quarantine_get_status(struct azm_quarantine *q, struct azm_quarantine_status *ret, struct azm_error *err);
