/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/arena.h"
#include "core/record.h"
#include "source/losses.h"
#include "source/service_name.h"
#include "source/uid.h"

/* Turns the fields of one journal entry, in whatever order they come, into a record. One table (entry.c) says
 * what becomes of each field; docs/mapping.md is its copy for users. Knows nothing of sd_journal. */

struct azm_entry_times {
    uint64_t realtime_usec, monotonic_usec; /* __REALTIME_TIMESTAMP, __MONOTONIC_TIMESTAMP */
    sd_id128_t boot;
};

/* What is known of an entry as a line of a stream, where entries are joined (join.h). */
struct azm_entry_line {
    XXH128_hash_t stream; /* who wrote it, and on what: lines of one message have the same */
    struct azm_entry_times times;
    enum azm_multiline multiline; /* how the unit's messages are told apart */
    enum azm_line_format format;  /* how the unit writes its lines: the record is not taken apart yet */
    bool joinable;                /* it is one line, of a stream that is known */
    bool unfinished;              /* the line goes on in the stream's next entry, without a line's end between them */
};

struct azm_entry_reader;

/* `config` must outlive the reader: 0 or -ENOMEM. */
int azm_entry_reader_new(const struct azm_config *config, struct azm_entry_reader **ret);
struct azm_entry_reader *azm_entry_reader_free(struct azm_entry_reader *e);

/* From now on `e` knows of units and processes what `other` knows, and the other way round; for entries of the same
 * journal that are read apart. Nothing must be read any more when `other` is gone. */
void azm_entry_reader_join(struct azm_entry_reader *e, const struct azm_entry_reader *other);

/* Who we are to journald. */
struct azm_own_process {
    sd_id128_t boot;
    uint64_t started_usec; /* monotonic: an earlier process may have had the same pid */
    long pid;
    const char *comm;       /* in a container the pid is another one than journald sees; the name must fit too */
    const char *invocation; /* of our service: all of its processes are we; "": none */
};

/* Skip the entries of this process: an exporter that exports its own lines about exporting never comes to rest. */
void azm_entry_reader_skip_own(struct azm_entry_reader *e, const struct azm_own_process *own);

void azm_entry_begin(struct azm_entry_reader *e);

/* One field, "NAME=value"; copied as far as it is needed: 0 or -ENOMEM. */
int azm_entry_add_field(struct azm_entry_reader *e, const void *data, size_t len);

/* All fields are there. Returns 1 and the record, which borrows from the reader until the next begin; 0 if
 * the entry is one to skip; -ENOMEM. */
int azm_entry_finish(struct azm_entry_reader *e, const struct azm_entry_times *t, struct azm_record *ret);

/* The state behind log.record.uid, for the checkpoint. move: `to` gets that of `from`, which is left empty. */
struct azm_uid_state *azm_entry_uid_state(struct azm_entry_reader *e);
void azm_entry_move_uid_state(struct azm_entry_reader *to, struct azm_entry_reader *from);

/* Counts there what journald itself says that it lost; `losses` must outlive the reader. */
void azm_entry_reader_count_losses(struct azm_entry_reader *e, struct azm_losses *losses);

/* For records of our own (gaps): the Resource of this program on this host, valid until the next call; memory that
 * lasts until the next begin. 0 or -ENOMEM. */
int azm_entry_own_resource(struct azm_entry_reader *e, struct azm_text *ret);
struct azm_arena *azm_entry_arena(struct azm_entry_reader *e);

/* How long the longest field of the entry in hand is, with its name. */
size_t azm_entry_largest_field(const struct azm_entry_reader *e);
